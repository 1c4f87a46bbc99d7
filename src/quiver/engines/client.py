"""The SPARQL 1.1 Protocol over HTTP, from the client's side: connections that stay open, deadlines, bounded answers.

Nothing but the address of the endpoint is ever asked: no redirect is followed, no proxy used. Credentials stand in one
field of the request and nowhere else.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from quiver import __version__
from quiver.engines.differences import Engine, recognise
from quiver.errors import EndpointFailed, QueryTimeout, QuiverError, ResultTooLarge
from quiver.telemetry import logger

_LOG = logger("quiver.engines")
_READ_BYTES: Final = 1 << 16
_SHOWN_CHARACTERS: Final = 300
_IDLE_KEPT: Final = 16
_CONNECT_S: Final = 5.0


class Reply:
    """A response whose body is read piece by piece, unpacked, within the deadline and *max_bytes*.

    `error` is what reading failed with: a parser in between may put it in other words.
    """

    def __init__(
        self, response: http.client.HTTPResponse, line: socket.socket, endpoint: str, deadline: float, max_bytes: int
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.getheaders()}
        self.engine: Engine = recognise(self.headers.get("server", ""))
        self.error: QuiverError | None = None
        self._response = response
        self._line = line
        self._endpoint = endpoint
        self._deadline = deadline
        self._left = max_bytes
        self._unread = memoryview(b"")
        self._max_bytes = max_bytes
        coding = self.headers.get("content-encoding", "identity").strip().lower()
        self._unpacker = zlib.decompressobj(47) if coding in ("gzip", "x-gzip", "deflate") else None

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_cut(self) -> str:
        """What the engine says of an answer that it cut off; empty for a whole one."""
        said = [f"{name}: {self.headers[name]}" for name in self.engine.cut_fields if name in self.headers]
        return ", ".join(said)

    def read(self, size: int = -1) -> bytes:
        """The next piece, of at most *size* bytes where that is given; b"" only at the end.

        Raises:
            EndpointFailed, QueryTimeout, ResultTooLarge: it does not come, or is too much.
        """
        if not self._unread:
            self._unread = memoryview(self._next_piece())
        # The engine's readers abort the process where they are given more than they asked for.
        piece = self._unread if size < 0 else self._unread[:size]
        self._unread = self._unread[len(piece) :]
        return bytes(piece)

    def _next_piece(self) -> bytes:
        try:
            piece = self._read()
        except QuiverError as error:
            self.error = error
            raise
        self._left -= len(piece)
        if self._left < 0:
            self.error = ResultTooLarge(
                f"The answer of the engine is larger than {self._max_bytes:,} bytes.",
                value=self._max_bytes,
                hint="Ask for less, or take the dump at /dumps/.",
            )
            raise self.error
        return piece

    def _read(self) -> bytes:
        with told_plainly(self._endpoint, self._deadline):
            while True:
                self._line.settimeout(max(self._deadline - time.monotonic(), 0.001))
                data = self._response.read1(_READ_BYTES)
                if not data:
                    # A body that ends before its declared length is no answer; `read1` does not say so.
                    if self._response.length:
                        raise http.client.IncompleteRead(b"", self._response.length)
                    self._response.close()
                    return self._unpacker.flush() if self._unpacker is not None else b""
                piece = self._unpacker.decompress(data) if self._unpacker is not None else data
                if piece:
                    return piece

    def read_all(self) -> bytes:
        """What is left of the body."""
        return b"".join(iter(self.read, b""))

    # What parsers of files ask about.
    def readable(self) -> bool:
        return True

    @property
    def is_over(self) -> bool:
        """Whether the body was read to its end, so that the connection can be used again."""
        return self._response.isclosed() and self.error is None


class EndpointClient:
    """Asks one host; safe for threads, each request on a connection of its own that goes back to the others."""

    def __init__(self, address: str, credentials: str = "", *, timeout_s: float, max_bytes: int) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._authorisation = _authorisation(credentials)
        self._context = ssl.create_default_context() if urlsplit(address).scheme == "https" else None
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._process = os.getpid()
        # Of a release that is no longer served, nobody says that its connections are to be closed.
        weakref.finalize(self, _close_all, self._idle)

    @contextlib.contextmanager
    def send(
        self,
        method: str,
        address: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float | None = None,
        max_bytes: int | None = None,
    ) -> Iterator[Reply]:
        """The response to a request, whatever its status; its connection is closed where the body was not read.

        Raises:
            EndpointFailed: there is no answer.
            QueryTimeout: none within *timeout_s*.
        """
        parts = urlsplit(address)
        place = (parts.scheme, parts.netloc)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + timeout_s
        fields = {"User-Agent": f"quiver/{__version__}", "Accept-Encoding": "gzip", **(headers or {})}
        if self._authorisation:
            fields["Authorization"] = self._authorisation
        connection, response = self._ask(place, method, target, body, fields, deadline)
        line = connection.sock
        # A response that ends with its connection has taken the socket along.
        reading = line if line is not None else _socket_of(response)
        reply = Reply(response, reading, address, deadline, self._max_bytes if max_bytes is None else max_bytes)
        try:
            yield reply
        finally:
            if reply.is_over and connection.sock is not None:
                self._give_back(place, connection)
            else:
                response.close()
                connection.close()

    def _ask(
        self,
        place: tuple[str, str],
        method: str,
        target: str,
        body: bytes,
        fields: Mapping[str, str],
        deadline: float,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        while True:
            connection, is_used = self._take(place)
            try:
                with told_plainly(f"{place[0]}://{place[1]}{target.partition('?')[0]}", deadline):
                    left_s = max(deadline - time.monotonic(), 0.001)
                    if connection.sock is None:
                        connection.timeout = min(left_s, _CONNECT_S)
                        connection.connect()
                    line = connection.sock
                    assert line is not None
                    line.settimeout(max(deadline - time.monotonic(), 0.001))
                    connection.request(method, target, body or None, dict(fields))
                    return connection, connection.getresponse()
            except QueryTimeout:
                connection.close()
                raise
            except EndpointFailed:
                connection.close()
                if not is_used:
                    raise
                # The engine has closed a connection that rested; what is asked may be asked twice.

    def _take(self, place: tuple[str, str]) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if self._process != os.getpid():
                # They belong to the parent; only our copies are closed.
                _close_all(self._idle)
                self._process = os.getpid()
            if rested := self._idle.get(place):
                return rested.pop(), True
        if place[0] == "https":
            return http.client.HTTPSConnection(place[1], context=self._context), False
        return http.client.HTTPConnection(place[1]), False

    def _give_back(self, place: tuple[str, str], connection: http.client.HTTPConnection) -> None:
        with self._lock:
            rested = self._idle.setdefault(place, [])
            if len(rested) < _IDLE_KEPT:
                rested.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the connections that rest."""
        with self._lock:
            _close_all(self._idle)


def _close_all(idle: dict[tuple[str, str], list[http.client.HTTPConnection]]) -> None:
    for rested in idle.values():
        for connection in rested:
            connection.close()
    idle.clear()


def first_words(reply: Reply) -> str:
    """What an engine says of its failure, short and in one line."""
    try:
        text = reply.read_all().decode("utf-8", "replace")
    except QuiverError:
        return ""
    if reply.media_type in ("text/html", "application/xhtml+xml"):
        return ""
    # Virtuoso repeats the query behind an empty line.
    text = text.partition("\n\nSPARQL query:")[0].partition("\r\n\r\nSPARQL query:")[0]
    return " ".join(text.split())[:_SHOWN_CHARACTERS]


@contextlib.contextmanager
def told_plainly(address: str, deadline: float) -> Iterator[None]:
    """What goes wrong on the way to *address*, as errors of Quiver; where that is stands in the log, not on pages."""
    try:
        yield
    except TimeoutError:
        if time.monotonic() < deadline - 0.01:
            _LOG.warning("%s takes no connection", address)
            raise EndpointFailed(
                f"The SPARQL engine takes no connection within {_CONNECT_S:g} s.", value=address, hint=_UNREACHABLE
            ) from None
        raise QueryTimeout("The SPARQL engine gave no answer in time.", value=address) from None
    except (http.client.HTTPException, zlib.error) as error:
        raise EndpointFailed(
            f"The SPARQL engine gave an answer that breaks off or is none of HTTP ({type(error).__name__}).",
            value=address,
        ) from None
    except OSError as error:
        _LOG.warning("%s: %s", address, error)
        raise EndpointFailed(
            f"The SPARQL engine cannot be reached: {error.strerror or type(error).__name__}.",
            value=address,
            hint=_UNREACHABLE,
        ) from None


_UNREACHABLE: Final = "Is the SPARQL engine running, and is that its address?"


def _authorisation(credentials: str) -> str:
    if not credentials:
        return ""
    user, colon, _ = credentials.partition(":")
    if colon and " " not in user:
        return "Basic " + base64.b64encode(credentials.encode("utf-8")).decode("ascii")
    return credentials if credentials.lower().startswith("bearer ") else f"Bearer {credentials}"


def _socket_of(response: http.client.HTTPResponse) -> socket.socket:
    """The socket that a response reads from (`http.client` keeps it inside its file alone)."""
    found = getattr(getattr(response.fp, "raw", None), "_sock", None)
    assert isinstance(found, socket.socket)
    return found
