"""The production server as a client meets it: queries that are stopped, answers that are kept, bodies of any size."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
import pytest
import zstandard

from quiver.evaluation import BrokerStatus, Evaluator
from tests.serving import Server, fetch, serving
from tests.test_evaluation import ENDLESS, wait_until

LONG_CAP = 2_000_000
FORM = "application/x-www-form-urlencoded"
ALL = "SELECT * { ?s ?p ?o }"
HEADS = ("content-type", "content-length", "etag", "vary", "cache-control", "access-control-allow-origin")


@pytest.fixture(scope="module")
def server(web_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("front")
    with serving(
        web_library,
        folder,
        query_timeout_s=20,
        query_max_length=20_000,
        query_max_bytes=LONG_CAP * 10,
        # So that endless queries end by the clock.
        query_memory_bytes=4_000_000_000,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def status(server: Server) -> Iterator[Callable[[], BrokerStatus]]:
    socket_path = next(server.temporary.glob("quiver-*/broker"))
    with Evaluator(socket_path, timeout_s=20, max_length=1000) as evaluator:
        yield evaluator.status


def sparql(query: str, **parameters: str) -> str:
    return "/sparql?" + urlencode({"query": query, **parameters})


def decode(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    return zstandard.ZstdDecompressor().decompressobj().decompress(body) if coding == "zstd" else body


def post(server: Server, body: bytes, content_type: str = FORM) -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("POST", "/sparql", body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


# -- stopping


def test_a_client_that_leaves_stops_its_query(server: Server, status: Callable[[], BrokerStatus]) -> None:
    cancelled = status().cancelled
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"GET {sparql(ENDLESS)} HTTP/1.1\r\nHost: e\r\n\r\n".encode())
        wait_until(lambda: status().running == 1)
    wait_until(lambda: status().running == 0)
    assert status().cancelled == cancelled + 1


def test_pages_and_others_are_answered_while_one_client_saturates_the_workers(
    server: Server, status: Callable[[], BrokerStatus]
) -> None:
    hogs = []
    for _ in range(12):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, source_address=("127.0.0.2", 0))
        connection.request("GET", sparql(ENDLESS))
        hogs.append(connection)
    try:
        # One more than the two may run at first: from workers that were lent when it came.
        wait_until(lambda: status().running + status().waiting == 12)
        for number in range(10):
            assert fetch(server.port, "/statistics")[0] == 200
            query = f"SELECT * {{ ?s ?p ?o }} LIMIT 1 # {number}"
            code, _, body = fetch(server.port, sparql(query), source="127.0.0.3")
            assert (code, len(json.loads(body)["results"]["bindings"])) == (200, 1)
        wait_until(lambda: (status().running, status().waiting) == (2, 10))
    finally:
        for connection in hogs:
            connection.close()
    wait_until(lambda: (status().running, status().waiting) == (0, 0))


# -- what is kept


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("path", [sparql("SELECT * { ?s ?p ?o } LIMIT 50"), "/name/andrew_zhao.html", "/statistics"])
def test_a_kept_answer_is_the_same_answer(server: Server, path: str, coding: str) -> None:
    accept = {"Accept-Encoding": coding}
    first, *others = (fetch(server.port, path, accept) for _ in range(4))
    code, headers, body = first
    assert code == 200
    assert headers.get("content-encoding", "identity") == coding
    assert len(decode(body, coding)) > 1000
    for other_code, other_headers, other_body in others:
        assert (other_code, other_body) == (200, body)
        assert [other_headers.get(name) for name in HEADS] == [headers.get(name) for name in HEADS]
    # Known to the client, in either process, kept there or not.
    for _ in range(4):
        code, fresh, body = fetch(server.port, path, {**accept, "If-None-Match": headers["etag"]})
        assert (code, fresh["etag"], body) == (304, headers["etag"], b"")
    assert fetch(server.port, path, {**accept, "If-None-Match": '"another"'})[0] == 200
    head = fetch(server.port, path, accept, method="HEAD")
    assert (head[0], head[2]) == (200, b"")
    assert [head[1].get(name) for name in HEADS] == [headers.get(name) for name in HEADS]


@pytest.mark.parametrize("function", ["RAND()", "NOW()", "UUID()", "STRUUID()"])
def test_what_differs_each_time_is_not_kept(server: Server, function: str) -> None:
    answers = [fetch(server.port, sparql(f"SELECT (STR({function}) AS ?x) {{}}")) for _ in range(6)]
    assert len({body for _, _, body in answers}) > 1
    assert not any("etag" in headers for _, headers, _ in answers)


def test_errors_are_not_kept(server: Server) -> None:
    for _ in range(3):
        code, headers, body = fetch(server.port, sparql("SELECT * {\n ?s ?p }"))
        assert (code, headers["cache-control"]) == (400, "no-store")
        assert json.loads(body)["excerpt"] == " ?s ?p }\n       ^"


def raw(server: Server, *lines: str) -> bytes:
    """The whole answer to a GET with these lines, its head included."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "Host: e", "Connection: close", "", ""]).encode())
        return connection.makefile("rb").read()


def test_a_repeated_field_does_not_get_its_answer_kept_for_others(server: Server) -> None:
    usual = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.7"
    path = "/venue/neurips"
    for _ in range(6):
        other = raw(server, f"GET {path}.html HTTP/1.1", "Accept-Encoding: gzip", "Accept-Encoding: zstd")
        assert b"content-encoding: zstd" in other.lower()
        assert fetch(server.port, f"{path}.html", {"Accept-Encoding": "gzip"})[1]["content-encoding"] == "gzip"
        raw(server, "GET /.well-known/void HTTP/1.1", f"Accept: {usual}", "Accept: application/n-triples;q=1")
        raw(server, "GET /.well-known/void HTTP/1.1", "Accept: text/turtle;q=0.2", "Accept: application/n-triples")
        assert fetch(server.port, "/.well-known/void", {"Accept": "text/turtle;q=0.2"})[1]["content-type"].startswith(
            "text/turtle"
        )


def test_a_query_is_evaluated_by_the_broker_however_its_fields_are_sent(
    server: Server, status: Callable[[], BrokerStatus]
) -> None:
    hogs = []
    for _ in range(10):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(
            f"GET {sparql(ENDLESS, timeout='15')} HTTP/1.1\r\nHost: e\r\nAccept: text/html;q=0.1\r\n"
            "Accept: application/sparql-results+json\r\n\r\n".encode()
        )
        hogs.append(connection)
    wait_until(lambda: status().running >= 2)
    assert fetch(server.port, "/quality?x=1")[0] == 200
    assert status().running >= 2
    for connection in hogs:
        connection.close()
    wait_until(lambda: (status().running, status().waiting) == (0, 0))


def test_what_is_asked_at_great_length_is_not_kept_in_memory(server: Server) -> None:
    def memory() -> int:
        return sum(process.memory_info().rss for process in server.processes())

    # What every process and thread takes once comes with the first some hundred.
    for number in range(300):
        fetch(server.port, sparql(f"ASK {{}}#first{number}" + "x" * 15_000))
    before = memory()
    for number in range(600):
        assert fetch(server.port, sparql(f"ASK {{}}#{number}" + "x" * 15_000))[0] == 200
    assert memory() - before < 600 * 15_000 * 2


def test_a_reader_that_pauses_gets_all_of_it(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(f"GET {sparql(ALL, format='csv')} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n".encode())
        head, _, body = connection.recv(300_000).partition(b"\r\n\r\n")
        time.sleep(3)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while piece := connection.recv(1 << 16):
            body += piece
    assert len(body) == length


def test_a_reader_that_takes_nothing_is_left_after_a_while(web_library: Path, tmp_path: Path) -> None:
    with (
        # One process, which every question meets; as long as a slow machine may need until the next question.
        serving(web_library, tmp_path, web_workers=1, send_timeout_s=5, spool_bytes=1000) as strict,
        socket.create_connection(("127.0.0.1", strict.port), timeout=60) as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(f"GET {sparql(ALL, format='csv')} HTTP/1.1\r\nHost: e\r\n\r\n".encode())
        assert connection.recv(100)

        def others() -> set[int]:
            return {fetch(strict.port, sparql(f"{ALL}#{n}", format="csv"))[0] for n in range(4)}

        # While it is held, the process has no room for another.
        assert others() == {503}
        wait_until(lambda: others() == {200})


def test_the_answer_to_a_post_depends_on_its_body(server: Server) -> None:
    for number in (1, 2, 1, 2, 1, 2):
        code, headers, body = post(server, urlencode({"query": f"SELECT ({number} AS ?x) {{}}"}).encode())
        assert code == 200
        assert json.loads(body)["results"]["bindings"][0]["x"]["value"] == str(number)
        assert "etag" not in headers


# -- bodies


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
def test_a_long_result_arrives_whole(server: Server, coding: str) -> None:
    code, headers, body = fetch(server.port, sparql(ALL, format="csv"), {"Accept-Encoding": coding})
    assert code == 200
    if coding == "identity":
        assert int(headers["content-length"]) == len(body)
    body = decode(body, coding)
    assert headers.get("content-encoding", "identity") == coding
    assert len(body) > LONG_CAP
    count = json.loads(fetch(server.port, sparql("SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"))[2])
    assert body.count(b"\r\n") - 1 == int(count["results"]["bindings"][0]["n"]["value"])


def test_readers_that_do_not_read_cost_no_memory_and_leave_nothing_open(server: Server) -> None:
    def held() -> int:
        return sum(
            os.path.realpath(link).startswith(("/proc/", str(server.temporary))) and "pipe:" in os.path.realpath(link)
            for process in server.processes()
            for link in Path(f"/proc/{process.pid}/fd").iterdir()
        )

    def memory() -> int:
        return sum(process.memory_info().rss for process in server.processes())

    size = len(fetch(server.port, sparql(ALL, format="csv"))[2])
    before, used = held(), memory()
    idle = []
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(f"GET {sparql(ALL, format='csv')} HTTP/1.1\r\nHost: e\r\n\r\n".encode())
        idle.append(connection)
    wait_until(lambda: all(connection.recv(1, socket.MSG_PEEK) for connection in idle), 60)
    time.sleep(0.5)
    assert memory() - used < 20 * size / 2
    for connection in idle:
        connection.close()
    wait_until(lambda: held() <= before, 30)


def test_twenty_readers_at_once(server: Server) -> None:
    with ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(lambda _: fetch(server.port, sparql(ALL, format="tsv"))[2], range(20)))
    assert len(set(bodies)) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_413(server: Server, chunked: bool) -> None:
    head = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000000"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(f"POST /sparql HTTP/1.1\r\nHost: e\r\nContent-Type: {FORM}\r\n{head}\r\n\r\n".encode())
        try:
            for _ in range(100):
                connection.sendall(b"2710\r\n" + b"x" * 10000 + b"\r\n" if chunked else b"x" * 10000)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It need not be read to its end.
        assert b" 413 " in connection.recv(1000).splitlines()[0]


def test_half_a_body_is_not_waited_for(web_library: Path, tmp_path: Path) -> None:
    with (
        serving(web_library, tmp_path, body_timeout_s=0.5) as impatient,
        socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as connection,
    ):
        connection.sendall(
            f"POST /sparql HTTP/1.1\r\nHost: e\r\nContent-Type: {FORM}\r\nContent-Length: 99\r\n\r\nq".encode()
        )
        answer = connection.recv(10_000)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
        assert b'"body-timeout"' in answer + connection.recv(10_000)


def test_a_whole_dump_goes_at_its_readers_pace(server: Server) -> None:
    page = fetch(server.port, "/dumps/")[2].decode()
    name = page.split(".nq.gz")[0].rsplit('"', 1)[1] + ".nq.gz"
    code, headers, body = fetch(server.port, "/dumps/" + name.removeprefix("../").removeprefix("dumps/"))
    assert code == 200
    assert len(body) == int(headers["content-length"])
    assert gzip.decompress(body).endswith(b" .\n")


def test_the_counts_of_requests_know_all_ways(server: Server) -> None:
    for _ in range(4):
        fetch(server.port, sparql("ASK {}"))
    text = fetch(server.port, "/metrics")[2].decode()
    assert 'quiver_requests_total{area="protocol",status="200"}' in text


def test_processes_end_with_the_server(server: Server) -> None:
    assert all(process.status() != psutil.STATUS_ZOMBIE for process in server.processes())


@pytest.mark.parametrize(
    "target", [b"/name/andrew_zhao.html?q=\xc3\xa9", b"/search?q=Sch\xc3\xb6n\xe6\x9d\x8e", b"/name/\xe6\x9d\x8e"]
)
def test_raw_utf8_in_an_address_is_what_it_would_be_escaped(server: Server, target: bytes) -> None:
    def answer(raw: bytes) -> tuple[bytes, bytes]:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(
                b"GET " + raw + b" HTTP/1.1\r\nHost: e\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
            )
            head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        return head.split(b"\r\n")[0], body

    status, body = answer(target)
    assert status.split()[1] in (b"200", b"404")
    assert (status, len(body)) == (
        answer(quote(target, safe="/?=").encode())[0],
        len(answer(quote(target, safe="/?=").encode())[1]),
    )


@pytest.mark.parametrize("target", [b"/search?q=\xff", b"/name/\xff", b"/sparql?query=ASK%7B%7D%23\xff"])
def test_bytes_that_are_no_utf8_are_no_fault_of_the_server(server: Server, target: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n")
        assert connection.makefile("rb").read()[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 404")
