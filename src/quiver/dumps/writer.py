"""A whole release as one stream, in any RDF syntax, plain or compressed.

The parts are N-Quads text already, so that syntax goes out at the speed of the disk; N-Triples is the same text where
all facts are in the default graph. The other syntaxes pass the engine's serialiser, document by document.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyoxigraph
import zstandard
from isal import igzip

from quiver.dumps.parts import PartsFile, read_lines, read_part
from quiver.errors import UnknownFormat
from quiver.namespaces import PREFIXES


@dataclass(frozen=True, slots=True)
class DumpFormat:
    """A syntax of dumps: name (also the extension), label, the engine's format, and whether it holds named graphs."""

    name: str
    label: str
    engine: pyoxigraph.RdfFormat
    graphs: bool


DUMP_FORMATS: Final[dict[str, DumpFormat]] = {
    row.name: row
    for row in (
        DumpFormat("nq", "N-Quads", pyoxigraph.RdfFormat.N_QUADS, True),
        DumpFormat("nt", "N-Triples", pyoxigraph.RdfFormat.N_TRIPLES, False),
        DumpFormat("ttl", "Turtle", pyoxigraph.RdfFormat.TURTLE, False),
        DumpFormat("trig", "TriG", pyoxigraph.RdfFormat.TRIG, True),
        DumpFormat("rdf", "RDF/XML", pyoxigraph.RdfFormat.RDF_XML, False),
        DumpFormat("jsonld", "JSON-LD", pyoxigraph.RdfFormat.JSON_LD, True),
    )
}


class _Uncloseable(io.BufferedIOBase):
    """Passes writes on; the engine's serialiser may close what it is given, and must not close standard output."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._target.write(cast(bytes, data))


def write_dump(
    parts: Sequence[Path],
    output: BinaryIO,
    format_name: str = "nq",
    *,
    compression: str = "",
    advanced: Callable[[int], None] | None = None,
) -> None:
    """Write what *parts* hold to *output* in the format named; *compression* is empty, "gz" or "zst".

    *advanced* is told the bytes of N-Quads text read so far.

    Raises:
        UnknownFormat: there is no such format or compression, or the release has named graphs and the format has none.
    """
    try:
        dump_format = DUMP_FORMATS[format_name]
    except KeyError:
        raise UnknownFormat(
            f"no dump format {format_name!r}", value=format_name, hint=f"There are: {', '.join(DUMP_FORMATS)}."
        ) from None
    if dump_format.name == "nq" and compression == "gz":
        _concatenate(parts, output, advanced)
    else:
        with compressing(output, compression) as stream:
            _write_plain(parts, stream, dump_format, advanced)


@contextlib.contextmanager
def compressing(output: BinaryIO, compression: str) -> Iterator[BinaryIO]:
    """What writes to *output*, plain where *compression* is empty, else as "gz" or "zst".

    Raises:
        UnknownFormat: there is no such compression.
    """
    if compression == "":
        yield output
    elif compression == "gz":
        with igzip.IGzipFile(fileobj=output, mode="wb", compresslevel=2, mtime=0) as packed:  # type: ignore[no-untyped-call]
            yield cast(BinaryIO, packed)
    elif compression == "zst":
        with zstandard.ZstdCompressor(level=3).stream_writer(output, closefd=False) as squeezed:
            yield cast(BinaryIO, squeezed)
    else:
        raise UnknownFormat(f"no compression {compression!r}", value=compression, hint="There are gz and zst.")


def _concatenate(parts: Sequence[Path], output: BinaryIO, advanced: Callable[[int], None] | None) -> None:
    """Gzip members one after the other are one gzip file (RFC 1952, 2.2)."""
    total = 0
    for path in parts:
        data = path.read_bytes()
        output.write(data)
        total += len(data)
        if advanced:
            advanced(total)


def _write_plain(
    parts: Sequence[Path], output: BinaryIO, dump_format: DumpFormat, advanced: Callable[[int], None] | None
) -> None:
    if dump_format.name == "nq":
        total = 0
        for path in parts:
            for chunk in read_part(path):
                output.write(chunk)
                total += len(chunk)
                if advanced:
                    advanced(total)
        return
    if dump_format.name == "nt":
        for path in parts:
            for line in read_lines(path):
                if _has_graph(line):
                    raise _no_graphs(dump_format)
                output.write(line)
        return
    quads = pyoxigraph.parse(input=cast("BinaryIO", PartsFile(parts, advanced)), format=pyoxigraph.RdfFormat.N_QUADS)
    target = cast(BinaryIO, _Uncloseable(output))
    if dump_format.graphs:
        pyoxigraph.serialize(quads, target, dump_format.engine, prefixes=PREFIXES)
    else:
        pyoxigraph.serialize(_triples(quads, dump_format), target, dump_format.engine, prefixes=PREFIXES)


def _triples(quads: Iterator[pyoxigraph.Quad], dump_format: DumpFormat) -> Iterator[pyoxigraph.Triple]:
    for quad in quads:
        if not isinstance(quad.graph_name, pyoxigraph.DefaultGraph):
            raise _no_graphs(dump_format)
        yield quad.triple


def _has_graph(line: bytes) -> bool:
    """Whether a statement of N-Quads names a graph: an IRI or a blank node stands behind its object."""
    rest = line.split(b" ", 2)[2]
    if rest.startswith((b"<", b"_")) and not rest.startswith(b"<<"):
        return rest.count(b" ") > 1
    if rest.startswith(b'"'):
        tail = rest[rest.rindex(b'"') + 1 :]
        return tail.count(b" ") > 1
    return not rest.rstrip(b" .\n").endswith(b")>>")


def _no_graphs(dump_format: DumpFormat) -> UnknownFormat:
    return UnknownFormat(
        f"the release has named graphs, which {dump_format.label} cannot hold",
        value=dump_format.name,
        hint="Use nq or trig.",
    )
