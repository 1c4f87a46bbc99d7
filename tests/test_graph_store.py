"""The reading half of the Graph Store Protocol, and the Service Description, as a client meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyoxigraph
import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from quiver.config import Settings
from quiver.descriptions import service_description, service_limits
from quiver.errors import BadRequest
from quiver.evaluation import Evaluator, start_broker
from quiver.manifest import Manifest
from quiver.namespaces import term
from quiver.negotiation import GRAPHS, Format
from quiver.releases import Library, build_from_rdf
from quiver.web import create_app
from quiver.web.graph_store import READING, read_graph_name
from quiver.web.service import describe_service, write_triples

BASE = "http://kg.example/quiver/"
NAMED = "http://e/g?x=1&y=é"
DIRECT = f"{BASE}store/person/1%20é.ttl"
SETTINGS = Settings(query_timeout_s=20, query_max_rows=50, log_level="ERROR")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    trig = folder / "data.trig"
    many = " . ".join(f"<http://e/s{n}> <http://e/p> {n}" for n in range(60))
    trig.write_text(
        f'<http://e/s> <http://e/p> "é", [] .\n<{NAMED}> {{ <http://e/s> <http://e/p> "named" }}\n'
        f'<{DIRECT}> {{ <http://e/s> <http://e/p> "direct" }}\n<http://e/large> {{ {many} }}\n',
        encoding="utf-8",
    )
    build_from_rdf(folder / "library", [trig], base=BASE)
    return folder / "library"


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with start_broker(SETTINGS) as broker, broker.evaluator() as client:
        yield client


@pytest.fixture
def client(library: Path, evaluator: Evaluator) -> FlaskClient:
    return create_app(library, SETTINGS, evaluator).test_client()


def triples(response: TestResponse, form: Format) -> set[str]:
    assert response.status_code == 200, response.text
    syntax = pyoxigraph.RdfFormat.from_media_type(form.media_type)
    quads = list(pyoxigraph.parse(response.data, syntax))
    assert {quad.graph_name for quad in quads} <= {pyoxigraph.DefaultGraph()}
    return {f"{quad.subject} {quad.object}" for quad in quads if not isinstance(quad.object, pyoxigraph.BlankNode)}


def code(response: TestResponse) -> tuple[int, object]:
    assert response.content_type == "application/problem+json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" not in response.headers
    return response.status_code, json.loads(response.data)["code"]


# -- graphs


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/store?default", "é"),
        ("/store?default=", "é"),
        (f"/store?graph={quote(NAMED, safe='')}", "named"),
        (f"/store?graph={quote(DIRECT, safe='')}", "direct"),
        ("/store/person/1%20%C3%A9.ttl", "direct"),
    ],
)
@pytest.mark.parametrize("form", GRAPHS, ids=lambda form: form.name)
def test_a_graph_by_each_name_in_each_format(client: FlaskClient, path: str, value: str, form: Format) -> None:
    by_accept = client.get(path, headers={"Accept": f"{form.media_type}, image/png"})
    by_name = client.get(f"{path}{'&' if '?' in path else '?'}format={form.name}", headers={"Accept": "image/png"})
    assert by_accept.content_type == by_name.content_type == form.content_type
    assert triples(by_accept, form) == triples(by_name, form) == {f'<http://e/s> "{value}"'}
    assert "Accept" in by_accept.vary
    assert by_accept.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/store?default", f"/store?graph={quote(NAMED, safe='')}"])
def test_head_and_conditional_requests(client: FlaskClient, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    for name in ("Content-Type", "Content-Length", "ETag", "Vary"):
        assert head.headers[name] == whole.headers[name], name
    assert head.data == b""
    again = client.get(path, headers={"If-None-Match": whole.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", whole.headers["ETag"])
    other = client.get(path, headers={"If-None-Match": whole.headers["ETag"], "Accept": "application/n-triples"})
    assert other.status_code == 200


def test_a_browser_gets_turtle(client: FlaskClient) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert client.get("/store?default", headers={"Accept": accept}).mimetype == "text/turtle"


@pytest.mark.parametrize(
    ("path", "status", "wanted"),
    [
        ("/store?graph=http://e/nothing", 404, "not-found"),
        ("/store/nothing", 404, "not-found"),
        ("/store/", 404, "not-found"),
        ("/store?default&graph=http://e/g", 400, "bad-request"),
        ("/store?default&default", 400, "bad-request"),
        ("/store?graph=http://e/g&graph=http://e/h", 400, "bad-request"),
        ("/store?graph=", 400, "bad-request"),
        ("/store?graph=g", 400, "bad-request"),
        ("/store?graph=http://e/%3E%7D", 400, "bad-request"),
        ("/store/person/1.ttl?default", 400, "bad-request"),
        ("/store?default&format=csv", 400, "unknown-format"),
        ("/store?graph=http://e/large", 400, "result-too-large"),
    ],
)
def test_refusals(client: FlaskClient, path: str, status: int, wanted: str) -> None:
    assert code(client.get(path)) == (status, wanted)
    assert client.head(path).status_code == status


def test_a_graph_over_the_caps_names_the_dumps(client: FlaskClient) -> None:
    assert "/dumps/" in json.loads(client.get("/store?graph=http://e/large").data)["hint"]


def test_not_acceptable_names_what_there_is(client: FlaskClient) -> None:
    response = client.get("/store?default", headers={"Accept": "image/png"})
    assert code(response) == (406, "not-acceptable")
    assert "application/trig" in json.loads(response.data)["hint"]


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/store?default", "/store?graph=http://e/g", "/store", "/store/person/1.ttl"])
def test_nothing_is_written(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method, data="<a:a> <a:b> <a:c> .", content_type="text/turtle")
    assert code(response) == (405, "method-not-allowed")
    assert response.headers["Allow"] == READING
    assert "command line" in json.loads(response.data)["hint"]


def test_options_says_what_may_be_done(client: FlaskClient) -> None:
    response = client.options("/store?default", headers={"Origin": "http://e/"})
    assert (response.status_code, response.headers["Allow"]) == (204, READING)
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_without_a_broker_there_is_no_graph_store(library: Path) -> None:
    assert create_app(library, SETTINGS).test_client().get("/store?default").status_code == 404


def test_the_names_of_graphs() -> None:
    assert read_graph_name(MultiDict({"format": "turtle"})) is None
    with pytest.raises(BadRequest, match="no absolute IRI"):
        read_graph_name(MultiDict({"graph": "//e/g"}))


# -- the description of the service


@pytest.fixture
def manifest(library: Path) -> Manifest:
    return Library(library).current().manifest


@pytest.mark.parametrize("form", GRAPHS, ids=lambda form: form.name)
def test_the_description_is_the_same_in_every_syntax(client: FlaskClient, manifest: Manifest, form: Format) -> None:
    described = describe_service(manifest, SETTINGS)
    response = client.get("/store", headers={"Accept": form.media_type})
    assert response.content_type == form.content_type
    found = {
        quad.triple for quad in pyoxigraph.parse(response.data, pyoxigraph.RdfFormat.from_media_type(form.media_type))
    }
    assert found == set(described)
    assert write_triples(described, form.extension) == response.data
    void = client.get("/.well-known/void", headers={"Accept": form.media_type})
    assert void.content_type == form.content_type


def test_the_description_says_what_is_true(manifest: Manifest) -> None:
    graph = {
        (triple.predicate.value, triple.object.value)
        for triple in describe_service(manifest, SETTINGS)
        if triple.subject == pyoxigraph.NamedNode(f"{BASE}sparql#service")
        and not isinstance(triple.object, pyoxigraph.Triple)
    }
    assert (term("sd:endpoint"), f"{BASE}sparql") in graph
    assert (term("q:queryDeadline"), "PT20S") in graph
    assert (term("q:maxResultRows"), "50") in graph
    assert (term("q:maxResultBytes"), "500000000") in graph
    assert (term("q:maxQueryLength"), "1000000") in graph
    languages = {value for name, value in graph if name == term("sd:supportedLanguage")}
    assert languages == {term("sd:SPARQL10Query"), term("sd:SPARQL11Query")}
    # The default graph is no union, no IRI is fetched, nothing is loaded, no graph but the default one is promised.
    assert not {name for name, _ in graph} & {term("sd:feature"), term("sd:inputFormat"), term("sd:namedGraph")}
    assert len([name for name, _ in graph if name == term("sd:resultFormat")]) == 10


def test_federation_is_a_feature_only_where_it_is_allowed(manifest: Manifest) -> None:
    federated = describe_service(manifest, SETTINGS.replace(service_allow="http://e/sparql"))
    features = [triple.object for triple in federated if triple.predicate.value == term("sd:feature")]
    assert features == [pyoxigraph.NamedNode(term("sd:BasicFederatedQuery"))]


def test_the_default_graph_is_counted_by_class() -> None:
    manifest = Manifest(
        id="r1",
        base=BASE,
        created="2025-01-01T00:00:00Z",
        software="0",
        content_hash="0",
        quads=10,
        counts={"papers": 2},
    )
    limits = service_limits(SETTINGS.replace(query_timeout_s=0.25))
    described = service_description(manifest, f"{BASE}sparql", title="T", licence="http://e/l", limits=limits)
    store = pyoxigraph.Store()
    store.extend(pyoxigraph.Quad(*triple) for triple in described)
    query = f"""
        PREFIX sd: <{term("sd:")}> PREFIX void: <{term("void:")}> PREFIX q: <{term("q:")}>
        SELECT ?deadline ?class ?n {{
          ?service sd:defaultDataset/sd:defaultGraph ?graph ; q:queryDeadline ?deadline .
          ?graph a sd:Graph ; void:triples 10 ; void:classPartition [ void:class ?class ; void:entities ?n ] .
        }}"""
    result = store.query(query)
    assert isinstance(result, pyoxigraph.QuerySolutions)
    data = result.serialize(format=pyoxigraph.QueryResultsFormat.CSV)
    assert data is not None
    assert data.decode().splitlines()[1:] == [f"PT0.25S,{term('q:Paper')},2"]


# -- the same at the endpoint for queries


@pytest.mark.parametrize("query", ["default", f"graph={quote(NAMED, safe='')}", "default&format=ntriples"])
def test_the_endpoint_for_queries_gives_graphs_as_well(client: FlaskClient, query: str) -> None:
    there, here = client.get(f"/store?{query}"), client.get(f"/sparql?{query}")
    assert (here.status_code, here.content_type, here.data) == (200, there.content_type, there.data)
    assert client.head(f"/sparql?{query}").content_length == len(there.data)


def test_at_the_endpoint_a_query_beats_the_name_of_a_graph(client: FlaskClient) -> None:
    assert client.get("/sparql?query=ASK{}&default").mimetype == "application/sparql-results+json"
    assert code(client.get("/sparql?default&graph=http://e/g")) == (400, "bad-request")
    assert code(client.get("/sparql?graph=http://e/nothing")) == (404, "not-found")


@pytest.mark.parametrize("form", GRAPHS, ids=lambda form: form.name)
def test_the_endpoint_describes_itself_in_every_syntax(client: FlaskClient, form: Format) -> None:
    response = client.get("/sparql", headers={"Accept": form.media_type})
    assert response.content_type == form.content_type
    assert response.data == client.get("/store", headers={"Accept": form.media_type}).data
