"""Nearest words: what was probably meant by a text that finds nothing.

A word that no document has is replaced by one that is at most two letters away; a word that some have, perhaps by one
that is one letter away. Frequent words beat rare ones, and the fewer letters the better; what is put together like that
counts only if it finds something.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import tantivy

from quiver.search import fields
from quiver.search.documents import SearchDocument
from quiver.search.folding import folded_words
from quiver.search.language import Clause, Words
from quiver.search.matching import match_adjacent, match_fuzzily
from quiver.search.reading import count_matches, find, read_document

# Shorter words have too many neighbours; one letter counts from here on, two where one is not enough.
_SHORTEST: Final = 4
_SHORTEST_FOR_TWO: Final = 7
_LONGEST: Final = 40
# Bounds of the time that a text may take.
_MOST_WORDS: Final = 12
_MOST_TRIES: Final = 8
_ALTERNATIVES: Final = 4
_ROUNDS: Final = 3
_READ: Final = 12
# A word one letter away is as good as the word itself when it is e**4 times as frequent.
_COST_OF_A_LETTER: Final = 4.0
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_WORD: Final = re.compile(r"[^\W_]+")

_PLACES: Final[dict[str | None, tuple[str, ...]]] = {
    None: (fields.LABEL, fields.TEXT, fields.NAMES, fields.VENUES),
    "author": (fields.NAMES, fields.LABEL),
    "title": (fields.LABEL,),
    "venue": (fields.VENUES, fields.LABEL),
}


@dataclass(frozen=True, slots=True)
class _Reading:
    """A word, or two that were run together, in place of one that was typed."""

    text: str
    score: float


def correct(
    searcher: tantivy.Searcher, clauses: Sequence[Clause], accepts: Callable[[tuple[Clause, ...]], bool]
) -> tuple[Clause, ...] | None:
    """The clauses nearest to *clauses*, which find nothing, that *accepts* takes; None where there are none.

    Excluded words, years and words that end in an asterisk stay as they are.
    """
    words = [
        (number, place, word, clause)
        for number, clause in enumerate(clauses)
        if isinstance(clause, Words) and not clause.negated and not clause.prefix
        for place, word in enumerate(folded_words(clause.text))
    ]
    if not 0 < len(words) <= _MOST_WORDS:
        return None
    readings: list[list[_Reading]] = []
    for _, _, word, clause in words:
        readings.append(_readings(searcher, word, clause))
        if not readings[-1]:
            return None
    for chosen in _nearest_first(readings):
        texts: dict[int, dict[int, str]] = {}
        for (number, place, _, _), reading in zip(words, chosen, strict=True):
            texts.setdefault(number, {})[place] = reading.text
        others = tuple(_rewrite(clause, texts.get(number, {})) for number, clause in enumerate(clauses))
        if others != tuple(clauses) and accepts(others):
            return others
    return None


def _nearest_first(readings: Sequence[Sequence[_Reading]]) -> Iterable[list[_Reading]]:
    """The best reading of every word; then those that differ from it in one word, by what is lost."""
    best = [options[0] for options in readings]
    yield best
    others = sorted(
        (
            (options[0].score - option.score, place, option)
            for place, options in enumerate(readings)
            for option in options[1:]
        ),
        key=lambda other: other[:2],
    )
    for _, place, option in others[: _MOST_TRIES - 1]:
        yield [*best[:place], option, *best[place + 1 :]]


def _readings(searcher: tantivy.Searcher, word: str, clause: Words) -> list[_Reading]:
    """What *word* may mean, the likeliest first; itself among them where some document has it."""
    places = _PLACES[clause.field]
    frequency = _frequency(searcher, word, places)
    known = [_Reading(word, math.log(frequency + 1))] if frequency else []
    if not _SHORTEST <= len(word) <= _LONGEST or not _LETTERS.fullmatch(word):
        return known
    near = _near(searcher, word, places, 1)
    if not near and not known and len(word) >= _SHORTEST_FOR_TWO:
        near = _near(searcher, word, places, 2)
    scored = [
        _Reading(other, math.log(_frequency(searcher, other, places) + 1) - _COST_OF_A_LETTER * distance)
        for other, distance in near.items()
    ]
    if not known:
        scored += _apart(searcher, word, clause)
    return sorted((*known, *scored), key=lambda reading: (-reading.score, reading.text))[:_ALTERNATIVES]


def _frequency(searcher: tantivy.Searcher, word: str, places: Sequence[str]) -> int:
    return max(int(searcher.doc_freq(place, word)) for place in places)


def _near(searcher: tantivy.Searcher, word: str, places: Sequence[str], most: int) -> dict[str, int]:
    """Words of documents that are at most *most* letters from *word*, and how many; frequent ones are hardly missed.

    The index knows the documents with such words, not the words: some are read, then some that have none of those.
    """
    found: dict[str, int] = {}
    for place in places:
        seen: set[str] = {word}
        for _ in range(_ROUNDS):
            matches = find(searcher, match_fuzzily(place, word, most, seen), "relevance", 0, _READ)
            words = {other for match in matches for other in _words(read_document(searcher, match), place)} - seen
            near = {other: distance for other in words if (distance := edit_distance(word, other, most)) <= most}
            if not near:
                break
            found |= near
            seen |= near.keys()
        if found:
            break
    return found


def _words(document: SearchDocument, place: str) -> Iterable[str]:
    match place:
        case fields.NAMES:
            texts: Sequence[str] = document.names
        case fields.VENUES:
            texts = document.venues
        case fields.TEXT:
            texts = (document.text,)
        case _:
            texts = (document.label,)
    return (word for text in texts for word in folded_words(text))


def _apart(searcher: tantivy.Searcher, word: str, clause: Words) -> list[_Reading]:
    """*word* as two that stand side by side in labels: "deeplearning"."""
    found = []
    for end in range(_SHORTEST - 1, len(word) - _SHORTEST + 2):
        pair = (word[:end], word[end:])
        known = clause.field is None and all(searcher.doc_freq(fields.LABEL, part) for part in pair)
        if known and (count := count_matches(searcher, match_adjacent(pair))):
            found.append(_Reading(" ".join(pair), math.log(count + 1) - _COST_OF_A_LETTER))
    return found


def _rewrite(clause: Clause, words: dict[int, str]) -> Clause:
    """*clause* with *words* at their places, in the letter case of those that they replace."""
    if not isinstance(clause, Words):
        return clause
    before = folded_words(clause.text)
    changed = {place: word for place, word in words.items() if word != before[place]}
    if not changed:
        return clause
    pieces = list(_WORD.finditer(clause.text))
    if len(pieces) != len(before):
        text = " ".join(changed.get(place, word) for place, word in enumerate(before))
    else:
        text, end = "", 0
        for place, piece in enumerate(pieces):
            text += (
                clause.text[end : piece.start()] + _in_case(changed[place], piece[0])
                if place in changed
                else clause.text[end : piece.end()]
            )
            end = piece.end()
        text += clause.text[end:]
    return replace(clause, text=text, phrase=clause.phrase or " " in text)


def _in_case(word: str, model: str) -> str:
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def edit_distance(one: str, other: str, most: int) -> int:
    """How many letters are to be put in, left out, replaced or swapped with their neighbour; *most* + 1 for more.

    >>> edit_distance("nerual", "neural", 2), edit_distance("lerning", "learnings", 2), edit_distance("a", "xyz", 2)
    (1, 2, 3)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    two_before: list[int] = []
    before = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        costs = [row]
        for column, opposite in enumerate(other, 1):
            cost = min(before[column] + 1, costs[-1] + 1, before[column - 1] + (letter != opposite))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == opposite:
                cost = min(cost, two_before[column - 2] + 1)
            costs.append(cost)
        if min(costs) > most and min(before) > most:
            return most + 1
        two_before, before = before, costs
    return min(before[-1], most + 1)
