"""The manifests of the W3C's SPARQL suites as cases: what is asked, of which data, and what is to come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin

import pyoxigraph as ox

# Where the suites are published; relative IRIs of their queries and data are resolved there.
PUBLISHED: Final = "https://w3c.github.io/rdf-tests/sparql/"
MF: Final = "http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#"
QT: Final = "http://www.w3.org/2001/sw/DataAccess/tests/test-query#"
RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_SD: Final = "http://www.w3.org/ns/sparql-service-description#"
_FROM: Final = re.compile(r"\bFROM\s+(?:NAMED\s+)?<([^>]*)>", re.IGNORECASE)
_COMMENT: Final = re.compile(r"^\s*#.*$", re.MULTILINE)
# The versions of the standard, and the folder of each one's suites.
SUITES: Final = ("sparql10", "sparql11", "sparql12")
EVALUATION: Final = ("QueryEvaluationTest", "CSVResultFormatTest")
POSITIVE: Final = ("PositiveSyntaxTest", "PositiveSyntaxTest11")
NEGATIVE: Final = ("NegativeSyntaxTest", "NegativeSyntaxTest11")

Node = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple


@dataclass(frozen=True, slots=True, order=True)
class DataFile:
    """A file of a data set, the IRI it is published at, and whether it is a named graph of that name."""

    path: Path
    iri: str
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One test: `kind` is the local name of its class, `suite` is `sparql11/bind`, `endpoints` those it may ask."""

    iri: str
    name: str
    kind: str
    suite: str
    query: Path
    query_iri: str
    data: tuple[DataFile, ...] = ()
    result: Path | None = None
    result_iri: str = ""
    is_lax: bool = False
    entails: bool = False
    endpoints: tuple[tuple[str, Path], ...] = ()

    @property
    def version(self) -> str:
        return self.suite.partition("/")[0]

    @property
    def id(self) -> str:
        """How pytest shows it."""
        return f"{self.suite}/{re.split('[#/]', self.iri)[-1]}"

    @property
    def base(self) -> str:
        """The folder that relative IRIs of the query begin with."""
        return urljoin(self.query_iri, ".")

    @property
    def text(self) -> str:
        return self.query.read_bytes().decode("utf-8")


class Manifest:
    """One manifest file, for looking up what it says."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self.suite = path.parent.relative_to(root).as_posix()
        self._root = root
        self._store = ox.Store()
        self.iri = PUBLISHED + path.relative_to(root).as_posix()
        self._store.load(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=self.iri)

    def entries(self) -> Iterator[ox.NamedNode]:
        """The tests that the manifest lists, in its order."""
        for quad in self._store.quads_for_pattern(None, ox.NamedNode(f"{MF}entries"), None):
            for node in self.members(quad.object):
                assert isinstance(node, ox.NamedNode)
                yield node

    def members(self, head: Node) -> Iterator[Node]:
        """The members of an RDF collection."""
        while head != ox.NamedNode(f"{RDF}nil"):
            first, rest = self.one(head, f"{RDF}first"), self.one(head, f"{RDF}rest")
            assert first is not None
            assert rest is not None
            yield first
            head = rest

    def all(self, subject: Node, predicate: str) -> list[Node]:
        assert isinstance(subject, (ox.NamedNode, ox.BlankNode))
        return [quad.object for quad in self._store.quads_for_pattern(subject, ox.NamedNode(predicate), None)]

    def one(self, subject: Node, predicate: str) -> Node | None:
        return next(iter(self.all(subject, predicate)), None)

    def text(self, subject: Node, predicate: str) -> str:
        """The value of a property as text; empty where there is none."""
        node = self.one(subject, predicate)
        return "" if node is None or isinstance(node, ox.Triple) else node.value

    def kind(self, test: Node) -> str:
        """The local name of the class of *test*."""
        return self.text(test, f"{RDF}type").rpartition("#")[2]

    def file(self, iri: str) -> Path:
        """The file that is published at *iri*."""
        return self._root / unquote(iri.removeprefix(PUBLISHED))


def read_cases(root: Path) -> list[Case]:
    """All cases about queries below *root*, those of one data set together."""
    found = [
        case
        for version in SUITES
        for path in sorted((root / version).glob("*/manifest.ttl"))
        for case in _cases(Manifest(path, root))
    ]
    return sorted(found, key=lambda case: (case.version, case.base, case.data, case.id))


def _cases(manifest: Manifest) -> Iterator[Case]:
    for test in manifest.entries():
        kind = manifest.kind(test)
        if kind not in (*EVALUATION, *POSITIVE, *NEGATIVE):
            continue
        action = manifest.one(test, f"{MF}action")
        assert action is not None
        if isinstance(action, ox.NamedNode) and action.value.endswith(".ru"):
            continue  # the syntax of an update
        query_iri = action.value if isinstance(action, ox.NamedNode) else manifest.text(action, f"{QT}query")
        case = Case(
            iri=test.value,
            name=manifest.text(test, f"{MF}name"),
            kind=kind,
            suite=manifest.suite,
            query=manifest.file(query_iri),
            query_iri=query_iri,
        )
        yield _with_data(manifest, test, action, case) if kind in EVALUATION else case


def _with_data(manifest: Manifest, test: Node, action: Node, case: Case) -> Case:
    def files(iris: list[str], is_named: bool) -> list[DataFile]:
        return [DataFile(manifest.file(iri), iri, is_named) for iri in iris]

    def values(name: str) -> list[str]:
        return [node.value for node in manifest.all(action, QT + name) if isinstance(node, ox.NamedNode)]

    # What FROM names is never fetched: it is a graph of the release.
    from_iris = [urljoin(case.query_iri, iri) for iri in _FROM.findall(_COMMENT.sub("", case.text))]
    data = {*files(values("data"), False), *files([*values("graphData"), *from_iris], True)}
    result_iri = manifest.text(test, f"{MF}result")
    services = manifest.all(action, f"{QT}serviceData")
    return replace(
        case,
        data=tuple(sorted(data)),
        result=manifest.file(result_iri),
        result_iri=result_iri,
        is_lax=manifest.text(test, f"{MF}resultCardinality").endswith("LaxCardinality"),
        entails=manifest.one(action, f"{_SD}entailmentRegime") is not None
        or manifest.one(test, f"{_SD}entailmentRegime") is not None,
        endpoints=tuple(
            (manifest.text(one, f"{QT}endpoint"), manifest.file(manifest.text(one, f"{QT}data"))) for one in services
        ),
    )
