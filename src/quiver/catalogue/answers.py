"""Answers of named queries: evaluated in this process, or kept with the release."""

from __future__ import annotations

import os
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pyoxigraph as ox

from quiver.catalogue.collection import Catalogue
from quiver.catalogue.queries import BoundQuery, NamedQuery
from quiver.catalogue.sharing import asks_any, shared_subqueries, solutions_of, with_solutions
from quiver.errors import QueryRefused
from quiver.namespaces import PREFIXES, term
from quiver.processes import give_back_memory

Result = ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples

_BOOLEAN = term("xsd:boolean")
_TRIPLE_COLUMNS = ("subject", "predicate", "object")


class Cell(NamedTuple):
    """One term of an answer; `kind` is iri, literal or blank, `datatype` empty but for literals.

    A page makes hundreds; a frozen dataclass takes three times as long to make.
    """

    kind: str
    value: str
    datatype: str = ""
    language: str = ""


Row = tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns and rows; a cell that a solution leaves unbound is None.

    A CONSTRUCT or DESCRIBE answers with subject, predicate and object; an ASK with one cell, `answer`.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def dicts(self) -> list[dict[str, Cell | None]]:
        """Each row by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def evaluate(store: ox.Store, bound: BoundQuery) -> Answer:
    """The answer of *store*; for trusted, bounded queries, since nothing can interrupt it."""
    return as_answer(run(store, bound))


def run(store: ox.Store, bound: BoundQuery) -> Result:
    """pyoxigraph's own result, to be used in this thread alone.

    Raises:
        QueryRefused: a search in it has not been answered; the engine would look for it in the network.
    """
    if bound.searches:
        raise QueryRefused("The text index has not been asked for this query.", hint="Send it to the endpoint.")
    return store.query(bound.text)


def serialise(result: Result, extension: str) -> bytes:
    """*result* in the syntax that *extension* names: json, xml, csv or tsv; of a graph ttl, nt, rdf or jsonld.

    Raises:
        ValueError: a result of this kind has no such syntax.
    """
    if isinstance(result, ox.QueryTriples):
        rdf_format = ox.RdfFormat.from_extension(extension)
        if rdf_format is None:
            raise ValueError(f"no syntax of graphs: {extension}")
        data = ox.serialize(result, format=rdf_format, prefixes=PREFIXES)
    else:
        results_format = ox.QueryResultsFormat.from_extension(extension)
        if results_format is None:
            raise ValueError(f"no syntax of results: {extension}")
        data = result.serialize(format=results_format)
    assert data is not None
    return data


def result_path(folder: Path, query: NamedQuery) -> Path:
    """Where the answer of a materialised query is kept in a release's folder of results."""
    return folder / f"{query.name.replace('/', '.')}.json"


def materialise(store: ox.Store, catalogue: Catalogue, folder: Path, base: str, known: Container[str] = ()) -> int:
    """Answer every query of *catalogue* that needs a scan, and keep the answers in *folder*; how many those are.

    Those of the queries named in *known* are there already.
    """
    queries = [query for query in catalogue if query.materialise and query.name not in known]
    folder.mkdir(parents=True, exist_ok=True)
    bound = {query: query.bind({}, base) for query in queries}
    shared = shared_subqueries(one.text for one in bound.values())
    solutions: dict[str, str] = {}

    def answer(query: NamedQuery) -> None:
        # In one thread from the query to its last byte: a result that changes threads aborts the process.
        asked = replace(bound[query], text=with_solutions(bound[query].text, solutions))
        result_path(folder, query).write_bytes(serialise(run(store, asked), "json"))

    sharing = [query for query in queries if asks_any(bound[query].text, shared)]

    def answer_sharing() -> None:
        # One after the other: to group all titles takes 0.3 GB a million papers, which is then given back.
        for words, text in shared.items():
            if (values := solutions_of(store, with_solutions(text, solutions))) is not None:
                solutions[words] = values
            give_back_memory()
        for query in sharing:
            answer(query)

    # The engine lets other threads run while it evaluates.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        beside = threads.submit(answer_sharing)
        for _ in threads.map(answer, [query for query in queries if query not in sharing]):
            pass
        beside.result()
    return len(queries)


def read_materialised(folder: Path, query: NamedQuery) -> Answer | None:
    """The kept answer of *query*; None where the release has none (it was made before the query was)."""
    result = kept_result(folder, query)
    return None if result is None else as_answer(result)


def serialise_materialised(folder: Path, query: NamedQuery, extension: str) -> bytes | None:
    """The kept answer of *query* in the syntax that *extension* names; None where the release has none."""
    result = kept_result(folder, query)
    return None if result is None else serialise(result, extension)


def kept_result(folder: Path, query: NamedQuery) -> ox.QuerySolutions | ox.QueryBoolean | None:
    """The kept answer of *query* as pyoxigraph's own result; None where the release has none."""
    try:
        data = result_path(folder, query).read_bytes()
    except FileNotFoundError:
        return None
    return ox.parse_query_results(data, format=ox.QueryResultsFormat.JSON)


def as_answer(result: Result) -> Answer:
    """*result* as rows of cells."""
    if isinstance(result, ox.QueryBoolean):
        return Answer(("answer",), ((Cell("literal", "true" if result else "false", _BOOLEAN),),))
    if isinstance(result, ox.QueryTriples):
        rows = (tuple(_cell(part) for part in (t.subject, t.predicate, t.object)) for t in result)
        return Answer(_TRIPLE_COLUMNS, tuple(rows))
    columns = tuple(variable.value for variable in result.variables)
    return Answer(columns, tuple(tuple(map(_cell, solution)) for solution in result))


def without_empty(answer: Answer) -> Answer:
    """*answer* with nothing where it has an empty string."""
    rows = tuple(tuple(cell if cell is None or cell.value else None for cell in row) for row in answer.rows)
    return Answer(answer.columns, rows)


def _cell(value: ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple | None) -> Cell | None:
    if value is None:
        return None
    if isinstance(value, ox.NamedNode):
        return Cell("iri", value.value)
    if isinstance(value, ox.Literal):
        return Cell("literal", value.value, value.datatype.value, value.language or "")
    return Cell("blank", value.value if isinstance(value, ox.BlankNode) else str(value))
