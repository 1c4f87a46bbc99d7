"""A Dask scheduler and its workers as processes of their own, one of which can be told when to die."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WAIT_S: Final = 60.0
# Loaded by a worker before it begins: it kills itself when it has put so many bundles into the scratch, or files into
# an output: before or after the last of them is there. Then the result is lost, and the task has to be done again.
_DOOMED: Final = """
import os, signal
from quiver import convert
from quiver.releases import scratch

def doomed(module):
    real = module.put
    def put(chunks, target):
        global left
        left -= 1
        if not left and {moment!r} == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(chunks, target)
        if not left and {moment!r} == "after":
            os.kill(os.getpid(), signal.SIGKILL)
    module.put = put

def dask_setup(worker):
    global left
    left = {puts}
    doomed(scratch)
    doomed(convert)
"""


@dataclass(frozen=True)
class Cluster:
    """Where the scheduler answers, and the processes of the workers."""

    address: str
    workers: list[subprocess.Popen[bytes]]


@contextlib.contextmanager
def cluster(dooms: Sequence[tuple[str, int] | None]) -> Iterator[Cluster]:
    """A scheduler with a worker for each of *dooms*: None, or ("before" or "after", the put at which it dies).

    Raises:
        RuntimeError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="quiver-dask-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        known = folder / "scheduler.json"
        log = stack.enter_context((folder / "log").open("wb"))

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
            environment = {**os.environ, "TMPDIR": name}
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment)
            stack.callback(_end, process)
            return process

        def wait_until(there: Callable[[], bool]) -> None:
            while not there():
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the cluster does not start:\n{(folder / 'log').read_text()}")
                time.sleep(0.05)

        deadline = time.monotonic() + _WAIT_S
        shared = ["--scheduler-file", str(known), "--dashboard-address", ":0"]
        start("scheduler", "--host", "127.0.0.1", "--port", "0", *shared)
        workers = []
        for number, doom in enumerate(dooms):
            preload = folder / f"preload{number}.py"
            preload.write_text("" if doom is None else _DOOMED.format(moment=doom[0], puts=doom[1]))
            arguments = ["--nthreads", "1", "--no-nanny", "--local-directory", name]
            workers.append(start("worker", *shared, *arguments, "--preload", str(preload)))
        registered = "Starting worker compute stream"
        wait_until(lambda: (folder / "log").read_text().count(registered) >= len(dooms))
        address = json.loads(known.read_text())["address"]
        yield Cluster(address, workers)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
