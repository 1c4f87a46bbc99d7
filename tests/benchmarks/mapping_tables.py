"""The triples of papers and signatures as tables, and the mappings that make the same triples of them again.

Tools that map tables are given the values ready: IRIs minted, names split and keyed, titles cleaned. What is left to
them is what a mapping is: a column to a predicate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyoxigraph

_STRING: Final = "http://www.w3.org/2001/XMLSchema#string"
_TYPE: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
SUBJECT: Final = "s"


@dataclass
class Column:
    """A predicate whose objects are a column of a table: IRIs, or literals of one datatype."""

    name: str
    predicate: str
    is_iri: bool
    datatype: str = ""


@dataclass
class Table:
    """Rows of one kind of subject; `constants` are (predicate, object IRI) that every row has."""

    name: str
    columns: list[Column] = field(default_factory=list)
    constants: list[tuple[str, str]] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)


def tables_of(quads: Iterable[pyoxigraph.Quad]) -> list[Table]:
    """Two wide tables, of papers and of signatures, and a long one for each predicate that a subject has twice."""
    subjects: dict[str, dict[str, list[pyoxigraph.NamedNode | pyoxigraph.Literal]]] = {}
    for quad in quads:
        assert isinstance(quad.subject, pyoxigraph.NamedNode)
        assert isinstance(quad.object, pyoxigraph.NamedNode | pyoxigraph.Literal)
        objects = subjects.setdefault(quad.subject.value, {}).setdefault(quad.predicate.value, [])
        if quad.object not in objects:
            objects.append(quad.object)
    found = []
    for kind, wanted in (("papers", False), ("signatures", True)):
        some = {iri: about for iri, about in subjects.items() if ("#a" in iri) is wanted}
        found.extend(_of_kind(kind, some))
    return found


def _of_kind(kind: str, subjects: dict[str, dict[str, list[pyoxigraph.NamedNode | pyoxigraph.Literal]]]) -> list[Table]:
    wide, several = Table(kind), []
    rows: dict[str, dict[str, str]] = {iri: {SUBJECT: iri} for iri in subjects}
    predicates = sorted({predicate for about in subjects.values() for predicate in about})
    for number, predicate in enumerate(predicates):
        objects = {iri: about[predicate] for iri, about in subjects.items() if predicate in about}
        first = next(iter(objects.values()))[0]
        if predicate == _TYPE and len(objects) == len(subjects):
            for shared in set.intersection(*(set(some) for some in objects.values())):
                wide.constants.append((predicate, shared.value))
                objects = {iri: [one for one in some if one != shared] for iri, some in objects.items()}
            objects = {iri: some for iri, some in objects.items() if some}
            if not objects:
                continue
        is_iri = isinstance(first, pyoxigraph.NamedNode)
        datatype = "" if isinstance(first, pyoxigraph.NamedNode) else first.datatype.value
        column = Column(f"c{number:02d}", predicate, is_iri, "" if datatype == _STRING else datatype)
        if max(map(len, objects.values())) == 1:
            wide.columns.append(column)
            for iri, (one,) in objects.items():
                rows[iri][column.name] = one.value
        else:
            long_rows = [{SUBJECT: iri, column.name: one.value} for iri, some in objects.items() for one in some]
            several.append(Table(f"{kind}-{column.name}", [column], [], long_rows))
    wide.rows = list(rows.values())
    return [wide, *several]


def write_tables(tables: Iterable[Table], folder: Path) -> None:
    """Write each table as JSON lines, with every column in every row."""
    for table in tables:
        names = [SUBJECT, *(column.name for column in table.columns)]
        with (folder / f"{table.name}.jsonl").open("w", encoding="utf-8") as file:
            for row in table.rows:
                file.write(json.dumps({name: row.get(name) for name in names}) + "\n")


def rml(tables: Iterable[Table], folder: Path) -> str:
    """An RML mapping of the tables as Parquet files in *folder*."""
    lines = [
        "@prefix rr: <http://www.w3.org/ns/r2rml#> .",
        "@prefix rml: <http://semweb.mmlab.be/ns/rml#> .",
        "@prefix ql: <http://semweb.mmlab.be/ns/ql#> .",
    ]
    for table in tables:
        lines.append(f"<#{table.name}> a rr:TriplesMap ;")
        lines.append(
            f'  rml:logicalSource [ rml:source "{folder / table.name}.parquet" ; rml:referenceFormulation ql:CSV ] ;'
        )
        lines.append(f'  rr:subjectMap [ rml:reference "{SUBJECT}" ; rr:termType rr:IRI ]')
        for predicate, iri in table.constants:
            lines.append(f"  ; rr:predicateObjectMap [ rr:predicate <{predicate}> ; rr:object <{iri}> ]")
        for column in table.columns:
            term = "rr:termType rr:IRI" if column.is_iri else "rr:termType rr:Literal"
            term += f" ; rr:datatype <{column.datatype}>" if column.datatype else ""
            lines.append(
                f"  ; rr:predicateObjectMap [ rr:predicate <{column.predicate}> ;"
                f' rr:objectMap [ rml:reference "{column.name}" ; {term} ] ]'
            )
        lines.append("  .")
    return "\n".join(lines) + "\n"


def ottr(tables: Iterable[Table]) -> str:
    """An stOTTR document with a template for each table, `t:` and its name."""
    lines = [
        "@prefix t: <urn:t:> .",
        "@prefix ottr: <http://ns.ottr.xyz/0.4/> .",
        "@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .",
    ]
    for table in tables:
        parameters = [f"ottr:IRI ?{SUBJECT}"]
        instances = [f"ottr:Triple(?{SUBJECT}, <{predicate}>, <{iri}>)" for predicate, iri in table.constants]
        for column in table.columns:
            kind = "ottr:IRI" if column.is_iri else f"<{column.datatype or _STRING}>"
            parameters.append(f"? {kind} ?{column.name}")
            instances.append(f"ottr:Triple(?{SUBJECT}, <{column.predicate}>, ?{column.name})")
        lines.append(f"t:{table.name} [ {', '.join(parameters)} ] :: {{ {', '.join(instances)} }} .")
    return "\n".join(lines) + "\n"
