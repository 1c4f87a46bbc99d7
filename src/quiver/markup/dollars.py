"""Dollars that delimit mathematics, told from money.

A pair of dollars is a formula when what is between them looks like one. Money ("costs $5 and $10"), names
("Turki$h"), and arrows that became a dollar ("Dutch$German and Italian$Romanian") have words and spaces there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

_WINDOW = 2000
_DOLLAR = re.compile(r"(?<!\\)\$")
_TEX = re.compile(r"[\\^_ˆ]")
_NESTED = re.compile(r"\{[^{}]*\}")
_PROSE = re.compile(
    r"(?:^|\s)(?:and|or|the|of|for|to|in|is|are|was|were|with|than|we|our|per|by|from|that|while|but|as|on|at)(?:\s|$)",
    re.IGNORECASE,
)
_WORD_AND_SPACE = re.compile(r"[^\W\d_]{2,}[.,;:]?\s|\s[^\W\d_]{2,}")
_AMOUNT = re.compile(r"[\d\s.,–—/-]*\d[\d\s.,–—/KMBkmb+-]*")


@dataclass(frozen=True, slots=True)
class FoundFormula:
    """A formula between dollars: its content from `start` to `stop`, and where the dollars end."""

    start: int
    stop: int
    end: int
    display: bool


def _is_formula(content: str, before: str, after: str) -> bool:
    """Whether *content*, between one character *before* and one *after* its dollars, is mathematics."""
    stripped = content.strip()
    if not stripped:
        return False
    if _TEX.search(content):
        bare = _NESTED.sub("", content)
        return not _PROSE.search(bare)
    if after.isdigit():
        return False
    if _AMOUNT.fullmatch(stripped) and (before.isalnum() or any(map(str.isspace, content))):
        return False
    if content[0] in ",.;:" and content[1:2].isspace():
        return False
    return not _WORD_AND_SPACE.search(stripped) and len(stripped) <= 80


def _closing_dollar(text: str, start: int, limit: int) -> int:
    """The next dollar outside of braces (`$\\text{if $x$}$`), else the next one; -1 where there is none."""
    first, depth, at = -1, 0, start
    for match in islice(_DOLLAR.finditer(text, start, limit), 8):
        first = match.start() if first < 0 else first
        depth += text.count("{", at, match.start()) - text.count("}", at, match.start())
        at = match.start()
        if depth <= 0:
            return at
    return first


def find_formula(text: str, at: int, end: int) -> FoundFormula | None:
    """The formula whose first dollar is at *at* and which ends before *end*; None where that dollar is a dollar.

    >>> find_formula("top-$k$", 4, 7)
    FoundFormula(start=5, stop=6, end=7, display=False)
    >>> find_formula("costs $5 and $10", 6, 16)
    """
    limit = min(end, at + _WINDOW)
    if text.startswith("$$$", at):
        return None
    if text.startswith("$$", at):
        close = text.find("$$", at + 2, limit)
        if close < 0 or not _is_formula(text[at + 2 : close], "", ""):
            return None
        return FoundFormula(at + 2, close, close + 2, True)
    close = _closing_dollar(text, at + 1, limit)
    if close < 0:
        return None
    before = text[at - 1] if at else ""
    if not _is_formula(text[at + 1 : close], before, text[close + 1 : close + 2]):
        return None
    return FoundFormula(at + 1, close, close + 1, False)
