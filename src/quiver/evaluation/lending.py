"""Workers lent to clients, which then ask them directly: two messages for a query of milliseconds instead of four.

What is lent is the broker's own end of the worker's socket. A client keeps no query in a lent worker for long: it has
the broker adopt it, who begins to read the socket again, and all rules of the broker hold for the query from then on.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from quiver.evaluation.channels import Channel, WorkerProcess
from quiver.evaluation.messages import Denied, Lent, Lost, Recall, encode, failure
from quiver.evaluation.pool import WorkerPool

# Without it nobody would see that a lent worker has died, whose socket the broker does not read (Linux has it).
CAN_LEND: Final = hasattr(os, "pidfd_open")
_PATIENCE_S: Final = 0.02


@dataclass(eq=False, slots=True)
class _Loan:
    worker: WorkerProcess
    borrower: Channel
    process: int
    is_recalled: bool = False


class Lender:
    """Lends idle workers of *pool* while *may_lend* holds; *on_change* is called when one comes back or is lost."""

    def __init__(
        self, pool: WorkerPool, memory_bytes: int, *, may_lend: Callable[[], bool], on_change: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = pool
        self._memory_bytes = memory_bytes
        self._may_lend = may_lend
        self._on_change = on_change
        self._loans: dict[int, _Loan] = {}
        self._wanted: deque[Channel] = deque()
        self._patience: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._loans)

    def borrow(self, borrower: Channel) -> None:
        """Lend *borrower* a worker, now or in a moment, or tell it that there is none."""
        if not CAN_LEND:
            borrower.send(encode(Denied()))
        elif self._may_lend():
            self._lend(borrower)
        else:
            self._share_out(borrower)
            # Where only short queries run, one will be free in a moment.
            self._wanted.append(borrower)
            if self._patience is None:
                self._patience = self._loop.call_later(_PATIENCE_S, self._lose_patience)

    def serve(self) -> None:
        """Lend what has become free to who waits for it."""
        while self._wanted and self._may_lend():
            self._lend(self._wanted.popleft())

    def _lose_patience(self) -> None:
        self._patience = None
        while self._wanted:
            self._wanted.popleft().send(encode(Denied()))

    def _lend(self, borrower: Channel) -> None:
        worker = self._pool.take()
        process = os.pidfd_open(worker.pid)
        worker.channel.pause()
        self._loans[worker.pid] = _Loan(worker, borrower, process)
        self._loop.add_reader(process, self._on_death, worker.pid)
        borrower.send(encode(Lent(worker.pid)), b"", os.dup(worker.channel.fileno()))

    def give_back(self, pid: int, store: str) -> None:
        """The worker *pid* is idle, and the broker's again; *store* is what it has open now, if anything."""
        if (worker := self._take_back(pid)) is not None:
            if store:
                self._pool.mark(worker, store)
            self._pool.give_back(worker)
            self._on_change()

    def adopt(self, pid: int) -> WorkerProcess | None:
        """The worker *pid*, which is at work, and the broker's again; None where it has died."""
        return self._take_back(pid)

    def abandon(self, pid: int) -> None:
        """The worker *pid*, if it is still lent, does what nobody wants any more: it is killed."""
        if (worker := self._take_back(pid)) is not None:
            self._pool.discard(worker)
            self._on_change()

    def recall_one(self) -> None:
        """Ask for a worker back, unless one is on its way."""
        if self._loans and not any(loan.is_recalled for loan in self._loans.values()):
            self._recall(next(iter(self._loans.values())))

    def leave(self, borrower: Channel) -> None:
        """*borrower* is gone: what it had is killed, since nobody knows what it does."""
        if borrower in self._wanted:
            self._wanted.remove(borrower)
        for pid in [pid for pid, loan in self._loans.items() if loan.borrower is borrower]:
            worker = self._take_back(pid)
            assert worker is not None
            self._pool.discard(worker)
        self._on_change()

    def end(self) -> None:
        """Look after the loans no more."""
        for pid in list(self._loans):
            self._take_back(pid)

    def _share_out(self, borrower: Channel) -> None:
        held = Counter(loan.borrower for loan in self._loans.values())
        if held and (richest := max(held, key=lambda one: held[one])) is not borrower:
            loans = [loan for loan in self._loans.values() if loan.borrower is richest]
            if len(loans) > held[borrower] + 1 and not any(loan.is_recalled for loan in loans):
                self._recall(loans[0])

    def _recall(self, loan: _Loan) -> None:
        loan.is_recalled = True
        loan.borrower.send(encode(Recall(loan.worker.pid)))

    def _take_back(self, pid: int) -> WorkerProcess | None:
        loan = self._loans.pop(pid, None)
        if loan is None:
            return None
        self._loop.remove_reader(loan.process)
        os.close(loan.process)
        loan.worker.channel.resume()
        return loan.worker

    def _on_death(self, pid: int) -> None:
        loan = self._loans[pid]
        self._take_back(pid)
        ending = self._pool.bury(loan.worker)
        why = None if ending.is_orderly else failure(ending.error(self._memory_bytes))
        loan.borrower.send(encode(Lost(pid, why)))
        self._on_change()
