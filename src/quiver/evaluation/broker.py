"""The one process of a service that owns the queue of queries and the workers that evaluate them.

It runs as an interpreter of its own (`python -m quiver.evaluation.broker`), with one thread and without ever opening
a store, so that it can fork workers at any time. It reads its settings as one line of JSON from standard input, and
ends when that closes, when its parent is gone, or on SIGTERM; nothing is left behind then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
from collections import Counter, deque
from pathlib import Path
from typing import Final

import msgspec
import pyoxigraph  # loaded once here, so that a forked worker starts warm

from quiver.errors import Overloaded, QueryTimeout, QuiverError
from quiver.evaluation.channels import Channel, Job, StandardError, WorkerProcess
from quiver.evaluation.messages import (
    Answered,
    Ask,
    AskStatus,
    BrokerSettings,
    BrokerStatus,
    Ready,
    decode,
    encode,
    failure,
)
from quiver.evaluation.worker import run_forked

_LOG = logging.getLogger(__name__)
_PARENT_CHECK_S: Final = 1.0
_NARROW: Final = "Narrow the query, add LIMIT, or take the dump at /dumps/."


class Broker:
    """Takes queries from clients, hands each to a worker, and kills what is over its deadline or no longer wanted.

    At most `workers` queries run at once; one more process is kept warm for the moment when one is killed.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._parent = os.getppid()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._clients: set[Channel] = set()
        self._jobs: dict[Channel, Job] = {}
        self._waiting: deque[Job] = deque()
        self._workers: set[WorkerProcess] = set()
        self._idle: list[WorkerProcess] = []
        self._running = 0
        self._last_store: str | None = None
        self._failed_starts = 0
        self._counts: Counter[str] = Counter()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    async def run(self) -> None:
        """Serve until told to end."""
        path = self._settings.socket_path
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        self._listener.bind(path)
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        self._loop.add_reader(sys.stdin.fileno(), self._on_stdin)
        self._loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        self._check_parent()
        self._replenish()
        print("ready", flush=True)  # noqa: T201 - the start protocol: who started the broker waits for it
        await self._ended.wait()
        self._end()

    # -- clients

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        client = Channel(self._loop, connection, self._settings.max_request_bytes)
        self._clients.add(client)
        client.start(self._on_request, self._on_client_gone)

    def _on_request(self, client: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        message = decode(header)
        if isinstance(message, AskStatus):
            client.send(encode(self._status()))
        elif isinstance(message, Ask) and client not in self._jobs:
            self._take(Job(client, message, header))
        else:
            raise ConnectionError("a client speaks out of turn")

    def _take(self, job: Job) -> None:
        self._jobs[job.client] = job
        settings = self._settings
        job.timeout_s = min(job.ask.timeout_s, settings.timeout_s)
        free = settings.workers - self._running
        if len(self._waiting) >= settings.queue + free:
            self._counts["refused"] += 1
            self._fail(job, Overloaded("Too many queries wait already.", value=settings.queue, hint="Try again soon."))
            return
        job.deadline = self._loop.call_later(job.timeout_s, self._on_deadline, job)
        self._waiting.append(job)
        self._dispatch()

    def _on_client_gone(self, client: Channel) -> None:
        self._clients.discard(client)
        job = self._jobs.pop(client, None)
        if job is None:
            return
        self._counts["cancelled"] += 1
        self._drop(job)

    def _on_deadline(self, job: Job) -> None:
        self._counts["timed_out"] += 1
        self._drop(job)
        limit = job.timeout_s
        self._fail(job, QueryTimeout(f"The query took longer than {limit:g} s.", value=limit, hint=_NARROW))

    def _fail(self, job: Job, error: QuiverError) -> None:
        self._reply(job, encode(failure(error)), b"", None)

    def _reply(self, job: Job, header: bytes, body: bytes, descriptor: int | None) -> None:
        job.cancel_deadline()
        if self._jobs.pop(job.client, None) is not None:
            job.client.send(header, body, descriptor)
        elif descriptor is not None:
            os.close(descriptor)

    def _drop(self, job: Job) -> None:
        """Stop *job*, wherever it is."""
        job.cancel_deadline()
        if job.worker is not None:
            self._discard(job.worker)
            self._dispatch()
        else:
            self._waiting.remove(job)

    # -- workers

    def _dispatch(self) -> None:
        while self._waiting and self._idle and self._running < self._settings.workers:
            job = self._waiting.popleft()
            # The one that worked last has the warmest caches.
            same = [worker for worker in self._idle if worker.store == job.ask.store]
            worker = same[-1] if same else self._idle[-1]
            self._idle.remove(worker)
            worker.job, job.worker = job, worker
            worker.store = self._last_store = job.ask.store
            self._running += 1
            worker.channel.send(job.header)

    def _on_answer(self, channel: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        worker = next(one for one in self._workers if one.channel is channel)
        message = decode(header)
        if isinstance(message, Ready):
            self._failed_starts = 0
        else:
            job = self._release(worker)
            if job is not None:
                self._counts["answered" if isinstance(message, Answered) else "failed"] += 1
                self._reply(job, header, body, descriptor)
        worker.is_ready = True
        self._idle.append(worker)
        self._dispatch()

    def _release(self, worker: WorkerProcess) -> Job | None:
        job, worker.job = worker.job, None
        if job is not None:
            job.worker = None
            self._running -= 1
        return job

    def _on_worker_gone(self, channel: Channel) -> None:
        worker = next((one for one in self._workers if one.channel is channel), None)
        if worker is None:
            return
        job = self._release(worker)
        self._forget(worker)
        ending = worker.reap()
        if job is not None:
            self._counts["lost"] += 1
            self._fail(job, ending.error(self._settings.limits.memory_bytes))
        elif not worker.is_ready:
            self._failed_starts += 1
        if ending.code:
            _LOG.warning("worker %d ended with %d", worker.pid, ending.code)
        self._replenish()
        self._dispatch()

    def _discard(self, worker: WorkerProcess) -> None:
        """Kill *worker*; the warm one takes its place at once, and a new one is made."""
        self._release(worker)
        self._forget(worker)
        worker.kill()
        self._loop.call_soon(self._reap, worker)
        self._replenish()

    def _reap(self, worker: WorkerProcess) -> None:
        # The kernel may need a while to give back gigabytes; nobody waits for it here.
        if not worker.try_reap():
            self._loop.call_later(0.02, self._reap, worker)

    def _forget(self, worker: WorkerProcess) -> None:
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        worker.channel.close()

    def _replenish(self) -> None:
        missing = self._settings.workers + 1 - len(self._workers)
        if self._ended.is_set() or missing <= 0:
            return
        if self._failed_starts:
            # Something makes workers end at their start: no storm of forks.
            self._loop.call_later(min(0.1 * 2**self._failed_starts, 5.0), self._fork)
            return
        for _ in range(missing):
            self._fork()

    def _fork(self) -> None:
        if self._ended.is_set() or len(self._workers) > self._settings.workers:
            return
        broker = os.getpid()
        try:
            ours, theirs = socket.socketpair()
            errors_in, errors_out = os.pipe()
            pid = os.fork()
        except OSError as error:
            _LOG.error("no new worker: %s", error)
            self._failed_starts += 1
            self._replenish()
            return
        if pid == 0:
            code = 1
            # Nothing may return to the frames of the broker.
            try:
                code = run_forked(theirs, errors_out, self._settings.limits, self._last_store, broker)
            except BaseException:
                logging.getLogger("quiver.evaluation.worker").exception("worker failed")
            finally:
                os._exit(code)
        theirs.close()
        os.close(errors_out)
        worker = WorkerProcess(pid, Channel(self._loop, ours), StandardError(self._loop, errors_in))
        worker.store = self._last_store
        self._workers.add(worker)
        worker.channel.start(self._on_answer, self._on_worker_gone)

    # -- the process itself

    def _status(self) -> BrokerStatus:
        names = ("answered", "failed", "timed_out", "cancelled", "refused", "lost")
        return BrokerStatus(
            running=self._running,
            waiting=len(self._waiting),
            workers=sorted(worker.pid for worker in self._workers),
            **{name: self._counts[name] for name in names},
        )

    def _on_stdin(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            self._ended.set()

    def _check_parent(self) -> None:
        if os.getppid() != self._parent:
            self._ended.set()
        else:
            self._loop.call_later(_PARENT_CHECK_S, self._check_parent)

    def _end(self) -> None:
        self._loop.remove_reader(self._listener)
        self._loop.remove_reader(sys.stdin.fileno())
        self._listener.close()
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.channel.close()
            worker.reap()
        for client in self._clients:
            client.close()
        shutil.rmtree(self._settings.limits.directory, ignore_errors=True)


def main() -> None:
    """Run the broker whose settings stand in the first line of standard input."""
    # Unbuffered, since the event loop watches the rest.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        settings = msgspec.json.decode(stdin.readline(), type=BrokerSettings)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # An interrupt at the terminal reaches the whole group; who started the broker decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _LOG.debug("engine %s", pyoxigraph.__version__)

    async def serve() -> None:
        await Broker(settings).run()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
