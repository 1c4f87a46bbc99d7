"""A real server for tests: `quiver serve` on a free port, in a group of its own, ended with all its processes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

START_S = 60.0
STOP_S = 30.0


@dataclass(frozen=True)
class Server:
    """A server that runs: its port, its process, and the folder that all its processes use for temporary files."""

    port: int
    process: subprocess.Popen[bytes]
    temporary: Path
    log: Path

    def processes(self) -> list[psutil.Process]:
        """All processes of the server that are alive, the first of them its own."""
        top = psutil.Process(self.process.pid)
        return [one for one in (top, *top.children(recursive=True)) if _is_alive(one)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def heed_ctrl_c() -> None:
    """In a process that is about to be started: a shell has Ctrl-C ignored in the background, and that is handed on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port() -> int:
    """A port that nothing is bound to at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(library: Path, folder: Path, **settings: object) -> Iterator[Server]:
    """`quiver serve` for *library* with these settings; *folder* takes its log and temporary files."""
    port = free_port()
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
    environment.update({f"QUIVER_{name.upper()}": str(value) for name, value in settings.items()})
    command = [sys.executable, "-m", "quiver.cli", "serve", str(library), "--port", str(port)]
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            wait_until_healthy(port, process, log)
            yield Server(port, process, temporary, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


def wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path, path: str = "/health") -> None:
    """Nothing, as soon as the service answers *path* with 200."""
    end = time.monotonic() + START_S
    while True:
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
        except OSError:
            pass
        assert time.monotonic() < end, log.read_text(errors="replace")
        time.sleep(0.1)


def fetch(
    port: int, path: str, headers: Mapping[str, str] | None = None, source: str = "127.0.0.1", method: str = "GET"
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, header fields (names in lower case) and body; asked from the local address *source*."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    with closing(connection):
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        body = response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body
