"""Raw bytes against a server: what is no HTTP, or HTTP that lies about itself. Each ends in an error or a close."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from tests.serving import Server, fetch

_WAIT_S: Final = 4.0
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Attack:
    """Bytes to send, and what may come back: the first statuses allowed (a close always is), the most answers.

    `trickled` sends byte by byte; `half_closed` ends our side after the last byte.
    """

    data: bytes
    statuses: tuple[int, ...]
    answers: int = 1
    trickled: bool = False
    half_closed: bool = False


_ASK: Final = b"GET /sparql?query=ASK%7B%7D HTTP/1.1\r\nHost: h\r\n"
_POST: Final = b"POST /sparql HTTP/1.1\r\nHost: h\r\nContent-Type: application/sparql-query\r\n"
_CHUNKED: Final = _POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
_LAST: Final = b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
_BAD: Final = (400, 414, 431, 501, 505)

ATTACKS: Final[dict[str, Attack]] = {
    "no http": Attack(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300, _BAD),
    "a line without end": Attack(b"GET /" + b"a" * 100_000, _BAD, half_closed=True),
    "a long target": Attack(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", _BAD),
    "a large field": Attack(_ASK + b"X: " + b"a" * 2_000_000 + b"\r\n\r\n", _BAD),
    "many fields": Attack(_ASK + b"".join(b"X%d: y\r\n" % n for n in range(5000)) + b"\r\n", _BAD),
    "half a request": Attack(_ASK + b"X-Half", (400, 408), half_closed=True),
    "half a body": Attack(_POST + b"Content-Length: 100\r\n\r\nASK {", (400, 408), half_closed=True),
    "a trickled request": Attack(_LAST, (200,), trickled=True),
    "pipelined": Attack(_ASK + b"\r\n" + _ASK + b"\r\n" + _LAST, (200,), answers=3),
    "pipelined behind an error": Attack(b"GET /sparql?query=x HTTP/1.1\r\nHost: h\r\n\r\n" + _LAST, (400,), answers=2),
    "chunked": Attack(_CHUNKED + b"5\r\nASK {\r\n1\r\n}\r\n0\r\n\r\n", (200,)),
    "a chunk that is longer than it says": Attack(_CHUNKED + b"3\r\nASK {}\r\n0\r\n\r\n", _BAD),
    "a chunk that is shorter than it says": Attack(_CHUNKED + b"ff\r\nASK {}\r\n0\r\n", (400, 408), half_closed=True),
    "a chunk of no size": Attack(_CHUNKED + b"xyz\r\nASK {}\r\n0\r\n\r\n", _BAD),
    "a chunk of minus one": Attack(_CHUNKED + b"-1\r\nASK {}\r\n0\r\n\r\n", _BAD),
    "a chunk of 2^64": Attack(_CHUNKED + b"fffffffffffffffff\r\nASK {}\r\n0\r\n\r\n", _BAD),
    "an endless chunk extension": Attack(_CHUNKED + b"6;" + b"a" * 200_000 + b"\r\nASK {}\r\n0\r\n\r\n", (200, *_BAD)),
    "many small chunks": Attack(_CHUNKED + b"1\r\n \r\n" * 50_000 + b"6\r\nASK {}\r\n0\r\n\r\n", (200, 400, 413)),
    "trailers": Attack(_CHUNKED + b"6\r\nASK {}\r\n0\r\nHost: evil\r\nContent-Length: 9\r\n\r\n", (200, *_BAD)),
    # RFC 9112, 6.1: chunked overrides the length; what follows is then a request of its own.
    "length and chunked": Attack(
        _POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nASK {}\r\n0\r\n\r\n" + _LAST,
        (200, *_BAD),
        answers=2,
    ),
    "chunked and length": Attack(
        _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 300\r\n\r\n6\r\nASK {}\r\n0\r\n\r\n" + _LAST,
        (200, *_BAD),
        answers=2,
    ),
    "two lengths": Attack(_POST + b"Content-Length: 6\r\nContent-Length: 60\r\n\r\nASK {}" + _LAST, _BAD),
    "a list of lengths": Attack(_POST + b"Content-Length: 6, 60\r\n\r\nASK {}" + _LAST, _BAD),
    "a signed length": Attack(_POST + b"Content-Length: +6\r\nConnection: close\r\n\r\nASK {}", _BAD),
    "a negative length": Attack(_POST + b"Content-Length: -6\r\nConnection: close\r\n\r\nASK {}", _BAD),
    "a length of 10^30": Attack(_POST + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\nASK {}", _BAD),
    "a length of a terabyte": Attack(
        _POST + b"Content-Length: 1000000000000\r\nConnection: close\r\n\r\nASK {}", (400, 408, 413), half_closed=True
    ),
    "a length that is too short": Attack(_POST + b"Content-Length: 3\r\nConnection: close\r\n\r\nASK {}", (400,)),
    "an unknown coding": Attack(_POST + b"Transfer-Encoding: xchunked\r\n\r\n6\r\nASK {}\r\n0\r\n\r\n", _BAD),
    "chunked that is not last": Attack(_POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n6\r\nASK {}\r\n", _BAD),
    "a hidden coding": Attack(_POST + b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 6\r\n\r\nASK {}", _BAD),
    "a space before the colon": Attack(_POST + b"Transfer-Encoding : chunked\r\n\r\n6\r\nASK {}\r\n0\r\n\r\n", _BAD),
    "a folded field": Attack(_ASK + b"X: a\r\n b\r\nConnection: close\r\n\r\n", (200, *_BAD)),
    "a bare line feed": Attack(_ASK + b"X: a\nY: b\r\nConnection: close\r\n\r\n", (200, *_BAD)),
    "a bare return": Attack(_ASK + b"X: a\rY: b\r\nConnection: close\r\n\r\n", _BAD),
    "a nul in a field": Attack(_ASK + b"X: a\x00b\r\nConnection: close\r\n\r\n", _BAD),
    "no host": Attack(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", (200, 400)),
    "two hosts": Attack(b"GET /robots.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", (200, 400)),
    "http/1.0": Attack(b"GET /health HTTP/1.0\r\n\r\n", (200,)),
    "http/1.0, chunked": Attack(b"POST /sparql HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400, 415)),
    "http/0.9": Attack(b"GET /health\r\n\r\n", _BAD, half_closed=True),
    "http/9.9": Attack(b"GET /health HTTP/9.9\r\nHost: h\r\n\r\n", _BAD),
    "http/2 without agreement": Attack(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 9, _BAD, half_closed=True),
    "an absolute target": Attack(b"GET http://e.org/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", (200,)),
    "a target of another scheme": Attack(
        b"GET ftp://e.org/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", (200, 404, *_BAD)
    ),
    "a target with raw bytes": Attack(
        b"GET /name/\xff\xc3\xa9?x=\xff\xc3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", (404, *_BAD)
    ),
    "a redirect with raw bytes": Attack(
        b"GET /name/andrew_zhao?x=\xff\xc3\xa9 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", (303, *_BAD)
    ),
    "connect": Attack(b"CONNECT e.org:443 HTTP/1.1\r\nHost: e.org:443\r\nConnection: close\r\n\r\n", (404, 405, *_BAD)),
    "options for all": Attack(b"OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", (200, 204, 404, *_BAD)),
    "head with a body": Attack(
        b"HEAD /health HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", (200, 400)
    ),
    "get with a body": Attack(_ASK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", (200, 400)),
    "expecting to continue": Attack(
        _POST + b"Expect: 100-continue\r\nContent-Length: 6\r\nConnection: close\r\n\r\nASK {}", (200,), answers=2
    ),
    "an upgrade": Attack(_ASK + b"Upgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n", (200, *_BAD)),
    "split by a header that is echoed": Attack(
        b"OPTIONS /sparql HTTP/1.1\r\nHost: h\r\nAccess-Control-Request-Headers: x\xff\xc3\xa9\r\n"
        b"Connection: close\r\n\r\n",
        (204, 400),
    ),
}  # fmt: skip


def attack(server: Server, name: str) -> Iterator[str]:
    """What is wrong with what *server* answers to the attack *name*, or with its health afterwards."""
    one = ATTACKS[name]
    head = one.data.startswith(b"HEAD")
    statuses, rest = exchange(server.port, one, head)
    final = [status for status in statuses if status != 100]
    if final and final[0] not in one.statuses:
        yield f"answered {final[0]}, which is none of {one.statuses}"
    if any(status >= 500 and status not in (501, 505) for status in final):
        yield f"answered {final}"
    if len(statuses) > one.answers:
        yield f"{len(statuses)} answers: {statuses}"
    # A server may know HTTP/2 by prior knowledge (RFC 9113, 3.3), and then answers in it.
    if rest and not one.data.startswith(b"PRI "):
        yield f"this is no HTTP: {rest[:200]!r}"
    if fetch(server.port, "/health")[0] != 200:
        yield "the service is ill afterwards"


def exchange(port: int, one: Attack, head: bool = False) -> tuple[list[int], bytes]:
    """The statuses of the answers that come until the server closes or falls silent, and bytes that are no answer."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_WAIT_S) as connection:
        try:
            for piece in [one.data[at : at + 1] for at in range(len(one.data))] if one.trickled else [one.data]:
                connection.sendall(piece)
            if one.half_closed:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except OSError:
            pass  # Silence, or a reset: what has come is judged.
    statuses: list[int] = []
    while received.startswith(b"HTTP/1."):
        fields, _, rest = received.partition(b"\r\n\r\n")
        status = int(fields.split()[1])
        statuses.append(status)
        length = _length(fields)
        if status < 200 or head:
            received = rest
        elif length is None:
            received = b""
        else:
            received = rest[length:]
    return statuses, received


def _length(fields: bytes) -> int | None:
    for line in fields.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return None


def _hold(server: Server, data: bytes, count: int) -> Iterator[str]:
    """Keep *count* connections in the middle of sending *data*; the service must go on for others."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE_S))
            connection.sendall(data)
        time.sleep(0.5)
        other = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_PATIENCE_S)
        try:
            other.request("GET", "/sparql?query=ASK%7B%7D")
            status = other.getresponse().status
            if status != 200:
                yield f"others are answered {status}"
        except TimeoutError:
            yield "others are not answered"
        finally:
            other.close()


HOLDS: Final[dict[str, Callable[[Server], Iterator[str]]]] = {
    "sixty half requests": lambda server: _hold(server, _ASK + b"X-Half: ", 60),
    "sixty half bodies": lambda server: _hold(server, _POST + b"Content-Length: 1000\r\n\r\nASK", 60),
    "sixty half chunked bodies": lambda server: _hold(
        server, _POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nASK {\r\n", 60
    ),
    "sixty bodies for who takes none": lambda server: _hold(
        server, b"GET /health HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx", 60
    ),
    "twenty answers that nobody reads": lambda server: _hold(
        server, _ASK.replace(b"ASK%7B%7D", b"SELECT*%7B?s?p?o%7DLIMIT%2010000") + b"\r\n", 20
    ),
}
