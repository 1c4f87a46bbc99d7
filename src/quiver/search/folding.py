"""Text without letter case and accents: the one definition that indexing, queries and highlighting share."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import tantivy

# Combining diacritics; and the soft hyphen, joiners and marks of direction, which would split words. Marks of Indic and
# Semitic scripts and of kana are not among them: there they tell words apart.
_DROPPED = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]+")
# Letters that have no decomposition, and what people type for them.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŋ": "n"}
)
# Scripts written without spaces: each character is a word, so that a part of a name or title is found.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = re.compile(f"([{_CJK}])")
NOT_ASCII = re.compile("[^\x00-\x7f]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
# An index term may have 65,530 bytes; nobody types a word beyond this.
_MAX_WORD_BYTES = 100


def word_analyzer() -> tantivy.TextAnalyzer:
    """The splitter into words of text that has been folded; over-long words are dropped."""
    words = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    return words.filter(tantivy.Filter.remove_long(_MAX_WORD_BYTES)).build()


# The same splitter as the index uses: Python's idea of a letter differs in the marks of Indic scripts.
_WORDS = word_analyzer()


def without_surrogates(text: str) -> str:
    """*text* with each half of a surrogate pair, which UTF-8 cannot carry, replaced by U+FFFD."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def fold(text: str) -> str:
    """*text* in lower case without accents, ligatures and width variants; Han and kana characters set apart.

    >>> fold("Schölkopf, Łukasz"), fold("李伟").split()
    ('scholkopf, lukasz', ['李', '伟'])
    """
    # Whole abstracts cost 120 microseconds; most hold nothing but a few dashes and quotes that are not ASCII.
    return text.lower() if text.isascii() else NOT_ASCII.sub(_fold_match, text.lower())


def _fold_match(match: re.Match[str]) -> str:
    return _fold_run(match[0])


@lru_cache(maxsize=65_536)
def _fold_run(run: str) -> str:
    run = _DROPPED.sub("", unicodedata.normalize("NFKD", without_surrogates(run)))
    # Decomposed once more after casefold, which makes marks of its own.
    run = _DROPPED.sub("", unicodedata.normalize("NFKD", run.casefold()))
    run = unicodedata.normalize("NFC", run).translate(_LETTERS)
    return _UNSPACED.sub(r" \1 ", run)


def folded_words(text: str) -> list[str]:
    """The words of *text* as the index holds them.

    >>> folded_words("Pre-training O’Brien")
    ['pre', 'training', 'o', 'brien']
    """
    return _WORDS.analyze(fold(text))


def accented_words(text: str) -> list[str]:
    """The words of *text* that folding would change, in lower case but with their accents.

    >>> accented_words("Bernhard Schölkopf")
    ['schölkopf']
    """
    if text.isascii():
        return []
    text = unicodedata.normalize("NFC", without_surrogates(text)).casefold()
    return [word for word in _WORDS.analyze(text) if not word.isascii()]
