"""Parsed text: a few kinds of nodes, and the plain text of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Style = Literal["plain", "emphasis", "strong", "code", "sub", "sup", "block"]
Notation = Literal["tex", "mathml"]


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Styled:
    style: Style
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Link:
    iri: str
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Formula:
    """Mathematics as given (`source`), and its parts as text (`children`)."""

    source: str
    notation: Notation
    display: bool
    children: tuple[Node, ...]


Node = Text | Styled | Link | Formula

_DIGITS = re.compile(r"[+\-−]?[0-9]+|[+\-−]{1,2}")
_SIMPLE = re.compile(r"[\w.,'’*∗∞+\-−°†‡′⋆♮]+")
_ORDINAL = re.compile(r"st|nd|rd|th")
_STANDS_RAISED = frozenset("*†‡§¶′″°®™©♮♯♭⋆∗★")
_NAMED = {"∘": "°", "TM": "™"}
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_LOWERED = str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋")


def _script(style: str, text: str, before: str) -> str:
    """A subscript or superscript as text: digits have characters of their own, words get `_` or `^`."""
    text = text.strip()
    if not text:
        return ""
    if style == "sup":
        if text in _NAMED:
            return _NAMED[text]
        if text in _STANDS_RAISED or (_ORDINAL.fullmatch(text) and before.isdigit()):
            return text
    if _DIGITS.fullmatch(text):
        return text.translate(_RAISED if style == "sup" else _LOWERED)
    mark = "^" if style == "sup" else "_"
    return mark + (text if _SIMPLE.fullmatch(text) else f"({text})")


def text_of(nodes: Sequence[Node], before: str = "") -> str:
    """The plain text of *nodes*, which follow the character *before*.

    >>> text_of((Text("CO"), Styled("sub", (Text("2"),))))
    'CO₂'
    """
    parts: list[str] = []
    last = before
    for node in nodes:
        match node:
            case Text(text):
                piece = text
            case Styled("sub" | "sup" as style, children):
                piece = _script(style, text_of(children), last)
            case Styled("block", children):
                piece = f"\n{text_of(children)}\n"
            case Styled(_, children) | Link(_, children) | Formula(_, _, _, children):
                piece = text_of(children, last)
        if piece:
            parts.append(piece)
            last = piece[-1]
    return "".join(parts)


def accented(text: str, mark: str) -> str:
    """*text* with the combining *mark* on its first letter where that makes sense, else *text* as it is.

    >>> accented("o", "\\u0308"), accented("XYZ", "\\u0304")
    ('ö', 'XYZ')
    """
    base = {"ı": "i", "ȷ": "j"}.get(text[:1], text[:1])
    if not base or len(text.strip()) != 1:
        return text
    return unicodedata.normalize("NFC", base + mark)
