"""Results of a search as a feed, newest first: Atom (RFC 4287) in pages (RFC 5005, section 3)."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode, urljoin
from xml.etree import ElementTree as ET

from flask import Response, request

from quiver import __version__
from quiver.config import Settings
from quiver.feeds import MEDIA_TYPE, NAMESPACE, add_element, serialise_feed
from quiver.names import display_name
from quiver.negotiation import HTML
from quiver.search import SearchHit
from quiver.web.graph import Graph, current_graph
from quiver.web.search_data import Stretch, wanted_stretch
from quiver.web.search_request import KIND_WORDS, SearchRequest, read_request

_OPEN_SEARCH: Final = "http://a9.com/-/spec/opensearch/1.1/"
_NAMES_SHOWN: Final = 50
_SAFE: Final = "/~._-"


def search_atom(settings: Settings) -> Response:
    """The results as an Atom feed. Every entry has the IRI of its thing, and the time of the release."""
    graph, asked = current_graph(), read_request().newest_first()
    stretch = wanted_stretch(settings.integer("page_size"), settings.integer("page_size_max"))
    answer = asked.search(graph, stretch.limit, stretch.offset, snippets=True)
    feed = _feed(graph, asked, stretch, answer.total, settings)
    for hit in answer.hits:
        _add_entry(feed, graph, hit)
    response = Response(serialise_feed(feed), mimetype=MEDIA_TYPE)
    response.headers["X-Total-Count"] = str(answer.total)
    return response


def _feed(graph: Graph, asked: SearchRequest, stretch: Stretch, total: int, settings: Settings) -> ET.Element:
    title = settings.text("title")
    feed = ET.Element("feed", {"xmlns": NAMESPACE, "xmlns:opensearch": _OPEN_SEARCH, "xml:lang": "en"})
    # The pages of one feed have one identifier, whatever host serves them.
    add_element(feed, "id", f"{graph.base}search.atom?{urlencode(asked.given())}")
    add_element(feed, "title", f"{title}: {asked.words or 'everything'}")
    add_element(feed, "subtitle", f"{total:,} result{'' if total == 1 else 's'}, newest first")
    add_element(feed, "updated", graph.manifest.created)
    add_element(add_element(feed, "author"), "name", title)
    add_element(feed, "generator", "Quiver", version=__version__)
    add_element(feed, "link", rel="license", href=settings.text("licence"))
    add_element(feed, "link", rel="alternate", type=HTML.media_type, href=_absolute(asked.href()))
    links = stretch.links(asked, "search.atom", total)
    for relation, link in ({"self": stretch.link(asked, "search.atom", stretch.page)} | links).items():
        add_element(feed, "link", rel=relation, type=MEDIA_TYPE, href=_absolute(link))
    add_element(feed, "opensearch:totalResults", str(total))
    add_element(feed, "opensearch:startIndex", str(stretch.offset + 1))
    add_element(feed, "opensearch:itemsPerPage", str(stretch.limit))
    return feed


def _add_entry(feed: ET.Element, graph: Graph, hit: SearchHit) -> None:
    entry = add_element(feed, "entry")
    add_element(entry, "id", graph.base + hit.path)
    add_element(entry, "title", hit.label or hit.path)
    add_element(entry, "updated", graph.manifest.created)
    link = request.url_root + quote(hit.path, safe=_SAFE)
    add_element(entry, "link", rel="alternate", type=HTML.media_type, href=link)
    add_element(entry, "category", term=hit.kind, label=KIND_WORDS[hit.kind])
    if hit.kind != "paper":
        add_element(entry, "summary", f"{hit.weight:,} paper{'' if hit.weight == 1 else 's'}")
        return
    for name in filter(None, map(display_name, hit.names[:_NAMES_SHOWN])):
        add_element(add_element(entry, "author"), "name", name)
    for venue in hit.venues:
        add_element(entry, "category", term=venue)
    if hit.year is not None:
        add_element(entry, "category", term=str(hit.year))
    if hit.snippet.text:
        add_element(entry, "summary", hit.snippet.text)


def _absolute(link: str) -> str:
    return urljoin(request.base_url, link)
