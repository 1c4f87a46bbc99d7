"""The metadata that reference managers and search engines read from a paper's page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from quiver.web.citations.model import Citation

_VENUE_TAGS: Final = {
    "article": "citation_journal_title",
    "incollection": "citation_inbook_title",
    "inproceedings": "citation_conference_title",
}
# What the container of a paper is to schema.org.
_CONTAINERS: Final = {"article": "Periodical", "incollection": "Book"}
_TYPES: Final = {"book": "Book", "incollection": "Chapter", "phdthesis": "Thesis"}
_NAMES_IN_JSONLD: Final = 50


def meta_tags(citation: Citation, address: str = "") -> list[tuple[str, str]]:
    """Names and contents of the page's `citation_*` elements (Google Scholar's guidelines; Highwire Press tags).

    *address* is that of the page itself, which holds the abstract.
    """
    return [(name, value) for name, value in _tags(citation, address) if name and value]


def _tags(citation: Citation, address: str) -> Iterator[tuple[str, str]]:
    first, last = citation.page_range
    yield "citation_title", citation.title
    for name in citation.names:
        full = f"{name.family}, {name.given}" if name.family and name.given else name.display or name.family
        yield "citation_author", full
    yield "citation_publication_date", citation.year
    yield _VENUE_TAGS.get(citation.entry_type, ""), citation.venue
    yield "citation_firstpage", first
    yield "citation_lastpage", last
    yield "citation_doi", citation.doi
    yield "citation_arxiv_id", citation.arxiv
    yield "citation_isbn", citation.isbn
    yield "citation_issn", citation.issn
    yield "citation_public_url", citation.url
    yield "citation_abstract_html_url", address
    yield "citation_pdf_url", citation.pdf
    # Without it Zotero takes the page's description for the abstract.
    yield "citation_abstract", citation.abstract


def json_ld(citation: Citation, iri: str) -> dict[str, object]:
    """The paper *iri* in the terms of schema.org, for search engines; what is not stated is left out.

    Authors are plain text, as in our RDF (`dc:creator`): schema.org takes text where it expects a thing ("some data is
    better than none"), and so nothing is said of who or what bears a name. A node of type Person would say that it is
    one person, which a byline does not know of a consortium; and one with the IRI of a name cluster would be wrong.
    `creditText` is the byline as one line, with "and others" where it is or may be cut.
    """
    first, last = citation.page_range
    item: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": _TYPES.get(citation.entry_type, "ScholarlyArticle"),
        "@id": iri,
        "url": iri,
        "name": citation.title,
        "headline": citation.title,
        "author": [name.display or name.family for name in citation.names[:_NAMES_IN_JSONLD]],
        "creditText": citation.credit(_NAMES_IN_JSONLD),
        "datePublished": citation.year,
        "isPartOf": _container(citation),
        "pageStart": first,
        "pageEnd": last,
        "pagination": "" if first else citation.pages,
        "abstract": citation.abstract,
        "identifier": _identifiers(citation),
        "isbn": citation.isbn if citation.entry_type == "book" else "",
        "sameAs": [address for address in (_doi_address(citation), citation.url) if address],
    }
    return {name: value for name, value in item.items() if value}


def _container(citation: Citation) -> dict[str, str]:
    if not citation.venue:
        return {}
    kind = _CONTAINERS.get(citation.entry_type, "CreativeWork")
    numbers = {"issn": citation.issn} if kind == "Periodical" and citation.issn else {}
    return {"@type": kind, "name": citation.venue, **numbers}


def _doi_address(citation: Citation) -> str:
    return f"https://doi.org/{citation.doi}" if citation.doi else ""


def _identifiers(citation: Citation) -> list[dict[str, str]]:
    known = (("DOI", citation.doi), ("arXiv", citation.arxiv))
    return [{"@type": "PropertyValue", "propertyID": name, "value": value} for name, value in known if value]
