"""The page of a paper: byline, abstract, ways to the paper itself, other records, papers like it, how to cite it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from flask import request

from quiver.config import Settings
from quiver.web.bylines import NAMES_SHOWN, Byline, read_bylines
from quiver.web.citations import STYLES, Citation, Piece, cite, format_reference, json_ld, meta_tags, to_bibtex
from quiver.web.exports import EXPORTS
from quiver.web.graph import Facts, Graph
from quiver.web.links import href
from quiver.web.other_records import compare_records
from quiver.web.panels import LinkedText, Panel, Panels, PanelSpec
from quiver.web.papers import abstract_of, imprint

_SOURCES: Final = PanelSpec("paper/sources", "Where this comes from", "table")
_LISTED_BY: Final = PanelSpec("paper/listed-by", "Pages that list it", "table")
_BYLINE: Final = PanelSpec("paper/byline", "Byline as stated", "table")
_OTHERS: Final = PanelSpec(
    "paper/same-identifier",
    "Other records that may be of this paper",
    "none",
    note="What differs between them. Nothing is merged: each is what its source states.",
    limit=20,
)
_RELATED: Final = PanelSpec(
    "paper/related", "Related by their words", "papers", "No other paper has these words.", limit=6
)

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
)
# Identifiers and the registry that resolves them.
_IDENTIFIERS: Final = (
    ("arXiv", "fabio:hasArXivId", "https://arxiv.org/abs/"),
    ("ISBN", "bibo:isbn13", "https://openlibrary.org/isbn/"),
    ("ISSN", "bibo:issn", "https://portal.issn.org/resource/ISSN/"),
)
_ACL: Final = "https://aclanthology.org/"
_SENTENCE: Final = re.compile(r".{40,}?[.!?](?=\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the paper itself: what it is, the address, and the address as shown."""

    label: str
    href: str
    shown: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The paper as a reference in one style."""

    key: str
    label: str
    pieces: Sequence[Piece]


def paper_context(
    graph: Graph, panels: Panels, settings: Settings, iri: str, facts: Facts, page: int
) -> Mapping[str, object]:
    """What `paper.html` needs besides what every record has."""
    most = 1_000_000 if request.args.get("names") == "all" else NAMES_SHOWN
    byline = read_bylines(graph, [iri], most)[iri]
    citation = cite(graph, iri, facts)
    venues = [*facts.all("q:venue"), *facts.all("q:edition")]
    listed_by = panels.open(graph, _LISTED_BY, iri)
    others = panels.open(graph, _OTHERS, iri)
    path = iri.removeprefix(graph.base)
    return {
        "title": facts.one("rdfs:label"),
        "description": _describe(citation),
        "byline": byline,
        "imprint": imprint(facts, graph.labels(venues)),
        "series": [LinkedText(label, href(venue)) for venue, label in graph.labels(facts.all("q:venue")).items()],
        "abstract": abstract_of(facts),
        "ways": ways(facts),
        "links": [LinkedText(_shown(link), href(link), True) for link in facts.all("q:link")],
        "identifiers": identifiers(facts),
        "stated": [(label, facts.all(curie)) for label, curie in _STATED if facts.all(curie)],
        "fields": [tuple(field.partition("=")[::2]) for field in facts.all("q:statedField")],
        "sources": panels.open(graph, _SOURCES, iri),
        "signatures": panels.open(graph, _BYLINE, iri),
        "listed_by": listed_by if listed_by.rows else None,
        "others": others if others.rows else None,
        "compared": compare_records(facts, citation, others.rows) if others.rows else (),
        "related": _related(graph, panels, iri, citation),
        "exports": [LinkedText(one.label, href(f"{path}.{extension}")) for extension, one in EXPORTS.items()],
        "references": [Reference(style.key, style.label, format_reference(citation, style)) for style in STYLES],
        "bibtex": to_bibtex(citation.shortened(most)),
        "why_others": _why_others(byline, citation),
        "meta": meta_tags(citation, iri),
        "json_ld": json_ld(citation, iri),
    }


def _related(graph: Graph, panels: Panels, iri: str, citation: Citation) -> Panel | None:
    """Papers with the telling words of this one; None where it has none, a title of digits alone, say."""
    words = graph.search.telling_words(citation.title, citation.abstract)
    if not words:
        return None
    where = "title and abstract" if citation.abstract else "title"
    note = f"By the telling words of its {where}: {', '.join(words)}. Nobody said that they belong together."
    return panels.open(graph, replace(_RELATED, note=note), iri, values={"words": " ".join(words)})


def _describe(citation: Citation) -> str:
    """The beginning of the abstract, by sentences; without one, who signed it and where it stands."""
    sentence = _SENTENCE.match(citation.abstract)
    if sentence or citation.abstract:
        return sentence[0] if sentence else citation.abstract
    return ". ".join(filter(None, [citation.credit(3), citation.venue, citation.year]))


def _why_others(byline: Byline, citation: Citation) -> str:
    if byline.more > 0:
        return f"The first {len(byline.signers)} of {byline.total:,} names; the files have them all."
    if not citation.and_others:
        return ""
    if byline.cut:
        return "The source may have shortened the byline, so the reference ends in “and others”."
    return "The byline has entries without a name, so the reference ends in “and others”."


def ways(facts: Facts) -> Sequence[Way]:
    """The ways to the paper itself: DOI, landing pages, PDFs."""
    found = [Way("DOI", iri, iri.removeprefix("https://doi.org/")) for iri in facts.all("dblp:doi")]
    found += [Way("Landing page", iri, _shown(iri)) for iri in facts.all("foaf:page")]
    found += [Way("PDF", iri, _shown(iri)) for iri in facts.all("q:pdf")]
    return [way for way in found if href(way.href) != "#"]


def identifiers(facts: Facts) -> Sequence[tuple[str, Sequence[LinkedText]]]:
    """The identifiers besides DOIs, each with a link to its registry."""
    found = [
        (label, [LinkedText(value, registry + quote(value, safe="/.-"), True) for value in facts.all(curie)])
        for label, curie, registry in _IDENTIFIERS
    ]
    pages = [page for page in facts.all("foaf:page") if page.startswith(_ACL) and page != _ACL]
    found.append(("ACL Anthology", [LinkedText(page.removeprefix(_ACL).strip("/"), page, True) for page in pages]))
    return [(label, values) for label, values in found if values]


def _shown(address: str) -> str:
    return address.partition("://")[2].rstrip("/")
