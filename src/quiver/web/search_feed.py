"""Results of a search as a feed, newest first: Atom (RFC 4287) in pages (RFC 5005, section 3)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlencode, urljoin
from xml.etree import ElementTree as ET

from flask import Response, request

from quiver import __version__
from quiver.config import Settings
from quiver.names import display_name
from quiver.negotiation import HTML
from quiver.search import SearchHit
from quiver.web.graph import Graph, current_graph
from quiver.web.search_data import Stretch, wanted_stretch
from quiver.web.search_request import KIND_WORDS, SearchRequest, read_request

MEDIA_TYPE: Final = "application/atom+xml"
_ATOM: Final = "http://www.w3.org/2005/Atom"
_OPEN_SEARCH: Final = "http://a9.com/-/spec/opensearch/1.1/"
_NAMES_SHOWN: Final = 50
_SAFE: Final = "/~._-"
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def search_atom(settings: Settings) -> Response:
    """The results as an Atom feed. Every entry has the IRI of its thing, and the time of the release."""
    graph, asked = current_graph(), read_request().newest_first()
    stretch = wanted_stretch(settings.integer("page_size"), settings.integer("page_size_max"))
    answer = asked.search(graph, stretch.limit, stretch.offset, snippets=True)
    feed = _feed(graph, asked, stretch, answer.total, settings)
    for hit in answer.hits:
        _add_entry(feed, graph, hit)
    response = Response(ET.tostring(feed, encoding="utf-8", xml_declaration=True) + b"\n", mimetype=MEDIA_TYPE)
    response.headers["X-Total-Count"] = str(answer.total)
    return response


def _feed(graph: Graph, asked: SearchRequest, stretch: Stretch, total: int, settings: Settings) -> ET.Element:
    title = settings.text("title")
    feed = ET.Element("feed", {"xmlns": _ATOM, "xmlns:opensearch": _OPEN_SEARCH, "xml:lang": "en"})
    # The pages of one feed have one identifier, whatever host serves them.
    _add(feed, "id", f"{graph.base}search.atom?{urlencode(asked.given())}")
    _add(feed, "title", f"{title}: {asked.words or 'everything'}")
    _add(feed, "subtitle", f"{total:,} result{'' if total == 1 else 's'}, newest first")
    _add(feed, "updated", graph.manifest.created)
    _add(_add(feed, "author"), "name", title)
    _add(feed, "generator", "Quiver", version=__version__)
    _add(feed, "link", rel="license", href=settings.text("licence"))
    _add(feed, "link", rel="alternate", type=HTML.media_type, href=_absolute(asked.href()))
    links = stretch.links(asked, "search.atom", total)
    for relation, link in ({"self": stretch.link(asked, "search.atom", stretch.page)} | links).items():
        _add(feed, "link", rel=relation, type=MEDIA_TYPE, href=_absolute(link))
    _add(feed, "opensearch:totalResults", str(total))
    _add(feed, "opensearch:startIndex", str(stretch.offset + 1))
    _add(feed, "opensearch:itemsPerPage", str(stretch.limit))
    return feed


def _add_entry(feed: ET.Element, graph: Graph, hit: SearchHit) -> None:
    entry = _add(feed, "entry")
    _add(entry, "id", graph.base + hit.path)
    _add(entry, "title", hit.label or hit.path)
    _add(entry, "updated", graph.manifest.created)
    link = request.url_root + quote(hit.path, safe=_SAFE)
    _add(entry, "link", rel="alternate", type=HTML.media_type, href=link)
    _add(entry, "category", term=hit.kind, label=KIND_WORDS[hit.kind])
    if hit.kind != "paper":
        _add(entry, "summary", f"{hit.weight:,} paper{'' if hit.weight == 1 else 's'}")
        return
    for name in filter(None, map(display_name, hit.names[:_NAMES_SHOWN])):
        _add(_add(entry, "author"), "name", name)
    for venue in hit.venues:
        _add(entry, "category", term=venue)
    if hit.year is not None:
        _add(entry, "category", term=str(hit.year))
    if hit.snippet.text:
        _add(entry, "summary", hit.snippet.text)


def _absolute(link: str) -> str:
    return urljoin(request.base_url, link)


def _add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, name, {key: _clean(value) for key, value in attributes.items()})
    element.text = _clean(text) or None
    return element


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
