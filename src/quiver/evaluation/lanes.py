"""The client's side of lending: workers in the hands of this process, for queries that take milliseconds.

A query that is not answered soon is handed over to the broker, with the worker that is at it. So nothing that takes
long runs outside the broker's rules, and a recalled worker is back within that time.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final, Protocol

from quiver.evaluation.channels import Channel
from quiver.evaluation.messages import (
    Abandon,
    Ask,
    Borrow,
    Denied,
    Lent,
    Lost,
    Recall,
    Return,
    as_error,
    decode,
    encode,
)
from quiver.evaluation.scheduling import FairQueue

Taken = tuple[bytes, bytes, int | None]

_SLOW_S: Final = 0.05
# How often to look for what is slow, or idle.
_LOOK_S: Final = 0.01
_IDLE_S: Final = 1.0
_RETRY_S: Final = 0.05
# How long to wait for the broker to say why a worker ended, or whether it lends one.
_WHY_S: Final = 1.0


class Query:
    """A query under way: `answer` will be the frame that answers it, or the error in which it ended."""

    __slots__ = ("answer", "ask", "header", "lane", "line", "started")

    def __init__(self, ask: Ask, header: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.ask = ask
        self.header = header
        self.started = loop.time()
        self.answer: asyncio.Future[Taken] = loop.create_future()
        self.lane: Lane | None = None
        self.line: Closable | None = None

    def finish(self, taken: Taken) -> None:
        if not self.answer.done():
            self.answer.set_result(taken)
        elif taken[2] is not None:
            # Nobody waits any more.
            os.close(taken[2])

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Closable(Protocol):
    def close(self) -> None: ...


class Lane:
    """One lent worker; one query at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pid: int, connection: socket.socket, lanes: Lanes) -> None:
        self._loop = loop
        self._lanes = lanes
        self._channel = Channel(loop, connection)
        self.pid = pid
        self.query: Query | None = None
        self.since = loop.time()
        self.is_recalled = False
        self.store = ""
        self._channel.start(self._on_frame, self._on_gone)

    def run(self, query: Query) -> None:
        """Have *query* evaluated here."""
        self.query, query.lane = query, self
        self.store = query.ask.store
        self.since = self._loop.time()
        left_s = query.ask.timeout_s - (self.since - query.started)
        if left_s < _SLOW_S:
            self._loop.call_later(max(left_s, 0.0), self.hand_over_if, query)
        self._channel.send(query.header)

    def close(self) -> None:
        """Take the hands off the worker."""
        self._channel.close()

    def hand_over_if(self, query: Query) -> None:
        """Have the broker adopt *query*, with its worker, if it is still here."""
        if self.query is not query:
            return
        if self._channel.is_quiet:
            self.query = query.lane = None
            self.close()
            self._lanes.on_slow(self, query)
        else:
            # While the query is being sent, or its answer has begun to come, the socket is not the broker's to read.
            self._loop.call_later(_LOOK_S, self.hand_over_if, query)

    def _on_frame(self, channel: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        query, self.query = self.query, None
        if query is not None:
            query.lane = None
            query.finish((header, body, descriptor))
        self._lanes.on_idle(self)

    def _on_gone(self, channel: Channel) -> None:
        self._lanes.on_gone(self)


class Lanes:
    """The lent workers of this process, and the queries that wait for one of them.

    *connect* makes a connection to the broker; *fall_back* sends a query by the broker, which adopts the worker with
    that process id if it is given.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        capacity: int,
        connect: Callable[[], socket.socket],
        fall_back: Callable[[Query, int | None], None],
    ) -> None:
        self._loop = loop
        self._connect = connect
        self._fall_back = fall_back
        self._lanes: dict[int, Lane] = {}
        self._idle: list[Lane] = []
        self._waiting: FairQueue[Query] = FairQueue(capacity)
        self._broken: dict[int, Query] = {}
        self._channel: Channel | None = None
        self._is_asking = False
        self._ask_again = 0.0
        self._looking: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def run(self, query: Query) -> bool:
        """Whether *query* is, or will soon be, evaluated by a lent worker."""
        if self._idle:
            self._idle.pop().run(query)
            return True
        self._ask_for_one()
        if not self._lanes and not self._is_asking:
            return False
        refused = self._waiting.push(query.ask.client, query)
        if refused is not None and refused is not query:
            self._fall_back(refused, None)
        return refused is not query

    def withdraw(self, query: Query) -> None:
        """Forget *query* where it waits, or hand it over where it runs, so that the broker can stop it."""
        if query.lane is not None:
            query.lane.hand_over_if(query)
        elif query.line is None and self._waiting.contains(query.ask.client, query):
            self._waiting.remove(query.ask.client, query)

    def abandon(self, pid: int) -> None:
        """Have the broker kill the worker *pid*, which was to be adopted, unless it has been."""
        if self._channel is not None:
            self._channel.send(encode(Abandon(pid)))

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()
        self._idle.clear()
        for timer in (self._looking, self._patience):
            if timer is not None:
                timer.cancel()
        if self._channel is not None:
            self._channel.close()

    # -- what lanes tell

    def on_idle(self, lane: Lane) -> None:
        if lane.is_recalled:
            self._give_back(lane)
        elif (query := self._waiting.pop()) is not None:
            lane.run(query)
        else:
            self._idle.append(lane)

    def on_slow(self, lane: Lane, query: Query) -> None:
        self._forget(lane)
        self._fall_back(query, lane.pid)

    def on_gone(self, lane: Lane) -> None:
        query, lane.query = lane.query, None
        if query is not None:
            query.lane = None
            # The broker knows why it ended.
            self._broken[lane.pid] = query
            self._loop.call_later(_WHY_S, self._on_silence, lane.pid)
        self._forget(lane)

    # -- what the broker tells

    def _on_frame(self, channel: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        match decode(header):
            case Lent(pid):
                self._has_heard()
                assert descriptor is not None
                lane = self._lanes[pid] = Lane(self._loop, pid, socket.socket(fileno=descriptor), self)
                if self._looking is None:
                    self._looking = self._loop.call_later(_LOOK_S, self._look)
                self.on_idle(lane)
                if self._waiting:
                    self._ask_for_one()
            case Denied():
                self._on_denied()
            case Recall(pid) if (known := self._lanes.get(pid)) is not None:
                known.is_recalled = True
                if known.query is None:
                    self._give_back(known)
            case Lost(pid, why):
                query = self._broken.pop(pid, None)
                known = self._lanes.get(pid)
                if known is not None:
                    query, known.query = known.query or query, None
                    known.close()
                    self._forget(known)
                if query is not None and why is not None:
                    query.fail(as_error(why))
                elif query is not None:
                    self._fall_back(query, None)

    def _has_heard(self) -> None:
        self._is_asking = False
        if self._patience is not None:
            self._patience.cancel()

    def _on_denied(self) -> None:
        """No worker can be had, or the broker does not say."""
        self._has_heard()
        self._ask_again = self._loop.time() + _RETRY_S
        self._fall_back_all()

    def _on_silence(self, pid: int) -> None:
        if (query := self._broken.pop(pid, None)) is not None:
            self._fall_back(query, None)

    def _on_gone(self, channel: Channel) -> None:
        """The broker is gone, and with it its workers."""
        self._channel = None
        self._on_denied()
        self._ask_again = self._loop.time() + _WHY_S
        for lane in list(self._lanes.values()):
            if lane.query is None:
                lane.close()
                self._forget(lane)

    # -- having lanes

    def _look(self) -> None:
        """Hand over what takes long, give back what nobody uses: one timer for all, since most queries need none."""
        now = self._loop.time()
        for client, query in self._waiting:
            if now - query.started >= query.ask.timeout_s:
                self._waiting.remove(client, query)
                self._fall_back(query, None)  # the broker says that its time is over
        for lane in list(self._lanes.values()):
            if lane.query is not None and now - lane.since >= _SLOW_S:
                lane.hand_over_if(lane.query)
            elif lane.query is None and now - lane.since >= _IDLE_S:
                self._give_back(lane)
        self._looking = self._loop.call_later(_LOOK_S, self._look) if self._lanes else None

    def _ask_for_one(self) -> None:
        if self._is_asking or self._loop.time() < self._ask_again:
            return
        if self._channel is None:
            try:
                connection = self._connect()
            except OSError:
                self._ask_again = self._loop.time() + _RETRY_S
                return
            self._channel = Channel(self._loop, connection)
            self._channel.start(self._on_frame, self._on_gone)
        self._is_asking = True
        self._patience = self._loop.call_later(_WHY_S, self._on_denied)
        self._channel.send(encode(Borrow()))

    def _give_back(self, lane: Lane) -> None:
        lane.close()
        if self._channel is not None:
            self._channel.send(encode(Return(lane.pid, lane.store)))
        self._forget(lane)

    def _forget(self, lane: Lane) -> None:
        if self._lanes.get(lane.pid) is lane:
            del self._lanes[lane.pid]
        if lane in self._idle:
            self._idle.remove(lane)
        self._fall_back_all()

    def _fall_back_all(self) -> None:
        """Send what waits by the broker, where no lane is left or will come."""
        if self._lanes or self._is_asking:
            return
        while (query := self._waiting.pop()) is not None:
            self._fall_back(query, None)
