"""Load that costs little: a raw keep-alive connection for latency and checks, wrk for requests a second."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlencode

_READ: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def code(self) -> str:
        """The stable code of a problem; empty for a success."""
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(self.body).get("code", "")) if self.status >= 400 else ""
        return ""


class Connection:
    """One keep-alive connection to 127.0.0.1, from the address *source*; opened again where the server closed it.

    http.client costs 0.3 ms a request, which is a third of what a point query may cost at most.
    """

    def __init__(self, port: int, *, source: str = "127.0.0.1", timeout_s: float = 60.0) -> None:
        self._port = port
        self._source = source
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def get(self, target: str, accept: str = "*/*") -> Answer:
        """The answer to a GET of *target*.

        Raises:
            OSError: no connection, a time out, or an answer that is cut off.
        """
        head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAccept: {accept}\r\n\r\n".encode("ascii")
        started = time.perf_counter()
        try:
            status, headers, body = self._read(self.send(head))
        except BaseException:
            self.close()
            raise
        seconds = time.perf_counter() - started
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body, seconds)

    def send(self, request: bytes) -> socket.socket:
        """The socket on which *request* was sent; for clients that leave before they have read the answer."""
        if self._socket is None:
            self._socket = socket.create_connection(
                ("127.0.0.1", self._port), timeout=self._timeout_s, source_address=(self._source, 0)
            )
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        return self._socket

    def _read(self, connection: socket.socket) -> tuple[int, Mapping[str, str], bytes]:
        head, rest = _until(connection, b"", b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        status = int(lines[0].split()[1])
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return status, headers, _chunks(connection, rest)
        if "content-length" in headers:
            return status, headers, _exactly(connection, rest, int(headers["content-length"]))
        if status in (204, 304):
            return status, headers, b""
        parts = [rest]
        while data := connection.recv(_READ):
            parts.append(data)
        return status, {**headers, "connection": "close"}, b"".join(parts)


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(_READ)
    if not data:
        raise ConnectionError("the answer is cut off")
    return data


def _until(connection: socket.socket, data: bytes, mark: bytes) -> tuple[bytes, bytes]:
    while mark not in data:
        data += _receive(connection)
    before, _, after = data.partition(mark)
    return before, after


def _exactly(connection: socket.socket, data: bytes, size: int) -> bytes:
    parts, have = [data], len(data)
    while have < size:
        parts.append(_receive(connection))
        have += len(parts[-1])
    return b"".join(parts)


def _chunks(connection: socket.socket, rest: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        line, rest = _until(connection, rest, b"\r\n")
        size = int(line.split(b";")[0], 16)
        while len(rest) < size + 2:
            rest += _receive(connection)
        if not size:
            return b"".join(parts)
        parts.append(rest[:size])
        rest = rest[size + 2 :]


def target(path: str, query: str, **parameters: str) -> str:
    """The request target of a query by GET."""
    return f"{path}?{urlencode({**parameters, 'query': query})}"


@dataclass(frozen=True, slots=True)
class Rate:
    """Complete answers in a window; `failed` counts statuses of 400 and more, `broken` what had no answer at all."""

    answers: int
    seconds: float
    failed: int
    broken: int
    median_ms: float

    @property
    def per_second(self) -> float:
        return (self.answers - self.failed) / self.seconds


# Walks over the targets in the file, one after the other; a number in a comment makes each request new.
_SCRIPT: Final = """
local targets, position, head = {}, 0, ""
function init(arguments)
  for line in io.lines(arguments[1]) do targets[#targets + 1] = line end
  position = tonumber(arguments[2])
  head = " HTTP/1.1\\r\\nHost: " .. wrk.host .. "\\r\\nAccept: " .. arguments[3] .. "\\r\\n\\r\\n"
end
function request()
  if position < 0 then return "GET " .. targets[1] .. head end
  position = position + 1
  return "GET " .. targets[position % #targets + 1] .. "%0A%23" .. position .. head
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("\\nFIGURES %d %d %d %d %d\\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50)))
end
"""


class Wrk:
    """wrk with 8 connections."""

    def __init__(self, clients: int = 8) -> None:
        self.clients = clients

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("wrk") is not None

    def run(self, port: int, targets: Iterable[str], accept: str, seconds: float, start: int | None) -> Rate:
        """Requests for *targets* in turn from number *start* on, each with its number as a comment; the first target as
        it is, again and again, where *start* is None.

        Raises:
            RuntimeError: wrk failed.
        """
        with tempfile.TemporaryDirectory(prefix="bench-wrk-") as name:
            script, walked = Path(name) / "walk.lua", Path(name) / "targets"
            script.write_text(_SCRIPT)
            walked.write_text("".join(f"{one}\n" for one in targets))
            connections = ["-t", "1", "-c", str(self.clients), "-d", f"{max(1, round(seconds))}s", "--timeout", "60s"]
            command = ["wrk", *connections, "-s", str(script), f"http://127.0.0.1:{port}/", "--"]
            first = "-1" if start is None else str(start)
            ended = subprocess.run([*command, str(walked), first, accept], capture_output=True, text=True, check=False)
        figures = [line.split()[1:] for line in ended.stdout.splitlines() if line.startswith("FIGURES")]
        if not figures:
            raise RuntimeError(f"wrk failed: {ended.stdout}{ended.stderr}")
        answers, microseconds, failed, broken, median = map(int, figures[0])
        return Rate(answers, microseconds / 1e6, failed, broken, median / 1000)
