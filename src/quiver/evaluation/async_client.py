"""How an event loop asks for the evaluation of queries: no thread waits, and a query that is cancelled is stopped."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Final

import msgspec

from quiver.config import Settings
from quiver.errors import Overloaded
from quiver.evaluation.channels import Channel
from quiver.evaluation.client import GRACE_S, QueryAnswer, QueryRequest, as_answer, as_message, service_gone
from quiver.evaluation.lanes import Lanes, Query
from quiver.evaluation.messages import Adopt, decode, encode

# Connections to the broker that rest between queries.
_LINES_KEPT: Final = 8


class AsyncEvaluator:
    """Evaluates queries in the workers of the broker at *socket_path*, for one event loop.

    Workers lent to this process are asked directly, everything else goes by the broker.
    """

    def __init__(self, socket_path: str | Path, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._socket_path = str(socket_path)
        self._timeout_s = settings.number("query_timeout_s")
        self._max_length = settings.integer("query_max_length")
        self._loop = loop
        self._idle: list[_Line] = []
        self._lanes = Lanes(loop, settings.integer("query_queue"), self._connect, self._ask_broker)

    def submit(self, request: QueryRequest) -> AsyncAnswer:
        """The query under way.

        Raises:
            BadRequest: it is too long, or no text.
        """
        ask, header = as_message(request, self._timeout_s, self._max_length)
        query = Query(ask, header, self._loop)
        if not self._lanes.run(query):
            self._ask_broker(query, None)
        return AsyncAnswer(request, query, self._lanes)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._lanes.close()
        for line in self._idle:
            line.close()
        self._idle.clear()

    def _ask_broker(self, query: Query, worker: int | None) -> None:
        """Send *query* by the broker, which adopts the lent *worker* that is at it."""
        if query.answer.done():
            # Cancelled, or failed, on its way here.
            if worker is not None:
                self._lanes.abandon(worker)
            return
        waited_s = self._loop.time() - query.started
        ask = query.ask
        if worker is not None:
            ask = msgspec.structs.replace(ask, waited_s=waited_s)
            header = encode(Adopt(worker, ask))
        elif waited_s > 0.001:
            header = encode(msgspec.structs.replace(ask, waited_s=waited_s))
        else:
            header = query.header
        try:
            line = self._take_line()
        except OSError as error:
            is_full = isinstance(error, BlockingIOError)
            query.fail(Overloaded("Too many queries arrive at once.") if is_full else service_gone())
            if worker is not None:
                self._lanes.abandon(worker)
        else:
            line.ask(query, header, ask.timeout_s + GRACE_S, worker)

    def _take_line(self) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if line.is_open:
                return line
        return _Line(self._loop, self._connect(), self._idle, self._lanes)

    def _connect(self) -> socket.socket:
        """A connection to the broker.

        Raises:
            BlockingIOError: too many wait to be let in.
            OSError: there is no broker.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(self._socket_path)
        except OSError:
            connection.close()
            raise
        return connection


class AsyncAnswer:
    """A query under way: `result` waits for it, `cancel` stops it."""

    def __init__(self, request: QueryRequest, query: Query, lanes: Lanes) -> None:
        self._request = request
        self._query = query
        self._lanes = lanes

    async def result(self) -> QueryAnswer:
        """The answer.

        Raises:
            MalformedQuery, QueryRefused, UpdateRefused, NotAcceptable, BadRequest: the request is at fault.
            QueryTimeout, MemoryLimit, ResultTooLarge, Overloaded: a limit was reached.
            WorkerLost, DamagedRelease, ServiceFailed: the service is, or the query was cancelled.
        """
        header, body, descriptor = await self._query.answer
        return as_answer(self._request, decode(header), body, descriptor)

    def cancel(self) -> None:
        if self._query.answer.done():
            return
        self._lanes.withdraw(self._query)
        if self._query.line is not None:
            # The broker takes the end of the line as the end of the query.
            self._query.line.close()
        self._query.fail(service_gone())


class _Line:
    """One connection to the broker; one query at a time. It rests in *idle* between them."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connection: socket.socket, idle: list[_Line], lanes: Lanes
    ) -> None:
        self._loop = loop
        self._lanes = lanes
        self._worker: int | None = None
        self._channel = Channel(loop, connection)
        self._idle = idle
        self._query: Query | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.is_open = True
        self._channel.start(self._on_frame, self._on_gone)

    def ask(self, query: Query, header: bytes, timeout_s: float, worker: int | None) -> None:
        """Send *header* for *query*, which fails when nothing comes back within *timeout_s*.

        It asks the broker to adopt *worker*, if that is given.
        """
        self._query, query.line = query, self
        self._worker = worker
        self._timer = self._loop.call_later(timeout_s, self.close)
        self._channel.send(header)

    def close(self) -> None:
        self.is_open = False
        self._channel.close()
        self._on_gone(self._channel)

    def _on_frame(self, channel: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        query, self._query = self._query, None
        self._stop_clock()
        if query is None:
            raise ConnectionError("the broker speaks unasked")
        self._worker = None
        query.line = None
        if len(self._idle) < _LINES_KEPT:
            self._idle.append(self)
        else:
            self.close()
        query.finish((header, body, descriptor))

    def _on_gone(self, channel: Channel) -> None:
        self.is_open = False
        self._stop_clock()
        query, self._query = self._query, None
        if self._worker is not None:
            # Whether the broker was told to adopt it is not known; that it has an owner is what matters.
            self._lanes.abandon(self._worker)
            self._worker = None
        if query is not None:
            query.line = None
            query.fail(service_gone())

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
