"""Terms as N-Quads text, and a block of statements about one document.

Text is written by hand since it is six times as fast as quads through the binding; `Block` is the one place that
does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from quiver.namespaces import PREFIXES, term

# Characters that canonical N-Quads escape (N-Quads 1.2, 4), as the engine does, or that XML 1.0 cannot carry at all.
_SPECIAL = re.compile('[\\\\"\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x7f": "\\u007F"}

_INTEGER = f'"^^<{PREFIXES["xsd"]}integer>'
_YEAR = f'"^^<{PREFIXES["xsd"]}gYear>'


def literal(text: str) -> str:
    """*text* as a plain literal; what XML 1.0 cannot carry becomes U+FFFD.

    >>> literal('a "b"')
    '"a \\\\"b\\\\""'
    """
    # Nearly every text is printable, which is known faster than a search finds nothing.
    if '"' in text or "\\" in text or not text.isprintable():
        text = _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], "\ufffd"), text)
    return f'"{text}"'


def integer_literal(value: int) -> str:
    """*value* as an xsd:integer literal."""
    return f'"{value}{_INTEGER}'


@lru_cache(maxsize=1000)
def predicate(curie: str) -> str:
    """The IRI of *curie* between angle brackets and spaces, ready to stand between subject and object."""
    return f" <{term(curie)}> "


@lru_cache(maxsize=1000)
def named(curie: str) -> str:
    """The IRI of *curie* between angle brackets."""
    return f"<{term(curie)}>"


class Block:
    """The statements of one document (a resource and its fragments), in the order in which they are added."""

    __slots__ = ("_known", "_lines", "_subject")

    def __init__(self, subject: str) -> None:
        self._known: list[str] = []  # each once
        self._lines: list[str] = []
        self._subject = f"<{subject}>"

    def add(self, lines: Iterable[str]) -> None:
        """Add statements that are written already, each ended by a newline, and like no other before or behind them."""
        if self._lines:
            self._known.extend(dict.fromkeys(self._lines))
            self._lines.clear()
        self._known.extend(lines)

    def about(self, subject: str) -> None:
        """Turn to another subject of the same document."""
        self._subject = f"<{subject}>"

    def iri(self, curie: str, value: str) -> None:
        self._lines.append(f"{self._subject}{predicate(curie)}<{value}> .\n")

    def named(self, curie: str, value: str) -> None:
        """A statement whose object is one of the vocabulary's terms, as a prefixed name."""
        self._lines.append(f"{self._subject}{predicate(curie)}{named(value)} .\n")

    def text(self, curie: str, value: str) -> None:
        self._lines.append(f"{self._subject}{predicate(curie)}{literal(value)} .\n")

    def texts(self, curie: str, values: tuple[str, ...]) -> None:
        for value in values:
            self.text(curie, value)

    def integer(self, curie: str, value: int) -> None:
        self._lines.append(f"{self._subject}{predicate(curie)}{integer_literal(value)} .\n")

    def year(self, curie: str, value: int) -> None:
        self._lines.append(f'{self._subject}{predicate(curie)}"{value:04d}{_YEAR} .\n')

    def lines(self) -> list[str]:
        """One statement a line, each once; those between two calls of `add` are told apart from each other alone."""
        self.add(())
        return self._known
