"""CSL-JSON: items as citation processors take them (schema csl-data of the Citation Style Language 1.0.2)."""

from __future__ import annotations

import json
from typing import Final

from quiver.web.citations.bibtex import citation_key
from quiver.web.citations.model import Citation, CitedName
from quiver.web.citations.ris import AND_OTHERS, flatten

# Entry type of BibTeX -> item type.
TYPES: Final[dict[str, str]] = {
    "article": "article-journal",
    "book": "book",
    "incollection": "chapter",
    "inproceedings": "paper-conference",
    "misc": "document",
    "phdthesis": "thesis",
}

Item = dict[str, object]


def csl_item(citation: Citation, key: str = "", note: str = "") -> Item:
    """The item, without what is not stated."""
    kind = TYPES.get(citation.entry_type, "document")
    notes = [AND_OTHERS if citation.and_others else "", note]
    item: Item = {
        "id": key or citation_key(citation),
        "type": kind,
        "title": flatten(citation.title),
        "author": [_name(name) for name in citation.names],
        "issued": _date(citation),
        "container-title": flatten(citation.venue),
        "event-title": flatten(citation.event) if kind == "paper-conference" else "",
        "page": flatten(citation.pages),
        "DOI": citation.doi,
        "ISBN": citation.isbn,
        "ISSN": citation.issn,
        "archive": "arXiv" if citation.arxiv else "",
        "archive_location": citation.arxiv,
        "URL": citation.url or citation.pdf,
        "abstract": flatten(citation.abstract),
        "note": " ".join(filter(None, notes)),
    }
    return {name: value for name, value in item.items() if value}


def to_csl(citation: Citation, key: str = "", note: str = "") -> str:
    """One item as JSON, a field a line, without a newline at its end; a file is an array of such."""
    item = csl_item(citation, key, note).items()
    return "{\n" + ",\n".join(f' "{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in item) + "\n}"


def _name(name: CitedName) -> dict[str, str]:
    """In parts where the source states them, else whole: nothing is guessed."""
    if name.family:
        return {"family": flatten(name.family), **({"given": flatten(name.given)} if name.given else {})}
    return {"literal": flatten(name.display)}


def _date(citation: Citation) -> dict[str, object]:
    if citation.year.isdigit():
        return {"date-parts": [[int(citation.year)]]}
    return {"literal": flatten(citation.stated_year)} if citation.stated_year else {}
