"""The RSGI application of the production server: what is known is answered at once, queries without a thread that
waits, everything else by Flask in a few threads.

A request's way: the cache of the release; a SPARQL query goes to the broker, and is stopped when its client leaves;
whatever remains, errors of queries too, is made by the WSGI application.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Protocol

from flask import Flask

from quiver.config import Settings
from quiver.errors import QuiverError
from quiver.evaluation import AsyncEvaluator, QueryAnswer, QueryRequest
from quiver.evaluation.results import INLINE_BYTES
from quiver.telemetry import logger
from quiver.web import SERVED, Served
from quiver.web.codings import SMALLEST_COMPRESSED, choose_coding, compress, compress_pieces, is_compressible
from quiver.web.graph import Graph
from quiver.web.operation import Operation, acceptable, is_for_a_reader, read_operation
from quiver.web.protocol import FAILED, PATH, as_request, explain, max_body_bytes
from quiver.web.response_cache import Headers, KeptResponse, ResponseCache, etag_matches
from quiver.web.responses import OPEN_HEADERS, Tagger, target_of
from quiver.web.streaming import Pipe
from quiver.web.wsgi import Scope, WsgiAnswer, call, environment, split_address

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_LOG = logger("quiver.web")
# A query that takes longer is worth watching whether its client is still there.
_WATCH_AFTER_S: Final = 0.05
# Longer bodies are no keys of the cache.
_KEY_BYTES: Final = 16_384
_NOT_KEPT: Final = frozenset(("server-timing", "content-length", "set-cookie"))
_IN_304: Final = frozenset(("etag", "cache-control", "vary", "content-location", "access-control-allow-origin"))
# Paths whose requests may evaluate for seconds; they do not take the threads of the pages.
_SLOW: Final = ("/queries/", "/store")
_SLOW_THREADS: Final = 2
_GONE: Final = 499


class HttpProtocol(Protocol):
    """The answering side of an RSGI 1.6 request."""

    def __aiter__(self) -> HttpProtocol: ...
    async def __anext__(self) -> bytes: ...
    def client_disconnect(self) -> Coroutine[object, object, None]: ...
    def response_empty(self, status: int, headers: Headers) -> None: ...
    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None: ...
    def response_file(self, status: int, headers: Headers, file: str) -> None: ...


class Front:
    """Serves *app*, whose queries go to the broker at *socket_path*."""

    def __init__(self, app: Flask, socket_path: str, settings: Settings) -> None:
        served = app.extensions[SERVED]
        assert isinstance(served, Served)
        self._holder, self._metrics = served.holder, served.metrics
        self._application = app.wsgi_app
        self._socket_path = socket_path
        self._settings = settings
        self._tagger = Tagger(settings)
        self._cache = ResponseCache(settings.integer("cache_bytes"))
        self._cached_release = ""
        self._longest = max_body_bytes(settings)
        self._pages = ThreadPoolExecutor(max(settings.integer("web_threads"), 1), "pages")
        self._slow = ThreadPoolExecutor(_SLOW_THREADS, "slow")
        self._pumps: set[asyncio.Task[None]] = set()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._evaluator = AsyncEvaluator(self._socket_path, self._settings, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._evaluator.close()
        for executor in (self._pages, self._slow):
            executor.shutdown(wait=False, cancel_futures=True)

    async def __rsgi__(self, scope: Scope, protocol: HttpProtocol) -> None:
        started = time.perf_counter()
        body, length = b"", None
        if scope.method not in ("GET", "HEAD"):
            body, length = await self._read_body(scope, protocol)
        try:
            graph = self._holder.fresh()
            if graph is None:
                graph = await self._loop.run_in_executor(self._pages, self._holder.get)
        except QuiverError:
            # Flask says so, wherever a release is needed.
            await self._run_flask(scope, protocol, environment(scope, body, length), None)
            return
        key = self._key(scope, graph, body) if length is None else None
        kept = self._cache.get(key) if key is not None else None
        if kept is not None:
            self._send_kept(protocol, scope, kept, started)
            return
        environ = None
        if scope.path == PATH and scope.method in ("GET", "HEAD", "POST") and length is None:
            try:
                if await self._answer_query(scope, protocol, graph, body, key, started):
                    return
            except QuiverError as error:
                environ = environment(scope, body, length)
                environ[FAILED] = error
        await self._run_flask(scope, protocol, environ or environment(scope, body, length), key)

    # -- the request

    async def _read_body(self, scope: Scope, protocol: HttpProtocol) -> tuple[bytes, int | None]:
        """The body, or, where it is too long, the length to report instead."""
        declared = scope.headers.get("content-length") or ""
        if declared.isdigit() and int(declared) > self._longest:
            return b"", int(declared)
        pieces: list[bytes] = []
        size = 0
        async for piece in protocol:
            size += len(piece)
            if size > self._longest:
                return b"", size
            pieces.append(piece)
        return b"".join(pieces), None

    def _key(self, scope: Scope, graph: Graph, body: bytes) -> tuple[object, ...] | None:
        """What the answer to a request depends on, where it may be kept; the release beside it."""
        if graph.id != self._cached_release:
            self._cache.clear()
            self._cached_release = graph.id
        headers = scope.headers
        if scope.method == "GET":
            asked: object = None
        elif scope.method == "POST" and len(body) <= _KEY_BYTES:
            asked = (headers.get("content-type"), body)
        else:
            return None
        get = headers.get
        return (
            scope.path, scope.query_string, asked, get("accept"), get("accept-encoding"),
            scope.scheme, get("host") or scope.authority,
        )  # fmt: skip

    # -- queries

    async def _answer_query(
        self,
        scope: Scope,
        protocol: HttpProtocol,
        graph: Graph,
        body: bytes,
        key: tuple[object, ...] | None,
        started: float,
    ) -> bool:
        """Whether the request was a query, and has been answered.

        Raises:
            QuiverError: it was one, and failed.
        """
        headers = scope.headers
        accept = headers.get("accept")
        operation = read_operation(scope.method, scope.query_string, headers.get("content-type") or "", body)
        if operation is None or is_for_a_reader(operation, scope.method, accept):
            return False
        formats = acceptable(operation.format, accept)
        coding = choose_coding(headers.get("accept-encoding"))
        target = target_of(scope.path, scope.query_string)
        if scope.method != "POST" and (held := headers.get("if-none-match")):
            # A tag of ours is given only to what is the same each time: no need to evaluate.
            for media_type in {form.media_type for form in formats.values()}:
                for used in {coding, "identity"}:
                    etag = f'"{self._tagger.tag(graph.id, target, media_type, used)}"'
                    if etag in held:
                        protocol.response_empty(304, [("etag", etag), *_COMMON_HEADERS])
                        self._metrics.count("protocol", 304, time.perf_counter() - started)
                        return True
        client, _ = split_address(scope.client)
        request = as_request(operation, graph.base, graph.store_path, formats, client)
        answer = await self._evaluate(operation, request, protocol)
        if answer is None:
            protocol.response_empty(_GONE, [])
            self._metrics.count("protocol", _GONE, time.perf_counter() - started)
            return True
        fields: Headers = [("content-type", answer.format.content_type), *_COMMON_HEADERS]
        if answer.size > INLINE_BYTES:
            await self._send_file(scope, protocol, answer, fields, coding)
        else:
            data = answer.read()
            if coding != "identity" and len(data) >= SMALLEST_COMPRESSED and is_compressible(answer.format.media_type):
                data = compress(data, coding)
                fields.append(("content-encoding", coding))
            else:
                coding = "identity"
            if answer.repeatable:
                etag = ""
                if scope.method != "POST":
                    tag = self._tagger.tag(graph.id, target, answer.format.media_type, coding)
                    etag = f'"{tag}"'
                    fields += [("etag", etag), ("cache-control", "no-cache")]
                if key is not None:
                    self._keep(key, fields, data, etag, "protocol")
            self._send(protocol, scope, 200, fields, data)
        self._metrics.count("protocol", 200, time.perf_counter() - started)
        return True

    async def _evaluate(
        self, operation: Operation, request: QueryRequest, protocol: HttpProtocol
    ) -> QueryAnswer | None:
        """The answer; None where the client left before there was one."""
        pending = self._evaluator.submit(request)
        watcher: asyncio.Task[None] | None = None
        has_left = False

        async def watch() -> None:
            nonlocal has_left
            await protocol.client_disconnect()
            has_left = True
            pending.cancel()

        def begin() -> None:
            nonlocal watcher
            watcher = self._loop.create_task(watch())

        timer = self._loop.call_later(_WATCH_AFTER_S, begin)
        try:
            return await pending.result()
        except QuiverError as error:
            if has_left:
                return None
            raise explain(error, operation) from None
        finally:
            timer.cancel()
            if watcher is not None:
                watcher.cancel()

    async def _send_file(
        self, scope: Scope, protocol: HttpProtocol, answer: QueryAnswer, fields: Headers, coding: str
    ) -> None:
        chosen = choose_coding(coding) if is_compressible(answer.format.media_type) else "identity"
        if chosen == "identity":
            fields.append(("content-length", str(answer.size)))
        else:
            fields.append(("content-encoding", chosen))
        if scope.method == "HEAD":
            answer.close()
            self._send(protocol, scope, 200, fields, b"")
            return
        pieces = compress_pieces(answer.chunks(), chosen)
        self._stream(protocol, WsgiAnswer(200, fields, b"", pieces, answer.close))

    # -- what Flask makes

    async def _run_flask(
        self, scope: Scope, protocol: HttpProtocol, environ: WSGIEnvironment, key: tuple[object, ...] | None
    ) -> None:
        executor = self._slow if scope.path.startswith(_SLOW) else self._pages
        try:
            answer = await self._loop.run_in_executor(executor, call, self._application, environ)
        except Exception:  # noqa: BLE001 - the outermost handler
            # Flask answers every error of its own; this is one of the machinery around it.
            _LOG.exception("%s %s failed", scope.method, scope.path)
            protocol.response_bytes(500, [("content-type", "text/plain")], b"The server met an error of its own.\n")
            return
        etag = answer.header("etag")
        if answer.pieces is not None:
            self._stream(protocol, answer)
            return
        if key is not None and scope.method == "GET" and answer.status == 200 and etag.startswith('"'):
            self._keep(key, answer.headers, answer.body, etag, "cache")
        self._send(protocol, scope, answer.status, answer.headers, answer.body)

    # -- sending

    def _keep(self, key: tuple[object, ...], headers: Headers, body: bytes, etag: str, area: str) -> None:
        if not self._cache.takes(len(body)):
            return
        kept = [field for field in headers if field[0] not in _NOT_KEPT]
        brief = [field for field in kept if field[0] in _IN_304]
        self._cache.put(key, KeptResponse(kept, brief, body, etag, area))

    def _send_kept(self, protocol: HttpProtocol, scope: Scope, kept: KeptResponse, started: float) -> None:
        if kept.etag and etag_matches(scope.headers.get("if-none-match"), kept.etag):
            protocol.response_empty(304, kept.headers_304)
            status = 304
        else:
            protocol.response_bytes(200, kept.headers, kept.body)
            status = 200
        self._metrics.count(kept.area, status, time.perf_counter() - started)

    def _send(self, protocol: HttpProtocol, scope: Scope, status: int, headers: Headers, body: bytes) -> None:
        if scope.method == "HEAD" and not any(name == "content-length" for name, _ in headers):
            headers = [*headers, ("content-length", str(len(body)))]
        if scope.method == "HEAD" or status in (204, 304):
            protocol.response_empty(status, headers)
        else:
            protocol.response_bytes(status, headers, body)

    def _stream(self, protocol: HttpProtocol, answer: WsgiAnswer) -> None:
        """Send a long body in the background, at the pace of its reader."""
        assert answer.pieces is not None
        pieces = answer.pieces
        pipe = Pipe()
        protocol.response_file(answer.status, answer.headers, pipe.path)

        async def pump() -> None:
            try:
                await pipe.pump(pieces, self._pages)
            finally:
                await self._loop.run_in_executor(self._pages, answer.close)

        task = self._loop.create_task(pump())
        self._pumps.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._pumps.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("a body was not sent to its end", exc_info=error)


_COMMON_HEADERS: Final[Headers] = [
    ("vary", "Accept, Accept-Encoding"),
    *((name.lower(), value) for name, value in OPEN_HEADERS),
]
