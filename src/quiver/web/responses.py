"""What every response carries: security headers, entity tags and 304, CORS for reading, compression."""

from __future__ import annotations

import hashlib
from typing import Final

from flask import Flask, Response, g, request
from isal import isal_zlib

from quiver import __version__
from quiver.config import Settings
from quiver.web.graph import Graph

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Settings that change what a representation holds, and so its entity tag.
_SHOWN_SETTINGS: Final = ("title", "page_size", "page_size_max", "licence")
_COMPRESSED: Final = (
    "text/",
    "application/json",
    "application/ld+json",
    "application/rdf+xml",
    "application/n-",
    "application/xml",
    "application/sparql-results",
    "application/problem+json",
    "image/svg+xml",
)
_SMALLEST_COMPRESSED: Final = 600
_LEVEL: Final = 2
_GZIP_WINDOW: Final = 31


def accepts_gzip(header: str | None) -> bool:
    """Whether an Accept-Encoding field takes gzip (RFC 9110, 12.5.3).

    >>> accepts_gzip("br, gzip;q=0.5"), accepts_gzip("gzip;q=0, *"), accepts_gzip(None)
    (True, False, False)
    """
    qualities: dict[str, float] = {}
    for item in (header or "").lower().split(","):
        coding, _, parameter = item.partition(";")
        weight = parameter.strip().removeprefix("q=") if parameter else "1"
        try:
            qualities[coding.strip()] = float(weight)
        except ValueError:
            continue
    return qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0))) > 0


class Tagger:
    """Makes entity tags; strong, since the same release, software and settings give the same bytes."""

    def __init__(self, settings: Settings) -> None:
        self._fixed = "\n".join([__version__, *(f"{name}={settings[name]}" for name in _SHOWN_SETTINGS)])

    def tag(self, graph: Graph, media_type: str, coding: str) -> str:
        """The tag of what the present request asks for, in this media type and content coding."""
        # The root, since a sitemap holds absolute addresses, and links may begin with the prefix.
        parts = (self._fixed, graph.id, request.url_root, request.full_path, media_type, coding)
        return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def not_modified(media_type: str) -> Response | None:
    """A 304 when the client holds what it asks for in *media_type* already; asked before the work of making it."""
    tagger, graph = g.get("tagger"), g.get("graph")
    if not isinstance(tagger, Tagger) or not isinstance(graph, Graph) or not request.if_none_match:
        return None
    coding = "gzip" if accepts_gzip(request.headers.get("Accept-Encoding")) else "identity"
    for used in {coding, "identity"}:
        if request.if_none_match.contains_weak(tagger.tag(graph, media_type, used)):
            response = Response(status=304)
            response.set_etag(tagger.tag(graph, media_type, used))
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
        # Reading is open to scripts of any origin, redirects and pages included; there is nothing here but to read.
        response.headers.setdefault("Access-Control-Allow-Origin", "*")
        response.headers.setdefault(
            "Access-Control-Expose-Headers", "ETag, Link, Content-Location, Retry-After, Server-Timing"
        )
        if request.method == "OPTIONS":
            response.headers.setdefault("Access-Control-Allow-Methods", response.headers.get("Allow", "GET, HEAD"))
            asked = request.headers.get("Access-Control-Request-Headers", "*")
            response.headers.setdefault("Access-Control-Allow-Headers", asked)
            response.vary.add("Access-Control-Request-Headers")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        if request.endpoint == "static" and response.status_code == 200:
            _prepare_static(response)
        compressed = _compress(response)
        if response.status_code == 200 and g.get("tagged"):
            _tag(response, tagger, "gzip" if compressed else "identity")
        return response

    app.before_request(begin)
    app.after_request(finish)


def _vary(response: Response) -> None:
    response.vary.add("Accept-Encoding")
    if g.get("negotiated") or (response.status_code >= 300 and response.status_code != 304):
        response.vary.add("Accept")


def _prepare_static(response: Response) -> None:
    """Have a static file compressed like any text, and kept for good where its address names its content."""
    if (response.mimetype or "").startswith(_COMPRESSED) and accepts_gzip(request.headers.get("Accept-Encoding")):
        response.direct_passthrough = False
        response.set_data(response.get_data())
        etag, _ = response.get_etag()
        response.set_etag(f"{etag}-gzip")
    if "v" in request.args:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"


def _compress(response: Response) -> bool:
    if (
        response.status_code in (204, 304)
        or response.is_streamed
        or response.direct_passthrough
        or "Content-Encoding" in response.headers
        or not (response.mimetype or "").startswith(_COMPRESSED)
        or not accepts_gzip(request.headers.get("Accept-Encoding"))
    ):
        return False
    data = response.get_data()
    if len(data) < _SMALLEST_COMPRESSED:
        return False
    response.set_data(isal_zlib.compress(data, _LEVEL, _GZIP_WINDOW))
    response.headers["Content-Encoding"] = "gzip"
    return True


def _tag(response: Response, tagger: Tagger, coding: str) -> None:
    graph = g.get("graph")
    if request.method not in ("GET", "HEAD") or not isinstance(graph, Graph):
        return
    etag = tagger.tag(graph, response.mimetype or "", coding)
    response.set_etag(etag)
    response.headers.setdefault("Cache-Control", "no-cache")
    if request.if_none_match and request.if_none_match.contains_weak(etag):
        response.status_code = 304
        response.set_data(b"")
        for name in ("Content-Length", "Content-Encoding", "Content-Type"):
            response.headers.pop(name, None)
