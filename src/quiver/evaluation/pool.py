"""The broker's workers: forked, kept warm, taken and given back, killed and replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from quiver.evaluation.channels import Channel, Ending, StandardError, WorkerProcess
from quiver.evaluation.holding import Holder, fits
from quiver.evaluation.messages import Limits, Ready, decode
from quiver.evaluation.worker import run_forked

_LOG = logging.getLogger(__name__)
# What takes long goes after everything else.
_NICE_LONG: Final = 19
_REAP_S: Final = 0.02
# Two releases may be asked in turn while one takes the place of the other.
_HOLD_AFTER_S: Final = 2.0
# How often is looked for idle workers that keep files of a release before the one that is asked now.
_LET_GO_EVERY_S: Final = 5.0

OnAnswer = Callable[[WorkerProcess, bytes, bytes, int | None], None]
OnLost = Callable[[WorkerProcess, Ending], None]


class WorkerPool:
    """*size* processes, some idle and warm.

    *on_ready* is called when one more is idle, *on_answer* with what a worker says of its job, *on_lost* when a worker
    has ended by itself.
    """

    def __init__(
        self,
        limits: Limits,
        size: int,
        *,
        on_ready: Callable[[], None],
        on_answer: OnAnswer,
        on_lost: OnLost,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._size = size
        self._on_ready, self._on_answer, self._on_lost = on_ready, on_answer, on_lost
        self._workers: dict[Channel, WorkerProcess] = {}
        self._idle: list[WorkerProcess] = []
        self._last_store: str | None = None
        self._failed_starts = 0
        self._has_ended = False
        self._holder: Holder | None = None
        self._loop.call_later(_LET_GO_EVERY_S, self._let_go)

    def pids(self) -> list[int]:
        return sorted(worker.pid for worker in self._workers.values() if worker.pid)

    def __bool__(self) -> bool:
        """Whether a worker is idle."""
        return bool(self._idle)

    def take(self, store: str | None = None) -> WorkerProcess:
        """An idle worker, the one whose caches for *store* (else: the last one asked for) are warmest."""
        if store is None:
            store = self._last_store
        # Given back last, taken first.
        worker = next((one for one in reversed(self._idle) if one.store == store), self._idle[-1])
        self._idle.remove(worker)
        self.mark(worker, store)
        return worker

    def mark(self, worker: WorkerProcess, store: str | None) -> None:
        """Note that *worker* now has *store* open, which new workers open too."""
        worker.store = store
        if store != self._last_store:
            self._last_store = store
            if store is not None and self._limits.shared_bytes:
                self._loop.call_later(_HOLD_AFTER_S, self._hold, store)

    def give_back(self, worker: WorkerProcess) -> None:
        """*worker* has answered."""
        # A nice value cannot be taken back without privileges; a new process costs milliseconds.
        if worker.gives_way or self._could_share(worker):
            self.discard(worker)
        else:
            self._idle.append(worker)

    def _let_go(self) -> None:
        """Have idle workers replaced that have files open of a release that is not asked any more, or was removed."""
        if self._has_ended:
            return
        if self._last_store is not None and not Path(self._last_store).exists():
            self._last_store = None
        for worker in [one for one in self._idle if one.held is None and one.store not in (None, self._last_store)]:
            self.discard(worker)
        self._loop.call_later(_LET_GO_EVERY_S, self._let_go)

    def give_way(self, worker: WorkerProcess) -> None:
        """Let everything else on the machine go before what *worker* does now."""
        worker.gives_way = True
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, worker.pid, _NICE_LONG)

    def discard(self, worker: WorkerProcess) -> None:
        """Kill *worker*; a warm one takes its place at once, and a new one is made."""
        self._forget(worker)
        worker.kill()
        self._loop.call_soon(self._reap, worker)
        self.replenish()

    def bury(self, worker: WorkerProcess) -> Ending:
        """How *worker*, which has ended by itself, ended; it is replaced."""
        self._forget(worker)
        if not worker.pid:
            # Its process id is on its way.
            self._failed_starts += 1
            worker.kill()
            self._reap(worker)
            self.replenish()
            return Ending(1, "")
        ending = worker.reap()
        if not worker.is_ready:
            self._failed_starts += 1
        if ending.code:
            _LOG.warning("worker %d ended with %d", worker.pid, ending.code)
        self.replenish()
        return ending

    def replenish(self) -> None:
        """Make the processes that are missing."""
        missing = self._size - len(self._workers)
        if self._has_ended or missing <= 0:
            return
        if self._failed_starts:
            # Something makes workers end at their start: no storm of forks.
            self._loop.call_later(min(0.1 * 2 ** min(self._failed_starts, 6), 5.0), self._fork)
            return
        for _ in range(missing):
            self._fork()

    def end(self) -> None:
        """Kill and reap all."""
        self._has_ended = True
        if self._holder is not None:
            self._holder.end()
        for worker in self._workers.values():
            worker.kill()
        for worker in self._workers.values():
            worker.channel.close()
            if worker.pid:
                worker.reap()

    def _on_frame(self, channel: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        worker = self._workers[channel]
        if not worker.is_ready and isinstance(ready := decode(header), Ready):
            self._failed_starts = 0
            worker.be_born(ready.pid)
            worker.is_ready = True
            self._idle.append(worker)
            self._on_ready()
        else:
            self._on_answer(worker, header, body, descriptor)

    def _on_gone(self, channel: Channel) -> None:
        worker = self._workers.get(channel)
        if worker is None:
            return
        self._on_lost(worker, self.bury(worker))

    def _reap(self, worker: WorkerProcess) -> None:
        # The kernel may need a while to give back gigabytes; nobody waits for it here.
        if not worker.try_reap():
            self._loop.call_later(_REAP_S, self._reap, worker)

    def _forget(self, worker: WorkerProcess) -> None:
        self._workers.pop(worker.channel, None)
        if worker in self._idle:
            self._idle.remove(worker)
        worker.channel.close()

    def _fork(self) -> None:
        if self._has_ended or len(self._workers) >= self._size:
            return
        holder = self._holder if self._holder is not None and self._holder.is_ready else None
        try:
            ours, theirs = socket.socketpair()
            errors_in, errors_out = os.pipe()
            pid = 0 if holder is not None else self._fork_worker(theirs, errors_out)
        except OSError as error:
            _LOG.error("no new worker: %s", error)
            self._failed_starts += 1
            self.replenish()
            return
        worker = WorkerProcess(pid, Channel(self._loop, ours), StandardError(self._loop, errors_in))
        worker.store = self._last_store
        if holder is not None:
            holder.spawn(worker, theirs.fileno(), errors_out)
            worker.store = worker.held = holder.path
        theirs.close()
        os.close(errors_out)
        self._workers[worker.channel] = worker
        worker.channel.start(self._on_frame, self._on_gone)

    def _fork_worker(self, theirs: socket.socket, errors_out: int) -> int:
        broker = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            # Nothing may return to the frames of the broker.
            try:
                code = run_forked(theirs, errors_out, self._limits, self._last_store, broker)
            except BaseException:
                logging.getLogger("quiver.evaluation.worker").exception("worker failed")
            finally:
                os._exit(code)
        return pid

    # -- a release in memory

    def sharing(self) -> int:
        """How many workers share the release in memory."""
        return sum(worker.held is not None for worker in self._workers.values())

    def _hold(self, store: str) -> None:
        """Have *store* held in memory, if it is still the one that is asked, and fits."""
        if self._has_ended or store != self._last_store or (self._holder is not None and self._holder.path == store):
            return
        if self._holder is not None:
            self._holder.end()
            self._holder = None
        if fits(store, self._size, self._limits.shared_bytes):
            self._holder = Holder(store, self._limits, on_held=self._on_held, on_gone=self._on_holder_gone)
        elif self._limits.shared_bytes:
            _LOG.warning("query_shared_bytes is too little for this release, which is read from disk")

    def _on_held(self) -> None:
        _LOG.info("the release is in memory")
        for worker in [worker for worker in self._idle if self._could_share(worker)]:
            self.discard(worker)

    def _on_holder_gone(self, holder: Holder) -> None:
        _LOG.error("the release is no longer held in memory; queries go on from disk")
        if self._holder is holder:
            self._holder = None

    def _could_share(self, worker: WorkerProcess) -> bool:
        """Whether a new worker in the place of *worker* would have in memory what this one reads from disk."""
        holder = self._holder
        return holder is not None and holder.is_ready and worker.held != holder.path
