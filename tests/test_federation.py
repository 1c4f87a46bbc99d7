"""SERVICE and everything else by which a query might reach the network: refused, unless the operator lists it.

The workers here have not given up the network (an endpoint is listed), so what is proven is the inspection of queries.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyoxigraph as ox
import pytest

from quiver.config import Settings
from quiver.errors import MalformedQuery, QueryRefused, ServiceFailed, UpdateRefused
from quiver.evaluation import Evaluator, QueryAnswer, QueryRequest, start_broker
from quiver.negotiation import JSON, TURTLE, Format, Kind

FORMATS: dict[Kind, Format] = {"solutions": JSON, "boolean": JSON, "graph": TURTLE}


class _Endpoint(BaseHTTPRequestHandler):
    """A SPARQL endpoint that answers every query with one solution."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        cell = {"type": "uri", "value": "http://e/from-afar"}
        body = json.dumps({"head": {"vars": ["s"]}, "results": {"bindings": [{"s": cell}]}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/sparql-results+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at answers."""


@pytest.fixture(scope="module")
def listed() -> Iterator[str]:
    """The IRI of a real endpoint that the operator lists."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/sparql"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """What nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def evil(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/x"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("federation") / "store"
    made = ox.Store(str(path))
    node, graph = ox.NamedNode("http://e/1"), ox.NamedNode("http://e/g")
    made.extend([ox.Quad(node, node, node), ox.Quad(node, node, ox.Literal("x")), ox.Quad(node, node, node, graph)])
    made.flush()
    return path


@pytest.fixture(scope="module")
def evaluator(listed: str) -> Iterator[Evaluator]:
    settings = Settings(service_allow=listed, query_timeout_s=20, query_workers=1, log_level="ERROR")
    with start_broker(settings) as broker, broker.evaluator() as client:
        yield client


def ask(evaluator: Evaluator, store: Path, query: str, **fields: tuple[str, ...]) -> QueryAnswer:
    return evaluator.evaluate(QueryRequest(query, store, FORMATS, base="http://e/", **fields))  # type: ignore[arg-type]


def saw_nobody(listener: socket.socket) -> bool:
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return True
    connection.close()
    return False


G = "{ ?s ?p ?o }"
# EVIL stands for an endpoint that would be reached, HOST for its host and port.
REFUSED = [
    f"SELECT * {{ SERVICE <EVIL> {G} }}",
    f"select*{{service<EVIL>{G}}}",
    f"SELECT * {{ SERVICE SILENT <EVIL> {G} }}",
    f"SELECT * {{ SeRvIcE\n\tsIlEnT\r\n<EVIL>{G} }}",
    f"SELECT * {{ SERVICESILENT<EVIL>{G} }}",
    f"SELECT * {{ SERVICE # <http://e/>\n<EVIL> # {{\n{G} }}",
    f"#'\nSELECT * {{ SERVICE <EVIL> {G} }} #'",
    f'#"""\nSELECT * {{ SERVICE <EVIL> {G} }} #"""',
    f"#<\nSELECT * {{ SERVICE <EVIL> {G} }} #>",
    f"SELECT * {{ ?s ?p '#' SERVICE <EVIL> {G} ?s ?p '#' }}",
    f"SELECT * {{ ?s ?p '\\'' SERVICE <EVIL> {G} ?s ?p '\\'' }}",
    f"SELECT * {{ ?s ?p '''it's''' . SERVICE <EVIL> {G} ?s ?p '''x''' }}",
    f'SELECT * {{ ?s ?p "\\\\" SERVICE <EVIL> {G} ?s ?p "" }}',
    f"SELECT * {{ ?s ?p <http://e/#> SERVICE <EVIL> {G} }}",
    f"SELECT * {{ ?s ?p '\\u0027' SERVICE <EVIL> {G} }}",
    f"SELECT * {{ SERVICE <\\u0068ttp://HOST/x> {G} }}",
    f"SELECT * {{ SERVICE <http:\\u002F\\U0000002FHOST/x> {G} }}",
    f"PREFIX e: <http://HOST/> SELECT * {{ SERVICE e:x {G} }}",
    f"PREFIX e: <http://HOST/> SELECT * {{ SERVICE e:\\#x {G} }}",
    f"PREFIX e: <http://HOST/> SELECT * {{ SERVICE e:%20x {G} }}",
    f"PREFIX : <http://HOST/> SELECT * {{ SERVICE : {G} }}",
    f"PREFIX : <http://HOST/> SELECT * {{ SERVICE:x {G} }}",
    f"PREFIX e: <http://e/> PREFIX e: <http://HOST/> SELECT * {{ SERVICE e:x {G} }}",
    f"BASE <http://HOST/> SELECT * {{ SERVICE <x> {G} }}",
    f"BASE <http://HOST/a/> SELECT * {{ SERVICE <../x> {G} }}",
    f"BASE <http://HOST/> PREFIX e: <a/> SELECT * {{ SERVICE e:x {G} }}",
    f"SELECT * {{ SERVICE <//HOST/x> {G} }}",
    f"SELECT * {{ VALUES ?e {{ <EVIL> }} SERVICE ?e {G} }}",
    f"SELECT * {{ BIND(IRI('EVIL') AS ?e) SERVICE SILENT $e {G} }}",
    f"SELECT * {{ {{ ?a ?b ?c }}SERVICE<EVIL>{G} }}",
    f"SELECT * {{ {{ SELECT * {{ SERVICE <EVIL> {G} }} }} }}",
    f"SELECT * {{ {{ SELECT (COUNT(*) AS ?n) {{ {{ SELECT * {{ SERVICE <EVIL> {G} }} LIMIT 1 }} }} }} }}",
    f"SELECT * {{ OPTIONAL {{ SERVICE <EVIL> {G} }} }}",
    f"SELECT * {{ {G} MINUS {{ SERVICE <EVIL> {G} }} }}",
    f"SELECT * {{ {G} UNION {{ SERVICE <EVIL> {G} }} }}",
    f"SELECT * {{ GRAPH ?g {{ SERVICE <EVIL> {G} }} }}",
    f"SELECT * {{ GRAPH <EVIL> {{ SERVICE <EVIL> {G} }} }}",
    f"SELECT * {{ {G} FILTER EXISTS {{ SERVICE <EVIL> {G} }} }}",
    f"SELECT * {{ {G} FILTER NOT EXISTS {{ SERVICE <EVIL> {G} }} }}",
    f"SELECT * {{ {G} FILTER(1 = 2 || EXISTS {{ SERVICE <EVIL> {G} }}) }}",
    f"SELECT (EXISTS {{ SERVICE <EVIL> {G} }} AS ?x) {{ {G} }}",
    f"SELECT * {{ {G} BIND(EXISTS {{ SERVICE <EVIL> {G} }} AS ?x) }}",
    f"SELECT ?s {{ {G} }} GROUP BY ?s HAVING(EXISTS {{ SERVICE <EVIL> {G} }})",
    f"SELECT ?s {{ {G} }} ORDER BY (EXISTS {{ SERVICE <EVIL> {G} }})",
    f"ASK {{ SERVICE <EVIL> {G} }}",
    f"CONSTRUCT {G} WHERE {{ SERVICE <EVIL> {G} }}",
    f"DESCRIBE ?s {{ SERVICE <EVIL> {G} }}",
    f"DESCRIBE ?s WHERE {{ ?s ?p ?o SERVICE <EVIL> {G} }}",
    f"SELECT * {{ SERVICE <LISTED> {{ SERVICE <EVIL> {G} }} }}",
    f"SELECT * {{ SERVICE <LISTED> {G} SERVICE <EVIL> {G} }}",
    f"SELECT * {{ SERVICE <EVIL> {{ SERVICE <LISTED> {G} }} }}",
    f"SELECT * {{ SERVICE <LISTED#> {G} }}",
    f"SELECT * {{ SERVICE <LISTED/../../x> {G} }}",
    f"SELECT * {{ ?s ?p ?o ; ?q ?r ; SERVICE <EVIL> {G} }}",
    f"SELECT * {{ ?s ?p ?o , ?r . SERVICE <EVIL> {G} }}",
    f"SELECT * {{ [ ?p ?o ] SERVICE <EVIL> {G} }}",
    f"SELECT * {{ ?s ?p ( 1 2 ) SERVICE <EVIL> {G} }}",
    f"SELECT * {{ ?s <http://e/1>+ ?o SERVICE <EVIL> {G} }}",
    f"SELECT * {{ << ?s ?p ?o >> ?q ?r SERVICE <EVIL> {G} }}",
    # What the engine reads without tokens of SPARQL.
    f"SELECT * {{ ?s ?p trueSERVICE<EVIL>{G} }}",
    f"PREFIX : <http://HOST/> SELECT * {{ ?s ?p trueSERVICE:x {G} }}",
    f"SELECT * {{ ?s ?p falseSERVICESILENT<EVIL>{G} }}",
    f"SELECT * {{ ?s ?p 1SERVICE<EVIL>{G} }}",
    f"SELECT * {{ ?s ?p 1.0e0SERVICE<EVIL>{G} }}",
    f"SELECT * {{ ?s ?p 'x'@enSERVICE<EVIL>{G} }}",
    f"SELECT * {{ ?s ?p 'x'@en SERVICE<EVIL>{G} }}",
    f"SELECT * {{ ?s ?p ?oSERVICE<EVIL>{G} }}",
    f"SELECT * {{ ?s a <EVIL>SERVICE<EVIL>{G} }}",
    f"SELECT * {{ ?s ?p _:xSERVICE<EVIL>{G} }}",
    f"SELECT * {{ ?s ?p _:x.SERVICE<EVIL>{G} }}",
    f"SELECT * {{ ?s ?p ().SERVICE<EVIL>{G} }}",
    f"PREFIX e: <http://e/> SELECT * {{ ?s ?p e:a.b.SERVICE<EVIL>{G} }}",
    f"PREFIX e: <http://e:80> SELECT * {{ ?s ?p e:SERVICE <EVIL>{G} }}",
    f"PREFIX SERVICE: <a:> PREFIX : <http://HOST/> SELECT * {{ SERVICE: {G} }}",
    f'SELECT * {{ ?s ?p ?o FILTER(?o<?s)#>"""\n SERVICE <EVIL> {G} #"""\n}}',
    f"SELECT * {{ ?s ?p ?o FILTER(?o<'>') SERVICE <EVIL> {G} FILTER(''=''\n) }}",
    f"SELECT * {{ VALUES ?z {{ true }} SERVICESILENT<EVIL>{G} }}",
    f"SELECT * {{ VALUES ?z {{ 'x' }}SERVICE<EVIL>{G} }}",
    f"SELECT * {{ \\u0053ERVICE <EVIL> {G} }}",
    f"SELECT * {{ SERV\\u0049CE <EVIL> {G} }}",
    f"SELECT * {{ \\U00000053ERVICE <EVIL> {G} }}",
    f"SELECT * {{ SERVICE <EVIL {G} }}",
    f"SELECT * {{ SERVICE EVIL {G} }}",
    f"SELECT * {{ SERVICE 'EVIL' {G} }}",
    f"SELECT * {{ SERVICE _:x {G} }}",
    f"SELECT * {{ SERVICE <> {G} }}",
    "SELECT * { SERVICE <EVIL> ",
    "SELECT * { SERVICE",
    "SERVICE <EVIL>",
    f"\ufeffSELECT * {{ SERVICE <EVIL> {G} }}",
    f"SELECT * {{ \u017fERVICE <EVIL> {G} }}",  # upper case of a long s is S
    f"SELECT * {{ SERV\u0131CE <EVIL> {G} }}",
    f"SELECT * {{ SERVICE\u00a0<EVIL> {G} }}",
    f"SELECT * {{ SERVICE\u200b<EVIL> {G} }}",
    # Updates, which no endpoint here takes.
    "LOAD <EVIL>",
    "LOAD SILENT <EVIL> INTO GRAPH <http://e/g>",
    "PREFIX e: <http://HOST/> LOAD e:x",
    f"INSERT {{ ?s ?p ?o }} WHERE {{ SERVICE <EVIL> {G} }}",
    f"DELETE {{ ?s ?p ?o }} USING <EVIL> WHERE {G}",
    f"SELECT * {{ {G} }} ; LOAD <EVIL>",
    "INSERT DATA { <a:b> <a:c> 1 } ; LOAD <EVIL>",
    f"SELECT * {{ {G} LOAD <EVIL> }}",
]
# What looks like it, and is answered from the store.
ANSWERED = [
    (f"SELECT * {{ {G} }} # SERVICE <EVIL> {G}", 2),
    (f"SELECT * {{ {G} FILTER(?o != 'SERVICE <EVIL> {G}') }}", 2),
    (f"SELECT * {{ {G} FILTER(?o != '''\nSERVICE <EVIL> {G}\n''') }}", 2),
    ("SELECT * { ?service ?SERVICE $o }", 2),
    ("PREFIX service: <http://e/> SELECT * { ?s service:1 ?service }", 2),
    ("SELECT * FROM <EVIL> { ?s ?p ?o }", 0),
    ("SELECT * FROM NAMED <EVIL> { GRAPH ?g { ?s ?p ?o } }", 0),
    ("SELECT * FROM <EVIL> FROM NAMED <EVIL> { { ?s ?p ?o } UNION { GRAPH <EVIL> { ?s ?p ?o } } }", 0),
    ("PREFIX e: <http://HOST/> SELECT * FROM e:x { ?s ?p ?o }", 0),
    ("SELECT * { GRAPH <EVIL> { ?s ?p ?o } }", 0),
    ("SELECT * { <EVIL> ?p ?o }", 0),
    ("DESCRIBE <EVIL>", 0),
    ("CONSTRUCT WHERE { <EVIL> <EVIL> <EVIL> }", 0),
    ("SELECT (IRI('EVIL') AS ?x) (<http://www.w3.org/2001/XMLSchema#string>('EVIL') AS ?y) {}", 1),
    ("BASE <EVIL> SELECT * { <> <#> <..> }", 0),
]


def filled(query: str, evil: str, listed: str) -> str:
    return query.replace("EVIL", evil).replace("HOST", evil.split("/")[2]).replace("LISTED", listed)


@pytest.mark.parametrize("query", REFUSED)
def test_what_would_reach_the_network_is_refused_before(
    evaluator: Evaluator, store: Path, listener: socket.socket, evil: str, listed: str, query: str
) -> None:
    with pytest.raises((QueryRefused, MalformedQuery, UpdateRefused)) as caught:
        ask(evaluator, store, filled(query, evil, listed))
    assert caught.value.status in (400, 403)
    assert saw_nobody(listener)


@pytest.mark.parametrize(("query", "rows"), ANSWERED)
def test_what_only_looks_like_it_is_answered_from_the_store(
    evaluator: Evaluator, store: Path, listener: socket.socket, evil: str, listed: str, query: str, rows: int
) -> None:
    with ask(evaluator, store, filled(query, evil, listed)) as answer:
        assert answer.rows == rows
        assert answer.repeatable
    assert saw_nobody(listener)


def test_a_data_set_named_by_the_request_is_not_fetched(
    evaluator: Evaluator, store: Path, listener: socket.socket, evil: str
) -> None:
    with ask(evaluator, store, "SELECT * { ?s ?p ?o }", default_graphs=(evil,), named_graphs=(evil,)) as answer:
        assert answer.rows == 0
    assert saw_nobody(listener)


def test_the_listener_would_notice(listener: socket.socket, evil: str) -> None:
    """What all the others rely on: the engine itself does connect when it is asked."""
    code = "import sys, pyoxigraph; next(pyoxigraph.Store().query(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", code, f"SELECT * {{ SERVICE <{evil}> {G} }}"]) as child:
        readable, _, _ = select.select([listener], [], [], 20)
        child.kill()
    assert readable
    while not saw_nobody(listener):
        pass


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { SERVICE <LISTED> { ?s ?p ?o } }",
        "PREFIX e: <LISTED> SELECT * { SERVICE SILENT e: { ?s ?p ?o } }",
        "SELECT * { ?a ?b 'x' OPTIONAL { SERVICE <LISTED> { ?s ?p ?o } } }",
    ],
)
def test_a_listed_endpoint_is_asked(evaluator: Evaluator, store: Path, listed: str, query: str) -> None:
    with ask(evaluator, store, query.replace("LISTED", listed)) as answer:
        (row,) = json.loads(answer.read())["results"]["bindings"]
        assert row["s"]["value"] == "http://e/from-afar"
        assert not answer.repeatable


def test_a_listed_endpoint_that_fails_is_named_as_the_cause(store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        endpoint = f"http://127.0.0.1:{gone.getsockname()[1]}/"
    with start_broker(Settings(service_allow=endpoint, query_workers=1)) as broker, broker.evaluator() as client:
        with pytest.raises(ServiceFailed):
            ask(client, store, f"SELECT * {{ SERVICE <{endpoint}> {G} }}")
        with ask(client, store, f"SELECT * {{ SERVICE SILENT <{endpoint}> {G} }}") as answer:
            assert json.loads(answer.read())["results"]["bindings"] == [{}]
