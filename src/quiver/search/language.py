"""The query language of the search box: words, "phrases", prefix*, -without, author:, title:, venue:, year:.

What a person types is never an error for its quotes, colons or brackets: what is no part of the language is plain
words. Only a year: that is no year, and a text that asks for far too much, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from quiver.errors import InvalidSearch
from quiver.search.folding import without_surrogates

Field = Literal["author", "title", "venue"]

_FIELDS: dict[str, Field] = {"author": "author", "title": "title", "venue": "venue"}
_MAX_CHARACTERS = 4000
_MAX_PREFIXES = 5
_QUOTES = str.maketrans("“”„‟«»", '""""""')
# A field name may be followed by a space when it is in lower case; "Title: A story" is a title.
_PART = re.compile(
    r"(?P<minus>(?<!\S)-(?=[^\s-]))?"
    r"(?:(?P<field>(?i:author|title|venue|year)):(?=[^\s:])|(?P<spaced>author|title|venue|year(?=:\s+[0-9])):\s+(?=\S))?"
    r'(?:"(?P<phrase>[^"]*)"|(?P<chunk>[^\s"]+))'
)
_YEARS = re.compile(r"(?P<only>[0-9]{4})|(?P<first>[0-9]{4})?(?:[-–—]|\.\.)(?P<last>[0-9]{4})?")


@dataclass(frozen=True, slots=True)
class Words:
    """Text to be found: side by side if it is more than one word; `prefix`: the last word may go on."""

    text: str
    field: Field | None = None
    phrase: bool = False
    prefix: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Years:
    """A span of years, both ends included; None is open."""

    first: int | None
    last: int | None
    negated: bool = False


Clause = Words | Years


def parse_search(text: str) -> tuple[Clause, ...]:
    """The clauses of *text*, all of which must hold; none for a text of white space.

    Raises:
        InvalidSearch: the value of year: is no year or span, the text is longer than 4,000 characters, or more than
            five words end in an asterisk.

    >>> parse_search('author:zhao -survey year:2020-')
    (Words(text='zhao', field='author', phrase=False, prefix=False, negated=False), \
Words(text='survey', field=None, phrase=False, prefix=False, negated=True), \
Years(first=2020, last=None, negated=False))
    """
    if len(text) > _MAX_CHARACTERS:
        raise InvalidSearch(
            f"the search text has {len(text):,} characters", value=text, hint=f"At most {_MAX_CHARACTERS:,}."
        )
    text = without_surrogates(text).translate(_QUOTES)
    if text.count('"') % 2:
        # The last quote has no partner: it says nothing.
        head, _, tail = text.rpartition('"')
        text = f"{head} {tail}"
    clauses = (_clause(match) for match in _PART.finditer(text))
    # A word said twice asks for nothing more.
    found = tuple(dict.fromkeys(clause for clause in clauses if clause is not None))
    if sum(isinstance(clause, Words) and clause.prefix for clause in found) > _MAX_PREFIXES:
        raise InvalidSearch(
            "too many words end in *", value=text, hint=f"At most {_MAX_PREFIXES}; each is as dear as many words."
        )
    return found


def write_search(clauses: Sequence[Clause]) -> str:
    """The text that `parse_search` reads as *clauses*.

    >>> write_search(parse_search('author:"Wei  Li" -survey  trans* year:2020'))
    'author:"Wei  Li" -survey trans* year:2020'
    """
    return " ".join(map(_write, clauses))


def _write(clause: Clause) -> str:
    minus = "-" if clause.negated else ""
    if isinstance(clause, Years):
        first, last = (str(year).zfill(4) if year is not None else "" for year in (clause.first, clause.last))
        return f"{minus}year:{first if first == last else f'{first}-{last}'}"
    text = f'"{clause.text}"' if clause.phrase else clause.text
    # A colon more would make the name of the field a word.
    field = f"{clause.field}:{' ' if text.startswith(':') else ''}" if clause.field else ""
    return f"{minus}{field}{text}{'*' if clause.prefix else ''}"


def _clause(match: re.Match[str]) -> Clause | None:
    field = (match["field"] or match["spaced"] or "").lower()
    negated = match["minus"] is not None
    if field == "year":
        return _years((match["phrase"] or match["chunk"] or "").strip(), negated)
    target = _FIELDS.get(field)
    if match["phrase"] is not None:
        return Words(match["phrase"], target, phrase=True, negated=negated) if match["phrase"].strip() else None
    chunk = match["chunk"]
    stem = chunk.rstrip("*")
    return Words(stem, target, prefix=stem != chunk, negated=negated) if stem else None


def _years(value: str, negated: bool) -> Years:
    match = _YEARS.fullmatch(value)
    if not match or not any(match.groups()):
        raise InvalidSearch(
            f"year:{value} is no year",
            value=value,
            hint="Write year:2024, year:2020-2024, year:2020- or year:-2019.",
        )
    first, last = (int(part) if part else None for part in match.group("first", "last"))
    if match["only"]:
        first = last = int(match["only"])
    if first is not None and last is not None and first > last:
        raise InvalidSearch(f"year:{value} ends before it begins", value=value, hint=f"Write year:{last}-{first}.")
    return Years(first, last, negated)
