"""Real SPARQL engines for tests, started empty on free ports; and one that is none, and answers as it is told."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from quiver.engines import Target
from tests.conftest import REPOSITORY
from tests.serving import free_port

_BENCH = REPOSITORY.parent / "bench"
_START_S = 90.0

_VIRTUOSO_INI = """
[Database]
DatabaseFile = {folder}/virtuoso.db
ErrorLogFile = {folder}/virtuoso.log
LockFile = {folder}/virtuoso.lck
TransactionFile = {folder}/virtuoso.trx
xa_persistent_file = {folder}/virtuoso.pxa
FileExtend = 200
[TempDatabase]
DatabaseFile = {folder}/temporary.db
TransactionFile = {folder}/temporary.trx
[Parameters]
ServerPort = 127.0.0.1:{sql_port}
DirsAllowed = {folder}
NumberOfBuffers = 20000
MaxDirtyBuffers = 15000
MaxSortedTopRows = 2000000
[HTTPServer]
ServerPort = 127.0.0.1:{port}
ServerRoot = {folder}
KeepAliveTimeout = 60
MaxKeepAlives = 32
[SPARQL]
ResultSetMaxRows = 2000000
"""


def oxigraph_program() -> str:
    """Oxigraph's own server: of the PyPI package `oxigraph`, a test extra. Skips the test where there is none."""
    for folder in (Path(sys.executable).parent, _BENCH / "peers-venv" / "bin"):
        if (folder / "oxigraph").is_file():
            return str(folder / "oxigraph")
    found = shutil.which("oxigraph")
    if found is None:
        pytest.skip("Oxigraph's server is not installed: pip install oxigraph")
    return found


def virtuoso_root() -> Path:
    """Where Virtuoso is unpacked (see tests/benchmarks/peers.py). Skips the test where it is not."""
    root = Path(os.environ.get("QUIVER_TEST_VIRTUOSO", _BENCH / "virtuoso"))
    if not (root / "usr/bin/virtuoso-t").is_file():
        pytest.skip("no Virtuoso: python -m tests.benchmarks.peers install DIR; QUIVER_TEST_VIRTUOSO=DIR/virtuoso")
    return root


@contextmanager
def oxigraph(folder: Path) -> Iterator[Target]:
    """Oxigraph's server, empty, in memory."""
    port = free_port()
    command = [oxigraph_program(), "serve", "--bind", f"127.0.0.1:{port}"]
    with _running(command, port, "/query", folder):
        yield Target(f"http://127.0.0.1:{port}/query")


@contextmanager
def virtuoso(folder: Path) -> Iterator[Target]:
    """Virtuoso, empty; whoever reaches its endpoint may write."""
    root = virtuoso_root()
    port, sql_port = free_port(), free_port()
    settings = folder / "virtuoso.ini"
    settings.write_text(_VIRTUOSO_INI.format(folder=folder, port=port, sql_port=sql_port), encoding="utf-8")
    libraries = f"{root}/lib/x86_64-linux-gnu:{root}/usr/lib/x86_64-linux-gnu"
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
    command = [f"{root}/usr/bin/virtuoso-t", "+foreground", "+configfile", str(settings)]
    with _running(command, port, "/sparql", folder, environment):
        grant = 'grant SPARQL_UPDATE to "SPARQL";'
        isql = [f"{root}/usr/bin/isql-vt", f"127.0.0.1:{sql_port}", "dba", "dba", f"exec={grant}"]
        subprocess.run(isql, check=True, capture_output=True, env=environment)
        yield Target(f"http://127.0.0.1:{port}/sparql")


ENGINES: Mapping[str, Callable[[Path], object]] = {"Oxigraph": oxigraph, "Virtuoso": virtuoso}


@contextmanager
def _running(
    command: list[str], port: int, path: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    log = folder / "engine.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        ) as process,
    ):
        try:
            end = time.monotonic() + _START_S
            while True:
                assert process.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < end, log.read_text(errors="replace")
                try:
                    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                        connection.request("GET", f"{path}?query=ASK%20%7B%7D")
                        if connection.getresponse().status == 200:
                            break
                except (OSError, http.client.HTTPException):
                    pass
                time.sleep(0.1)
            yield
        finally:
            process.kill()
            process.wait()


@dataclass
class Told:
    """What an engine that is none answers next, and what it was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/sparql-results+json"})
    body: bytes = b'{"head":{},"boolean":true}'
    wait_s: float = 0.0
    declared: int | None = None
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    left: threading.Event = field(default_factory=threading.Event)
    target: Target = field(default_factory=lambda: Target(""))


@contextmanager
def pretender() -> Iterator[Told]:
    """A server that answers everything as its `Told` says at that moment."""
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            # A client that closes while more than it wanted is on its way.
            with suppress(ConnectionError):
                super().handle()

        def setup(self) -> None:
            told.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.asked.append((self.command, self.path, dict(self.headers), body))
            if told.wait_s and b"ASK" not in body:
                self.connection.settimeout(told.wait_s)
                try:
                    # Nothing comes on this connection but its end.
                    if not self.connection.recv(1):
                        told.left.set()
                except TimeoutError:
                    pass
                except ConnectionError:
                    told.left.set()
                self.close_connection = True
                return
            self.send_response_only(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body) if told.declared is None else told.declared))
            self.end_headers()
            self.wfile.write(told.body)
            if told.declared is not None:
                self.close_connection = True

        def do_GET(self) -> None:
            self.do_POST()

        def do_DELETE(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    told.target = Target(f"http://127.0.0.1:{server.server_address[1]}/sparql", timeout_s=5.0)
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
