"""The metadata that reference managers and search engines read from a paper's page."""

from __future__ import annotations

from quiver.web.citations.model import Citation


def meta_tags(citation: Citation) -> list[tuple[str, str]]:
    """Names and contents of the page's `citation_*` elements (Google Scholar's guidelines; Highwire Press tags)."""
    tags = [("citation_title", citation.title)]
    for name in citation.names:
        full = f"{name.family}, {name.given}" if name.family and name.given else name.display or name.family
        tags.append(("citation_author", full))
    venue_tag = {"article": "citation_journal_title", "inproceedings": "citation_conference_title"}
    first, last = citation.page_range
    optional = [
        ("citation_publication_date", citation.year),
        (venue_tag.get(citation.entry_type, ""), citation.venue),
        ("citation_doi", citation.doi),
        ("citation_public_url", citation.url),
        ("citation_pdf_url", citation.pdf),
        ("citation_firstpage", first),
        ("citation_lastpage", last),
    ]
    return tags + [(name, value) for name, value in optional if name and value]
