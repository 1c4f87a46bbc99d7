"""The page of a paper: byline, abstract, ways to the paper itself, where the record comes from, how to cite it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import request

from quiver.config import Settings
from quiver.web.bylines import NAMES_SHOWN, Byline, read_bylines
from quiver.web.citations import cite, meta_tags, to_bibtex
from quiver.web.graph import Facts, Graph
from quiver.web.links import href
from quiver.web.panels import LinkedText, Panels, PanelSpec
from quiver.web.papers import abstract_of, imprint

_SOURCES: Final = PanelSpec("paper/sources", "Where this comes from", "table")
_LISTED_BY: Final = PanelSpec("paper/listed-by", "Pages that list it", "table")
_BYLINE: Final = PanelSpec("paper/byline", "Byline as stated", "table")

# Properties that the panel of stated values shows, in this order.
_STATED: Final = (
    ("Title", "dcterms:title"),
    ("Venue", "q:statedVenue"),
    ("Kind of venue", "q:statedVenueKind"),
    ("Year", "q:year"),
    ("Year as stated", "q:statedYear"),
    ("Type", "q:statedType"),
    ("Status", "q:statedStatus"),
    ("Track", "q:statedTrack"),
    ("Published in", "q:statedContainer"),
    ("Pages", "bibo:pages"),
    ("Address", "q:statedLink"),
    ("Identifier", "q:statedIdentifier"),
    ("Citation key", "q:citationKey"),
    ("Key in the source", "q:sourceKey"),
    ("Further field", "q:statedField"),
)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the paper itself: what it is, the address, and the address as shown."""

    label: str
    href: str
    shown: str


def paper_context(
    graph: Graph, panels: Panels, settings: Settings, iri: str, facts: Facts, page: int
) -> Mapping[str, object]:
    """What `paper.html` needs besides what every record has."""
    most = 1_000_000 if request.args.get("names") == "all" else NAMES_SHOWN
    byline = read_bylines(graph, [iri], most)[iri]
    citation = cite(graph, iri, facts, most)
    venues = [*facts.all("q:venue"), *facts.all("q:edition")]
    listed_by = panels.open(graph, _LISTED_BY, iri)
    return {
        "title": facts.one("rdfs:label"),
        "byline": byline,
        "imprint": imprint(facts, graph.labels(venues)),
        "series": [LinkedText(label, href(venue)) for venue, label in graph.labels(facts.all("q:venue")).items()],
        "abstract": abstract_of(facts),
        "ways": ways(facts),
        "links": [LinkedText(_shown(link), href(link), True) for link in facts.all("q:link")],
        "identifiers": [(label, facts.all(curie)) for label, curie in _IDENTIFIERS if facts.all(curie)],
        "stated": [(label, facts.all(curie)) for label, curie in _STATED if facts.all(curie)],
        "sources": panels.open(graph, _SOURCES, iri),
        "signatures": panels.open(graph, _BYLINE, iri),
        "listed_by": listed_by if listed_by.rows else None,
        "bibtex": to_bibtex(citation),
        "others": _why_others(byline) if citation.and_others else "",
        "meta": meta_tags(citation),
    }


def _why_others(byline: Byline) -> str:
    if byline.more > 0:
        return f"The first {len(byline.signers)} of {byline.total:,} names; the BibTeX file has them all."
    return "The source may have shortened the byline, so the entry ends in “and others”."


_IDENTIFIERS: Final = (
    ("DOI", "bibo:doi"),
    ("arXiv", "fabio:hasArXivId"),
    ("ISBN", "bibo:isbn13"),
    ("ISSN", "bibo:issn"),
)


def ways(facts: Facts) -> Sequence[Way]:
    """The ways to the paper itself: DOI, landing pages, PDFs."""
    found = [Way("DOI", iri, iri.removeprefix("https://doi.org/")) for iri in facts.all("dblp:doi")]
    found += [Way("Landing page", iri, _shown(iri)) for iri in facts.all("foaf:page")]
    found += [Way("PDF", iri, _shown(iri)) for iri in facts.all("q:pdf")]
    return [way for way in found if href(way.href) != "#"]


def _shown(address: str) -> str:
    return address.partition("://")[2].rstrip("/")
