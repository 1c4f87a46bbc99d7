"""SPARQL 1.1 Protocol rule by rule, as a client meets them; and the errors of the whole service."""

from __future__ import annotations

import html
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph
import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from quiver.config import Settings
from quiver.errors import NoRelease, QuiverError
from quiver.evaluation import BrokerHandle, Evaluator, start_broker
from quiver.manifest import Manifest
from quiver.namespaces import term
from quiver.negotiation import GRAPHS, SOLUTIONS, Format
from quiver.web.answers import ON_CLIENT_GONE
from quiver.web.problems import register_problems
from quiver.web.protocol import create_protocol

BASE = "http://localhost:8000/"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
SELECT = "SELECT ?o { <http://e/1> ?p ?o }"
ALL = "SELECT * { ?s ?p ?o }"
ASK = "ASK { ?s ?p ?o }"
CONSTRUCT = "CONSTRUCT WHERE { <http://e/1> ?p ?o }"
ENDLESS = "SELECT (COUNT(*) AS ?n) { " + " ".join(f"?s{i} ?p{i} ?o{i} ." for i in range(6)) + " }"
FORM = "application/x-www-form-urlencoded"
DIRECT = "application/sparql-query"


@dataclass(frozen=True)
class Served:
    """A release as far as the protocol looks at it."""

    store_path: Path
    base: str = BASE

    @property
    def manifest(self) -> Manifest:
        return Manifest(
            id="r1",
            base=self.base,
            created="2025-01-01T00:00:00Z",
            software="0",
            content_hash="0",
            quads=2002,
            counts={"papers": 1},
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    path = tmp_path_factory.mktemp("protocol") / "store"
    store = pyoxigraph.Store(str(path))
    node = pyoxigraph.NamedNode
    store.bulk_extend(
        pyoxigraph.Quad(node(f"http://e/{s}"), node("http://e/p"), pyoxigraph.Literal(f"value {s}, é"))
        for s in range(2000)
    )
    for graph in ("g", "h"):
        store.add(pyoxigraph.Quad(*[node(f"http://e/{graph}")] * 4))
    store.flush()
    return Served(path)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(query_timeout_s=20, query_max_rows=3000, query_max_length=1000, query_queue=20, log_level="ERROR")


@pytest.fixture(scope="module")
def broker(settings: Settings) -> Iterator[BrokerHandle]:
    with start_broker(settings) as handle:
        yield handle


@pytest.fixture(scope="module")
def evaluator(broker: BrokerHandle) -> Iterator[Evaluator]:
    with broker.evaluator() as client:
        yield client


def make_app(get_release: Callable[[], Served], evaluator: Evaluator, settings: Settings) -> Flask:
    app = Flask("tests.protocol")
    register_problems(app)
    app.register_blueprint(create_protocol(get_release, evaluator, settings))

    @app.get("/broken")
    def broken() -> str:
        raise QuiverError("secret: /var/lib/quiver")

    @app.get("/teapot")
    def teapot() -> str:
        abort(418)

    return app


@pytest.fixture(scope="module")
def app(served: Served, evaluator: Evaluator, settings: Settings) -> Flask:
    return make_app(lambda: served, evaluator, settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def get(client: FlaskClient, query: str, accept: str | None = None, **parameters: str) -> TestResponse:
    headers = {} if accept is None else {"Accept": accept}
    return client.get("/sparql", query_string={"query": query, **parameters}, headers=headers)


def problem(response: TestResponse) -> dict[str, object]:
    assert response.content_type == "application/problem+json"
    members = json.loads(response.data)
    assert members["status"] == response.status_code
    assert isinstance(members, dict)
    return members


def values(response: TestResponse) -> list[str]:
    assert response.status_code == 200, response.text
    return sorted(row["o"]["value"] for row in json.loads(response.data)["results"]["bindings"])


# -- the three ways to ask


def test_the_three_ways_give_the_same(client: FlaskClient) -> None:
    by_get = get(client, SELECT)
    by_form = client.post("/sparql", data={"query": SELECT})
    direct = client.post("/sparql", data=SELECT, content_type=DIRECT)
    direct_utf8 = client.post("/sparql", data=SELECT, content_type=f"{DIRECT}; charset=UTF-8")
    assert values(by_get) == ["value 1, é"]
    assert by_get.data == by_form.data == direct.data == direct_utf8.data


@pytest.mark.parametrize(
    "send",
    [
        lambda c, q: c.get("/sparql", query_string=q),
        lambda c, q: c.post("/sparql", data=q),
        lambda c, q: c.post("/sparql", data=q.pop("query"), query_string=q, content_type=DIRECT),
    ],
    ids=["get", "form", "direct"],
)
def test_the_data_set_is_given_in_each_way(
    client: FlaskClient, send: Callable[[FlaskClient, dict[str, object]], TestResponse]
) -> None:
    g, h = "http://e/g", "http://e/h"
    plain, named = "SELECT ?o { ?s ?p ?o }", "SELECT ?o { GRAPH ?x { ?s ?p ?o } }"
    assert values(send(client, {"query": plain, "default-graph-uri": [g, h]})) == [g, h]
    assert values(send(client, {"query": plain, "default-graph-uri": g})) == [g]
    assert values(send(client, {"query": named, "named-graph-uri": [h]})) == [h]
    assert values(send(client, {"query": named, "named-graph-uri": g, "default-graph-uri": h})) == [g]


@pytest.mark.parametrize(
    ("send", "status", "code"),
    [
        (lambda c: c.get("/sparql?query=ASK{}&query=ASK{}"), 400, "bad-request"),
        (lambda c: c.post("/sparql", data={"query": ["ASK{}", "ASK{}"]}), 400, "bad-request"),
        (lambda c: c.post("/sparql?query=ASK{}", data={"query": "ASK{}"}), 400, "bad-request"),
        (lambda c: c.post("/sparql?query=ASK{}", data="ASK{}", content_type=DIRECT), 400, "bad-request"),
        (lambda c: c.get("/sparql?default-graph-uri=http://e/g"), 400, "bad-request"),
        (lambda c: c.post("/sparql", data={"format": "json"}), 400, "bad-request"),
        (lambda c: c.post("/sparql", data=b"", content_type=FORM), 400, "bad-request"),
        (lambda c: c.post("/sparql", data=b"ASK { '\xff' }", content_type=DIRECT), 400, "bad-request"),
        (lambda c: c.get("/sparql?query=ASK{}&default-graph-uri=no iri"), 400, "bad-request"),
        (lambda c: c.get("/sparql", query_string={"query": "ASK {" + " " * 1000 + "}"}), 400, "bad-request"),
        (lambda c: c.get("/sparql?query="), 400, "malformed-query"),
        (lambda c: c.get("/sparql?query=ASK"), 400, "malformed-query"),
        (lambda c: c.post("/sparql", data="ASK{}", content_type="text/plain"), 415, "unsupported-media-type"),
        (lambda c: c.post("/sparql", data="ASK{}"), 415, "unsupported-media-type"),
        (lambda c: c.post("/sparql", data="{}", content_type="application/json"), 415, "unsupported-media-type"),
        (
            lambda c: c.post("/sparql", data="ASK{}".encode("utf-16"), content_type=f"{DIRECT}; charset=UTF-16"),
            415,
            "unsupported-media-type",
        ),
        (
            lambda c: c.post("/sparql", data={"query": "ASK{}"}, content_type="multipart/form-data"),
            415,
            "unsupported-media-type",
        ),
        (lambda c: c.post("/sparql", data={"update": "CLEAR ALL"}), 403, "update-refused"),
        (lambda c: c.get("/sparql?update=CLEAR ALL"), 403, "update-refused"),
        (
            lambda c: c.post("/sparql", data="CLEAR ALL", content_type="application/sparql-update"),
            403,
            "update-refused",
        ),
        (lambda c: c.get("/sparql?query=INSERT DATA { <a:b> <a:c> 1 }"), 403, "update-refused"),
        (lambda c: c.get("/sparql?query=ASK { SERVICE <http://e/> { ?s ?p ?o } }"), 403, "query-refused"),
        (lambda c: c.put("/sparql"), 405, "method-not-allowed"),
        (lambda c: c.delete("/sparql"), 405, "method-not-allowed"),
        (lambda c: c.post("/sparql", data={"query": "x" * 200_000}), 413, "request-entity-too-large"),
        (lambda c: c.get("/sparql?query=ASK{}&timeout=soon"), 400, "bad-request"),
        (lambda c: c.get("/sparql?query=ASK{}&timeout=-1"), 400, "bad-request"),
        (lambda c: c.get("/sparql?query=ASK{}&timeout=nan"), 400, "bad-request"),
        (lambda c: c.get("/sparql?query=ASK{}&format=docx"), 400, "unknown-format"),
        (lambda c: c.get("/nowhere"), 404, "not-found"),
    ],
)
def test_refusals(client: FlaskClient, send: Callable[[FlaskClient], TestResponse], status: int, code: str) -> None:
    response = send(client)
    members = problem(response)
    assert (response.status_code, members["code"]) == (status, code)
    assert members["title"]
    assert str(members["detail"]).endswith(".")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Accept" in response.vary
    assert "ETag" not in response.headers


def test_an_update_is_told_where_writing_happens(client: FlaskClient) -> None:
    assert "command line" in str(problem(client.post("/sparql", data={"update": "CLEAR ALL"}))["hint"])


def test_method_not_allowed_says_what_is(client: FlaskClient) -> None:
    assert {"GET", "POST"} <= set(client.put("/sparql").headers["Allow"].replace(" ", "").split(","))


# -- formats


@pytest.mark.parametrize("form", SOLUTIONS, ids=lambda form: form.name)
@pytest.mark.parametrize("query", [SELECT, ASK], ids=["select", "ask"])
def test_solutions_by_accept_and_by_name(client: FlaskClient, form: Format, query: str) -> None:
    by_accept, by_name = get(client, query, form.media_type), get(client, query, "image/png", format=form.name)
    assert by_accept.content_type == by_name.content_type == form.content_type
    assert by_accept.data == by_name.data != b""
    assert "Accept" in by_accept.vary
    assert by_accept.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("form", GRAPHS, ids=lambda form: form.name)
def test_graphs_by_accept_and_by_name(client: FlaskClient, form: Format) -> None:
    by_accept, by_name = get(client, CONSTRUCT, form.media_type), get(client, CONSTRUCT, format=form.name)
    assert by_accept.content_type == by_name.content_type == form.content_type
    syntax = pyoxigraph.RdfFormat.from_media_type(form.media_type)
    for response in (by_accept, by_name):
        assert [quad.object.value for quad in pyoxigraph.parse(response.data, syntax)] == ["value 1, é"]


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        (SELECT, None, "application/sparql-results+json"),
        (ASK, None, "application/sparql-results+json"),
        (CONSTRUCT, None, "text/turtle; charset=utf-8"),
        ("DESCRIBE <http://e/1>", "*/*", "text/turtle; charset=utf-8"),
        # One Accept for all kinds, as clients send it: the kind is that of the evaluated query.
        (CONSTRUCT, "application/sparql-results+xml, application/rdf+xml;q=0.5", "application/rdf+xml"),
        (SELECT, "application/sparql-results+xml;q=0.2, text/turtle", "application/sparql-results+xml"),
        (SELECT, "text/csv;q=0.9, text/tab-separated-values;q=1.0", "text/tab-separated-values; charset=utf-8"),
    ],
)
def test_the_format_without_a_wish_or_with_several(
    client: FlaskClient, query: str, accept: str | None, expected: str
) -> None:
    assert get(client, query, accept).content_type == expected


def test_json_and_xml_are_names_for_graphs_too(client: FlaskClient) -> None:
    assert get(client, CONSTRUCT, format="json").content_type == "application/ld+json"
    assert get(client, CONSTRUCT, format="xml").content_type == "application/rdf+xml"


@pytest.mark.parametrize(
    ("query", "accept", "parameters"),
    [
        (SELECT, "image/png", {}),
        (SELECT, "text/turtle", {}),
        (CONSTRUCT, "text/csv", {}),
        (SELECT, None, {"format": "turtle"}),
    ],
)
def test_not_acceptable_names_what_there_is(
    client: FlaskClient, query: str, accept: str | None, parameters: dict[str, str]
) -> None:
    response = get(client, query, accept, **parameters)
    members = problem(response)
    assert (response.status_code, members["code"]) == (406, "not-acceptable")
    assert "application/sparql-results+json" in str(members["hint"])
    assert "text/turtle" in str(members["hint"])


# -- results


def test_a_long_result_is_sent_whole_with_its_length(client: FlaskClient) -> None:
    response = get(client, ALL)
    assert response.is_streamed
    length = response.content_length
    assert length is not None
    assert length > 200_000
    assert len(response.data) == length
    assert len(json.loads(response.data)["results"]["bindings"]) == 2000


@pytest.mark.parametrize("query", [SELECT, ALL])
def test_head_says_what_get_says(client: FlaskClient, query: str) -> None:
    whole = get(client, query)
    head = client.head("/sparql", query_string={"query": query})
    assert (head.status_code, head.content_type, head.content_length) == (
        200,
        whole.content_type,
        whole.content_length,
    )
    assert head.data == b""
    assert client.head("/sparql", query_string={"query": "ASK"}).status_code == 400


def test_relative_iris_are_those_of_the_release(client: FlaskClient) -> None:
    assert b"http://localhost:8000/name/x" in get(client, "SELECT (<name/x> AS ?o) {}").data


def test_options_opens_the_endpoint_to_scripts_of_any_site(client: FlaskClient) -> None:
    response = client.options("/sparql", headers={"Origin": "http://e/", "Access-Control-Request-Headers": "x-y"})
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Access-Control-Allow-Headers"] == "x-y"
    assert {"GET", "HEAD", "POST", "OPTIONS"} == set(response.headers["Access-Control-Allow-Methods"].split(", "))


# -- limits, as problems


def test_a_syntax_error_has_its_place(client: FlaskClient) -> None:
    members = problem(get(client, "SELECT *\n{ ?s ?p }"))
    assert (members["line"], members["column"]) == (2, 9)


def test_a_timeout_is_503_with_the_limit_and_when_to_come_back(client: FlaskClient) -> None:
    begun = time.monotonic()
    response = get(client, ENDLESS, timeout="0.5")
    assert time.monotonic() - begun < 20  # it would take hours
    members = problem(response)
    assert (response.status_code, members["code"], members["limit"]) == (503, "query-timeout", 0.5)
    assert int(response.headers["Retry-After"]) > 0
    assert members["hint"]


def test_timeout_only_lowers(served: Served) -> None:
    settings = Settings(query_timeout_s=0.5)
    with start_broker(settings) as broker, broker.evaluator() as evaluator:
        response = get(make_app(lambda: served, evaluator, settings).test_client(), ENDLESS, timeout="60")
    assert problem(response)["limit"] == 0.5


def test_a_result_beyond_a_cap_is_an_error_and_not_a_part(client: FlaskClient) -> None:
    response = get(client, "SELECT * { ?s ?p ?o . ?a ?b ?c }")
    members = problem(response)
    assert (response.status_code, members["code"], members["limit"]) == (400, "result-too-large", 3000)
    assert "/dumps/" in str(members["hint"])


def test_a_client_that_leaves_stops_its_query(app: Flask, evaluator: Evaluator) -> None:
    """A server that is told so tells us by a function in the environment of the request."""
    left: list[Callable[[], None]] = []

    def leave_soon(callback: Callable[[], None]) -> None:
        left.append(callback)
        callback()

    response = app.test_client().get(
        "/sparql", query_string={"query": ENDLESS}, environ_overrides={ON_CLIENT_GONE: leave_soon}
    )
    assert left
    assert response.status_code == 503
    end = time.monotonic() + 5
    while evaluator.status().running:
        assert time.monotonic() < end
        time.sleep(0.01)


# -- errors in other forms


def test_a_browser_gets_a_page_with_nothing_executed(client: FlaskClient) -> None:
    response = get(client, "SELECT <script>alert(1)</script>", BROWSER, format="json")
    assert (response.status_code, response.mimetype) == (400, "text/html")
    assert "<script>" not in response.text
    assert "Malformed query" in response.text


def test_text_for_who_asks_for_text(client: FlaskClient) -> None:
    response = get(client, "ASK", "text/plain", format="json")
    assert (response.status_code, response.content_type) == (400, "text/plain; charset=utf-8")
    assert "malformed-query" in response.text


def test_our_own_faults_tell_nothing_of_the_inside(client: FlaskClient) -> None:
    response = client.get("/broken")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert problem(response)["code"] == "internal-error"


def test_errors_of_the_framework_are_problems_too(client: FlaskClient) -> None:
    members = problem(client.get("/teapot"))
    assert (members["status"], members["code"]) == (418, "i-m-a-teapot")


def test_without_a_release_the_service_is_unavailable(evaluator: Evaluator, settings: Settings) -> None:
    def none() -> Served:
        raise NoRelease("the library has no release")

    response = get(make_app(none, evaluator, settings).test_client(), SELECT)
    assert (response.status_code, problem(response)["code"]) == (503, "no-release")
    assert "Retry-After" in response.headers


# -- without a query


@pytest.mark.parametrize("accept", [None, "*/*", "text/turtle", "application/rdf+xml", "application/ld+json"])
def test_the_service_describes_itself(client: FlaskClient, accept: str | None) -> None:
    response = client.get("/sparql", headers={"Accept": accept} if accept else {})
    assert response.status_code == 200
    syntax = pyoxigraph.RdfFormat.from_media_type(response.mimetype or "")
    assert syntax is not None
    found = {quad.predicate.value: quad.object for quad in pyoxigraph.parse(response.data, syntax)}
    assert found[term("sd:endpoint")] == pyoxigraph.NamedNode(f"{BASE}sparql")


def test_a_browser_gets_a_form(client: FlaskClient) -> None:
    page = client.get("/sparql", headers={"Accept": BROWSER})
    assert page.mimetype == "text/html"
    assert '<textarea id="query" name="query"' in page.text
    assert '<label for="query">' in page.text
    example = html.unescape(page.text.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0])
    assert get(client, example).status_code == 200


def test_a_link_to_a_query_opens_the_form_with_it(client: FlaskClient) -> None:
    page = get(client, "SELECT * { ?s ?p '</textarea><script>' }", BROWSER)
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "&lt;/textarea&gt;&lt;script&gt;" in page.text
    # The form asks with a format, and so does a script.
    assert get(client, SELECT, BROWSER, format="csv").mimetype == "text/csv"


def test_an_image_of_the_service_is_not_acceptable(client: FlaskClient) -> None:
    response = client.get("/sparql", headers={"Accept": "image/png"})
    assert (response.status_code, problem(response)["code"]) == (406, "not-acceptable")


# -- a real server

_FACTORY = """
import os
from pathlib import Path
from quiver.config import Settings
from quiver.evaluation import connect
from tests.test_protocol import Served, make_app

def make():
    settings = Settings(query_timeout_s=20)
    return make_app(lambda: Served(Path(os.environ["STORE"])), connect(os.environ["BROKER"], settings), settings)
"""


def test_behind_the_production_server(served: Served, broker: BrokerHandle, tmp_path: Path) -> None:
    (tmp_path / "served_app.py").write_text(_FACTORY)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--port", str(port)]
    command += ["--blocking-threads", "4", "--log-level", "error", "served_app:make"]
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    environment = {**os.environ, "STORE": str(served.store_path), "BROKER": str(broker.socket_path), "PYTHONPATH": path}
    with subprocess.Popen(command, env=environment, cwd=tmp_path) as server:
        try:
            url = f"http://127.0.0.1:{port}/sparql?query="
            end = time.monotonic() + 30
            while True:
                try:
                    assert json.load(urllib.request.urlopen(url + "ASK%7B%7D", timeout=10))["boolean"] is True
                    break
                except urllib.error.URLError:
                    assert time.monotonic() < end, "the server does not answer"
                    time.sleep(0.1)
            with urllib.request.urlopen(url + "SELECT*%7B?s?p?o%7D", timeout=10) as response:
                body = response.read()
                assert int(response.headers["Content-Length"]) == len(body)
                assert len(json.loads(body)["results"]["bindings"]) == 2000
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(url + "ASK", timeout=10)
            assert json.load(caught.value)["code"] == "malformed-query"
            caught.value.close()
        finally:
            server.terminate()
            server.wait(20)
