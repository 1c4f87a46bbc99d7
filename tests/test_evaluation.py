"""Queries in killable workers: answers, limits, losses, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # its stubs are a package of their own
import pyoxigraph
import pytest

from quiver.config import Settings
from quiver.errors import (
    BadRequest,
    DamagedRelease,
    MalformedQuery,
    MemoryLimit,
    NotAcceptable,
    Overloaded,
    QueryRefused,
    QueryTimeout,
    QuiverError,
    ResultTooLarge,
    UpdateRefused,
    WorkerLost,
)
from quiver.evaluation import BrokerHandle, Evaluator, PendingAnswer, QueryAnswer, QueryRequest, start_broker
from quiver.evaluation.results import RESULT_FORMATS, CappedTriples, RowCounter
from quiver.negotiation import CSV, JSON, NTRIPLES, RDFXML, SOLUTIONS, TSV, TURTLE, XML, Format, Kind

SUBJECTS, PROPERTIES = 400, 5
ALL = "SELECT * { ?s ?p ?o }"
ONE = "SELECT * { <http://e/1> ?p ?o }"
# 64 * 10^18 solutions: it ends by being killed.
ENDLESS = "SELECT (COUNT(*) AS ?n) { " + " ".join(f"?s{i} ?p{i} ?o{i} ." for i in range(6)) + " }"
FORMATS: dict[Kind, Format] = {"solutions": JSON, "boolean": JSON, "graph": TURTLE}


def make_store(path: Path, value: str = "value") -> Path:
    store = pyoxigraph.Store(str(path))
    store.bulk_extend(
        pyoxigraph.Quad(
            pyoxigraph.NamedNode(f"http://e/{s}"),
            pyoxigraph.NamedNode(f"http://e/p{p}"),
            pyoxigraph.Literal(f'{value} "{s}",\n\t{{"}},{{"<result>{p}'),
        )
        for s in range(SUBJECTS)
        for p in range(PROPERTIES)
    )
    for graph in ("g", "h"):
        node = pyoxigraph.NamedNode(f"http://e/{graph}")
        store.add(pyoxigraph.Quad(node, node, pyoxigraph.Literal(graph), node))
    store.flush()
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("evaluation") / "store")


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerHandle]:
    with start_broker(Settings(query_timeout_s=20, query_memory_bytes=300_000_000, log_level="ERROR")) as handle:
        yield handle


@pytest.fixture(scope="module")
def evaluator(broker: BrokerHandle) -> Iterator[Evaluator]:
    with broker.evaluator() as client:
        yield client


@pytest.fixture
def ask(evaluator: Evaluator, store: Path) -> Callable[..., QueryAnswer]:
    def evaluate(text: str, **fields: object) -> QueryAnswer:
        return evaluator.evaluate(QueryRequest(text, store, FORMATS, **fields))  # type: ignore[arg-type]

    return evaluate


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


# -- answers


def test_solutions(ask: Callable[..., QueryAnswer]) -> None:
    with ask(ONE) as answer:
        assert (answer.kind, answer.format, answer.rows) == ("solutions", JSON, PROPERTIES)
        bindings = json.loads(answer.read())["results"]["bindings"]
    assert {row["p"]["value"] for row in bindings} == {f"http://e/p{p}" for p in range(PROPERTIES)}


def test_a_long_result_comes_whole_and_in_pieces(ask: Callable[..., QueryAnswer], broker: BrokerHandle) -> None:
    with ask(ALL) as answer:
        pieces = list(answer.chunks())
        assert answer.rows == SUBJECTS * PROPERTIES
    assert len(pieces) > 1
    assert sum(map(len, pieces)) == answer.size
    assert len(json.loads(b"".join(pieces))["results"]["bindings"]) == SUBJECTS * PROPERTIES
    assert [path.name for path in broker.directory.iterdir()] == ["broker"]


def test_the_kind_is_that_of_the_evaluated_query(ask: Callable[..., QueryAnswer]) -> None:
    with ask("ASK { ?s ?p ?o }") as answer:
        assert (answer.kind, json.loads(answer.read())["boolean"]) == ("boolean", True)
    with ask("# SELECT\nPREFIX e: <http://e/> CONSTRUCT WHERE { e:1 ?p ?o }") as answer:
        assert (answer.kind, answer.format, answer.rows) == ("graph", TURTLE, PROPERTIES)
        text = answer.read()
    assert b"@prefix e: <http://e/> ." in text
    assert len(list(pyoxigraph.parse(text, pyoxigraph.RdfFormat.TURTLE))) == PROPERTIES


@pytest.mark.parametrize("form", SOLUTIONS, ids=lambda form: form.name)
@pytest.mark.parametrize("query", [ONE, ALL, "SELECT * { <http://e/none> ?p ?o }"])
def test_rows_are_counted_in_every_format(evaluator: Evaluator, store: Path, form: Format, query: str) -> None:
    with evaluator.evaluate(QueryRequest(query, store, {"solutions": form})) as answer:
        rows, body = answer.rows, answer.read()
    assert rows == {ONE: PROPERTIES, ALL: SUBJECTS * PROPERTIES}.get(query, 0)
    if form in (JSON, XML, TSV):
        parsed = pyoxigraph.parse_query_results(body, RESULT_FORMATS[form.name])
        assert isinstance(parsed, pyoxigraph.QuerySolutions)
        assert sum(1 for _ in parsed) == rows


@pytest.mark.parametrize("form", [JSON, XML, CSV, TSV], ids=lambda form: form.name)
def test_rows_are_counted_the_same_in_pieces_of_any_size(store: Path, form: Format) -> None:
    answer = pyoxigraph.Store.read_only(str(store)).query("SELECT ?o ?x { ?s <http://e/p1> ?o } LIMIT 20")
    assert isinstance(answer, pyoxigraph.QuerySolutions)
    body = answer.serialize(format=RESULT_FORMATS[form.name])
    assert body is not None
    for size in (1, 2, 3, 7, 4096):
        counter = RowCounter(form.name)
        for start in range(0, len(body), size):
            counter.add(body[start : start + size])
        assert counter.rows == 20, size


def test_the_data_set_of_the_request_replaces_that_of_the_query(ask: Callable[..., QueryAnswer]) -> None:
    def values(query: str, **fields: object) -> list[str]:
        with ask(query, **fields) as answer:
            rows = json.loads(answer.read())["results"]["bindings"]
        return sorted(row["o"]["value"] for row in rows)

    plain, named = "SELECT ?o { ?s ?p ?o }", "SELECT ?o { GRAPH ?g { ?s ?p ?o } }"
    g, h = ("http://e/g",), ("http://e/h",)
    assert values(plain, default_graphs=g) == ["g"]
    assert values(plain, default_graphs=g + h) == ["g", "h"]
    assert values("SELECT ?o FROM <http://e/h> { ?s ?p ?o }", default_graphs=g) == ["g"]
    assert values("SELECT ?o FROM <http://e/h> { ?s ?p ?o }") == ["h"]
    assert values(named) == ["g", "h"]
    assert values(named, named_graphs=h) == ["h"]
    assert values(plain, named_graphs=h) == []
    assert values(named, default_graphs=g) == []
    with pytest.raises(BadRequest, match="IRI"):
        values(plain, default_graphs=("no iri",))


def test_relative_iris_use_the_base_of_the_request(ask: Callable[..., QueryAnswer]) -> None:
    with ask("SELECT * { <1> ?p ?o }", base="http://e/") as answer:
        assert answer.rows == PROPERTIES


def test_the_store_is_named_by_the_request_and_not_written_to(
    evaluator: Evaluator, store: Path, tmp_path: Path
) -> None:
    other = make_store(tmp_path / "other", "another")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in other.iterdir())
    for path, expected in ((other, b"another"), (store, b"value"), (other, b"another"), (store, b"value")):
        with evaluator.evaluate(QueryRequest(ONE, path, FORMATS)) as answer:
            assert expected in answer.read()
    assert sorted((path.name, path.stat().st_mtime_ns) for path in other.iterdir()) == before


# -- refusals


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELECT * { ?s ?p }", MalformedQuery),
        ("INSERT DATA { <a:b> <a:c> 1 }", UpdateRefused),
        ("SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }", QueryRefused),
        ("SELECT * { { SELECT * { OPTIONAL { service silent ?x { ?s ?p ?o } } } } }", QueryRefused),
        ("SELECT * { ?s ?p '\ud800' }", BadRequest),
        ("SELECT * {" + " " * 2_000_000 + "}", BadRequest),
    ],
)
def test_refusals(ask: Callable[..., QueryAnswer], query: str, error: type[QuiverError]) -> None:
    with pytest.raises(error):
        ask(query)


def test_a_malformed_query_keeps_its_place(ask: Callable[..., QueryAnswer]) -> None:
    with pytest.raises(MalformedQuery) as caught:
        ask("SELECT *\n{ ?s ?p }")
    assert (caught.value.line, caught.value.column) == (2, 9)


def test_service_opens_no_socket(ask: Callable[..., QueryAnswer]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}/"
        for query in (
            f"SELECT * {{ SERVICE <{endpoint}> {{ ?s ?p ?o }} }}",
            f"PREFIX : <{endpoint}> SELECT * {{ ?s ?p trueSERVICE:x {{ ?a ?b ?c }} }}",
            f"PREFIX ex: <http://e/> SELECT * {{ ?s ?p ex:a.b.SERVICE<{endpoint}>{{ ?a ?b ?c }} }}",
        ):
            with pytest.raises((QueryRefused, MalformedQuery)):
                ask(query)
        # Neither does a graph that is not in the store.
        with ask(f"SELECT * FROM <{endpoint}> FROM NAMED <{endpoint}x> {{ ?s ?p ?o }}") as answer:
            assert answer.rows == 0
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_kind_without_an_accepted_format_is_not_acceptable(evaluator: Evaluator, store: Path) -> None:
    with pytest.raises(NotAcceptable):
        evaluator.evaluate(QueryRequest(ONE, store, {"graph": TURTLE}))
    with pytest.raises(NotAcceptable):
        evaluator.evaluate(QueryRequest("CONSTRUCT WHERE { ?s ?p ?o }", store, {"solutions": JSON}))


def test_a_store_that_does_not_open_is_a_damaged_release(evaluator: Evaluator, tmp_path: Path, store: Path) -> None:
    with pytest.raises(DamagedRelease):
        evaluator.evaluate(QueryRequest(ONE, tmp_path / "none", FORMATS))
    with evaluator.evaluate(QueryRequest(ONE, store, FORMATS)) as answer:
        assert answer.rows == PROPERTIES


# -- limits


def test_the_deadline_kills_and_the_next_query_is_answered(
    evaluator: Evaluator, ask: Callable[..., QueryAnswer]
) -> None:
    ask(ONE).close()
    before = evaluator.status()
    begun = time.monotonic()
    with pytest.raises(QueryTimeout) as caught:
        ask(ENDLESS, timeout_s=0.5)
    assert time.monotonic() - begun < 20  # it would take hours
    assert caught.value.value == 0.5
    with ask(ONE) as answer:
        assert answer.rows == PROPERTIES
    wait_until(lambda: len(evaluator.status().workers) == len(before.workers))
    killed = set(before.workers) - set(evaluator.status().workers)
    assert len(killed) == 1
    wait_until(lambda: all(map(is_gone, killed)))


def test_a_client_cannot_ask_for_more_than_the_limit(store: Path) -> None:
    with start_broker(Settings(query_timeout_s=0.5)) as broker, broker.evaluator() as client:
        with pytest.raises(QueryTimeout) as caught:
            client.evaluate(QueryRequest(ENDLESS, store, FORMATS, timeout_s=60))
        assert caught.value.value == 0.5


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?a ?d ?g",
        "SELECT (" + "1+" * 200_000 + "1 AS ?x) {}",
        "SELECT * " + "{" * 50_000 + "}" * 50_000,
        "SELECT * { ?s " + "|".join(["<a:a>"] * 50_000) + " ?o }",
        "SELECT (STRLEN(?a40) AS ?n) { BIND('0123456789' AS ?a0) "
        + " ".join(f"BIND(CONCAT(?a{n}, ?a{n}) AS ?a{n + 1})" for n in range(40))
        + " }",
    ],
    ids=["sort", "long-expression", "deep-nesting", "long-path", "doubling"],
)
def test_running_out_of_memory_or_stack_costs_one_query_only(ask: Callable[..., QueryAnswer], query: str) -> None:
    with pytest.raises(MemoryLimit):
        ask(query)
    with ask(ONE) as answer:
        assert answer.rows == PROPERTIES


EACH_FORMAT = [(ALL, JSON), (ALL, XML), (ALL, CSV), (ALL, TSV), ("CONSTRUCT WHERE { ?s ?p ?o }", TURTLE)]


def test_the_cap_on_rows_is_named_and_nothing_is_sent(store: Path) -> None:
    cap = SUBJECTS * PROPERTIES - 1
    with start_broker(Settings(query_max_rows=cap)) as broker, broker.evaluator() as client:
        for query, form in EACH_FORMAT:
            formats: dict[Kind, Format] = {"solutions": form, "graph": form}
            with pytest.raises(ResultTooLarge, match=f"{cap:,} rows") as caught:
                client.evaluate(QueryRequest(query, store, formats))
            assert caught.value.value == cap
            with client.evaluate(QueryRequest(f"{query} LIMIT {cap}", store, formats)) as answer:
                assert answer.rows == cap


def test_the_cap_on_bytes_is_named_and_nothing_is_sent(store: Path) -> None:
    with start_broker(Settings(query_max_bytes=50_000)) as broker, broker.evaluator() as client:
        for query, form in EACH_FORMAT:
            formats: dict[Kind, Format] = {"solutions": form, "graph": form}
            with pytest.raises(ResultTooLarge, match="50,000 bytes"):
                client.evaluate(QueryRequest(query, store, formats))
            with client.evaluate(QueryRequest(f"{query} LIMIT 9", store, formats)) as answer:
                assert len(answer.read()) == answer.size


def test_the_cap_itself_is_allowed() -> None:
    triple = pyoxigraph.Triple(*[pyoxigraph.NamedNode("http://e/1")] * 3)
    assert len(list(CappedTriples([triple] * 3, 3))) == 3
    with pytest.raises(ResultTooLarge):
        list(CappedTriples([triple] * 4, 3))


def test_a_full_queue_is_overloaded_and_what_waits_times_out(store: Path) -> None:
    settings = Settings(query_workers=1, query_queue=1, query_timeout_s=20)
    with start_broker(settings) as broker, broker.evaluator() as client:
        running = client.submit(QueryRequest(ENDLESS, store, FORMATS))
        wait_until(lambda: client.status().running == 1)
        waiting = client.submit(QueryRequest(ONE, store, FORMATS, timeout_s=1.0))
        wait_until(lambda: client.status().waiting == 1)
        with pytest.raises(Overloaded):
            client.evaluate(QueryRequest(ONE, store, FORMATS))
        # The deadline counts from arrival: a query that never ran is over as well.
        with pytest.raises(QueryTimeout):
            waiting.result()
        assert client.status().waiting == 0
        running.cancel()
        with pytest.raises(WorkerLost):
            running.result()
        with client.evaluate(QueryRequest(ONE, store, FORMATS)) as answer:
            assert answer.rows == PROPERTIES


# -- losses


def test_a_broker_that_is_not_ready_in_time_is_ended_and_said_to_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quiver.evaluation.process._START_S", 0.01)
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(WorkerLost) as caught:
        start_broker(Settings())
    assert "not ready within 0.01 s" in caught.value.hint
    assert {child.pid for child in psutil.Process().children()} == before


def test_killing_a_worker_fails_the_query_that_ran_in_it_and_no_other(store: Path) -> None:
    with start_broker(Settings(query_workers=2, log_level="ERROR")) as broker, broker.evaluator() as client:
        client.evaluate(QueryRequest(ONE, store, FORMATS)).close()
        victims = [client.submit(QueryRequest(ENDLESS, store, FORMATS)) for _ in range(2)]
        wait_until(lambda: client.status().running == 2)
        wait_until(lambda: any(_cpu(pid) > 0.5 for pid in client.status().workers))
        os.kill(max(client.status().workers, key=_cpu), signal.SIGKILL)
        with ThreadPoolExecutor(2) as pool:
            results = [pool.submit(_outcome, victim) for victim in victims]
            wait_until(lambda: sum(result.done() for result in results) == 1)
            lost = next(result for result in results if result.done())
            assert isinstance(lost.result(), WorkerLost)
            with client.evaluate(QueryRequest(ONE, store, FORMATS)) as answer:
                assert answer.rows == PROPERTIES
            assert client.status().running == 1
            for victim in victims:
                victim.cancel()


def _outcome(pending: PendingAnswer) -> QuiverError | QueryAnswer:
    try:
        return pending.result()
    except QuiverError as error:
        return error


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def test_a_client_that_leaves_stops_its_query(evaluator: Evaluator, store: Path) -> None:
    pending = evaluator.submit(QueryRequest(ENDLESS, store, FORMATS))
    wait_until(lambda: evaluator.status().running == 1)
    cancelled = evaluator.status().cancelled
    threading.Timer(0.1, pending.cancel).start()
    with pytest.raises(WorkerLost, match="left"):
        pending.result()
    wait_until(lambda: evaluator.status().running == 0)
    assert evaluator.status().cancelled == cancelled + 1


def test_a_client_process_that_dies_stops_its_query(broker: BrokerHandle, evaluator: Evaluator, store: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from quiver.config import Settings; "
        "from quiver.evaluation import connect, QueryRequest; from quiver.negotiation import JSON; "
        "connect(sys.argv[1], Settings()).evaluate(QueryRequest(sys.argv[3], Path(sys.argv[2]), {'solutions': JSON}))"
    )
    with subprocess.Popen([sys.executable, "-c", code, broker.socket_path, store, ENDLESS]) as client:
        wait_until(lambda: evaluator.status().running == 1)
        client.kill()
    wait_until(lambda: evaluator.status().running == 0)


def test_twenty_clients_at_once(evaluator: Evaluator, store: Path) -> None:
    def one(number: int) -> int | None:
        with evaluator.evaluate(QueryRequest(f"SELECT * {{ <http://e/{number}> ?p ?o }}", store, FORMATS)) as answer:
            assert answer.read().count(f'value \\"{number}\\"'.encode()) == PROPERTIES
            return answer.rows

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(one, [n % SUBJECTS for n in range(200)])) == [PROPERTIES] * 200


def test_nonsense_on_the_socket_ends_that_connection_only(
    broker: BrokerHandle, ask: Callable[..., QueryAnswer]
) -> None:
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x04\0\0\0\0\0abcd", b"\xff" * 9):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(broker.socket_path))
            connection.sendall(nonsense)
            connection.settimeout(5)
            assert connection.recv(1) == b""
    with ask(ONE) as answer:
        assert answer.rows == PROPERTIES


# -- beginning and end


def test_nothing_is_left_when_the_broker_stops(store: Path) -> None:
    broker = start_broker(Settings())
    assert broker.directory.stat().st_mode & 0o777 == 0o700
    with broker.evaluator() as client:
        held = client.evaluate(QueryRequest(ALL, store, FORMATS))
        pending = client.submit(QueryRequest(ENDLESS, store, FORMATS))
        wait_until(lambda: client.status().running == 1)
        processes = [broker.pid, *client.status().workers]
        broker.stop()
        with pytest.raises(WorkerLost):
            pending.result()
        assert not broker.directory.exists()
        wait_until(lambda: all(map(is_gone, processes)))
        # What was handed over is whole, whatever became of the broker.
        assert len(json.loads(held.read())["results"]["bindings"]) == SUBJECTS * PROPERTIES
        with pytest.raises(WorkerLost):
            client.evaluate(QueryRequest(ONE, store, FORMATS))


def test_nothing_is_left_when_the_owner_is_killed(store: Path) -> None:
    code = (
        "import sys, time; from quiver.config import Settings; from quiver.evaluation import start_broker; "
        "broker = start_broker(Settings()); print(broker.pid, broker.socket_path, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, path = owner.stdout.readline().split()
        with Evaluator(path, timeout_s=20, max_length=1000) as client:
            pending = client.submit(QueryRequest(ENDLESS, store, FORMATS))
            wait_until(lambda: client.status().running == 1)
            processes = [int(pid), *client.status().workers]
            owner.kill()
            with pytest.raises(WorkerLost):
                pending.result()
    wait_until(lambda: all(map(is_gone, processes)))
    wait_until(lambda: not Path(path).parent.exists())


def test_a_lost_broker_takes_its_workers_along_and_comes_back_at_the_same_socket(store: Path) -> None:
    with start_broker(Settings()) as broker, broker.evaluator() as client:
        client.evaluate(QueryRequest(ONE, store, FORMATS)).close()
        workers = client.status().workers
        assert broker.restart_if_lost() is False
        os.kill(broker.pid, signal.SIGKILL)
        wait_until(lambda: not broker.is_running())
        wait_until(lambda: all(map(is_gone, workers)))
        assert broker.restart_if_lost() is True
        with client.evaluate(QueryRequest(ONE, store, FORMATS)) as answer:
            assert answer.rows == PROPERTIES


def test_the_store_is_opened_by_workers_only(
    broker: BrokerHandle, ask: Callable[..., QueryAnswer], store: Path
) -> None:
    ask(ONE).close()
    process = psutil.Process(broker.pid)
    assert process.num_threads() == 1
    assert not [file.path for file in process.open_files() if str(store) in file.path]


@pytest.mark.parametrize("form", [NTRIPLES, RDFXML], ids=lambda form: form.name)
def test_graphs_in_other_syntaxes(evaluator: Evaluator, store: Path, form: Format) -> None:
    request = QueryRequest("CONSTRUCT WHERE { <http://e/1> ?p ?o }", store, {"graph": form})
    with evaluator.evaluate(request) as answer:
        syntax = pyoxigraph.RdfFormat.from_media_type(form.media_type)
        assert len(list(pyoxigraph.parse(answer.read(), syntax))) == answer.rows == PROPERTIES
