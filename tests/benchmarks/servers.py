"""Servers as processes of a benchmark: started on a free port, waited for, ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from tests.benchmarks.load import Connection

SOURCES: Final = Path(__file__).resolve().parents[2]
_START_S: Final = 120.0
_STOP_S: Final = 20.0


@dataclass(frozen=True)
class Server:
    """A server that answers: `path` is its SPARQL endpoint, `folder` holds its temporary files, `log` its output."""

    name: str
    port: int
    path: str
    process: psutil.Process
    folder: Path
    log: Path
    parameters: Mapping[str, str] = field(default_factory=dict)

    def members(self) -> list[psutil.Process]:
        """Its processes, the first one included."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self.process, *self.process.children(recursive=True)]
        return []


class ServerFailed(RuntimeError):
    """A server that did not start; the message ends with its output."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str],
    port: int,
    path: str,
    *,
    probe: str = "",
    environment: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """The server that *command* starts, answering at *probe*; it and all its children are gone afterwards.

    Raises:
        ServerFailed: it ended, or did not answer within two minutes.
    """
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder, ending_on_terminate():
        temporary = Path(folder) / "tmp"
        temporary.mkdir()
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(temporary), **(environment or {})},
                start_new_session=True,
            )
        server = Server(name, port, path, psutil.Process(process.pid), temporary, log, parameters or {})
        try:
            _wait(server, process, probe or path)
            yield server
        finally:
            _stop(process)


def _wait(server: Server, process: subprocess.Popen[bytes], probe: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            with Connection(server.port, timeout_s=30) as connection:
                connection.get(probe)
            return
        time.sleep(0.1)
    raise ServerFailed(f"{server.name} did not start:\n{server.log.read_text(errors='replace')[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the tree: politely, then by force, members that left the group included."""
    members: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        members = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        print(f"{process.args!r} does not end on SIGTERM", file=sys.stderr)
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(members, timeout=5)
    for member in alive:
        print(f"left behind and killed: {member}", file=sys.stderr)
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def settle(server: Server, most_s: float = 60.0) -> None:
    """Wait until *server* has nothing left to do: a tenth of a core at most for a third of a second."""
    deadline = time.monotonic() + most_s
    spent = _processor_seconds(server)
    while time.monotonic() < deadline:
        time.sleep(0.3)
        before, spent = spent, _processor_seconds(server)
        if spent - before <= 0.03:
            return


def _processor_seconds(server: Server) -> float:
    total = 0.0
    for member in server.members():
        with contextlib.suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            total += times.user + times.system
    return total


@contextlib.contextmanager
def ending_on_terminate() -> Iterator[None]:
    """Make SIGTERM end this process as an exception does, so that it leaves nothing behind."""

    def end(*_: object) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def quiver_environment() -> dict[str, str]:
    """The environment in which `quiver` is the one of this source tree."""
    return {"PYTHONPATH": f"{SOURCES / 'src'}"}


@contextlib.contextmanager
def quiver(library: Path, *, wrapper: Sequence[str] = (), **settings: object) -> Iterator[Server]:
    """Quiver serving *library* with *settings*; *wrapper* is a command that runs the one behind it."""
    port = free_port()
    variables = {f"QUIVER_{name.upper()}": str(value) for name, value in settings.items()}
    command = [*wrapper, sys.executable, "-m", "quiver.cli", "serve", str(library), "--port", str(port)]
    with running(
        "quiver", command, port, "/sparql", probe="/health", environment={**quiver_environment(), **variables}
    ) as server:
        yield server
