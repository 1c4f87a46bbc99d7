"""What client, broker and worker say to each other: messages, and the frames that carry them over Unix sockets.

A frame is two lengths and whether a descriptor comes along, a header (one message in MessagePack), a body (the bytes of
a short result) and, for a long result, the descriptor of an unlinked file that holds it. So a long result never has a
name that could be left behind.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

import msgspec

from quiver import errors
from quiver.engines.target import Target
from quiver.errors import MalformedQuery, QuiverError

_LENGTHS: Final = struct.Struct("!II?")
MAX_HEADER_BYTES: Final = 64_000_000
MAX_BODY_BYTES: Final = 1 << 30
# Below the size from which an allocation is a mapping of its own, whose pages are made for each read (measured: a third
# of a worker's time for a point query).
_READ_BYTES: Final = 1 << 16
_INT: Final = struct.calcsize("i")
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(4 * _INT)
_FLAGS: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Limits(msgspec.Struct, frozen=True):
    """What a query may use, and where it may write; the endpoint that it is sent on to, if there is one."""

    directory: str
    memory_bytes: int
    max_bytes: int
    max_rows: int
    allowed: tuple[str, ...]
    max_hits: int = 10_000
    shared_bytes: int = 0
    target: Target | None = None


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
    """Client to broker to worker: evaluate; `formats` maps a result kind to the name of a format.

    `waited_s` is how much of its time it has used already.
    """

    text: str
    store: str
    formats: dict[str, str]
    timeout_s: float
    default_graphs: list[str] = []
    named_graphs: list[str] = []
    base: str | None = None
    client: str = ""
    search: str = ""
    waited_s: float = 0.0


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
    """Worker to broker, with its process id: warm, and waiting for a query."""

    pid: int = 0


class AskStatus(msgspec.Struct, tag=True, frozen=True):
    """Client to broker."""


class BrokerStatus(msgspec.Struct, tag=True, frozen=True):
    """Broker to client: what it does now, and counts since it started (`moved`: lost an extra place to another;
    `lent`: workers in the hands of clients now; `adopted`: queries that proved long in them;
    `sharing`: workers that share the release in memory)."""

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
    lent: int
    adopted: int
    sharing: int = 0


class Borrow(msgspec.Struct, tag=True, frozen=True):
    """Client to broker: a worker, please, to be asked without the broker in between."""


class Lent(msgspec.Struct, tag=True, frozen=True):
    """Broker to client: the worker with this process id; the descriptor of its socket comes along."""

    worker: int


class Denied(msgspec.Struct, tag=True, frozen=True):
    """Broker to client: no worker can be spared now."""


class Recall(msgspec.Struct, tag=True, frozen=True):
    """Broker to client: give this worker back when what it does now is done."""

    worker: int


class Return(msgspec.Struct, tag=True, frozen=True):
    """Client to broker: this worker is idle, and is asked nothing more; the store that it was asked last ("": none)."""

    worker: int
    store: str = ""


class Adopt(msgspec.Struct, tag=True, frozen=True):
    """Client to broker: this lent worker is at work on *ask*, which takes longer than such a query should."""

    worker: int
    ask: Ask


class Abandon(msgspec.Struct, tag=True, frozen=True):
    """Client to broker: what this lent worker does is wanted no more; nobody asks it any longer."""

    worker: int


class Lost(msgspec.Struct, tag=True, frozen=True):
    """Broker to client: this lent worker has ended; why, unless it was only worn and a query can be sent again."""

    worker: int
    why: Failed | None


class Spawn(msgspec.Struct, tag=True, frozen=True):
    """Broker to the holder of a release, twice for each worker: with its socket, then with its standard error."""


class Spawned(msgspec.Struct, tag=True, frozen=True):
    """Holder to broker: the process id of the worker asked for."""

    pid: int


Message = (
    Ask
    | Answered
    | Failed
    | Ready
    | AskStatus
    | BrokerStatus
    | Borrow
    | Lent
    | Denied
    | Recall
    | Return
    | Adopt
    | Abandon
    | Lost
    | Spawn
    | Spawned
)

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)
_ERRORS: Final[dict[str, type[QuiverError]]] = {
    one.code: one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, QuiverError)
}


def max_request_bytes(max_length: int) -> int:
    """The longest message that the broker takes: a query of *max_length* characters in UTF-8, and room for graphs."""
    return 4 * max_length + 1_000_000


def encode(message: Message) -> bytes:
    return _ENCODER.encode(message)


def decode(header: bytes) -> Message:
    """The message in *header*.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _DECODER.decode(header)


def frame(header: bytes, body: bytes = b"", *, has_descriptor: bool = False) -> bytes:
    return b"".join((_LENGTHS.pack(len(header), len(body), has_descriptor), header, body))


class Inbox:
    """Frames put together from what a socket gives.

    One read may give the end of frames without a descriptor and the beginning of one that has one, so each frame says
    whether it has.
    """

    def __init__(self, max_header_bytes: int = MAX_HEADER_BYTES) -> None:
        # As it came while it is one piece, which most frames are.
        self._buffer: bytes | bytearray = b""
        self._descriptors: list[int] = []
        self._max_header_bytes = max_header_bytes

    def feed(self, connection: socket.socket) -> bool:
        """Whether the peer is still there, after one read.

        Raises:
            BlockingIOError: a non-blocking socket has nothing.
            ConnectionError: the connection broke, or the peer announces a frame beyond the limits.
        """
        data, ancillary, _, _ = connection.recvmsg(_READ_BYTES, _ANCILLARY_BYTES, _FLAGS)
        for _, _, descriptors in ancillary:
            self._descriptors.extend(memoryview(descriptors)[: len(descriptors) // _INT * _INT].cast("i"))
        if not self._buffer:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            self._buffer = bytearray(self._buffer + data)
        if len(self._buffer) >= _LENGTHS.size:
            header, body, _ = _LENGTHS.unpack_from(self._buffer)
            if header > self._max_header_bytes or body > MAX_BODY_BYTES:
                raise ConnectionError("a frame beyond the limits")
        return bool(data)

    def take(self) -> tuple[bytes, bytes, int | None] | None:
        """The next whole frame as header, body and descriptor; None while it is not whole.

        Raises:
            ConnectionError: its descriptor is missing (this process has too many open files, for example).
        """
        buffer = self._buffer
        if len(buffer) < _LENGTHS.size:
            return None
        header, body, has_descriptor = _LENGTHS.unpack_from(buffer)
        middle, end = _LENGTHS.size + header, _LENGTHS.size + header + body
        if len(buffer) < end:
            return None
        parts = bytes(buffer[_LENGTHS.size : middle]), bytes(buffer[middle:end])
        self._buffer = buffer[end:]
        if has_descriptor and not self._descriptors:
            raise ConnectionError("a descriptor did not arrive")
        return *parts, self._descriptors.pop(0) if has_descriptor else None

    @property
    def is_empty(self) -> bool:
        return not self._buffer

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
    data = frame(header, body, has_descriptor=descriptor is not None)
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
