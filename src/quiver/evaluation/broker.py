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
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
import pyoxigraph  # loaded once here, so that a forked worker starts warm

from quiver.errors import Overloaded, QueryTimeout, QuiverError
from quiver.evaluation.channels import Channel, Ending, Job, WorkerProcess
from quiver.evaluation.lending import Lender
from quiver.evaluation.messages import (
    Abandon,
    Adopt,
    Ask,
    AskStatus,
    Borrow,
    BrokerSettings,
    BrokerStatus,
    Failed,
    Return,
    decode,
    encode,
    failure,
)
from quiver.evaluation.pool import WorkerPool
from quiver.evaluation.scheduling import FairQueue
from quiver.processes import adopt_orphans

_LOG = logging.getLogger(__name__)
_PARENT_CHECK_S: Final = 1.0
# A query that runs longer gives way to all others.
_LONG_S: Final = 1.0
_NARROW: Final = "Narrow the query, add LIMIT, or take the dump at /dumps/."
_BACKLOG: Final = 1024
_ACCEPT_AGAIN_S: Final = 0.1


class Broker:
    """Takes queries from clients, hands each to a worker, and kills what is over its deadline or no longer wanted.

    `workers` queries run at once, those of different clients in turn. One more may run when it is its client's only
    one, so that whoever keeps all workers busy keeps nobody else out; it makes room for the next such query after a
    second, and waits for an ordinary place. One process more than can run is kept warm for the moment when one is
    killed.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._parent = os.getppid()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._clients: set[Channel] = set()
        self._jobs: dict[Channel, Job] = {}
        self._waiting: FairQueue[Job] = FairQueue(settings.queue)
        self._running: dict[WorkerProcess, Job] = {}
        self._counts: Counter[str] = Counter()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._pool = WorkerPool(
            settings.limits,
            settings.workers + 2,
            on_ready=self._dispatch,
            on_answer=self._on_answer,
            on_lost=self._on_worker_lost,
        )
        self._lender = Lender(
            self._pool, settings.limits.memory_bytes, may_lend=self._may_lend, on_change=self._dispatch
        )

    async def run(self) -> None:
        """Serve until told to end."""
        path = self._settings.socket_path
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        self._listener.bind(path)
        self._listener.listen(_BACKLOG)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        self._loop.add_reader(sys.stdin.fileno(), self._on_stdin)
        self._loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        self._check_parent()
        self._pool.replenish()
        print("ready", flush=True)  # noqa: T201 - the start protocol: who started the broker waits for it
        await self._ended.wait()
        self._end()

    # -- clients

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            # Too many open files, for example: what waits is taken a little later.
            _LOG.error("no connection taken: %s", error)
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_ACCEPT_AGAIN_S, self._loop.add_reader, self._listener, self._accept)
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
        elif isinstance(message, Borrow):
            self._lender.borrow(client)
        elif isinstance(message, Return):
            self._lender.give_back(message.worker, message.store)
        elif isinstance(message, Abandon):
            self._lender.abandon(message.worker)
        elif isinstance(message, Adopt) and client not in self._jobs:
            self._adopt(Job(client, message.ask, encode(message.ask)), message.worker)
        else:
            raise ConnectionError("a client speaks out of turn")

    def _begin(self, job: Job) -> None:
        self._jobs[job.client] = job
        job.timeout_s = min(job.ask.timeout_s, self._settings.timeout_s)
        job.deadline = self._loop.call_later(job.timeout_s - job.ask.waited_s, self._on_deadline, job)

    def _take(self, job: Job) -> None:
        self._begin(job)
        room = max(self._settings.workers - self._used, 0)
        if self._used == self._settings.workers and self._may_run_extra()(job.ask.client, job):
            room = 1  # it will not wait
        refused = self._waiting.push(job.ask.client, job, room)
        if refused is not None:
            self._counts["refused"] += 1
            self._fail(
                refused,
                Overloaded("Too many queries wait already.", value=self._waiting.capacity, hint="Try again soon."),
            )
        self._dispatch()

    def _adopt(self, job: Job, pid: int) -> None:
        """Take *job* over, which is under way in the lent worker *pid*."""
        worker = self._lender.adopt(pid)
        if worker is None:
            # It died at this very moment.
            self._take(job)
            return
        self._counts["adopted"] += 1
        self._begin(job)
        self._pool.mark(worker, job.ask.store)
        self._run(job, worker)
        self._dispatch()

    def _on_client_gone(self, client: Channel) -> None:
        self._clients.discard(client)
        self._lender.leave(client)
        job = self._jobs.pop(client, None)
        if job is None:
            return
        self._counts["cancelled"] += 1
        self._stop(job)

    def _on_deadline(self, job: Job) -> None:
        self._counts["timed_out"] += 1
        self._stop(job)
        limit = job.timeout_s
        self._fail(job, QueryTimeout(f"The query took longer than {limit:g} s.", value=limit, hint=_NARROW))

    def _fail(self, job: Job, error: QuiverError) -> None:
        self._reply(job, encode(failure(error)), b"", None)

    def _reply(self, job: Job, header: bytes, body: bytes, descriptor: int | None) -> None:
        job.cancel_timers()
        if self._jobs.pop(job.client, None) is not None:
            job.client.send(header, body, descriptor)
        elif descriptor is not None:
            os.close(descriptor)

    def _stop(self, job: Job) -> None:
        """Stop *job*, wherever it is."""
        job.cancel_timers()
        if job.worker is None:
            self._waiting.remove(job.ask.client, job)
            return
        self._pool.discard(self._release(job))
        self._dispatch()

    # -- which query runs

    @property
    def _used(self) -> int:
        return len(self._running) + len(self._lender)

    def _may_lend(self) -> bool:
        return bool(self._pool) and not self._waiting and self._used < self._settings.workers

    def _dispatch(self) -> None:
        while self._pool and (job := self._next()) is not None:
            worker = self._pool.take(job.ask.store)
            self._run(job, worker)
            worker.channel.send(job.header)
        self._lender.serve()

    def _run(self, job: Job, worker: WorkerProcess) -> None:
        job.worker = worker
        self._running[worker] = job
        job.long = self._loop.call_later(max(_LONG_S - job.ask.waited_s, 0.0), self._on_long, job)

    def _next(self) -> Job | None:
        if not self._waiting:
            return None
        workers = self._settings.workers
        if self._used < workers:
            return self._waiting.pop()
        may = self._may_run_extra()
        if self._used > workers and not self._lender:
            self._make_room(may)
        if self._used == workers and (job := self._waiting.pop(may)) is not None:
            return job
        self._lender.recall_one()
        return None

    def _may_run_extra(self) -> _MayRunExtra:
        return _MayRunExtra({job.ask.client for job in self._running.values()})

    def _make_room(self, may: _MayRunExtra) -> None:
        """End the extra query's turn, where it has had its second and another could use the place."""
        # The one that runs beyond the ordinary places started last. Adoption may bring one of a client that has others.
        extra = next(reversed(self._running.values()))
        is_alone = sum(job.ask.client == extra.ask.client for job in self._running.values()) == 1
        if (is_alone and not extra.is_long) or not self._waiting.holds(may):
            return
        self._counts["moved"] += 1
        extra.was_moved, extra.is_long = True, False
        self._pool.discard(self._release(extra))
        self._waiting.push_back(extra.ask.client, extra)

    def _on_long(self, job: Job) -> None:
        if job.worker is not None:
            job.is_long = True
            self._pool.give_way(job.worker)
            self._dispatch()

    def _release(self, job: Job) -> WorkerProcess:
        """The worker of *job*, which it no longer has."""
        worker, job.worker = job.worker, None
        assert worker is not None
        job.cancel_long()
        del self._running[worker]
        return worker

    # -- workers

    def _on_answer(self, worker: WorkerProcess, header: bytes, body: bytes, descriptor: int | None) -> None:
        job = self._running.get(worker)
        if job is not None:
            self._release(job)
            self._counts["failed" if isinstance(decode(header), Failed) else "answered"] += 1
            self._reply(job, header, body, descriptor)
        self._pool.give_back(worker)
        self._dispatch()

    def _on_worker_lost(self, worker: WorkerProcess, ending: Ending) -> None:
        job = self._running.get(worker)
        if job is not None:
            self._release(job)
            if ending.is_orderly:
                self._waiting.push_back(job.ask.client, job)
            else:
                self._counts["lost"] += 1
                self._fail(job, ending.error(self._settings.limits.memory_bytes))
        self._dispatch()

    # -- the process itself

    def _status(self) -> BrokerStatus:
        names = ("answered", "failed", "timed_out", "cancelled", "refused", "lost", "moved", "adopted")
        return BrokerStatus(
            running=len(self._running),
            waiting=len(self._waiting),
            workers=self._pool.pids(),
            lent=len(self._lender),
            sharing=self._pool.sharing(),
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
        self._lender.end()
        self._pool.end()
        for client in self._clients:
            client.close()
        shutil.rmtree(self._settings.limits.directory, ignore_errors=True)


class _MayRunExtra:
    """Whether a query may run beyond the ordinary places: its client has none running, and it had no such turn yet."""

    def __init__(self, busy: set[str]) -> None:
        self._busy = busy

    def __call__(self, client: str, job: Job) -> bool:
        return client not in self._busy and not job.was_moved


def main() -> None:
    """Run the broker whose settings stand in the first line of standard input."""
    # Unbuffered, since the event loop watches the rest.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        settings = msgspec.json.decode(stdin.readline(), type=BrokerSettings)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # An interrupt at the terminal reaches the whole group; who started the broker decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if settings.limits.shared_bytes:
        adopt_orphans()
    _LOG.debug("engine %s", pyoxigraph.__version__)

    async def serve() -> None:
        await Broker(settings).run()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
