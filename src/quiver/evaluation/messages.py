"""What client, broker and worker say to each other: messages, and the frames that carry them over Unix sockets.

A frame is two lengths, a header (one message in MessagePack), a body (the bytes of a short result) and, for a long
result, the descriptor of an unlinked file that holds it. So a long result never has a name that could be left behind.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

import msgspec

from quiver import errors
from quiver.errors import MalformedQuery, QuiverError

_LENGTHS: Final = struct.Struct("!II")
MAX_HEADER_BYTES: Final = 64_000_000
MAX_BODY_BYTES: Final = 1 << 30
_FLAGS: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Limits(msgspec.Struct, frozen=True):
    """What a query may use, and where it may write."""

    directory: str
    memory_bytes: int
    max_bytes: int
    max_rows: int
    allowed: tuple[str, ...]


class BrokerSettings(msgspec.Struct, frozen=True):
    """What the broker is told at its start, as a line of JSON; it knows nothing of releases."""

    socket_path: str
    workers: int
    queue: int
    timeout_s: float
    max_request_bytes: int
    limits: Limits
    log_level: str = "WARNING"


class Ask(msgspec.Struct, tag=True, frozen=True, omit_defaults=True):
    """Client to broker to worker: evaluate; `formats` maps a result kind to the name of a format."""

    text: str
    store: str
    formats: dict[str, str]
    timeout_s: float
    default_graphs: list[str] = []
    named_graphs: list[str] = []
    base: str | None = None
    client: str = ""
    search: str = ""


class Answered(msgspec.Struct, tag=True, frozen=True):
    """Worker to broker to client: a whole result, in the body or in the file that comes along.

    `repeatable`: the same query over the same release gives the same result, as far as the query shows.
    """

    kind: str
    format: str
    size: int
    rows: int | None
    spooled: bool
    repeatable: bool = False


class Failed(msgspec.Struct, tag=True, frozen=True, omit_defaults=True):
    """Worker or broker to client: an error by its code."""

    code: str
    message: str
    hint: str = ""
    value: str | int | float | None = None
    line: int | None = None
    column: int | None = None


class Ready(msgspec.Struct, tag=True, frozen=True):
    """Worker to broker: warm, and waiting for a query."""


class AskStatus(msgspec.Struct, tag=True, frozen=True):
    """Client to broker."""


class BrokerStatus(msgspec.Struct, tag=True, frozen=True):
    """Broker to client: what it does now, and counts since it started (`moved`: lost an extra place to another)."""

    running: int
    waiting: int
    workers: list[int]
    answered: int
    failed: int
    timed_out: int
    cancelled: int
    refused: int
    lost: int
    moved: int


Message = Ask | Answered | Failed | Ready | AskStatus | BrokerStatus

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)
_ERRORS: Final[dict[str, type[QuiverError]]] = {
    one.code: one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, QuiverError)
}


def encode(message: Message) -> bytes:
    return _ENCODER.encode(message)


def decode(header: bytes) -> Message:
    """The message in *header*.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _DECODER.decode(header)


def frame(header: bytes, body: bytes = b"") -> bytes:
    return b"".join((_LENGTHS.pack(len(header), len(body)), header, body))


class Inbox:
    """Frames put together from what a socket gives; a descriptor belongs to the frame that it came with."""

    def __init__(self, max_header_bytes: int = MAX_HEADER_BYTES) -> None:
        self._buffer = bytearray()
        self._descriptors: list[int] = []
        self._max_header_bytes = max_header_bytes

    def feed(self, connection: socket.socket) -> bool:
        """Whether the peer is still there, after one read.

        Raises:
            BlockingIOError: a non-blocking socket has nothing.
            ConnectionError: the connection broke, or the peer announces a frame beyond the limits.
        """
        data, descriptors, _, _ = socket.recv_fds(connection, 1 << 18, 4, _FLAGS)
        self._descriptors.extend(descriptors)
        self._buffer += data
        if len(self._buffer) >= _LENGTHS.size:
            header, body = _LENGTHS.unpack_from(self._buffer)
            if header > self._max_header_bytes or body > MAX_BODY_BYTES:
                raise ConnectionError("a frame beyond the limits")
        return bool(data)

    def take(self) -> tuple[bytes, bytes, int | None] | None:
        """The next whole frame as header, body and descriptor; None while it is not whole."""
        if len(self._buffer) < _LENGTHS.size:
            return None
        header, body = _LENGTHS.unpack_from(self._buffer)
        middle, end = _LENGTHS.size + header, _LENGTHS.size + header + body
        if len(self._buffer) < end:
            return None
        parts = bytes(self._buffer[_LENGTHS.size : middle]), bytes(self._buffer[middle:end])
        del self._buffer[:end]
        return *parts, self._descriptors.pop(0) if self._descriptors else None

    def descriptors(self) -> list[int]:
        """Those of frames that never became whole, for closing."""
        return self._descriptors


def receive(connection: socket.socket, inbox: Inbox) -> tuple[Message, bytes, int | None]:
    """The next message of a blocking socket, with its body and descriptor.

    Raises:
        ConnectionError: the peer is gone.
        TimeoutError: the socket's timeout is over.
    """
    while (taken := inbox.take()) is None:
        if not inbox.feed(connection):
            raise ConnectionResetError("the peer closed the connection")
    header, body, descriptor = taken
    return decode(header), body, descriptor


def send(connection: socket.socket, header: bytes, body: bytes = b"", descriptor: int | None = None) -> None:
    """Write one frame to a blocking socket."""
    data = frame(header, body)
    sent = 0
    if descriptor is not None:
        sent = socket.send_fds(connection, [data], [descriptor])
    connection.sendall(memoryview(data)[sent:])


def failure(error: QuiverError) -> Failed:
    """The message that carries *error*."""
    value = error.value if isinstance(error.value, (str, int, float)) else None
    if isinstance(error, MalformedQuery):
        # The client has the text of its query.
        return Failed(error.code, error.message, error.hint, None, error.line, error.column)
    return Failed(error.code, error.message, error.hint, value)


def as_error(failed: Failed) -> QuiverError:
    """The error that *failed* carries."""
    kind = _ERRORS.get(failed.code, QuiverError)
    if issubclass(kind, MalformedQuery):
        return kind(failed.message, value=failed.value, hint=failed.hint, line=failed.line, column=failed.column)
    return kind(failed.message, value=failed.value, hint=failed.hint)
