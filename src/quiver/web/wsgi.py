"""The WSGI application behind an RSGI server: an environment from a request, and what the application answers."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

# A longer body is sent piece by piece.
_WHOLE_BYTES: Final = 1 << 20
_WITHOUT_BODY: Final = (204, 304)


class Headers(Protocol):
    """The header fields of an RSGI request, names in lower case."""

    def get(self, key: str, default: str | None = None) -> str | None: ...

    def get_all(self, key: str) -> list[str]: ...

    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """An RSGI 1.6 HTTP request without its body; `path` is percent-decoded."""

    proto: str
    http_version: str
    client: str
    server: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None

    @property
    def headers(self) -> Headers: ...


class HttpProtocol(Protocol):
    """The answering side of an RSGI 1.6 request."""

    def __aiter__(self) -> HttpProtocol: ...
    async def __anext__(self) -> bytes: ...
    def client_disconnect(self) -> Coroutine[object, object, None]: ...
    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None: ...


@dataclass(frozen=True, slots=True)
class WsgiAnswer:
    """What the application answered: `body` where it is short, else `pieces`, which `close` ends."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    pieces: Iterator[bytes] | None = None
    close: Callable[[], None] = lambda: None

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


def field(headers: Headers, name: str) -> str | None:
    """The value of a header field as WSGI has it: the lines of a repeated one joined (RFC 9110, 5.3); None for none."""
    values = headers.get_all(name)
    return ", ".join(values) if values else None


def split_address(address: str) -> tuple[str, str]:
    """Host and port of what RSGI calls a client or server.

    >>> split_address("[::1]:80"), split_address("127.0.0.1:8000")
    (('::1', '80'), ('127.0.0.1', '8000'))
    """
    host, _, port = address.rpartition(":")
    return host.strip("[]"), port


def environment(scope: Scope, body: bytes, length: int | None = None) -> WSGIEnvironment:
    """The WSGI environment (PEP 3333) of a request; *length* is the length declared where *body* was not read."""
    host, port = split_address(scope.client)
    name, server_port = split_address(scope.server)
    made: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _as_bytes(scope.path),
        "QUERY_STRING": _as_bytes(scope.query_string),
        "SERVER_NAME": name,
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": host,
        "REMOTE_PORT": port,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for key, value in scope.headers.items():
        if key in ("content-type", "content-length"):
            made[key.upper().replace("-", "_")] = value
        elif "_" not in key and key != "transfer-encoding":
            # With an underscore it would pass for the field that has a hyphen there; and the body is whole here.
            variable = "HTTP_" + key.upper().replace("-", "_")
            made[variable] = f"{made[variable]}, {value}" if variable in made else value
    if scope.authority:
        made.setdefault("HTTP_HOST", scope.authority)
    if scope.method in ("POST", "PUT", "PATCH") or body:
        made["CONTENT_LENGTH"] = str(len(body) if length is None else length)
    return made


def _as_bytes(text: str) -> str:
    """*text* as WSGI has it: each byte of its UTF-8 as a character."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


def call(application: WSGIApplication, environ: WSGIEnvironment) -> WsgiAnswer:
    """What *application* answers; a short body is read to its end."""
    status = 500
    headers: list[tuple[str, str]] = []

    def start_response(line: str, fields: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
        nonlocal status
        status = int(line.split(" ", 1)[0])
        headers[:] = [(name.lower(), value) for name, value in fields]
        return lambda data: None

    body = application(environ, start_response)
    close: Callable[[], None] = getattr(body, "close", lambda: None)
    length = next((value for name, value in headers if name == "content-length"), "")
    is_short = length.isdigit() and int(length) <= _WHOLE_BYTES
    if is_short or environ["REQUEST_METHOD"] == "HEAD" or status in _WITHOUT_BODY:
        try:
            return WsgiAnswer(status, headers, b"".join(body))
        finally:
            close()
    return WsgiAnswer(status, headers, b"", iter(body), close)
