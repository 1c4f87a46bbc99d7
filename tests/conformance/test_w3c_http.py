"""The W3C's suites about the protocols: queries, the graph store, the service description, over real HTTP.

What they ask of writing does not apply to a service that only reads: each such request is sent, and has to be refused.
In the tests of the graph store, what was refused is then put into a release, so that their reading steps are real.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import pyoxigraph as ox
import pytest

from quiver.negotiation import GRAPHS, SOLUTIONS
from quiver.releases import RdfFile
from tests.conformance.endpoint import Endpoint, Reply
from tests.conformance.ledger import Ledger
from tests.conformance.manifests import MF, Manifest
from tests.conformance.messages import Conversation, Exchange, read_conversations
from tests.conformance.results import Graph, difference, parse_graph
from tests.conformance.suites import SUITES_ROOT
from tests.conformance.test_w3c_queries import ABSENT

_11: Final = SUITES_ROOT / "sparql11" if SUITES_ROOT else Path()
_SD: Final = "http://www.w3.org/ns/sparql-service-description#"
_RDFS: Final = "http://www.w3.org/2000/01/rdf-schema#"
_WRITING: Final = "The service only reads: updates and changes of graphs are the command line's."
DIRECT: Final = "application/sparql-query"
UPDATE: Final = "application/sparql-update"
_PREFIX: Final = "http://www.example/"


def _read(*names: str) -> list[Conversation]:
    if SUITES_ROOT is None:
        return []
    return [one for name in names for one in read_conversations(_11 / name, SUITES_ROOT)]


PROTOCOL: Final = _read("protocol/manifest.ttl")
GRAPH_STORE: Final = _read("graph-store-protocol/manifest-direct.ttl", "graph-store-protocol/manifest-indirect.ttl")


def _send(endpoint: Endpoint, exchange: Exchange, old: str, new: str) -> Reply:
    assert exchange.target.startswith(old)
    target = new + exchange.target.removeprefix(old)
    return endpoint.request(exchange.method, target, exchange.body, exchange.headers)


# -- the query operation


@ABSENT
@pytest.mark.parametrize("case", [one for one in PROTOCOL if "update" not in one.id], ids=lambda case: case.id)
def test_the_query_operation(case: Conversation, endpoint: Endpoint, ledger: Ledger) -> None:
    ledger.record(case.iri, case.suite, "failed")
    endpoint.publish([RdfFile(one.path, one.iri, one.iri) for one in case.data], _PREFIX)
    for exchange in case.exchanges:
        reply = _send(endpoint, exchange, "/sparql/", "/sparql")
        assert reply.status in exchange.statuses, str(reply)
        if exchange.format:
            tables = {form.media_type for form in SOLUTIONS}
            assert reply.media_type in (tables if exchange.format != "RDF" else {form.media_type for form in GRAPHS})
        if exchange.boolean:
            found = ox.parse_query_results(reply.body, format=ox.QueryResultsFormat.JSON)
            assert isinstance(found, ox.QueryBoolean)
            assert str(bool(found)).lower() == exchange.boolean
    ledger.record(case.iri, case.suite, "passed")


@ABSENT
@pytest.mark.parametrize("case", [one for one in PROTOCOL if "update" in one.id], ids=lambda case: case.id)
def test_the_update_operation_is_refused(case: Conversation, endpoint: Endpoint, ledger: Ledger) -> None:
    endpoint.publish([], _PREFIX)
    for exchange in case.exchanges:
        reply = _send(endpoint, exchange, "/sparql/", "/sparql")
        is_query = "query=" in exchange.target or "query" in exchange.headers.get("content-type", "")
        if not is_query and b"query=" not in (exchange.body or b""):
            assert reply.problem in ("update-refused", "unsupported-media-type"), str(reply)
            assert reply.status in (403, 415)
    ledger.record(case.iri, case.suite, "inapplicable", _WRITING)


@ABSENT
def test_every_update_of_the_suites_is_known_as_one(endpoint: Endpoint, ledger: Ledger) -> None:
    """Sent as a query, it is told that updates are refused, not that it is malformed."""
    assert SUITES_ROOT is not None
    endpoint.publish([], _PREFIX)
    texts = set()
    for manifest in [Manifest(path, SUITES_ROOT) for path in sorted(SUITES_ROOT.glob("*/*/manifest.ttl"))]:
        for test in manifest.entries():
            action = manifest.one(test, f"{MF}action")
            is_file = isinstance(action, ox.NamedNode) and action.value.endswith(".ru")
            kind = manifest.kind(test)
            if is_file or "Update" in kind:
                ledger.record(test.value, manifest.suite, "inapplicable", _WRITING)
            if isinstance(action, ox.NamedNode) and kind.startswith("PositiveUpdateSyntaxTest"):
                texts.add(manifest.file(action.value).read_bytes())
    assert len(texts) > 50
    for text in texts:
        for media_type in (DIRECT, UPDATE):
            reply = endpoint.request("POST", "/sparql", text, {"Content-Type": media_type})
            # An update without any operation, a prologue alone, is an incomplete query.
            is_empty = re.fullmatch(rb"(?:\s|#.*|BASE\s*<[^>]*>|PREFIX\s*\S*:\s*<[^>]*>)*", text, re.IGNORECASE)
            wanted = "malformed-query" if is_empty and media_type == DIRECT else "update-refused"
            assert reply.problem == wanted, f"{text.decode()}\n{reply}"


# -- the graph store


class _Model:
    """What the graphs would hold if the requests were not refused: graph IRI (empty: the default one) -> triples."""

    def __init__(self) -> None:
        self.graphs: defaultdict[str, list[ox.Triple]] = defaultdict(list)
        self.location = ""

    def apply(self, exchange: Exchange) -> None:
        """Do what a store that writes would do."""
        graph = self._graph_of(exchange.target)
        if exchange.method != "POST":
            self.graphs.pop(graph, None)
        if exchange.method != "DELETE":
            for document in _documents(exchange):
                self.graphs[graph] += [quad.triple for quad in ox.parse(document, ox.RdfFormat.TURTLE)]

    def _graph_of(self, target: str) -> str:
        parts = urlsplit(target)
        arguments = dict(parse_qsl(parts.query, keep_blank_values=True))
        if "default" in arguments:
            return ""
        if "graph" in arguments:
            return arguments["graph"]
        if parts.path == "/gsp":
            # A new graph, of which the store makes up the name.
            self.location = f"{_PREFIX}store/new"
            return self.location
        return f"{_PREFIX}store/" + parts.path.removeprefix("/gsp/")

    def publish(self, endpoint: Endpoint, file: Path) -> None:
        """Have the server serve it."""
        quads = [
            ox.Quad(triple.subject, triple.predicate, triple.object, ox.NamedNode(name) if name else ox.DefaultGraph())
            for name, triples in self.graphs.items()
            for triple in triples
        ]
        file.write_bytes(ox.serialize(quads, format=ox.RdfFormat.N_QUADS) or b"")
        endpoint.publish([RdfFile(file)], _PREFIX)


def _documents(exchange: Exchange) -> list[bytes]:
    """The Turtle in a request: its body, or the parts of a form."""
    assert exchange.body is not None
    content_type = exchange.headers["content-type"]
    if not content_type.startswith("multipart/"):
        return [exchange.body]
    boundary = b"--" + content_type.rpartition("boundary=")[2].strip('"').encode()
    parts = re.sub(rb"\r?\n[ \t]*", b"\n", exchange.body).split(boundary)[1:-1]
    return [part.lstrip().partition(b"\n\n")[2] for part in parts]


@ABSENT
@pytest.mark.parametrize("case", GRAPH_STORE, ids=lambda case: case.id)
def test_the_graph_store(case: Conversation, endpoint: Endpoint, ledger: Ledger, tmp_path: Path) -> None:
    writes = any(exchange.writes for exchange in case.exchanges)
    ledger.record(case.iri, case.suite, "failed")
    model = _Model()
    for number, exchange in enumerate(case.exchanges):
        if exchange.writes:
            assert _send(endpoint, exchange, "/gsp", "/store").status == 405
            model.apply(exchange)
            continue
        model.publish(endpoint, tmp_path / f"{number}.nq")
        target = exchange.target.replace("$LOCATION$", model.location)
        reply = endpoint.request(exchange.method, target.replace("/gsp", "/store", 1), None, exchange.headers)
        assert reply.status in exchange.statuses, str(reply)
        if exchange.content_type:
            assert reply.headers["content-type"] == exchange.content_type
        if exchange.graph:
            expected = parse_graph(exchange.graph.encode(), ox.RdfFormat.TURTLE)
            assert difference(expected, parse_graph(reply.body, ox.RdfFormat.TURTLE)) == ""
    if writes:
        ledger.record(case.iri, case.suite, "inapplicable", f"{_WRITING} The reading steps of the test pass.")
    else:
        ledger.record(case.iri, case.suite, "passed")


@ABSENT
def test_the_older_suite_of_the_graph_store(endpoint: Endpoint, ledger: Ledger) -> None:
    """It is deprecated in favour of the one above, and tells its requests as text; those that write are refused."""
    assert SUITES_ROOT is not None
    manifest = Manifest(_11 / "http-rdf-update" / "manifest.ttl", SUITES_ROOT)
    methods = set()
    for test in manifest.entries():
        told = " ".join(node.value for node in manifest.all(test, f"{_RDFS}comment") if isinstance(node, ox.Literal))
        for method, path in re.findall(r"^\s*(PUT|POST|DELETE) (\S+) HTTP/1\.1", told, re.MULTILINE):
            methods.add(method)
            target = "/store" + re.sub(r"^.*?\$(?:GRAPHSTORE)?\$?", "", path.replace("$GRAPHSTORE$", "$"))
            assert endpoint.request(method, target, b"", {"Content-Type": "text/turtle"}).status == 405, path
        reason = "Deprecated in favour of sparql11/graph-store-protocol, which is run."
        ledger.record(test.value, manifest.suite, "inapplicable", reason)
    assert methods == {"PUT", "POST", "DELETE"}


# -- the service description


@pytest.fixture
def description(endpoint: Endpoint) -> set[ox.Triple]:
    endpoint.publish([], f"http://127.0.0.1:{endpoint.port}/")
    reply = endpoint.request("GET", "/sparql", headers={"Accept": "text/turtle"})
    assert (reply.status, reply.media_type) == (200, "text/turtle")
    graph = parse_graph(reply.body, ox.RdfFormat.TURTLE)
    assert isinstance(graph, Graph)
    return set(graph.triples)


def _record(ledger: Ledger, name: str) -> None:
    iri = f"http://www.w3.org/2009/sparql/docs/tests/data-sparql11/service-description/manifest#{name}"
    ledger.record(iri, "sparql11/service-description", "passed")


def test_a_get_of_the_endpoint_returns_rdf(description: set[ox.Triple], endpoint: Endpoint, ledger: Ledger) -> None:
    assert description
    for accept in ("application/rdf+xml", "application/n-triples", "application/ld+json"):
        reply = endpoint.request("GET", "/sparql", headers={"Accept": accept})
        assert (reply.status, reply.media_type) == (200, accept)
    _record(ledger, "returns-rdf")


def test_the_description_names_its_endpoint(description: set[ox.Triple], endpoint: Endpoint, ledger: Ledger) -> None:
    wanted = ox.NamedNode(f"http://127.0.0.1:{endpoint.port}/sparql")
    assert [triple.object for triple in description if triple.predicate.value == f"{_SD}endpoint"] == [wanted]
    _record(ledger, "has-endpoint-triple")


def test_the_description_conforms_to_the_schema(description: set[ox.Triple], shared_data: Path, ledger: Ledger) -> None:
    """Every sd: term is one of the vocabulary, and stands between things of the classes that it says."""
    schema = ox.Store()
    schema.load(path=str(shared_data / "ontologies" / "sd.ttl"))
    kinds: defaultdict[object, set[object]] = defaultdict(set)
    for triple in description:
        if triple.predicate.value.endswith("#type"):
            kinds[triple.subject].add(triple.object)
    described = {(quad.subject, quad.predicate.value): quad.object for quad in schema}
    used = {triple.predicate for triple in description if triple.predicate.value.startswith(_SD)}
    assert len(used) >= 5
    for triple in description:
        if triple.predicate not in used:
            continue
        for end, name in ((triple.subject, "domain"), (triple.object, "range")):
            wanted = described.get((triple.predicate, _RDFS + name))
            assert (triple.predicate, _RDFS + "label") in described, f"{triple.predicate} is no term of the vocabulary"
            # Of what others define (languages, formats, the endpoint) the description need not say the class.
            if wanted is not None and end in kinds:
                assert wanted in kinds[end], f"{triple}: {name}"
    _record(ledger, "conforms-to-schema")
