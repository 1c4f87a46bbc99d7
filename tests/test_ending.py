"""Ctrl-C at a server: it ends with all its processes, and says nothing of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from quiver.config import Settings
from quiver.releases import build
from tests.sample import write_sample
from tests.serving import STOP_S, Server, serving

# Imported by every interpreter that begins with this in its path. The thread that tells the event loop of the signal
# comes back from it only after the main thread, which it woke, has done all that it does: the worst of all moments.
_LATE = """
import os
import sys
import time
from asyncio.selector_events import BaseSelectorEventLoop

wake = BaseSelectorEventLoop._write_to_self

def wake_and_stay(self):
    late = sys._getframe(2).f_code.co_name == "shutdown_glue"
    if late:
        os.write(2, b"a thread is late\\n")
    wake(self)
    while late:
        time.sleep(0.01)

BaseSelectorEventLoop._write_to_self = wake_and_stay
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ending")
    build(folder / "library", write_sample(folder), settings=Settings(jobs=1))
    return folder / "library"


@contextmanager
def interrupted(library: Path, folder: Path) -> Iterator[Server]:
    """A server that is sent Ctrl-C at the end of the `with`, and has ended then."""
    # With one web process, which is there when the first answer is; another might be stopped before it has begun.
    with serving(library, folder, web_workers=1) as server:
        yield server
        processes = server.processes()
        # As a terminal does: to every process of the group.
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(STOP_S) == 0
        assert psutil.wait_procs(processes, timeout=STOP_S)[1] == []


def said(server: Server) -> list[str]:
    """What the server said after its first line."""
    lines = server.log.read_text().splitlines()[1:]
    # On a busy machine granian says this of processes that have ended: two of its threads wait for each of them, and
    # the one that is told has a millisecond to tell the other.
    return [line for line in lines if "refused to gracefully stop" not in line]


def test_no_web_process_is_aborted_by_a_thread_that_is_late(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_LATE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    with interrupted(library, tmp_path / "served") as server:
        pass
    assert said(server) == ["a thread is late"]


def test_connections_that_are_open_and_queries_that_were_left_say_nothing(library: Path, tmp_path: Path) -> None:
    with ExitStack() as stack, interrupted(library, tmp_path / "served") as server:
        for path in ("/", "/search?q=a", "/store?default", f"/sparql?query={quote('SELECT * { ?s ?p ?o }')}") * 3:
            connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", server.port, timeout=60)))
            connection.request("GET", path)
            assert connection.getresponse().read()
    assert said(server) == []
