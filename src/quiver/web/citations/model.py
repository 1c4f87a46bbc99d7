"""What a reference needs to know of a paper, read from a release."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from quiver.web.graph import Facts, Graph

# Arrow shows eight names of a byline at most, so a byline of eight may go on.
ARROW_BYLINE_LIMIT: Final = 8

# Class or stated type, casefolded -> entry type. Stated kinds of venue come second.
_ENTRY_TYPES: Final[dict[str, str]] = {
    "article": "article",
    "book": "book",
    "book chapter": "incollection",
    "conference paper": "inproceedings",
    "doctoral thesis": "phdthesis",
    "inproceedings": "inproceedings",
    "journal article": "article",
    "journal paper": "article",
    "phd thesis": "phdthesis",
    "proceedings paper": "inproceedings",
    "review article": "article",
    "workshop paper": "inproceedings",
}
_KIND_ENTRY_TYPES: Final[dict[str, str]] = {
    "conference": "inproceedings",
    "journal": "article",
    "symposium": "inproceedings",
    "workshop": "inproceedings",
}
# How titles of volumes begin that are journals; a source that gives no kind of venue gives these.
_JOURNAL = re.compile(r"^(?:Transactions of|Computational Linguistics, Volume)|\bJournal\b", re.IGNORECASE)
_PAGES = re.compile(r"\s*(\w+)\s*(?:[-‐-―]+\s*(\w+))?\s*")


@dataclass(frozen=True, slots=True)
class CitedName:
    """A name on the byline, without homonym number; given and family name only where the source states them."""

    display: str
    given: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """What a reference needs to know of a paper; `and_others` where the byline is or may be cut, or lacks a name.

    `entry_type` is BibTeX's. `venue` is what the paper stands in, the volume's title where one is stated; `event` the
    stated name of the venue.
    """

    title: str
    names: tuple[CitedName, ...] = ()
    and_others: bool = False
    entry_type: str = "misc"
    year: str = ""
    stated_year: str = ""
    venue: str = ""
    event: str = ""
    pages: str = ""
    doi: str = ""
    arxiv: str = ""
    isbn: str = ""
    issn: str = ""
    url: str = ""
    pdf: str = ""
    stated_key: str = ""
    abstract: str = ""

    @property
    def page_range(self) -> tuple[str, str]:
        """The first and the last page, each empty where it is not stated or the pages are no plain range.

        >>> Citation(title="T", pages="12–19").page_range, Citation(title="T", pages="1-3, 7").page_range
        (('12', '19'), ('', ''))
        """
        match = _PAGES.fullmatch(self.pages)
        return (match[1], match[2] or "") if match else ("", "")

    def credit(self, most: int) -> str:
        """The byline as one line, the first *most* names; and others where there are more, or may be."""
        names = [name.display or name.family for name in self.names[:most]]
        open_end = self.and_others or len(self.names) > most
        return ", ".join(names) + (" and others" if open_end else "") if names else ""

    def shortened(self, most: int) -> Citation:
        """With the first *most* names, and others where there are more."""
        return self if len(self.names) <= most else replace(self, names=self.names[:most], and_others=True)


def cite(graph: Graph, iri: str, facts: Facts) -> Citation:
    """The reference to the paper *iri*, whose statements are *facts*."""
    container = facts.one("q:statedContainer")
    count = facts.number("q:authorCount") or 0
    status = facts.one("q:bylineStatus").rpartition("#")[2]
    event = ", ".join(facts.all("q:statedVenue"))
    names = _names(graph, iri, count)
    return Citation(
        title=facts.one("rdfs:label") or facts.one("dcterms:title"),
        names=tuple(names),
        and_others=status == "Abridged"
        or (status == "PossiblyAbridged" and count >= ARROW_BYLINE_LIMIT)
        or len(names) < count,
        entry_type=entry_type(facts.all("q:statedType"), facts.all("q:statedVenueKind"), container),
        year=facts.one("q:year"),
        stated_year=facts.one("q:statedYear"),
        venue=container or event,
        event=event,
        pages=facts.one("bibo:pages"),
        doi=facts.one("bibo:doi"),
        arxiv=facts.one("fabio:hasArXivId"),
        isbn=facts.one("bibo:isbn13"),
        issn=facts.one("bibo:issn"),
        url=facts.one("foaf:page"),
        pdf=facts.one("q:pdf"),
        stated_key=facts.one("q:citationKey"),
        abstract=facts.one("q:abstractText") or facts.one("dcterms:abstract"),
    )


def _names(graph: Graph, iri: str, count: int) -> list[CitedName]:
    signatures = [f"{iri}#a{ordinal}" for ordinal in range(1, count + 1)]
    shown = graph.texts(signatures, "q:displayName")
    family = graph.texts(signatures, "q:statedFamilyName")
    given = graph.texts(signatures, "q:statedGivenName") if family else {}
    names = (CitedName(shown.get(s, ""), given.get(s, ""), family.get(s, "")) for s in signatures)
    return [name for name in names if name.display or name.family]


def entry_type(types: Sequence[str], kinds: Sequence[str], container: str) -> str:
    """The BibTeX entry type, by the stated type, else the stated kind of venue, else by the container's title.

    >>> entry_type(["Conference Paper"], [], ""), entry_type([], ["Journal"], ""), entry_type(["Poster"], [], "")
    ('inproceedings', 'article', 'misc')
    """
    for stated, table in ((types, _ENTRY_TYPES), (kinds, _KIND_ENTRY_TYPES)):
        for value in stated:
            if value.casefold() in table:
                return table[value.casefold()]
    if _JOURNAL.search(container):
        return "article"
    return "inproceedings" if container else "misc"
