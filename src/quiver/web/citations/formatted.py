"""References as running text, in the manner of three widespread styles.

Names stand as they are displayed: to turn "Ana María Rey" round, one would have to know where the family name begins,
which most sources do not say. What is not stated is left out, and a byline that may go on ends in "et al.".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from quiver.web.citations.model import Citation

_ET_AL: Final = "et al."
_ENDED: Final = ("?", "!", ".", "…", "。", "？", "！")
_DASH: Final = re.compile(r"(?<=\w)\s*[-‐-―]+\s*(?=\w)")
# ACM lists all names; past so many a page of them helps nobody.
_MOST_NAMES: Final = 50


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a reference, in italics or not."""

    text: str
    italic: bool = False


@dataclass(frozen=True, slots=True)
class Style:
    """A manner of writing references: its key, what it is called, and what writes one."""

    key: str
    label: str
    write: Callable[[Citation], list[Piece]]


def join_names(names: Sequence[str], *, most: int, kept: int, last: str, and_others: bool, gap: str = "") -> str:
    """*names* as a list; where there are more than *most*, the first *kept*, and after *gap*, if any, the last one.

    >>> join_names(["A", "B", "C"], most=6, kept=3, last=", and ", and_others=False)
    'A, B, and C'
    >>> join_names(["A", "B", "C"], most=6, kept=3, last=", and ", and_others=True)
    'A, B, C, et al.'
    >>> join_names(["A", "B"], most=6, kept=3, last=", and ", and_others=False)
    'A and B'
    """
    if not names:
        return ""
    if len(names) > most and gap and not and_others:
        return f"{', '.join(names[:kept])}{gap}{names[-1]}"
    if len(names) > most:
        names, and_others = names[:kept], True
    if and_others:
        return f"{', '.join(names)}{',' if len(names) > 1 else ''} {_ET_AL}"
    if len(names) == 1:
        return names[0]
    # Two names that are not turned round need no comma between them.
    conjunction = last.lstrip(",") if len(names) == 2 else last
    return f"{', '.join(names[:-1])}{conjunction}{names[-1]}"


def _apa(citation: Citation) -> list[Piece]:
    """APA, 7th edition: up to 20 names, else the first 19 and the last."""
    names = join_names(_names(citation), most=20, kept=19, last=", & ", gap=", … ", and_others=citation.and_others)
    year = f"({citation.year or citation.stated_year or 'n.d.'})"
    title = _ended(citation.title)
    pieces = [Piece(f"{names} {year}. {title} " if names else f"{title} {year}. ")]
    pages = _pages(citation)
    if citation.venue and citation.entry_type == "article":
        pieces += [Piece(citation.venue, italic=True), Piece(f", {pages}. " if pages else ". ")]
    elif citation.venue:
        paged = f" ({'pp.' if '–' in pages else 'p.'} {pages})" if pages else ""
        pieces += [Piece("In "), Piece(citation.venue, italic=True), Piece(f"{paged}. ")]
    return _with_address(pieces, citation)


def _chicago(citation: Citation) -> list[Piece]:
    """Chicago, 18th edition, notes and bibliography: up to six names, else the first three."""
    names = join_names(_names(citation), most=6, kept=3, last=", and ", and_others=citation.and_others)
    pieces = [Piece(f"{_ended(names)} " if names else ""), Piece(f"“{_ended(citation.title)}” ")]
    year = citation.year or citation.stated_year or "n.d."
    pages = _pages(citation)
    if citation.venue and citation.entry_type == "article":
        pieces += [Piece(citation.venue, italic=True), Piece(f" ({year})" + (f": {pages}. " if pages else ". "))]
    elif citation.venue:
        pieces += [
            Piece("In "), Piece(citation.venue, italic=True), Piece(f", {pages}" if pages else ""), Piece(f". {year}. ")
        ]  # fmt: skip
    else:
        pieces.append(Piece(f"{year}. "))
    return _with_address(pieces, citation)


def _acm(citation: Citation) -> list[Piece]:
    """ACM reference format: all names, the year before the title."""
    names = join_names(
        _names(citation), most=_MOST_NAMES, kept=_MOST_NAMES, last=", and ", and_others=citation.and_others
    )
    year = citation.year or citation.stated_year or "[n. d.]"
    pieces = [Piece(f"{_ended(names)} " if names else ""), Piece(f"{_ended(year)} {_ended(citation.title)} ")]
    pages = _pages(citation)
    if citation.venue:
        pieces += [
            Piece("" if citation.entry_type == "article" else "In "),
            Piece(citation.venue, italic=True),
            Piece(f", {pages}. " if pages else ". "),
        ]
    return _with_address(pieces, citation)


STYLES: Final = (
    Style("apa", "APA", _apa),
    Style("chicago", "Chicago", _chicago),
    Style("acm", "ACM", _acm),
)


def format_reference(citation: Citation, style: Style) -> tuple[Piece, ...]:
    """The reference in *style*, without empty pieces and without white space at its end."""
    pieces = [piece for piece in style.write(citation) if piece.text]
    last = pieces[-1]
    return (*pieces[:-1], Piece(last.text.rstrip(), last.italic))


def _names(citation: Citation) -> list[str]:
    return [name.display or " ".join(filter(None, (name.given, name.family))) for name in citation.names]


def _pages(citation: Citation) -> str:
    return _DASH.sub("–", " ".join(citation.pages.split()))


def _ended(text: str) -> str:
    """*text* with a full stop at its end, unless something of that kind is there.

    >>> _ended("Why?"), _ended("Because")
    ('Why?', 'Because.')
    """
    return text if text.endswith(_ENDED) else f"{text}."


def _with_address(pieces: list[Piece], citation: Citation) -> list[Piece]:
    if citation.doi:
        return [*pieces, Piece(f"https://doi.org/{citation.doi}")]
    if citation.arxiv:
        return [*pieces, Piece(f"https://arxiv.org/abs/{citation.arxiv}")]
    return [*pieces, Piece(citation.url or citation.pdf)]
