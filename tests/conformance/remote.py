"""Endpoints for SERVICE to ask: `python -m tests.conformance.remote NAME=FILE...` serves each file at `/NAME/sparql`.

It prints its port. Each request has a process of its own, since the engine may hold the interpreter while it waits for
another endpoint. Any other path is 404, as an endpoint that is not there.
"""

from __future__ import annotations

import socketserver
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyoxigraph as ox

_XML = "application/sparql-results+xml"


class _Server(socketserver.ForkingMixIn, HTTPServer):
    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(parse_qs(urlsplit(self.path).query).get("query", [""])[0])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
        self._answer(parse_qs(body)["query"][0] if is_form else body)

    def _answer(self, query: str) -> None:
        name = urlsplit(self.path).path.strip("/").partition("/")[0]
        if name not in self.server.files:
            self.send_error(404)
            return
        store = ox.Store()
        if self.server.files[name]:
            store.load(path=self.server.files[name], base_iri=f"http://{name}/")
        result = store.query(query)
        assert not isinstance(result, ox.QueryTriples)
        data = result.serialize(format=ox.QueryResultsFormat.XML) or b""
        self.send_response(200)
        self.send_header("Content-Type", _XML)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test has no use for a log of requests."""


@contextmanager
def remote_endpoints(files: Mapping[str, Path | None]) -> Iterator[str]:
    """The URL below which each file is served at `{name}/sparql`, as long as the context lasts; None is no data."""
    command = [sys.executable, "-m", __name__, *(f"{name}={path or ''}" for name, path in files.items())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        finally:
            process.terminate()


if __name__ == "__main__":
    with _Server(dict(argument.split("=", 1) for argument in sys.argv[1:])) as served:
        print(served.server_address[1], flush=True)
        served.serve_forever()
