"""A text as the words that a reader sees in it, whatever way they are written, with the places where they stand.

One name has many written forms: letter case, composed and decomposed accents, LaTeX (`{\\"u}`), entities, percent
escapes, our own paths (`name/ann_lee`), `\\u00fc` of JSON. `words_of` gives the same words for all of them.
"""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

from quiver.markup.symbols import ACCENTS, LETTERS

# Between two words of one expression: these alone are a space. Anything else between them is part of it.
_SOFT: Final = " _-.'’‘`´+~‐‑–·*\\{}"
SPACE: Final = " "

_ACCENT: Final = {name: mark for name, mark in ACCENTS.items() if len(name) == 1}
_ESCAPES: Final = re.compile(
    r"""
      \\{1,4} (?: (?P<accent>["'`^~=.]) \s* [{]? \\{0,4} (?P<base>[A-Za-z]) [}]?
              | (?P<letter_accent>[cvuHkrdb]) (?: \s* [{] \\{0,4} (?P<base2>[A-Za-z]) [}] | \s+ (?P<base3>[A-Za-z]) )
              | u (?P<json>[0-9A-Fa-f]{4} (?: \\{1,4} u [0-9A-Fa-f]{4} )* )
              | (?P<letter>ss|oe|OE|ae|AE|aa|AA|dh|DH|th|TH|dj|DJ|ng|NG|[oOlLij]) (?![A-Za-z]) \s? )
    | (?P<hex> (?: [%~] [0-9A-Fa-f]{2} )+ )
    | & (?P<entity> \#? [A-Za-z0-9]{1,31} ) ;
    | (?P<tag> </? [A-Za-z] [^<>]{0,200} > )
    | (?P<nothing> [{}] )
    """,
    re.VERBOSE,
)
_HAS_ESCAPES: Final = re.compile(r"[\\%~&<{}]")
# Written without spaces between words: each character is one.
_ALONE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)


def _ranges(categories: str) -> str:
    """The characters of *categories* (their first letters, or whole names) as the inside of a character class."""
    wanted = categories.split()
    found: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category in wanted or category[0] in wanted:
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in found)


class _Patterns(NamedTuple):
    """What is compiled when it is first needed: walking all of Unicode takes a third of a second."""

    word: re.Pattern[str]
    gap: re.Pattern[str]
    unseen: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    marks, unseen = _ranges("M"), _ranges("Cf Cc")
    return _Patterns(
        re.compile(rf"[{_ALONE}][{marks}]*|[0-9]+|(?:(?![{_ALONE}\d_])\w(?:[{marks}]|(?![\t\n\r])[{unseen}])*)+|\d+"),
        re.compile(rf"[{re.escape(_SOFT)}\s{unseen}]+"),
        re.compile(f"[{unseen}]+"),
    )


_ASCII_WORD: Final = re.compile("[a-z]+|[0-9]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]+")
_ASCII_GAP: Final = re.compile(rf"[{re.escape(_SOFT)}\s\x00-\x1f\x7f]+")


class Word(NamedTuple):
    """One word, composed and casefolded; where it stands in the text; what is between it and the word before."""

    text: str
    start: int
    end: int
    gap: str


def words_of(text: str) -> list[Word]:
    """The words of *text*: runs of letters, runs of digits, single characters of scripts without spaces.

    >>> [word.text for word in words_of("~Zo{\\\\\\"e}_Lee1")]
    ['zoë', 'lee', '1']
    """
    if not _HAS_ESCAPES.search(text):
        return list(_split(text, None))
    decoded, starts, ends = _decode(text)
    return list(_split(decoded, (starts, ends)))


def _split(text: str, places: tuple[list[int], list[int]] | None) -> Iterator[Word]:
    is_ascii = text.isascii()
    if is_ascii:
        text, pattern, soft = text.lower(), _ASCII_WORD, _ASCII_GAP
    else:
        pattern, soft, unseen = _patterns()
    last = 0
    for found in pattern.finditer(text):
        first, end = found.span()
        gap = text[last:first]
        if gap != SPACE:
            gap = _between(gap, soft)
        word = found[0]
        if not is_ascii and not word.isascii():
            # Casefolding may take a composed letter apart.
            word = unicodedata.normalize("NFC", unicodedata.normalize("NFC", unseen.sub("", word)).casefold())
        elif not is_ascii:
            word = word.lower()
        if places is None:
            yield Word(word, first, end, gap)
        else:
            yield Word(word, places[0][first], places[1][end - 1], gap)
        last = end


def _between(gap: str, soft: re.Pattern[str]) -> str:
    """What is between two words, as a part of an expression: a space where nothing else is there."""
    hard = soft.sub("", gap).casefold()
    # Control characters alone are no space: in data that is no text they are lengths, and the words two texts.
    return hard or (gap if gap and _CONTROL.fullmatch(gap) else SPACE)


def _decode(text: str) -> tuple[str, list[int], list[int]]:
    """*text* without escapes, and of each of its characters where what stands for it begins and ends."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []

    def put(piece: str, start: int, end: int) -> None:
        pieces.append(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))

    at = 0
    for found in _ESCAPES.finditer(text):
        shown = _shown(found)
        if shown is None:
            continue
        start, end = found.span()
        pieces.append(text[at:start])
        starts.extend(range(at, start))
        ends.extend(range(at + 1, start + 1))
        put(shown, start, end)
        at = end
    pieces.append(text[at:])
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return "".join(pieces), starts, ends


def _shown(found: re.Match[str]) -> str | None:
    """What an escape stands for; None where it is none after all."""
    if found["nothing"] or found["tag"]:
        return ""
    accent = found["accent"] or found["letter_accent"]
    if accent:
        base = found["base"] or found["base2"] or found["base3"]
        letter = unicodedata.normalize("NFC", base + _ACCENT[accent])
        return letter if len(letter) == 1 else None
    if found["letter"]:
        return {"i": "i", "j": "j"}.get(found["letter"], LETTERS[found["letter"]])
    if found["json"]:
        units = bytes.fromhex("".join(re.findall("[0-9A-Fa-f]{4}", found["json"])))
        return units.decode("utf-16-be", "replace")
    if found["hex"]:
        try:
            return bytes.fromhex(re.sub("[%~]", "", found["hex"])).decode("utf-8")
        except UnicodeDecodeError:
            return None
    shown = html.unescape(found[0])
    return None if shown == found[0] else shown


def expression(words: Sequence[Word]) -> str:
    """*words* as one expression, to be compared with others: words and what is between them.

    >>> expression(words_of("Ann-M. Lee")), expression(words_of("Lee, Ann"))
    ('ann m lee', 'lee,ann')
    """
    return "".join(word.text if at == 0 else word.gap + word.text for at, word in enumerate(words))
