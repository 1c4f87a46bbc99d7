"""How an event loop asks the broker: no thread waits, and a query that is cancelled is stopped."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from quiver.config import Settings
from quiver.errors import Overloaded
from quiver.evaluation.channels import Channel
from quiver.evaluation.client import GRACE_S, QueryAnswer, QueryRequest, as_answer, as_message, service_gone
from quiver.evaluation.messages import decode

_Taken = tuple[bytes, bytes, int | None]


class AsyncEvaluator:
    """Evaluates queries through the broker at *socket_path*, for one event loop."""

    def __init__(self, socket_path: str | Path, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._socket_path = str(socket_path)
        self._timeout_s = settings.number("query_timeout_s")
        self._max_length = settings.integer("query_max_length")
        self._loop = loop
        self._idle: list[_Line] = []

    def submit(self, request: QueryRequest) -> AsyncAnswer:
        """The query under way.

        Raises:
            BadRequest: it is too long, or no text.
            Overloaded: too many arrive at once.
            WorkerLost: there is no broker.
        """
        header, timeout_s = as_message(request, self._timeout_s, self._max_length)
        line = self._take()
        line.ask(header, timeout_s + GRACE_S)
        return AsyncAnswer(request, line, self._idle)

    def close(self) -> None:
        """Close the connections that are not in use."""
        for line in self._idle:
            line.close()
        self._idle.clear()

    def _take(self) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if line.is_open:
                return line
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(self._socket_path)
        except BlockingIOError:
            connection.close()
            raise Overloaded("Too many queries arrive at once.", hint="Try again soon.") from None
        except OSError as error:
            connection.close()
            raise service_gone() from error
        return _Line(self._loop, connection)


class AsyncAnswer:
    """A query under way: `result` waits for it, `cancel` stops it."""

    def __init__(self, request: QueryRequest, line: _Line, idle: list[_Line]) -> None:
        self._request = request
        self._line = line
        self._idle = idle

    async def result(self) -> QueryAnswer:
        """The answer.

        Raises:
            MalformedQuery, QueryRefused, UpdateRefused, NotAcceptable, BadRequest: the request is at fault.
            QueryTimeout, MemoryLimit, ResultTooLarge, Overloaded: a limit was reached.
            WorkerLost, DamagedRelease, ServiceFailed: the service is, or the query was cancelled.
        """
        try:
            header, body, descriptor = await self._line.answer
        except BaseException:
            self._line.close()
            raise
        self._idle.append(self._line)
        return as_answer(self._request, decode(header), body, descriptor)

    def cancel(self) -> None:
        # The broker takes the end of the line as the end of the query.
        self._line.close()
        self._line.fail()


class _Line:
    """One connection to the broker; one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        self._loop = loop
        self._channel = Channel(loop, connection)
        self._timer: asyncio.TimerHandle | None = None
        self.answer: asyncio.Future[_Taken] = loop.create_future()
        self.is_open = True
        self._channel.start(self._on_frame, self._on_gone)

    def ask(self, header: bytes, timeout_s: float) -> None:
        """Send the message *header*; `answer` then is what the broker says, or WorkerLost after *timeout_s*."""
        if self.answer.done():
            self.answer = self._loop.create_future()
        self._timer = self._loop.call_later(timeout_s, self.fail)
        self._channel.send(header)

    def fail(self) -> None:
        """Have who waits be told that there will be no answer."""
        self._stop_clock()
        if not self.answer.done():
            self.answer.set_exception(service_gone())

    def close(self) -> None:
        self.is_open = False
        self._stop_clock()
        self._channel.close()

    def _on_frame(self, channel: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        self._stop_clock()
        if not self.answer.done():
            self.answer.set_result((header, body, descriptor))
            return
        # Nobody asked, or nobody waits any more.
        if descriptor is not None:
            os.close(descriptor)
        self.close()

    def _on_gone(self, channel: Channel) -> None:
        self.is_open = False
        self.fail()

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
