"""The RSGI application of the production server: what is known is answered at once, queries without a thread that
waits, everything else by Flask in a few threads.

A request's way: the cache of the release; a SPARQL query goes to the broker, and is stopped when its client leaves;
an order (a search, a narrowed list) to a process that gives way; whatever remains, errors of queries too, is made by
the WSGI application.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Flask

from quiver.config import Settings
from quiver.errors import BodyTimeout, QuiverError
from quiver.evaluation import AsyncEvaluator, QueryAnswer
from quiver.evaluation.results import INLINE_BYTES
from quiver.negotiation import CITATIONS
from quiver.telemetry import logger
from quiver.web import SERVED, Served
from quiver.web.answers import FAILED
from quiver.web.budget import Budget
from quiver.web.codings import SMALLEST_COMPRESSED, Coding, choose_coding, compress, compress_pieces, is_compressible
from quiver.web.crawlers import is_order
from quiver.web.forwarding import Arrival, path_below
from quiver.web.graph import Graph
from quiver.web.orders import Orders
from quiver.web.plans import Plan, plan_evaluation
from quiver.web.protocol import PATH, max_body_bytes
from quiver.web.response_cache import Headers, KeptResponse, ResponseCache, etag_matches
from quiver.web.responses import NOINDEX, OPEN_HEADERS, Tagger, target_of
from quiver.web.streaming import Pipe
from quiver.web.watching import Watch
from quiver.web.wsgi import HttpProtocol, Scope, WsgiAnswer, call, environment, field

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_LOG = logger("quiver.web")
# What is asked at greater length is not kept.
_KEY_BYTES: Final = 8_192
# The longest body that is read where no query is sent.
_OTHER_BODY_BYTES: Final = 65_536
_NOT_KEPT: Final = frozenset(("server-timing", "content-length", "set-cookie"))
# Paths whose requests may take seconds, queries and lists as files; they do not take the threads of the pages.
_SLOW: Final = ("/queries/",)
_SLOW_ENDINGS: Final = tuple(f".{one.extension}" for one in CITATIONS)
_SLOW_THREADS: Final = 2
_GONE: Final = 499


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request beside its header: the release, who asks, the body, the key of the answer, and when it came."""

    graph: Graph
    client: str
    body: bytes
    key: tuple[object, ...] | None
    started: float


class Front:
    """Serves *app*, whose queries go to the broker at *socket_path*, and whose orders to *orders*, if there are any."""

    def __init__(self, app: Flask, socket_path: str, settings: Settings, orders: Orders | None = None) -> None:
        served = app.extensions[SERVED]
        assert isinstance(served, Served)
        self._holder, self._metrics, self._forwarding = served.holder, served.metrics, served.forwarding
        self._application = app.wsgi_app
        self._socket_path = socket_path
        self._orders = orders
        self._settings = settings
        self._tagger = Tagger(settings)
        self._cache = ResponseCache(settings.integer("cache_bytes"))
        self._cached_release = ""
        self._longest = max_body_bytes(settings)
        self._body_timeout_s = settings.number("body_timeout_s")
        self._pages = ThreadPoolExecutor(max(settings.integer("web_threads"), 1), "pages")
        self._slow = ThreadPoolExecutor(_SLOW_THREADS, "slow")
        self._pumps: set[asyncio.Task[None]] = set()
        self._send_timeout_s = settings.number("send_timeout_s")
        self._bodies = Budget(settings.integer("body_bytes"), "Too many requests with bodies arrive at once.")
        self._spooled = Budget(settings.integer("spool_bytes"), "Too many long results are being sent.")
        # One thread of its own looks for a new release, and all who need to know wait for that one look.
        self._lookout = ThreadPoolExecutor(1, "lookout")
        self._look: asyncio.Future[Graph] | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._evaluator = AsyncEvaluator(self._socket_path, self._settings, loop)
        self._watch = Watch(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._evaluator.close()
        if self._orders is not None:
            self._orders.close()
        for executor in (self._pages, self._slow, self._lookout):
            executor.shutdown(wait=False, cancel_futures=True)

    async def __rsgi__(self, scope: Scope, protocol: HttpProtocol) -> None:
        started = time.perf_counter()
        body, length = b"", None
        failed: QuiverError | None = None
        held = 0
        if scope.method not in ("GET", "HEAD"):
            try:
                held = self._bodies.take(self._longest_body(scope))
                # Here and not in a thread, of which half a body would take one for as long as it likes.
                body, length = await asyncio.wait_for(self._read_body(scope, protocol, held), self._body_timeout_s)
            except QuiverError as error:
                failed = error
            except TimeoutError:
                failed = BodyTimeout(f"The body of the request did not arrive within {self._body_timeout_s:g} s.")
            except ConnectionError:
                return  # The client left, or what it sent is no body.
            finally:
                self._bodies.give_back(held)
        try:
            graph = self._holder.fresh() or await self._find_release()
        except QuiverError:
            # Flask says so, wherever a release is needed.
            await self._run_flask(scope, protocol, environment(scope, body, length), None)
            return
        came = self._arrival(scope)
        path = path_below(scope.path, came.prefix)
        key = self._key(scope, came, path, graph, body) if length is None and failed is None else None
        kept = self._cache.get(key) if key is not None else None
        if kept is not None:
            self._send_kept(protocol, scope, kept, started)
            return
        if scope.method in ("GET", "HEAD", "POST") and length is None and failed is None:
            asked = _Asked(graph, came.client, body, key, started)
            try:
                plan = plan_evaluation(scope, path, body, graph, came.client)
                if plan is not None:
                    await self._answer_query(scope, protocol, plan, asked)
                    return
            except QuiverError as error:
                failed = error
        environ = environment(scope, body, length)
        if failed is not None:
            environ[FAILED] = failed
        elif self._orders is not None and scope.method in ("GET", "HEAD") and _is_order(path, scope.query_string):
            filled = await self._orders.fill(environ, came.client, graph.id)
            if filled is not None:
                self._metrics.count(filled.area, filled.status, time.perf_counter() - started, filled.queries)
                answer = WsgiAnswer(filled.status, filled.headers, filled.body)
                self._send_made(scope, protocol, answer, key if filled.release_id == graph.id else None)
                return
        await self._run_flask(scope, protocol, environ, key, path)

    # -- the request

    async def _find_release(self) -> Graph:
        look = self._look
        if look is None or look.done():
            look = self._look = self._loop.run_in_executor(self._lookout, self._holder.get)
        try:
            return await asyncio.shield(look)
        finally:
            # What it found is not to be held beyond the requests that waited for it.
            if self._look is look and look.done():
                self._look = None

    def _longest_body(self, scope: Scope) -> int:
        """The most bytes of a body that are read: only a query may be long."""
        longest = self._longest if scope.path.endswith(PATH) else _OTHER_BODY_BYTES
        declared = scope.headers.get("content-length") or ""
        return min(int(declared[:12]), longest) if declared.isdigit() else longest

    async def _read_body(self, scope: Scope, protocol: HttpProtocol, longest: int) -> tuple[bytes, int | None]:
        """The body, or, where it is longer than *longest*, the length to report instead."""
        declared = scope.headers.get("content-length") or ""
        if declared.isdigit() and int(declared[:12]) > longest:
            return b"", max(int(declared[:12]), self._longest + 1)
        pieces: list[bytes] = []
        size = 0
        async for piece in protocol:
            size += len(piece)
            if size > longest:
                return b"", self._longest + 1
            pieces.append(piece)
        return b"".join(pieces), None

    def _arrival(self, scope: Scope) -> Arrival:
        """Who asks, and for which address, as far as trusted proxies say."""
        headers = scope.headers
        host = headers.get("host") or scope.authority or ""
        return self._forwarding.arrival(scope.client, scope.scheme, host, lambda name: ",".join(headers.get_all(name)))

    def _key(self, scope: Scope, came: Arrival, path: str, graph: Graph, body: bytes) -> tuple[object, ...] | None:
        """What the answer to a request depends on, where it may be kept; the release beside it."""
        if graph.id != self._cached_release:
            self._cache.clear()
            self._cached_release = graph.id
        headers = scope.headers
        if scope.method == "GET":
            asked: tuple[str | bytes | None, ...] = (None, None)
        elif scope.method == "POST":
            asked = (field(headers, "content-type"), body)
        else:
            return None
        key = (
            graph.id, path, scope.query_string, *asked, field(headers, "accept"), field(headers, "accept-encoding"),
            came.scheme, came.host, came.prefix,
        )  # fmt: skip
        return key if _size_of(key) <= _KEY_BYTES else None

    # -- queries

    async def _answer_query(self, scope: Scope, protocol: HttpProtocol, plan: Plan, asked: _Asked) -> None:
        """Answer a request for an evaluation.

        Raises:
            QuiverError: it failed.
        """
        headers = scope.headers
        coding = choose_coding(field(headers, "accept-encoding"))
        target = target_of(scope.path, scope.query_string)
        if scope.method != "POST" and (held := field(headers, "if-none-match")):
            # A tag of ours is given only to what is the same each time: no need to evaluate.
            for media_type in {form.media_type for form in plan.request.formats.values()}:
                for used in {coding, "identity"}:
                    etag = f'"{self._tagger.tag(asked.graph.id, target, media_type, used)}"'
                    if etag in held:
                        protocol.response_empty(304, [("etag", etag), *_COMMON_HEADERS])
                        self._metrics.count("protocol", 304, time.perf_counter() - asked.started)
                        return
        answer = await self._evaluate(plan, protocol)
        if answer is None:
            protocol.response_empty(_GONE, [])
            self._metrics.count("protocol", _GONE, time.perf_counter() - asked.started)
            return
        fields: Headers = [("content-type", answer.format.content_type), *_COMMON_HEADERS]
        if answer.size > INLINE_BYTES:
            self._send_file(scope, protocol, answer, fields, coding)
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
                    tag = self._tagger.tag(asked.graph.id, target, answer.format.media_type, coding)
                    etag = f'"{tag}"'
                    fields += [("etag", etag), ("cache-control", "no-cache")]
                if asked.key is not None:
                    self._keep(asked.key, fields, data, etag, "protocol")
            self._send(protocol, scope, 200, fields, data)
        self._metrics.count("protocol", 200, time.perf_counter() - asked.started)

    async def _evaluate(self, plan: Plan, protocol: HttpProtocol) -> QueryAnswer | None:
        """The answer; None where the client left before there was one."""
        pending = self._watch.begin(self._evaluator.submit(plan.request), protocol)
        try:
            return plan.check(await pending.answer.result())
        except QuiverError as error:
            if pending.has_left:
                return None
            raise plan.explain(error) from None
        finally:
            pending.end()

    def _send_file(
        self, scope: Scope, protocol: HttpProtocol, answer: QueryAnswer, fields: Headers, coding: Coding
    ) -> None:
        chosen: Coding = coding if is_compressible(answer.format.media_type) else "identity"
        if chosen == "identity":
            fields.append(("content-length", str(answer.size)))
        else:
            fields.append(("content-encoding", chosen))
        if scope.method == "HEAD":
            answer.close()
            self._send(protocol, scope, 200, fields, b"")
            return
        try:
            held = self._spooled.take(answer.size)
        except QuiverError:
            answer.close()
            raise

        def close() -> None:
            answer.close()
            self._spooled.give_back(held)

        self._stream(protocol, WsgiAnswer(200, fields, b"", compress_pieces(answer.chunks(), chosen), close))

    # -- what Flask makes

    async def _run_flask(
        self,
        scope: Scope,
        protocol: HttpProtocol,
        environ: WSGIEnvironment,
        key: tuple[object, ...] | None,
        path: str = "",
    ) -> None:
        is_slow = path.startswith(_SLOW) or path.endswith(_SLOW_ENDINGS)
        executor = self._slow if is_slow else self._pages
        try:
            answer = await self._loop.run_in_executor(executor, call, self._application, environ)
        except Exception:  # noqa: BLE001 - the outermost handler
            # Flask answers every error of its own; this is one of the machinery around it.
            _LOG.exception("%s %s failed", scope.method, scope.path)
            protocol.response_bytes(500, [("content-type", "text/plain")], b"The server met an error of its own.\n")
            return
        if answer.pieces is not None:
            self._stream(protocol, answer, executor)
        else:
            self._send_made(scope, protocol, answer, key)

    # -- sending

    def _send_made(
        self, scope: Scope, protocol: HttpProtocol, answer: WsgiAnswer, key: tuple[object, ...] | None
    ) -> None:
        """Send what Flask made as a whole, and keep it where it may be kept."""
        etag = answer.header("etag")
        if key is not None and scope.method == "GET" and answer.status == 200 and etag.startswith('"'):
            kept = [field for field in answer.headers if field[0] not in _NOT_KEPT]
            self._keep(key, kept, answer.body, etag, "cache")
        self._send(protocol, scope, answer.status, answer.headers, answer.body)

    def _keep(self, key: tuple[object, ...], headers: Headers, body: bytes, etag: str, area: str) -> None:
        if not self._cache.takes(len(body)):
            return
        self._cache.put(key, KeptResponse(headers, body, etag, area, _size_of(key)))

    def _send_kept(self, protocol: HttpProtocol, scope: Scope, kept: KeptResponse, started: float) -> None:
        if kept.etag and etag_matches(field(scope.headers, "if-none-match"), kept.etag):
            protocol.response_empty(304, kept.headers_304())
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

    def _stream(self, protocol: HttpProtocol, answer: WsgiAnswer, executor: ThreadPoolExecutor | None = None) -> None:
        """Send a long body in the background, at the pace of its reader; *executor* makes its pieces."""
        assert answer.pieces is not None
        pieces = answer.pieces
        pipe = Pipe()
        protocol.response_file(answer.status, answer.headers, pipe.path)

        async def pump() -> None:
            try:
                await pipe.pump(pieces, executor or self._pages, self._send_timeout_s)
            finally:
                await self._loop.run_in_executor(self._pages, answer.close)

        task = self._loop.create_task(pump())
        self._pumps.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._pumps.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("a body was not sent to its end", exc_info=error)


def _is_order(path: str, query_string: str) -> bool:
    # Lists as files are made piece by piece, here.
    return is_order(path, query_string) and not path.endswith(_SLOW_ENDINGS)


def _size_of(key: tuple[object, ...]) -> int:
    return sum(len(part) for part in key if isinstance(part, (str, bytes)))


_COMMON_HEADERS: Final[Headers] = [
    ("vary", "Accept, Accept-Encoding"),
    *((name.lower(), value) for name, value in (*OPEN_HEADERS, NOINDEX)),
]
