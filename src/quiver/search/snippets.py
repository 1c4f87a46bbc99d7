"""Snippets: the piece of a text that shows best why it was found, with the ranges that matched."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import islice

from quiver.search.documents import Snippet
from quiver.search.folding import NOT_ASCII, fold, folded_words

_LENGTH = 260
# Text kept before the first match.
_LEAD = 60
_ELLIPSIS = "…"
_MAX_MATCHES = 200
_LETTER = r"[^\W_]"


def compile_sequences(sequences: Collection[tuple[tuple[str, ...], bool]]) -> re.Pattern[str] | None:
    """A pattern that finds, in folded text, words side by side; the last is a prefix where the flag says so."""
    ways = [
        r"[\W_]+".join(map(re.escape, words)) + (f"{_LETTER}*" if is_prefix else "")
        for words, is_prefix in sorted(sequences, key=lambda sequence: len(" ".join(sequence[0])), reverse=True)
    ]
    return re.compile(rf"(?<!{_LETTER})(?:{'|'.join(ways)})(?!{_LETTER})") if ways else None


def cut_snippet(text: str, pattern: re.Pattern[str] | None) -> Snippet:
    """The stretch of *text* with the most different matches of *pattern*; its beginning where nothing matches."""
    ranges = _find(text, pattern) if pattern else []
    start, end = _window(text, ranges)
    piece = text[start:end]
    before, after = (_ELLIPSIS if start > 0 else ""), (_ELLIPSIS if end < len(text) else "")
    shift = len(before) - start
    return Snippet(
        f"{before}{piece}{after}",
        tuple((first + shift, last + shift) for first, last, _ in ranges if first >= start and last <= end),
    )


def compile_beginnings(typed: str) -> re.Pattern[str] | None:
    """A pattern that finds, in folded text, whole words of *typed*, and the beginnings that are its last word."""
    words = folded_words(typed)
    ends = [rf"(?!{_LETTER})"] * len(words)
    if words and not typed[-1].isspace():
        ends[-1] = ""
    ways = sorted({re.escape(word) + end for word, end in zip(words, ends, strict=True)}, key=len, reverse=True)
    return re.compile(rf"(?<!{_LETTER})(?:{'|'.join(ways)})") if ways else None


def mark_pieces(text: str, pattern: re.Pattern[str] | None) -> list[tuple[str, bool]]:
    """*text* in pieces, and whether each matches *pattern*.

    >>> mark_pieces("Bernhard Schölkopf", compile_beginnings("bernhard scho"))
    [('Bernhard', True), (' ', False), ('Schö', True), ('lkopf', False)]
    """
    return split_at(text, [(start, end) for start, end, _ in _find(text, pattern)] if pattern else [])


def split_at(text: str, ranges: Iterable[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The pieces of *text*, none of them empty, and whether each is one of *ranges*, which are in order."""
    pieces, end = [], 0
    for start, stop in ranges:
        pieces += [(text[end:start], False), (text[start:stop], True)]
        end = stop
    return [piece for piece in (*pieces, (text[end:], False)) if piece[0]]


def _find(text: str, pattern: re.Pattern[str]) -> list[tuple[int, int, str]]:
    folded, origin = _fold_with_origin(text)
    ranges: list[tuple[int, int, str]] = []
    for match in islice(pattern.finditer(folded), _MAX_MATCHES):
        start, end = origin[match.start()], origin[match.end() - 1] + 1
        # One character may fold to several words: U+00BC is 1 and 4.
        if not ranges or start >= ranges[-1][1]:
            ranges.append((start, end, match[0]))
    return ranges


def _fold_with_origin(text: str) -> tuple[str, Sequence[int]]:
    """*text* folded, and for each character of that the place it comes from."""
    if text.isascii():
        return text.lower(), range(len(text))
    pieces: list[str] = []
    origin: list[int] = []
    done = 0
    for match in NOT_ASCII.finditer(text):
        # Most of a text is ASCII, which folds in place; the rest may grow or vanish, character by character.
        pieces.append(text[done : match.start()].lower())
        origin.extend(range(done, match.start()))
        for place, character in enumerate(match[0], match.start()):
            piece = _fold_character(character)
            pieces.append(piece)
            origin.extend([place] * len(piece))
        done = match.end()
    pieces.append(text[done:].lower())
    origin.extend(range(done, len(text)))
    return "".join(pieces), origin


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    return fold(character)


def _window(text: str, ranges: list[tuple[int, int, str]]) -> tuple[int, int]:
    best = 0
    most = -1
    for number, (first, _, _) in enumerate(ranges):
        words = {word for start, end, word in ranges[number:] if end - first <= _LENGTH - _LEAD}
        if len(words) > most:
            best, most = first, len(words)
    start = _word_start(text, best - _LEAD) if best > _LEAD else 0
    if len(text) - start <= _LENGTH:
        start = _word_start(text, len(text) - _LENGTH) if start else 0
        return start, len(text)
    return start, _word_end(text, start + _LENGTH)


def _word_start(text: str, place: int) -> int:
    """The start of the first word from *place* on; *place* itself where words have no spaces."""
    if place <= 0:
        return 0
    space = text.find(" ", place - 1, place + _LEAD // 2)
    return place if space < 0 else space + 1


def _word_end(text: str, place: int) -> int:
    space = text.rfind(" ", place - _LEAD // 2, place + 1)
    return place if space < 0 else space
