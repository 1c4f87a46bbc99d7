"""What machines ask a service for: health, metrics, robots, sitemap, OpenSearch, VoID, the icon."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

import pyoxigraph as ox
from flask import Blueprint, Flask, Response, current_app, g, request

from quiver import __version__
from quiver.config import Settings
from quiver.descriptions import dataset_description, service_description, service_limits
from quiver.errors import NotAcceptable, NotFound, QuiverError
from quiver.manifest import Manifest
from quiver.namespaces import PREFIXES, term
from quiver.negotiation import GRAPHS, JSONLD, TURTLE, choose
from quiver.web.answers import COUNTED
from quiver.web.crawlers import robots_text
from quiver.web.graph import CurrentGraph, Graph, current_graph
from quiver.web.jsonld import published_context, to_jsonld
from quiver.web.responses import not_modified

# Sitemaps 0.9: at most 50,000 addresses a file.
SITEMAP_SIZE: Final = 20_000
_SYNTAXES: Final = {one.extension: ox.RdfFormat.from_media_type(one.media_type) for one in GRAPHS if one is not JSONLD}
_SITEMAP_CLASSES: Final = ("q:Paper", "q:NameCluster", "q:VenueSeries", "q:VenueEdition", "q:Source")
_OPEN_SEARCH: Final = """<?xml version="1.0" encoding="UTF-8"?>
<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
  <ShortName>{title}</ShortName>
  <Description>Research papers, names and venues</Description>
  <InputEncoding>UTF-8</InputEncoding>
  <Image width="32" height="32" type="image/svg+xml">{root}static/favicon.svg</Image>
  <Url type="text/html" template="{root}search?q={{searchTerms}}"/>
  <Url type="application/atom+xml" template="{root}search.atom?q={{searchTerms}}"/>
  <Url type="application/x-suggestions+json" template="{root}suggest?q={{searchTerms}}"/>
</OpenSearchDescription>
"""


class Metrics:
    """Counts of this process: requests by blueprint and status, and the seconds that they took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._queries = 0

    def register(self, app: Flask) -> None:
        """Count every request of *app*."""

        def begin() -> None:
            g.started = time.perf_counter()

        def finish(response: Response) -> Response:
            area = request.blueprint or "other"
            queries = g.get("queries", ())
            took = time.perf_counter() - g.get("started", time.perf_counter())
            self.count(area, response.status_code, took, len(queries))
            graph = g.get("graph")
            request.environ[COUNTED] = (area, len(queries), graph.id if isinstance(graph, Graph) else "")
            if queries:
                spent = sum(seconds for _, seconds in queries) * 1000
                response.headers["Server-Timing"] = f'queries;desc="{len(queries)}";dur={spent:.1f}'
            return response

        app.before_request(begin)
        app.after_request(finish)

    def count(self, area: str, status: int, seconds: float, queries: int = 0) -> None:
        """Count one request that was answered in *area* with *status*, and ran so many named queries."""
        with self._lock:
            self._requests[area, status] += 1
            self._seconds[area] += seconds
            self._queries += queries

    def to_text(self, release_id: str) -> str:
        """The counts in the Prometheus text format, version 0.0.4."""
        with self._lock:
            requests, seconds, queries = sorted(self._requests.items()), sorted(self._seconds.items()), self._queries
        lines = [
            "# HELP quiver_info The software and the release that it serves.",
            "# TYPE quiver_info gauge",
            f'quiver_info{{version="{__version__}",release="{release_id}"}} 1',
            "# HELP quiver_requests_total Requests answered by this process.",
            "# TYPE quiver_requests_total counter",
            *(f'quiver_requests_total{{area="{area}",status="{status}"}} {n}' for (area, status), n in requests),
            "# HELP quiver_request_seconds_total Seconds spent on requests by this process.",
            "# TYPE quiver_request_seconds_total counter",
            *(f'quiver_request_seconds_total{{area="{area}"}} {total:.6f}' for area, total in seconds),
            "# HELP quiver_page_queries_total Named queries that pages ran.",
            "# TYPE quiver_page_queries_total counter",
            f"quiver_page_queries_total {queries}",
        ]
        return "\n".join(lines) + "\n"


def create_service(holder: CurrentGraph, metrics: Metrics, settings: Settings) -> Blueprint:
    """The blueprint of what machines ask for."""
    blueprint = Blueprint("service", __name__)

    @blueprint.get("/health")
    def health() -> Response:
        graph = current_graph()
        answered = _answers(graph)
        return Response(
            f'{{"status": "{"ok" if answered else "failing"}", "release": "{graph.id}", "version": "{__version__}"}}\n',
            status=200 if answered else 503,
            mimetype="application/json",
            headers={"Cache-Control": "no-store"},
        )

    @blueprint.get("/metrics")
    def counts() -> Response:
        text = metrics.to_text(holder.get().id)
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    @blueprint.get("/robots.txt")
    def robots() -> Response:
        return Response(robots_text(f"{request.script_root}/", f"{request.url_root}sitemap.xml"), mimetype="text/plain")

    @blueprint.get("/sitemap.xml")
    def sitemap() -> Response:
        g.tagged = True
        return not_modified("application/xml") or _sitemap()

    @blueprint.get("/opensearch.xml")
    def open_search() -> Response:
        text = _OPEN_SEARCH.format(title=escape(settings.text("title")[:16]), root=escape(request.url_root))
        return Response(text, content_type="application/opensearchdescription+xml; charset=utf-8")

    @blueprint.get("/.well-known/void")
    def void() -> Response:
        g.negotiated = g.tagged = True
        chosen = choose(request.headers.get("Accept"), GRAPHS) or (
            TURTLE if "text/html" in request.headers.get("Accept", "") else None
        )
        if chosen is None:
            raise NotAcceptable("the description comes as " + ", ".join(one.media_type for one in GRAPHS))
        triples = dataset_description(
            current_graph().manifest, title=settings.text("title"), licence=settings.text("licence")
        )
        return Response(write_triples(triples, chosen.extension), content_type=chosen.content_type)

    @blueprint.get("/favicon.ico")
    def favicon() -> Response:
        return current_app.send_static_file("favicon.svg")

    return blueprint


def _answers(graph: Graph) -> bool:
    try:
        return graph.answers() or not graph.manifest.quads
    except QuiverError:
        return False


def describe_service(manifest: Manifest, settings: Settings) -> list[ox.Triple]:
    """The description of the SPARQL service of a release, with the limits and features of these settings."""
    return service_description(
        manifest,
        f"{manifest.base}sparql",
        title=settings.text("title"),
        licence=settings.text("licence"),
        limits=service_limits(settings),
        federates=bool(settings.text("service_allow").split()),
    )


def write_triples(triples: list[ox.Triple], extension: str) -> bytes:
    """The triples in the syntax that *extension* names, any of those of graphs."""
    if extension == JSONLD.extension:
        return to_jsonld(triples, published_context())
    data = ox.serialize(triples, format=_SYNTAXES[extension], prefixes=PREFIXES)
    assert data is not None
    return data


def _sitemap() -> Response:
    """A sitemap index, or with `part=CLASS-NUMBER` one of its parts."""
    graph = current_graph()
    part = request.args.get("part", "")
    if not part:
        sizes = {curie: _count(curie) for curie in _SITEMAP_CLASSES}
        entries = [
            f"<sitemap><loc>{escape(request.url_root)}sitemap.xml?part={curie[2:]}-{number}</loc></sitemap>"
            for curie, size in sizes.items()
            for number in range(-(-size // SITEMAP_SIZE))
        ]
        return _xml("sitemapindex", entries)
    name, _, number = part.partition("-")
    known = f"q:{name}" in _SITEMAP_CLASSES and number.isascii() and number.isdigit() and len(number) <= 6
    start = int(number) * SITEMAP_SIZE if known else 0
    if not known or start >= max(_count(f"q:{name}"), 1):
        raise NotFound(f"the sitemap has no part {part[:40]!r}", value=part, hint="/sitemap.xml lists its parts.")
    entries = [
        f"<url><loc>{escape(request.url_root + quote(iri.removeprefix(graph.base), safe='/~._-'))}</loc></url>"
        for iri in graph.reader.members(term(f"q:{name}"), SITEMAP_SIZE, start)
    ]
    return _xml("urlset", entries)


_COUNT_NAMES: Final = {
    "q:Paper": "papers",
    "q:NameCluster": "name_clusters",
    "q:VenueSeries": "venue_series",
    "q:VenueEdition": "venue_editions",
    "q:Source": "sources",
}


def _count(curie: str) -> int:
    return current_graph().manifest.counts.get(_COUNT_NAMES[curie], 0)


def _xml(root: str, entries: list[str]) -> Response:
    body = "\n".join(entries)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{body}\n</{root}>\n'
    )
    return Response(text, content_type="application/xml; charset=utf-8")
