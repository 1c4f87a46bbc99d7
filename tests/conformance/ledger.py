"""What became of each test, and the two forms it is reported in: a table of rates, and EARL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import pyoxigraph as ox

from quiver import __version__

Outcome = Literal["passed", "failed", "inapplicable"]
# Evaluation and Report Language 1.0, W3C; DOAP, as the W3C's implementation reports use it.
EARL: Final = "http://www.w3.org/ns/earl#"
_DOAP: Final = "http://usefulinc.com/ns/doap#"
_DCT: Final = "http://purl.org/dc/terms/"
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD: Final = "http://www.w3.org/2001/XMLSchema#"
_PROJECT: Final = "https://w3id.org/quiver"


@dataclass(frozen=True, slots=True)
class Entry:
    """One test: its suite (`sparql11/bind`), its outcome, and why where it did not pass."""

    suite: str
    outcome: Outcome
    reason: str = ""


@dataclass(slots=True)
class Ledger:
    """The outcomes by test IRI."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def record(self, iri: str, suite: str, outcome: Outcome, reason: str = "") -> None:
        self.entries[iri] = Entry(suite, outcome, reason)

    def rates(self) -> Iterator[str]:
        """A line for each version of the standard: how many of the tests that apply passed."""
        counts: dict[str, Counter[Outcome]] = {}
        for entry in self.entries.values():
            group = entry.suite.partition("/")[0]
            if entry.suite in _HTTP_SUITES:
                group += " over HTTP"
            counts.setdefault(group, Counter())[entry.outcome] += 1
        for group, count in sorted(counts.items()):
            applicable = count["passed"] + count["failed"]
            rate = f"{count['passed'] / applicable:.1%}" if applicable else "-"
            yield (
                f"{group:<20} {count['passed']:>5} of {applicable:>5} passed ({rate}), "
                f"{count['inapplicable']} not applicable"
            )

    def to_earl(self) -> bytes:
        """The report in Turtle, one earl:Assertion a test."""
        node = ox.NamedNode
        project = node(_PROJECT)
        release = node(f"{_PROJECT}#{__version__}")
        moment = ox.Literal(datetime.now(UTC).isoformat(timespec="seconds"), datatype=node(f"{_XSD}dateTime"))
        triples = [
            ox.Triple(project, node(f"{_RDF}type"), node(f"{EARL}Software")),
            ox.Triple(project, node(f"{_RDF}type"), node(f"{EARL}TestSubject")),
            ox.Triple(project, node(f"{_RDF}type"), node(f"{_DOAP}Project")),
            ox.Triple(project, node(f"{_DOAP}name"), ox.Literal("Quiver")),
            ox.Triple(project, node(f"{_DOAP}programming-language"), ox.Literal("Python")),
            ox.Triple(project, node(f"{_DOAP}release"), release),
            ox.Triple(release, node(f"{_DOAP}revision"), ox.Literal(__version__)),
        ]
        for number, (iri, entry) in enumerate(sorted(self.entries.items()), start=1):
            assertion, result = ox.BlankNode(f"a{number}"), ox.BlankNode(f"r{number}")
            triples += [
                ox.Triple(assertion, node(f"{_RDF}type"), node(f"{EARL}Assertion")),
                ox.Triple(assertion, node(f"{EARL}assertedBy"), project),
                ox.Triple(assertion, node(f"{EARL}mode"), node(f"{EARL}automatic")),
                ox.Triple(assertion, node(f"{EARL}subject"), project),
                ox.Triple(assertion, node(f"{EARL}test"), node(iri)),
                ox.Triple(assertion, node(f"{EARL}result"), result),
                ox.Triple(result, node(f"{_RDF}type"), node(f"{EARL}TestResult")),
                ox.Triple(result, node(f"{EARL}outcome"), node(EARL + entry.outcome)),
                ox.Triple(result, node(f"{_DCT}date"), moment),
            ]
            if entry.reason:
                triples.append(ox.Triple(result, node(f"{EARL}info"), ox.Literal(entry.reason)))
        prefixes = {"earl": EARL, "doap": _DOAP, "dct": _DCT, "xsd": _XSD}
        data = ox.serialize(triples, format=ox.RdfFormat.TURTLE, prefixes=prefixes)
        assert data is not None
        return data

    def write(self, path: Path) -> None:
        path.write_bytes(self.to_earl())


_HTTP_SUITES: Final = frozenset(
    f"sparql11/{name}" for name in ("protocol", "service-description", "graph-store-protocol", "http-rdf-update")
)
