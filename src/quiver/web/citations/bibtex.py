"""BibTeX: entries in UTF-8 that balance and typeset whatever the records hold."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from quiver.web.citations.model import Citation, CitedName

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


def to_bibtex(citation: Citation, key: str = "", note: str = "") -> str:
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
        "isbn": escape_latex(citation.isbn),
        "issn": escape_latex(citation.issn),
        "doi": _raw(citation.doi),
        "eprint": _raw(citation.arxiv),
        "eprinttype": "arxiv" if citation.arxiv else "",
        "url": _raw(citation.url or citation.pdf),
        "annote": escape_latex(note),
    }
    lines = [f"  {name:<9} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{citation.entry_type}{{{key or citation_key(citation)},\n" + ",\n".join(lines) + "\n}\n"
