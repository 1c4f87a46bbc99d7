"""A release held in memory by one process, from which workers are forked that share it (copy on write).

Measured in pyoxigraph 0.5.13: queries run 1.2 to 4 times faster than from disk; a triple takes about 700 bytes; and
scans make much of the shared memory a worker's own. So it is done only where every worker could have a copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, cast

import pyoxigraph

from quiver.dumps.parts import PartsFile
from quiver.errors import QuiverError
from quiver.evaluation.channels import Channel, WorkerProcess
from quiver.evaluation.messages import Inbox, Limits, Ready, Spawn, Spawned, decode, encode, receive, send
from quiver.evaluation.worker import cut_loose, run_forked
from quiver.manifest import read_manifest
from quiver.processes import die_with_parent

_LOG = logging.getLogger(__name__)
BYTES_PER_QUAD: Final = 700
# Only there can a process adopt the children of another, so that they are the broker's like any other worker.
CAN_HOLD: Final = sys.platform == "linux"
_ADOPTION_S: Final = 5.0
_REAP_S: Final = 0.05


def fits(store: str, workers: int, budget_bytes: int) -> bool:
    """Whether *budget_bytes* are enough for the release of *store* in memory, and a copy for each of *workers*."""
    if not budget_bytes or not CAN_HOLD:
        return False
    try:
        quads = read_manifest(Path(store).parent).quads
    except (QuiverError, OSError):
        return False
    return quads * BYTES_PER_QUAD * (workers + 1) <= budget_bytes


class Holder:
    """The broker's view of the process that holds the release of the store at *path*.

    *on_held* is called when it is loaded, *on_gone* when the process has ended by itself.
    """

    def __init__(
        self, path: str, limits: Limits, *, on_held: Callable[[], None], on_gone: Callable[[Holder], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.path = path
        self.is_ready = False
        self._on_held, self._on_gone_ = on_held, on_gone
        self._born: deque[WorkerProcess] = deque()
        broker = os.getpid()
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            # Nothing may return to the frames of the broker.
            try:
                code = _hold(theirs, path, limits, broker)
            except BaseException:  # noqa: BLE001 - the outermost handler of a process
                _LOG.exception("the release could not be held in memory")
            finally:
                os._exit(code)
        theirs.close()
        self._channel = Channel(self._loop, ours)
        self._channel.start(self._on_frame, self._on_gone)

    def spawn(self, worker: WorkerProcess, connection: int, stderr: int) -> None:
        """Have *worker* made, with these descriptors; its process id is known a moment later."""
        self._born.append(worker)
        for descriptor in (connection, stderr):
            self._channel.send(encode(Spawn()), b"", os.dup(descriptor))

    def end(self) -> None:
        """Let go of the memory; workers that share it live on."""
        self.is_ready = False
        self._channel.close()
        while self._born:
            self._born.popleft().be_lost()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._reap()

    def _reap(self) -> None:
        # The kernel may need a while to give back gigabytes; nobody waits for it here.
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                self._loop.call_later(_REAP_S, self._reap)

    def _on_frame(self, channel: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        message = decode(header)
        if isinstance(message, Spawned):
            worker = self._born.popleft()
            if message.pid and not worker.pid:
                worker.be_born(message.pid)
            elif not message.pid:
                worker.be_lost()
        else:
            self.is_ready = True
            self._on_held()

    def _on_gone(self, channel: Channel) -> None:
        self.end()
        self._on_gone_(self)


def _hold(connection: socket.socket, path: str, limits: Limits, broker: int) -> int:
    """Load the release, then fork a worker for each pair of descriptors, until the connection closes."""
    die_with_parent(broker)
    cut_loose(connection.fileno())
    folder = Path(path).parent
    store = pyoxigraph.Store()
    # The engine calls nothing of a file but `read`, which is what this has.
    parts = cast("IO[bytes]", PartsFile([folder / part.path for part in read_manifest(folder).parts]))
    store.bulk_load(input=parts, format=pyoxigraph.RdfFormat.N_QUADS)
    gc.collect()
    gc.freeze()
    send(connection, encode(Ready()))
    inbox = Inbox()
    while True:
        try:
            descriptors = [receive(connection, inbox)[2] for _ in range(2)]
        except ConnectionError:
            return 0
        theirs, stderr = descriptors
        assert theirs is not None
        assert stderr is not None
        send(connection, encode(Spawned(_fork_for(broker, theirs, stderr, limits, (path, store)))))
        os.close(theirs)
        os.close(stderr)


def _fork_for(broker: int, theirs: int, stderr: int, limits: Limits, held: tuple[str, pyoxigraph.Store]) -> int:
    """The process id of a new worker that is the child of *broker*: its parent in between ends at once."""
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        pid = os.fork()
        if pid:
            os.write(writing, pid.to_bytes(4, "big"))
            os._exit(0)
        code = 1
        try:
            end = time.monotonic() + _ADOPTION_S
            while os.getppid() != broker and time.monotonic() < end:
                time.sleep(0.0005)
            code = run_forked(socket.socket(fileno=theirs), stderr, limits, None, broker, held)
        except BaseException:
            logging.getLogger("quiver.evaluation.worker").exception("worker failed")
        finally:
            os._exit(code)
    os.close(writing)
    pid = int.from_bytes(os.read(reading, 4), "big")
    os.close(reading)
    os.waitpid(between, 0)
    return pid
