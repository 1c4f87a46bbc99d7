"""How a web process asks the broker: blocking, from any thread."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from quiver.errors import BadRequest, WorkerLost
from quiver.evaluation.messages import (
    Answered,
    Ask,
    AskStatus,
    BrokerStatus,
    Failed,
    Inbox,
    Message,
    as_error,
    encode,
    max_request_bytes,
    receive,
    send,
)
from quiver.negotiation import Format, Kind

_CHUNK_BYTES: Final = 1 << 16
# The broker enforces the deadline; only a broker that hangs makes a client wait longer.
GRACE_S: Final = 10.0
# What a message may grow by on its way.
_WRAPPING_BYTES: Final = 10_000
_GONE: Final = "The query service does not answer."


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A query over the store at *store_path*; `formats` gives for each kind of result the format that is accepted.

    Without `default_graphs` and `named_graphs` the data set is that of the query, or of the store. `base` resolves
    relative IRIs; `client` names who asks; `search_path` is the text index that `SERVICE q:search` asks.
    """

    text: str
    store_path: Path
    formats: Mapping[Kind, Format]
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    timeout_s: float | None = None
    base: str | None = None
    client: str = ""
    search_path: Path | None = None


class QueryAnswer:
    """A complete result: `kind`, `format`, `size` in bytes, `rows` where known. Close it, or use it in a `with`.

    `repeatable` says that the same query over the same release gives the same result.
    """

    def __init__(self, answered: Answered, form: Format, body: bytes, file: BinaryIO | None) -> None:
        self.kind = cast(Kind, answered.kind)
        self.format = form
        self.size = answered.size
        self.rows = answered.rows
        self.repeatable = answered.repeatable
        self._body = body
        self._file = file

    def chunks(self) -> Iterator[bytes]:
        """The result in pieces, once; closes at its end."""
        try:
            if self._file is None:
                if self._body:
                    yield self._body
            else:
                while piece := self._file.read(_CHUNK_BYTES):
                    yield piece
        finally:
            self.close()

    def read(self) -> bytes:
        """The result as a whole; for small ones."""
        return b"".join(self.chunks())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> QueryAnswer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def as_message(request: QueryRequest, timeout_s: float, max_length: int) -> tuple[Ask, bytes]:
    """What the broker is sent for *request*, as it is and encoded; the deadline is at most *timeout_s*.

    Raises:
        BadRequest: the query is longer than *max_length* characters, or no text.
    """
    if len(request.text) > max_length:
        raise BadRequest(
            f"The query has {len(request.text):,} characters; {max_length:,} are the most.", value=max_length
        )
    if request.timeout_s is not None:
        timeout_s = min(timeout_s, request.timeout_s)
    ask = Ask(
        text=request.text,
        store=str(request.store_path),
        formats={kind: form.name for kind, form in request.formats.items()},
        timeout_s=timeout_s,
        default_graphs=list(request.default_graphs),
        named_graphs=list(request.named_graphs),
        base=request.base,
        client=request.client,
        search=str(request.search_path) if request.search_path is not None else "",
    )
    try:
        header = encode(ask)
    except UnicodeEncodeError as error:
        raise BadRequest("The query holds half of a surrogate pair, which is no character.") from error
    if len(header) > max_request_bytes(max_length) - _WRAPPING_BYTES:
        raise BadRequest("The request names too many graphs, or too long ones.", value=len(header))
    return ask, header


def as_answer(request: QueryRequest, message: Message, body: bytes, descriptor: int | None) -> QueryAnswer:
    """The answer that *message* is to *request*.

    Raises:
        QuiverError: it says what went wrong.
    """
    if isinstance(message, Failed):
        raise as_error(message)
    assert isinstance(message, Answered)
    file = os.fdopen(descriptor, "rb") if descriptor is not None else None
    return QueryAnswer(message, request.formats[cast(Kind, message.kind)], body, file)


def service_gone() -> WorkerLost:
    """The error for a broker that is not there, or says nothing."""
    return WorkerLost(_GONE, hint="Try again soon.")


class PendingAnswer:
    """A query under way: `result` waits for it, `cancel` (from any thread) stops it."""

    def __init__(self, evaluator: Evaluator, request: QueryRequest, connection: _Connection) -> None:
        self._evaluator = evaluator
        self._request = request
        self._connection = connection
        self._is_cancelled = False

    def result(self) -> QueryAnswer:
        """The answer.

        Raises:
            QuiverError: what went wrong with the query, as one of its subclasses.
        """
        try:
            message, body, descriptor = self._connection.receive()
        except OSError as error:
            self._connection.close()
            if self._is_cancelled:
                raise WorkerLost("The client left, and its query was stopped.") from None
            raise service_gone() from error
        self._evaluator._give_back(self._connection)
        return as_answer(self._request, message, body, descriptor)

    def cancel(self) -> None:
        self._is_cancelled = True
        self._connection.hang_up()


class Evaluator:
    """Evaluates queries through the broker at *socket_path*; one for each process, shared by its threads."""

    def __init__(self, socket_path: str | Path, *, timeout_s: float, max_length: int) -> None:
        self._socket_path = str(socket_path)
        self._timeout_s = timeout_s
        self._max_length = max_length
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._process = os.getpid()

    def evaluate(self, request: QueryRequest) -> QueryAnswer:
        """The answer to *request*.

        Raises:
            MalformedQuery, QueryRefused, UpdateRefused, NotAcceptable, BadRequest: the request is at fault.
            QueryTimeout, MemoryLimit, ResultTooLarge, Overloaded: a limit was reached.
            WorkerLost, DamagedRelease, ServiceFailed: the service is.
        """
        return self.submit(request).result()

    def submit(self, request: QueryRequest) -> PendingAnswer:
        """The query under way.

        Raises:
            BadRequest: it is too long, or no text.
            WorkerLost: there is no broker.
        """
        ask, header = as_message(request, self._timeout_s, self._max_length)
        return PendingAnswer(self, request, self._send(header, ask.timeout_s + GRACE_S))

    def status(self) -> BrokerStatus:
        """What the broker does now.

        Raises:
            WorkerLost: there is no broker.
        """
        connection = self._send(encode(AskStatus()), GRACE_S)
        try:
            message, _, _ = connection.receive()
        except OSError as error:
            connection.close()
            raise service_gone() from error
        self._give_back(connection)
        assert isinstance(message, BrokerStatus)
        return message

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _send(self, header: bytes, timeout_s: float) -> _Connection:
        while True:
            connection = self._take()
            try:
                connection.send(header, timeout_s)
            except OSError as error:
                connection.close()
                if connection.is_fresh:
                    raise service_gone() from error
                continue  # A connection from before the broker was started again.
            return connection

    def _take(self) -> _Connection:
        with self._lock:
            if self._process != os.getpid():
                # After a fork the connections belong to the parent; only our copies are closed.
                for inherited in self._idle:
                    inherited.close()
                self._idle.clear()
                self._process = os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if connection.is_alive():
                    return connection
                connection.close()
        try:
            return _Connection(self._socket_path)
        except OSError as error:
            raise service_gone() from error

    def _give_back(self, connection: _Connection) -> None:
        connection.is_fresh = False
        with self._lock:
            self._idle.append(connection)


class _Connection:
    """One connection to the broker; one request at a time."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._inbox = Inbox()
        self.is_fresh = True
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise

    def is_alive(self) -> bool:
        """Whether the broker still holds its end; between requests there is nothing to read but its end."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def send(self, header: bytes, timeout_s: float) -> None:
        self._socket.settimeout(timeout_s)
        send(self._socket, header)

    def receive(self) -> tuple[Message, bytes, int | None]:
        return receive(self._socket, self._inbox)

    def hang_up(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It is closed already.

    def close(self) -> None:
        self._socket.close()
        for descriptor in self._inbox.descriptors():
            os.close(descriptor)
