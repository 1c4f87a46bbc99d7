"""The outcome of a validation: results, totals, as text and as a `sh:ValidationReport`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, Triple, serialize

from quiver.namespaces import PREFIXES, term
from quiver.validation.model import (
    Alternative,
    Inverse,
    Path,
    Predicate,
    RdfTerm,
    Sequence,
    Severity,
    Shapes,
)

_NO_SHAPES = Shapes({})
_WIDTH = 160  # of a value in the text form


@dataclass(frozen=True, slots=True)
class Result:
    """One fault: which shape and component, where, and what; `value` is None where it is a matter of counting."""

    shape: str
    component: str
    focus_node: RdfTerm
    path: Path | None
    value: RdfTerm | None
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a validation found.

    `counts` has the number of results of every shape that was checked, by IRI; `results` holds at most a given number
    for each (`capped` tells of which it leaves some out). Warnings do not keep the data from conforming.
    """

    results: tuple[Result, ...]
    counts: Mapping[str, int]
    shapes: Shapes = field(default=_NO_SHAPES, repr=False)

    @property
    def conforms(self) -> bool:
        """Whether there is no violation."""
        return self.total(Severity.VIOLATION) == 0

    @property
    def capped(self) -> Mapping[str, int]:
        """Shape IRI -> how many of its results are listed, for shapes with more of them."""
        listed = dict.fromkeys(self.counts, 0)
        for result in self.results:
            listed[result.shape] += 1
        return {shape: listed[shape] for shape, count in self.counts.items() if count > listed[shape]}

    def total(self, severity: Severity) -> int:
        """How many results of *severity* there are, listed or not."""
        return sum(count for shape, count in self.counts.items() if self.shapes.by_iri[shape].severity is severity)

    def to_text(self, *, listed: int = 10) -> str:
        """The report for a reader: a line that sums up, then each broken rule with its first *listed* results."""
        lines = [self._summary()]
        by_shape: dict[str, list[Result]] = {}
        for result in self.results:
            by_shape.setdefault(result.shape, []).append(result)
        for shape, count in self._broken():
            rule = self.shapes.by_iri[shape]
            shown = by_shape.get(shape, [])[:listed]
            lines += ["", f"{rule.severity.value}: {rule.name}: {_plural(count, 'result')}"]
            if len(shown) < count:
                lines[-1] += f", {len(shown):,} of them here"
            messages = {result.message for result in shown}
            if len(messages) == 1:
                lines.append(f"  {shown[0].message}")
            for result in shown:
                lines.append(f"  - {_brief(result.focus_node)}")
                if result.value is not None and result.value != result.focus_node:
                    lines[-1] += f"  value {_brief(result.value)}"
                if len(messages) > 1:
                    lines[-1] += f"  {result.message}"
        return "\n".join(lines) + "\n"

    def to_rdf(self, rdf_format: RdfFormat = RdfFormat.TURTLE) -> str:
        """The report as a `sh:ValidationReport` (SHACL 3.6); a comment on it tells where results are left out."""
        text = serialize(self._triples(), format=rdf_format, prefixes={"sh": PREFIXES["sh"], "q": PREFIXES["q"]})
        assert text is not None
        return text.decode("utf-8")

    def _summary(self) -> str:
        verdict = "Conforms" if self.conforms else "Does not conform"
        found = ", ".join(_plural(self.total(severity), severity.value.lower()) for severity in _told(self))
        return f"{verdict}: {_plural(len(self.counts), 'shape')} checked, {found}."

    def _broken(self) -> list[tuple[str, int]]:
        """Shapes with results, the gravest first."""
        order = list(Severity)
        broken = [(shape, count) for shape, count in self.counts.items() if count]
        return sorted(broken, key=lambda pair: (order.index(self.shapes.by_iri[pair[0]].severity), pair[0]))

    def _triples(self) -> Iterator[Triple]:
        report = BlankNode("report")
        yield _statement(report, "rdf:type", _named("sh:ValidationReport"))
        strictly = not any(self.counts.values())
        yield _statement(report, "sh:conforms", Literal(strictly))
        yield _statement(report, "rdfs:comment", Literal(self._summary()))
        if strictly is not self.conforms:
            note = "No result is a violation; sh:conforms counts every result (SHACL 3.6.1.1)."
            yield _statement(report, "rdfs:comment", Literal(note))
        for shape, listed in self.capped.items():
            note = f"{shape}: {listed:,} of {_plural(self.counts[shape], 'result')} listed."
            yield _statement(report, "rdfs:comment", Literal(note))
        for number, result in enumerate(self.results, 1):
            node = BlankNode(f"result{number}")
            yield _statement(report, "sh:result", node)
            yield _statement(node, "rdf:type", _named("sh:ValidationResult"))
            yield _statement(node, "sh:focusNode", result.focus_node)
            yield _statement(node, "sh:sourceShape", NamedNode(result.shape))
            yield _statement(node, "sh:sourceConstraintComponent", NamedNode(result.component))
            yield _statement(node, "sh:resultSeverity", NamedNode(result.severity.iri))
            yield _statement(node, "sh:resultMessage", Literal(result.message))
            if result.value is not None:
                yield _statement(node, "sh:value", result.value)
            if result.path is not None:
                triples: list[Triple] = []
                yield _statement(node, "sh:resultPath", _path_node(result.path, triples))
                yield from triples


def _told(report: Report) -> list[Severity]:
    """The severities of the summary: violations and warnings always, others where there are any."""
    return [
        severity
        for severity in Severity
        if severity in (Severity.VIOLATION, Severity.WARNING) or report.total(severity)
    ]


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _brief(value: RdfTerm) -> str:
    text = str(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _named(curie: str) -> NamedNode:
    return NamedNode(term(curie))


def _statement(subject: NamedNode | BlankNode, predicate: str, value: RdfTerm) -> Triple:
    return Triple(subject, _named(predicate), value)


def _path_node(path: Path, triples: list[Triple]) -> NamedNode | BlankNode:
    """The node that stands for *path*; what describes it is added to *triples*."""
    if isinstance(path, Predicate):
        return NamedNode(path.iri)
    if isinstance(path, Sequence):
        return _list_node(path.steps, triples)
    node = BlankNode()
    if isinstance(path, Inverse):
        triples.append(_statement(node, "sh:inversePath", _path_node(path.path, triples)))
    if isinstance(path, Alternative):
        triples.append(_statement(node, "sh:alternativePath", _list_node(path.choices, triples)))
    return node


def _list_node(members: tuple[Path, ...], triples: list[Triple]) -> NamedNode | BlankNode:
    rest: NamedNode | BlankNode = _named("rdf:nil")
    for member in reversed(members):
        cell = BlankNode()
        triples.append(_statement(cell, "rdf:first", _path_node(member, triples)))
        triples.append(_statement(cell, "rdf:rest", rest))
        rest = cell
    return rest
