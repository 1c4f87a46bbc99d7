"""How an event loop asks the broker: nothing waits but the request itself, and one that is cancelled is stopped."""

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
    """Evaluates queries through the broker at *socket_path*, for the event loop that runs."""

    def __init__(self, socket_path: str | Path, settings: Settings) -> None:
        self._socket_path = str(socket_path)
        self._timeout_s = settings.number("query_timeout_s")
        self._max_length = settings.integer("query_max_length")
        self._loop = asyncio.get_running_loop()
        self._idle: list[_Line] = []

    async def evaluate(self, request: QueryRequest) -> QueryAnswer:
        """The answer to *request*; cancelling this stops the query.

        Raises:
            MalformedQuery, QueryRefused, UpdateRefused, NotAcceptable, BadRequest: the request is at fault.
            QueryTimeout, MemoryLimit, ResultTooLarge, Overloaded: a limit was reached.
            WorkerLost, DamagedRelease, ServiceFailed: the service is.
        """
        header, timeout_s = as_message(request, self._timeout_s, self._max_length)
        line = self._take()
        try:
            header, body, descriptor = await line.ask(header, timeout_s + GRACE_S)
        except BaseException:
            # Cancelled, most often: the broker takes the end of the line as the end of the query.
            line.close()
            raise
        self._idle.append(line)
        return as_answer(request, decode(header), body, descriptor)

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


class _Line:
    """One connection to the broker; one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        self._loop = loop
        self._channel = Channel(loop, connection)
        self._answer: asyncio.Future[_Taken] | None = None
        self.is_open = True
        self._channel.start(self._on_frame, self._on_gone)

    async def ask(self, header: bytes, timeout_s: float) -> _Taken:
        """What the broker answers to the message *header*.

        Raises:
            WorkerLost: it is gone, or silent for longer than *timeout_s*.
        """
        answer = self._answer = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._fail)
        self._channel.send(header)
        try:
            return await answer
        finally:
            timer.cancel()
            self._answer = None

    def close(self) -> None:
        self.is_open = False
        self._channel.close()

    def _on_frame(self, channel: Channel, header: bytes, body: bytes, descriptor: int | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((header, body, descriptor))
            return
        # Nobody asked, or nobody waits any more.
        if descriptor is not None:
            os.close(descriptor)
        self.close()

    def _on_gone(self, channel: Channel) -> None:
        self.is_open = False
        self._fail()

    def _fail(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(service_gone())
