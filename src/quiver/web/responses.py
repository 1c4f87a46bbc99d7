"""What every response carries: security headers, entity tags and 304, CORS for reading, compression."""

from __future__ import annotations

import hashlib
from typing import Final

from flask import Flask, Response, g, request

from quiver import __version__
from quiver.config import Settings
from quiver.web.codings import SMALLEST_COMPRESSED, choose_coding, compress, is_compressible
from quiver.web.crawlers import may_be_indexed
from quiver.web.graph import Graph

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Reading is open to scripts of any origin, redirects and pages included; there is nothing here but to read.
OPEN_HEADERS: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, Link, Content-Location, Retry-After, Server-Timing, X-Total-Count"),
    ("X-Content-Type-Options", "nosniff"),
)
# Settings that change what a representation holds, and so its entity tag.
_SHOWN_SETTINGS: Final = ("title", "page_size", "page_size_max", "search_limit_max", "licence")
# For crawlers, on what is made for one question: pages say it in their heads as well.
NOINDEX: Final = ("X-Robots-Tag", "noindex")


class Tagger:
    """Makes entity tags; strong, since the same release, software and settings give the same bytes."""

    def __init__(self, settings: Settings) -> None:
        self._fixed = "\n".join([__version__, *(f"{name}={settings[name]}" for name in _SHOWN_SETTINGS)])

    def tag(self, release_id: str, target: str, media_type: str, coding: str) -> str:
        """The tag of what *target* (path and query of a request) names, in this media type and content coding."""
        parts = (self._fixed, release_id, target, media_type, coding)
        return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def target_of(path: str, query_string: str) -> str:
    """What a request asks for, as it goes into entity tags."""
    return f"{path}?{query_string}"


def _target() -> str:
    # The root, since a sitemap holds absolute addresses, and links may begin with the prefix.
    return request.url_root + target_of(request.path, request.query_string.decode("latin-1"))


def not_modified(media_type: str) -> Response | None:
    """A 304 when the client holds what it asks for in *media_type* already; asked before the work of making it."""
    tagger, graph = g.get("tagger"), g.get("graph")
    if not isinstance(tagger, Tagger) or not isinstance(graph, Graph) or not request.if_none_match:
        return None
    coding = choose_coding(request.headers.get("Accept-Encoding"))
    for used in {coding, "identity"}:
        tag = tagger.tag(graph.id, _target(), media_type, used)
        if request.if_none_match.contains_weak(tag):
            response = Response(status=304)
            response.set_etag(tag)
            response.headers["Cache-Control"] = "no-cache"
            return response
    return None


def register(app: Flask, settings: Settings) -> None:
    """Have every response of *app* pass through here."""
    tagger = Tagger(settings)

    def begin() -> None:
        g.tagger = tagger

    def finish(response: Response) -> Response:
        _vary(response)
        if response.mimetype == "text/html":
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            response.headers.setdefault("Referrer-Policy", "same-origin")
            if alternates := g.get("alternates"):
                response.headers.setdefault("Link", alternates)
        if not may_be_indexed(request.path, request.args):
            response.headers.setdefault(*NOINDEX)
        for name, value in OPEN_HEADERS:
            response.headers.setdefault(name, value)
        if request.method == "OPTIONS":
            response.headers.setdefault("Access-Control-Allow-Methods", response.headers.get("Allow", "GET, HEAD"))
            asked = request.headers.get("Access-Control-Request-Headers", "*")
            response.headers.setdefault("Access-Control-Allow-Headers", asked)
            response.vary.add("Access-Control-Request-Headers")
        if request.endpoint == "static" and response.status_code == 200:
            _prepare_static(response)
        coding = _compress(response)
        if response.status_code == 200 and g.get("tagged"):
            _tag(response, tagger, coding)
        return response

    app.before_request(begin)
    app.after_request(finish)


def _vary(response: Response) -> None:
    response.vary.add("Accept-Encoding")
    if g.get("negotiated") or (response.status_code >= 300 and response.status_code != 304):
        response.vary.add("Accept")


def _prepare_static(response: Response) -> None:
    """Have a static file compressed like any text, and kept for good where its address names its content."""
    coding = choose_coding(request.headers.get("Accept-Encoding"))
    if is_compressible(response.mimetype) and coding != "identity":
        response.direct_passthrough = False
        response.set_data(response.get_data())
        etag, _ = response.get_etag()
        response.set_etag(f"{etag}-{coding}")
    if "v" in request.args:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"


def _compress(response: Response) -> str:
    """The coding in which *response* now is."""
    if (made := response.headers.get("Content-Encoding")) is not None:
        return made
    coding = choose_coding(request.headers.get("Accept-Encoding"))
    if (
        coding == "identity"
        or response.status_code in (204, 304)
        or response.is_streamed
        or response.direct_passthrough
        or not is_compressible(response.mimetype)
    ):
        return "identity"
    data = response.get_data()
    if len(data) < SMALLEST_COMPRESSED:
        return "identity"
    response.set_data(compress(data, coding))
    response.headers["Content-Encoding"] = coding
    return coding


def _tag(response: Response, tagger: Tagger, coding: str) -> None:
    graph = g.get("graph")
    if request.method not in ("GET", "HEAD") or not isinstance(graph, Graph):
        return
    etag = tagger.tag(graph.id, _target(), response.mimetype or "", coding)
    response.set_etag(etag)
    response.headers.setdefault("Cache-Control", "no-cache")
    if request.if_none_match and request.if_none_match.contains_weak(etag):
        response.status_code = 304
        response.set_data(b"")
        for name in ("Content-Length", "Content-Encoding", "Content-Type"):
            response.headers.pop(name, None)
