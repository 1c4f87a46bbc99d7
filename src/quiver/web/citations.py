"""A paper as a reference: BibTeX, and the `citation_*` metadata that reference managers read from a page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
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
# Where each entry type names its venue.
_VENUE_FIELDS: Final[dict[str, str]] = {
    "article": "journal",
    "incollection": "booktitle",
    "inproceedings": "booktitle",
    "misc": "howpublished",
}

# A brace counts for BibTeX even behind a backslash, so braces become commands.
_LATEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
    }
)
_RAW_UNSAFE: Final = re.compile(r'[\x00-\x20{}\\"<>^`|\x7f]')
_KEY_UNSAFE: Final = re.compile(r"[^A-Za-z0-9:_.+/-]")
_CAPITAL_INSIDE: Final = re.compile(r"[^\s{}()\[\],;:!?\"“”‘’/—–-]+")
_SMALL_WORDS: Final = (
    " a an and as at by can do does for from how in into is it no not of on or that the to towards via we what when "
    "why with "
)


@dataclass(frozen=True, slots=True)
class CitedName:
    """A name on the byline, without homonym number; given and family name only where the source states them."""

    display: str
    given: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """What a reference needs to know of a paper; `and_others` where the byline is or may be cut."""

    title: str
    names: tuple[CitedName, ...] = ()
    and_others: bool = False
    entry_type: str = "misc"
    year: str = ""
    venue: str = ""
    pages: str = ""
    doi: str = ""
    url: str = ""
    pdf: str = ""
    stated_key: str = ""
    abstract: str = ""


def cite(graph: Graph, iri: str, facts: Facts, most: int | None = None) -> Citation:
    """The reference to the paper *iri*, whose statements are *facts*; of its names the first *most*, if given."""
    container = facts.one("q:statedContainer")
    count = facts.number("q:authorCount") or 0
    status = facts.one("q:bylineStatus").rpartition("#")[2]
    return Citation(
        title=facts.one("rdfs:label") or facts.one("dcterms:title"),
        names=tuple(_names(graph, iri, count if most is None else min(count, most))),
        and_others=status == "Abridged"
        or (status == "PossiblyAbridged" and count >= ARROW_BYLINE_LIMIT)
        or (most is not None and count > most),
        entry_type=entry_type(facts.all("q:statedType"), facts.all("q:statedVenueKind"), container),
        year=facts.one("q:year"),
        venue=container or ", ".join(facts.all("q:statedVenue")),
        pages=facts.one("bibo:pages"),
        doi=facts.one("bibo:doi"),
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


def escape_latex(text: str) -> str:
    """*text* for LaTeX, its special characters escaped; other characters stay as UTF-8.

    >>> print(escape_latex("80% of {x_1} & more"))
    80\\% of \\textbraceleft{}x\\_1\\textbraceright{} \\& more
    """
    return " ".join(text.translate(_LATEX).split())


def protect_title(title: str) -> str:
    """*title* for a `title` field: escaped, with braces around words whose capitals a style must not lower.

    >>> print(protect_title("ExpeL: LLM Agents Are Learners"))
    {ExpeL}: {LLM} Agents Are Learners
    """

    def word(match: re.Match[str]) -> str:
        escaped = escape_latex(match[0])
        return f"{{{escaped}}}" if any(character.isupper() for character in match[0][1:]) else escaped

    # What stands between words may hold braces too, so every piece is escaped on its own.
    pieces: list[str] = []
    end = 0
    text = " ".join(title.split())
    for match in _CAPITAL_INSIDE.finditer(text):
        pieces += [text[end : match.start()].translate(_LATEX), word(match)]
        end = match.end()
    return "".join([*pieces, text[end:].translate(_LATEX)])


# How titles of volumes begin that are journals; a source that gives no kind of venue gives these.
_JOURNAL = re.compile(r"^(?:Transactions of|Computational Linguistics, Volume)|\bJournal\b", re.IGNORECASE)
_SUFFIXES = ("Jr.", "Jr", "Sr.", "Sr", "II", "III", "IV")


def bibtex_name(name: CitedName) -> str:
    """One name of an `author` field: "Family, Given" where stated, else as displayed.

    Braces keep a displayed name together where BibTeX would take it apart: at a comma or at the word "and".
    """
    if name.family:
        family, given = _one_part(name.family), _one_part(name.given)
        return f"{family}, {given}" if given else f"{{{family}}}"
    shown = escape_latex(name.display)
    words = shown.split()
    if len(words) > 2 and words[-1] in _SUFFIXES and "," not in shown:
        return f"{words[-2]}, {words[-1]}, {' '.join(words[:-2])}"
    if re.fullmatch(r"[^,]+, [^,]+", shown) and not {"and", *map(str.casefold, _SUFFIXES)} & {
        *shown.casefold().split()
    }:
        return shown
    taken_apart = "," in shown or "and" in shown.casefold().split() or shown.casefold() == "others"
    return f"{{{shown}}}" if taken_apart else shown


def _one_part(text: str) -> str:
    escaped = escape_latex(text)
    return f"{{{escaped}}}" if "," in escaped or "and" in escaped.casefold().split() else escaped


def _raw(text: str) -> str:
    """An address or DOI, which styles print verbatim: only what would break the entry is percent-encoded."""
    return _RAW_UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)


def _ascii(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text)
    return "".join(c for c in folded if c.isascii() and c.isalnum()).lower()


def _family(name: CitedName) -> str:
    """The family name, stated, before a comma, or the last word but for a suffix."""
    if name.family or "," in name.display:
        return name.family or name.display.partition(",")[0]
    words = [word for word in name.display.split() if word not in _SUFFIXES]
    return words[-1] if words else ""


def citation_key(citation: Citation) -> str:
    """The stated citation key, else family name, year and first telling word of the title.

    >>> citation_key(Citation(title="On the Élan", names=(CitedName("Jörg Müller"),), year="2020"))
    'muller2020elan'
    """
    stated = _KEY_UNSAFE.sub("", citation.stated_key)
    if stated:
        return stated
    first = citation.names[0] if citation.names else None
    family = _family(first) if first else ""
    words = (_ascii(word) for word in re.split(r"[\s:,;/()-]+", citation.title))
    word = next((word for word in words if word and f" {word} " not in _SMALL_WORDS), "")
    return f"{_ascii(family)}{citation.year}{word}" or "paper"


def to_bibtex(citation: Citation) -> str:
    """One BibTeX entry in UTF-8, ended by a newline."""
    authors = [bibtex_name(name) for name in citation.names]
    if authors and citation.and_others:
        authors.append("others")
    venue_field = _VENUE_FIELDS.get(citation.entry_type, "note")
    fields = {
        "title": protect_title(citation.title),
        "author": " and\n            ".join(authors),
        venue_field: escape_latex(citation.venue),
        "year": escape_latex(citation.year),
        "pages": re.sub(r"(?<=\d)\s*[-–]\s*(?=\d)", "--", escape_latex(citation.pages)),
        "doi": _raw(citation.doi),
        "url": _raw(citation.url or citation.pdf),
    }
    lines = [f"  {name:<9} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{citation.entry_type}{{{citation_key(citation)},\n" + ",\n".join(lines) + "\n}\n"


def meta_tags(citation: Citation) -> list[tuple[str, str]]:
    """Names and contents of the page's `citation_*` elements (Google Scholar's guidelines; Highwire Press tags)."""
    tags = [("citation_title", citation.title)]
    for name in citation.names:
        full = f"{name.family}, {name.given}" if name.family and name.given else name.display or name.family
        tags.append(("citation_author", full))
    venue_tag = {"article": "citation_journal_title", "inproceedings": "citation_conference_title"}
    optional = [
        ("citation_publication_date", citation.year),
        (venue_tag.get(citation.entry_type, ""), citation.venue),
        ("citation_doi", citation.doi),
        ("citation_public_url", citation.url),
        ("citation_pdf_url", citation.pdf),
    ]
    pages = re.fullmatch(r"\s*(\w+)\s*(?:[-–]+\s*(\w+))?\s*", citation.pages)
    if pages:
        optional += [("citation_firstpage", pages[1]), ("citation_lastpage", pages[2] or "")]
    return tags + [(name, value) for name, value in optional if name and value]
