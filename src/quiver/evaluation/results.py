"""Results as they are written: rows counted, caps enforced, short ones kept in memory, long ones in an unnamed file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final, cast
from xml.parsers import expat

import pyoxigraph

from quiver.errors import NotAcceptable, ResultTooLarge
from quiver.negotiation import CSV, JSON, JSONLD, NQUADS, NTRIPLES, RDFXML, TRIG, TSV, TURTLE, XML

INLINE_BYTES: Final = 64 * 1024
_DUMPS: Final = (
    "Ask for less (LIMIT, fewer variables), page by ORDER BY, LIMIT and OFFSET, or take the dump at /dumps/."
)

XML_FORMATS: Final = frozenset({XML.name, RDFXML.name})
RESULT_FORMATS: Final = {
    JSON.name: pyoxigraph.QueryResultsFormat.JSON,
    XML.name: pyoxigraph.QueryResultsFormat.XML,
    CSV.name: pyoxigraph.QueryResultsFormat.CSV,
    TSV.name: pyoxigraph.QueryResultsFormat.TSV,
}
GRAPH_FORMATS: Final = {
    TURTLE.name: pyoxigraph.RdfFormat.TURTLE,
    NTRIPLES.name: pyoxigraph.RdfFormat.N_TRIPLES,
    NQUADS.name: pyoxigraph.RdfFormat.N_QUADS,
    TRIG.name: pyoxigraph.RdfFormat.TRIG,
    RDFXML.name: pyoxigraph.RdfFormat.RDF_XML,
    JSONLD.name: pyoxigraph.RdfFormat.JSON_LD,
}


# Syntaxes of graphs in which a triple is a line: triples are counted as they pass, and need no Python object each.
LINE_FORMATS: Final = frozenset((NTRIPLES.name, NQUADS.name))


class RowCounter:
    """Solutions or triples in a serialised result, counted as it passes by the mark that begins or ends each."""

    # Exact: a mark cannot occur inside a value, where `"`, `<`, tab and line feed are escaped. In JSON a row without a
    # single binding, `{}`, is not counted.
    _MARKS: Final[dict[str, tuple[tuple[bytes, ...], int]]] = {
        JSON.name: ((b',{"', b'[{"'), 0),
        XML.name: ((b"<result>",), 0),
        TSV.name: ((b"\n",), -1),
        NTRIPLES.name: ((b"\n",), 0),
        NQUADS.name: ((b"\n",), 0),
    }

    def __init__(self, format_name: str) -> None:
        self._is_csv = format_name == CSV.name
        self._marks, self._offset = ((), -1) if self._is_csv else self._MARKS[format_name]
        self._overlap = max(map(len, self._marks), default=1) - 1
        self._tail = b""
        self._in_quotes = False
        self._seen = 0

    @property
    def rows(self) -> int:
        return max(self._seen + self._offset, 0)

    def add(self, data: bytes) -> None:
        if self._is_csv:
            parts = data.split(b'"')
            self._seen += sum(part.count(b"\n") for part in parts[1 if self._in_quotes else 0 :: 2])
            self._in_quotes ^= len(parts) % 2 == 0
            return
        joined = self._tail + data
        self._seen += sum(map(joined.count, self._marks))
        self._tail = joined[-self._overlap :] if self._overlap else b""


class XmlGuard:
    """XML as it passes: made what the engine meant, and refused where no XML can say it.

    The engine (pyoxigraph 0.5.13) writes every character as it is. XML cannot hold control characters, nor RDF/XML a
    predicate that does not end in a name; a carriage return has to be written as a reference, or it would be
    read as a line feed.
    """

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")

    def pass_on(self, data: bytes) -> bytes:
        """What is to be written for *data*.

        Raises:
            NotAcceptable: the text so far cannot go on to be XML.
        """
        data = data.replace(b"\r", b"&#xD;")
        self._parse(data, is_final=False)
        return data

    def finish(self) -> None:
        self._parse(b"", is_final=True)

    def _parse(self, data: bytes, *, is_final: bool) -> None:
        try:
            self._parser.Parse(data, is_final)
        except expat.ExpatError as error:
            raise NotAcceptable(
                f"The result holds what XML cannot carry, such as a control character ({error}).",
                hint="Ask for JSON, CSV or TSV; for a graph, ask for Turtle or N-Triples.",
            ) from None


class Sink:
    """A binary file that a result is written to.

    `write` raises `ResultTooLarge` at a cap, and what *guard* raises; the engine then stops evaluating.
    """

    def __init__(
        self,
        directory: str,
        max_bytes: int,
        max_rows: int,
        counter: RowCounter | None = None,
        guard: XmlGuard | None = None,
    ) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._max_rows = max_rows
        self._counter = counter
        self._guard = guard
        self._parts: list[bytes] = []
        self._file: BinaryIO | None = None
        self.size = 0

    @property
    def rows(self) -> int | None:
        return self._counter.rows if self._counter else None

    def write(self, data: bytes) -> int:
        taken = len(data)
        if self._guard:
            data = self._guard.pass_on(data)
        self.size += len(data)
        if self.size > self._max_bytes:
            raise ResultTooLarge(
                f"The result is larger than {self._max_bytes:,} bytes.", value=self._max_bytes, hint=_DUMPS
            )
        if self._counter:
            self._counter.add(data)
            if self._counter.rows > self._max_rows:
                raise too_many_rows(self._max_rows)
        if self._file is None and self.size > INLINE_BYTES:
            # On Linux a file that never has a name.
            self._file = cast(BinaryIO, tempfile.TemporaryFile(dir=self._directory))  # noqa: SIM115 - closed by __exit__
            self._file.writelines(self._parts)
            self._parts.clear()
        if self._file is None:
            self._parts.append(bytes(data))
        else:
            self._file.write(data)
        return taken

    def flush(self) -> None:
        """For the engine, which ends by it."""

    def finish(self) -> tuple[bytes, BinaryIO | None]:
        """The whole result: as bytes, or as a file at its beginning, which is then the caller's to close.

        Raises:
            NotAcceptable: it is no XML where it should be.
        """
        if self._guard:
            self._guard.finish()
        file, self._file = self._file, None
        if file is not None:
            file.flush()
            file.seek(0)
        return b"".join(self._parts), file

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


class CappedTriples(Iterator[pyoxigraph.Triple]):
    """The triples of *source*, counted in `rows`; `ResultTooLarge` after *max_rows*."""

    def __init__(self, source: Iterable[pyoxigraph.Triple], max_rows: int) -> None:
        self._next: Callable[[], pyoxigraph.Triple] = iter(source).__next__
        self._max_rows = max_rows
        self.rows = 0

    def __next__(self) -> pyoxigraph.Triple:
        triple = self._next()
        self.rows += 1
        if self.rows > self._max_rows:
            raise too_many_rows(self._max_rows)
        return triple


def too_many_rows(max_rows: int) -> ResultTooLarge:
    return ResultTooLarge(f"The result has more than {max_rows:,} rows.", value=max_rows, hint=_DUMPS)
