"""Papers as files for reference managers: one paper or many, written piece by piece in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from quiver.negotiation import BIBTEX, CSL, RIS, Format
from quiver.web.citations import Citation, citation_key, cite, to_bibtex, to_csl, to_ris
from quiver.web.graph import Facts, Graph

# The most papers of one file; `page=` leads to those behind them.
EXPORT_LIMIT: Final = 100_000
# Papers whose facts are asked for together, where each question costs a way to another machine.
_AT_ONCE: Final = 50
_PIECE_CHARACTERS: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Export:
    """A file format for references: `write` makes the text of one from its citation, its key in the file and a note.

    `start`, `between` and `end` stand around the references of a file.
    """

    format: Format
    write: Callable[[Citation, str, str], str]
    start: str = ""
    between: str = ""
    end: str = ""

    @property
    def media_type(self) -> str:
        return self.format.media_type

    @property
    def label(self) -> str:
        return self.format.label


# Extension -> format, in the order in which pages offer them.
EXPORTS: Final[dict[str, Export]] = {
    BIBTEX.extension: Export(BIBTEX, to_bibtex, between="\n"),
    RIS.extension: Export(RIS, to_ris, between="\r\n"),
    CSL.extension: Export(CSL, to_csl, start="[\n", between=",\n", end="\n]\n"),
}


class Keys:
    """Gives each reference of one file a key of its own; the second of a kind gets a suffix."""

    def __init__(self) -> None:
        # Each key, and the number of the last suffix tried for it.
        self._given: dict[str, int] = {}

    def key(self, citation: Citation) -> str:
        """The citation's key, with the first of the suffixes b, c ... z, aa ... that makes it new.

        >>> keys = Keys()
        >>> [keys.key(Citation(title="Zero", year="2025")) for _ in range(3)]
        ['2025zero', '2025zerob', '2025zeroc']
        """
        plain = key = citation_key(citation)
        # BibTeX takes keys that differ in letter case alone for a mistake. None is given back, so that the search for
        # a suffix goes on where it ended: papers without names may have one key by the thousand.
        number = self._given.get(plain.casefold(), 1)
        while key.casefold() in self._given:
            number += 1
            key = plain + _letters(number)
        self._given[key.casefold()] = 1
        self._given[plain.casefold()] = number
        return key


def _letters(number: int) -> str:
    """a to z, aa, ab ... for numbers from 1."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def export_papers(graph: Graph, iris: Sequence[str], extension: str, note: str = "") -> Iterator[str]:
    """The file of these papers in the format of *extension*, a key of `EXPORTS`, as pieces of some kilobytes.

    *note*, if there is one, is said with the last paper: where a list goes on behind its end, say. Pieces may be asked
    for in any thread: nothing of the store stays open between them.
    """
    export = EXPORTS[extension]
    keys = Keys()
    facts: dict[str, Facts] = {}
    piece = [export.start]
    size = 0
    for number, iri in enumerate(iris, 1):
        # Pages that wait for the interpreter would get it every 5 ms alone (measured beside an export: 60, not 120 ms).
        time.sleep(0)
        if (number - 1) % _AT_ONCE == 0:
            facts = graph.about_all(iris[number - 1 : number - 1 + _AT_ONCE])
        citation = cite(graph, iri, facts[iri])
        text = export.write(citation, keys.key(citation), note if number == len(iris) else "")
        piece += [export.between, text] if number > 1 else [text]
        size += len(text)
        if size >= _PIECE_CHARACTERS:
            yield "".join(piece)
            piece, size = [], 0
    yield "".join([*piece, export.end])
