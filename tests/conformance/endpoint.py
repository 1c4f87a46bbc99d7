"""A real server to ask: `quiver serve` over a library, into which each data set is published as a release."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlencode

import msgspec

from quiver.releases import Library, RdfFile, build_from_rdf

FORM: Final = "application/x-www-form-urlencoded"
_START_S: Final = 60
_SWITCH_S: Final = 20
_STOP_S: Final = 20


class _Health(msgspec.Struct):
    release: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]

    @property
    def problem(self) -> str:
        """The code of the problem that it reports; empty where it is none."""
        if self.media_type != "application/problem+json":
            return ""
        return msgspec.json.decode(self.body, type=dict[str, str | int | float])["code"].__str__()

    def __str__(self) -> str:
        return f"{self.status} {self.media_type}: {self.body[:400].decode(errors='replace')}"


class Endpoint:
    """The server, from `__enter__` to `__exit__`; `publish` changes what it serves."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.library = Library(folder / "library")
        self._settings = settings
        self._published: tuple[object, ...] | None = None
        self._log = folder / "server.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def __enter__(self) -> Endpoint:
        build_from_rdf(self.library.path, [])
        environment = {**os.environ, "QUIVER_RELEASE_POLL_S": "0", "QUIVER_LOG_LEVEL": "WARNING", **self._settings}
        command = [sys.executable, "-m", "quiver.cli", "serve", str(self.library.path), "--port", str(self.port)]
        # One web process, so that its word on the release holds for the next request too.
        with self._log.open("wb") as log:
            self._server = subprocess.Popen([*command, "--workers", "1"], env=environment, stdout=log, stderr=log)
        self._wait_for(self.library.current_id() or "", _START_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._server.terminate()
        try:
            self._server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def publish(self, files: Sequence[RdfFile], base: str) -> None:
        """Serve these files as a release with this base; nothing is done where it is served already."""
        wanted = (tuple(files), base)
        if wanted == self._published:
            return
        release = build_from_rdf(self.library.path, files, base=base)
        self._wait_for(release.id, _SWITCH_S)
        self._published = wanted
        self.library.prune(2)

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The response to one request; *target* is path and query string as they are sent."""
        try:
            response = self._exchange(method, target, body, headers)
        except (ConnectionError, http.client.HTTPException):
            # A server may close a connection between two requests (RFC 9112, 9.3.1); the second try is on a new one.
            self._connection.close()
            response = self._exchange(method, target, body, headers)
        data = response.read()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, data)

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> http.client.HTTPResponse:
        self._connection.request(method, target, body, dict(headers or {}))
        return self._connection.getresponse()

    def ask(self, query: str, accept: str) -> Reply:
        """The response to a query, sent as a form."""
        body = urlencode({"query": query}).encode()
        return self.request("POST", "/sparql", body, {"Accept": accept, "Content-Type": FORM})

    def _wait_for(self, release_id: str, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while True:
            try:
                reply = self.request("GET", "/health")
                if reply.status == 200 and msgspec.json.decode(reply.body, type=_Health).release == release_id:
                    return
            except (OSError, http.client.HTTPException):
                self._connection.close()
            if self._server.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"release {release_id} is not served:\n{self._log.read_text(errors='replace')}")
            time.sleep(0.02)
