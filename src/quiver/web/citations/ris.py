"""RIS: one tag a line, ended by CR LF (Research Information Systems; the tags as EndNote and Zotero read them)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from quiver.web.citations.bibtex import citation_key
from quiver.web.citations.model import Citation, CitedName

# Entry type of BibTeX -> reference type.
TYPES: Final[dict[str, str]] = {
    "article": "JOUR",
    "book": "BOOK",
    "incollection": "CHAP",
    "inproceedings": "CPAPER",
    "misc": "GEN",
    "phdthesis": "THES",
}
# RIS has no mark for a byline that goes on.
AND_OTHERS: Final = "The list of names may go on: the source shortens bylines (and others)."
# Whatever could end a line, for any reader of the file, and the other characters that no text needs.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]+")
_YEAR: Final = re.compile(r"[0-9]{4}")


def flatten(text: str) -> str:
    """*text* as one line: no character in it can end one.

    >>> flatten("a\\r\\nER  - \\x85TY  - b")
    'a ER - TY - b'
    """
    return " ".join(_CONTROL.sub(" ", text).split())


def to_ris(citation: Citation, key: str = "", note: str = "") -> str:
    """One reference, from its type to its end."""
    lines = (f"{tag}  - {flat}\r\n" for tag, value in _fields(citation, key, note) if (flat := flatten(value)))
    return "".join([*lines, "ER  - \r\n"])


def _fields(citation: Citation, key: str, note: str) -> Iterator[tuple[str, str]]:
    kind = TYPES.get(citation.entry_type, "GEN")
    yield "TY", kind
    yield "ID", key or citation_key(citation)
    yield "TI", citation.title
    for name in citation.names:
        yield "AU", _name(name)
    if _YEAR.fullmatch(citation.year):
        yield "PY", citation.year
    if kind == "CPAPER":
        # The conference's name, and the title of its proceedings.
        yield "T2", citation.event or citation.venue
        yield "C3", citation.venue
    else:
        yield "T2", citation.venue
    first, last = citation.page_range
    yield "SP", first or citation.pages
    yield "EP", last
    yield "DO", citation.doi
    yield "SN", citation.issn if kind == "JOUR" else citation.isbn or citation.issn
    yield "AN", f"arXiv:{citation.arxiv}" if citation.arxiv else ""
    yield "UR", citation.url or citation.pdf
    yield "L1", citation.pdf
    yield "AB", citation.abstract
    if not citation.year and citation.stated_year:
        yield "N1", f"Year as stated: {citation.stated_year}"
    if citation.and_others:
        yield "N1", AND_OTHERS
    yield "N1", note


def _name(name: CitedName) -> str:
    """Family name before a comma where the source states it, else as displayed: nothing is guessed."""
    if name.family:
        return f"{name.family}, {name.given}" if name.given else name.family
    return name.display
