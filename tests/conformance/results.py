"""Results as values that can be compared: tables with isomorphic blank nodes, booleans, graphs."""

from __future__ import annotations

import contextlib
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import pyoxigraph as ox

from tests.conformance.manifests import RDF

Term = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple
# A cell that a solution does not bind is None.
Row = tuple[Term | None, ...]
_RS: Final = "http://www.w3.org/2001/sw/DataAccess/tests/result-set#"
_XSD: Final = "http://www.w3.org/2001/XMLSchema"
_SPELLINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "integer": lambda text: str(int(text)),
    "decimal": lambda text: f"{Decimal(text):f}".rstrip("0").rstrip(".") if "." in text else str(int(text)),
    "double": lambda text: repr(float(text)),
    "boolean": lambda text: {"0": "false", "1": "true"}.get(text, text),
    # Single precision: what two spellings of one value have in common.
    "float": lambda text: f"{float(text):.6g}",
}
_SYNTAXES: Final = {
    ".srx": ox.QueryResultsFormat.XML,
    ".srj": ox.QueryResultsFormat.JSON,
    ".tsv": ox.QueryResultsFormat.TSV,
}


@dataclass(frozen=True, slots=True)
class Table:
    """The solutions of a SELECT; `is_ordered` where their order matters, `is_lax` where duplicates may be fewer."""

    variables: tuple[str, ...]
    rows: tuple[Row, ...]
    is_ordered: bool = False
    is_lax: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """The triples of a CONSTRUCT or DESCRIBE."""

    triples: frozenset[ox.Triple]


Result = Table | Graph | bool


def read_expected(path: Path, iri: str, *, is_ordered: bool, is_lax: bool) -> Result:
    """The result that a suite holds in the file *path*."""
    if path.suffix == ".csv":
        return parse_csv(path.read_bytes(), is_ordered)
    if path.suffix in _SYNTAXES:
        found = parse_results(path.read_bytes(), _SYNTAXES[path.suffix])
        return found if isinstance(found, bool) else Table(found.variables, found.rows, is_ordered, is_lax)
    syntax = ox.RdfFormat.from_extension(path.suffix[1:])
    assert syntax is not None, path
    triples = {quad.triple for quad in ox.parse(path=str(path), format=syntax, base_iri=iri)}
    described = _described_result(triples, is_ordered, is_lax)
    return Graph(frozenset(triples)) if described is None else described


def parse_results(data: bytes, syntax: ox.QueryResultsFormat) -> Table | bool:
    """A table or a boolean, as a server sends it."""
    found = ox.parse_query_results(data, format=syntax)
    if isinstance(found, ox.QueryBoolean):
        return bool(found)
    variables = tuple(variable.value for variable in found.variables)
    return Table(variables, tuple(tuple(solution) for solution in found))


def parse_csv(data: bytes, is_ordered: bool = False) -> Table:
    """A table in CSV, whose cells tell blank nodes from text and nothing more (SPARQL 1.1 CSV and TSV, section 3)."""
    header, *lines = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))

    def cell(text: str) -> Term:
        return ox.BlankNode(text[2:]) if text.startswith("_:") else ox.Literal(text)

    return Table(tuple(header), tuple(tuple(map(cell, line)) for line in lines), is_ordered)


def parse_graph(data: bytes, syntax: ox.RdfFormat) -> Graph:
    """A graph as a server sends it."""
    return Graph(frozenset(quad.triple for quad in ox.parse(data, syntax)))


def difference(expected: Result, found: Result) -> str:
    """What is wrong with *found*; empty where it is right."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return "" if expected is found else f"expected {expected}, found {found}"
    if isinstance(expected, Graph) or isinstance(found, Graph):
        if type(expected) is not type(found):
            return f"expected a {type(expected).__name__}, found a {type(found).__name__}"
        assert isinstance(expected, Graph)
        assert isinstance(found, Graph)
        return "" if _canonical(expected) == _canonical(found) else f"expected {expected}\nfound {found}"
    if set(expected.variables) != set(found.variables):
        return f"expected the variables {expected.variables}, found {found.variables}"
    order = [found.variables.index(name) for name in expected.variables]
    wanted = [tuple(map(_plain, row)) for row in expected.rows]
    given = [tuple(_plain(row[place]) for place in order) for row in found.rows]
    if expected.is_lax:
        # REDUCED may keep any number of duplicates, from one to all (SPARQL 1.1 Query, 15.3).
        counts, limits = Counter(given), Counter(wanted)
        same = set(counts) == set(limits) and all(count <= limits[row] for row, count in counts.items())
    elif expected.is_ordered:
        same = len(wanted) == len(given) and _unify_all(wanted, given, {}) is not None
    else:
        same = _matches(wanted, given)
    return "" if same else "expected " + _shown(wanted, given) + "\nfound    " + _shown(given, wanted)


def _described_result(triples: Iterable[ox.Triple], is_ordered: bool, is_lax: bool) -> Table | bool | None:
    """The result that *triples* describe in the vocabulary of the first suites; None where they are a graph."""
    store = ox.Store()
    store.extend(ox.Quad(*triple) for triple in triples)

    def objects(subject: Term, name: str) -> list[Term]:
        assert isinstance(subject, (ox.NamedNode, ox.BlankNode))
        return [quad.object for quad in store.quads_for_pattern(subject, ox.NamedNode(_RS + name), None)]

    roots = store.quads_for_pattern(None, ox.NamedNode(f"{RDF}type"), ox.NamedNode(f"{_RS}ResultSet"))
    root = next((quad.subject for quad in roots), None)
    if root is None:
        return None
    for boolean in objects(root, "boolean"):
        assert isinstance(boolean, ox.Literal)
        return boolean.value == "true"
    variables = tuple(node.value for node in objects(root, "resultVariable") if isinstance(node, ox.Literal))
    rows: list[tuple[int, Row]] = []
    for solution in objects(root, "solution"):
        bound: dict[str, Term] = {}
        for binding in objects(solution, "binding"):
            (name,), (value,) = objects(binding, "variable"), objects(binding, "value")
            assert isinstance(name, ox.Literal)
            bound[name.value] = value
        places = [int(node.value) for node in objects(solution, "index") if isinstance(node, ox.Literal)]
        rows.append((places[0] if places else -1, tuple(bound.get(name) for name in variables)))
    has_places = bool(rows) and all(place >= 0 for place, _ in rows)
    if has_places:
        rows.sort(key=lambda row: row[0])
    return Table(variables, tuple(row for _, row in rows), has_places or (is_ordered and not rows), is_lax)


def _canonical(graph: Graph) -> set[ox.Quad]:
    dataset = ox.Dataset(ox.Quad(*triple) for triple in graph.triples)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.UNSTABLE)
    return set(dataset)


def _plain(term: Term | None) -> Term | None:
    """*term* with one spelling for what is the same value: a language tag, a number or boolean of one datatype.

    Language tags are the same in any letter case (RDF 1.1 Concepts, 3.3); the suites are for engines that keep numbers
    as written and for those that write them in a form of their own. Whether the two kinds differ in more than that (a
    count, a sameTerm) is still seen.
    """
    if isinstance(term, ox.Triple):
        subject, object_ = _plain(term.subject), _plain(term.object)
        assert isinstance(subject, (ox.NamedNode, ox.BlankNode))
        assert object_ is not None
        return ox.Triple(subject, term.predicate, object_)
    if not isinstance(term, ox.Literal):
        return term
    if term.language:
        return ox.Literal(term.value, language=term.language.lower(), direction=term.direction)
    datatype = term.datatype.value.rpartition("#")
    if datatype[0] == _XSD and datatype[2] in _SPELLINGS:
        with contextlib.suppress(ValueError, ArithmeticError):
            return ox.Literal(_SPELLINGS[datatype[2]](term.value), datatype=term.datatype)
    return term


def _has_blank(term: Term | None) -> bool:
    if isinstance(term, ox.Triple):
        return _has_blank(term.subject) or _has_blank(term.object)
    return isinstance(term, ox.BlankNode)


def _matches(wanted: Sequence[Row], given: Sequence[Row]) -> bool:
    """Whether the rows are the same multiset under some one-to-one renaming of blank nodes."""

    def split(rows: Sequence[Row]) -> tuple[Counter[Row], list[Row]]:
        blank = [row for row in rows if any(map(_has_blank, row))]
        return Counter(row for row in rows if not any(map(_has_blank, row))), blank

    (wanted_plain, wanted_blank), (given_plain, given_blank) = split(wanted), split(given)
    return (
        wanted_plain == given_plain and len(wanted_blank) == len(given_blank) and _pair(wanted_blank, given_blank, {})
    )


def _pair(wanted: list[Row], given: list[Row], names: Mapping[str, str]) -> bool:
    if not wanted:
        return True
    for place, row in enumerate(given):
        extended = _unify_all([wanted[0]], [row], names)
        if extended is not None and _pair(wanted[1:], given[:place] + given[place + 1 :], extended):
            return True
    return False


def _unify_all(wanted: Sequence[Row], given: Sequence[Row], names: Mapping[str, str]) -> dict[str, str] | None:
    """*names* with what makes the rows equal pair by pair; None where nothing does."""
    found: dict[str, str] = dict(names)
    for left, right in zip(wanted, given, strict=True):
        for one, other in zip(left, right, strict=True):
            if not _unify(one, other, found):
                return None
    return found


def _unify(one: Term | None, other: Term | None, names: dict[str, str]) -> bool:
    if isinstance(one, ox.BlankNode) and isinstance(other, ox.BlankNode):
        if one.value in names:
            return names[one.value] == other.value
        if other.value in names.values():
            return False
        names[one.value] = other.value
        return True
    if isinstance(one, ox.Triple) and isinstance(other, ox.Triple):
        return (
            one.predicate == other.predicate
            and _unify(one.subject, other.subject, names)
            and _unify(one.object, other.object, names)
        )
    return one == other


def _shown(rows: Sequence[Row], others: Sequence[Row]) -> str:
    only = [row for row in rows if row not in others] or list(rows)
    return f"{len(rows)} rows, with " + "; ".join(" ".join(map(str, row)) for row in only[:8])
