"""Whether bytes may hold an expression: a fast look that says no for nearly everything, before words are read.

Of each expression the longest word is looked for, in every way in which bytes can write it. Only where it is found are
the bytes read as text, and compared word by word.
"""

from __future__ import annotations

import html.entities
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from quiver.markup.symbols import ACCENTS, LETTERS
from quiver.releases.wording import words_of

# Data is read in pieces of this size, with what stands before and behind as far as it may belong to it.
_PIECE_BYTES: Final = 1024
_MARGIN_BYTES: Final = 128
# What letters of ASCII are also written as (Unicode's CaseFolding.txt), and what is not seen.
_FOLDED: Final = tuple(
    (text.encode(), folded.encode())
    for text, folded in (
        *(("ß", "ss"), ("ẞ", "ss"), ("ſ", "s"), ("\u212a", "k"), ("ﬀ", "ff"), ("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬃ", "ffi")),
        *(("ﬄ", "ffl"), ("ﬅ", "st"), ("ﬆ", "st"), ("\u00ad", ""), ("\u200b", ""), ("\u200c", ""), ("\u200d", "")),
        *(("\u200e", ""), ("\u200f", ""), ("\u2060", ""), ("\ufeff", "")),
    )
)
_COMMANDS: Final = {letter: name for name, letter in LETTERS.items()}
_MARKS: Final = {mark: name for name, mark in reversed(ACCENTS.items()) if len(name) == 1}


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of data; what ends in it behind `first` and not behind `last` is for it to tell, and for no other."""

    data: bytes
    first: int
    last: int


class Probe:
    """Looks for the longest words of *expressions*."""

    def __init__(self, expressions: Collection[str]) -> None:
        # An expression is written in a few times as many bytes as it has characters.
        self._context = _MARGIN_BYTES + 8 * max(map(len, expressions))
        longest = {max((word.text for word in words_of(text)), key=_telling) for text in expressions}
        self._literals = sorted(word.encode() for word in longest if word.isascii())
        patterns = [_pattern(word) for word in sorted(longest) if not word.isascii()]
        self._pattern = re.compile(b"|".join(patterns)) if patterns else None

    def may_hold(self, data: bytes) -> bool:
        """Whether one of the words may stand in *data*."""
        plain = data.translate(None, b"{}").lower()
        if self._pattern is not None and self._pattern.search(plain):
            return True
        if not plain.isascii():
            for text, folded in _FOLDED:
                if text in plain:
                    plain = plain.replace(text, folded)
        return any(word in plain for word in self._literals)

    def pieces(self, data: bytes, seen: int = 0) -> Iterator[Piece]:
        """*data* in pieces, as far as they may hold one of the words; its first *seen* bytes are only context."""
        if not self.may_hold(data):
            return
        while seen < len(data):
            start = max(0, seen - self._context)
            end = start + self._context + _PIECE_BYTES
            limit = len(data) if end >= len(data) else end - _MARGIN_BYTES
            piece = data[start:end]
            if self.may_hold(piece):
                yield Piece(piece, seen - start, limit - start)
            seen = limit


def _telling(word: str) -> tuple[bool, int]:
    """Longer words are rarer; those of ASCII are found faster, where they are long enough."""
    return word.isascii() and len(word) > 3, len(word)


def _pattern(word: str) -> bytes:
    """A pattern for *word*, which is casefolded, in bytes whose letters of ASCII are in lower case."""
    return b"".join(b"(?:" + b"|".join(sorted(_ways(character))) + b")" for character in word)


def _ways(character: str) -> set[bytes]:
    ways: set[bytes] = set()
    for form in {character, character.upper(), character.title()}:
        for text in {form, *(unicodedata.normalize(name, form) for name in ("NFC", "NFD"))}:
            data = text.encode("utf-8", "surrogatepass")
            ways.add(re.escape(data.lower()))
            if not text.isascii():
                ways.add(b"".join(b"[%%~]%02x" % byte for byte in data))
                units = text.encode("utf-16-be", "surrogatepass").hex()
                ways.add("".join(rf"\\+u{units[at : at + 4]}" for at in range(0, len(units), 4)).encode())
        composed = unicodedata.normalize("NFC", form)
        if len(composed) == 1 and not composed.isascii():
            ways.update(_escaped(composed))
    return ways


def _escaped(letter: str) -> Iterator[bytes]:
    """How HTML and LaTeX write *letter*."""
    yield f"&#0*{ord(letter)};".encode()
    yield f"&#x0*{ord(letter):x};".encode()
    if name := html.entities.codepoint2name.get(ord(letter)):
        yield f"&{name};".lower().encode()
    if command := _COMMANDS.get(letter):
        yield rf"\\+{command}\s?".lower().encode()
    apart = unicodedata.normalize("NFD", letter)
    if len(apart) == 2 and apart[0].isascii() and (accent := _MARKS.get(apart[1])):
        yield rf"\\+{re.escape(accent)}\s*\\*{apart[0]}".lower().encode()
