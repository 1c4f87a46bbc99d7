"""Parts: compressed N-Quads, written once, that load the store, are the dump and carry the content hash.

A part is a gzip file of many members (see `members`); parts simply concatenate. The content hash of a release is the
sum, modulo 2**128, of a hash of each document's statements (a document is a resource with its fragments): it depends on
no order, and needs no sort.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from isal import igzip

from quiver.dumps.members import GZIP_ERROR, Member, MemberIndex, index_path, pack_member, subject_hash
from quiver.errors import DamagedRelease

Line = TypeVar("Line", bytes, str)

_CHUNK_BYTES: Final = 1 << 20
# Text of one gzip member: half as much costs 4 % more disk, twice as much gains 2 %.
_MEMBER_BYTES: Final = 1 << 17
_MODULUS: Final = 1 << 128
_CHUNKS_AHEAD: Final = 8


class Part(msgspec.Struct, frozen=True):
    """One part as written: its path, size and SHA-256 as on disk, its statements, their text in bytes, their hash."""

    path: str
    size: int
    sha256: str
    quads: int
    text_bytes: int
    content: int


def content_of(block: bytes) -> int:
    """The hash of one document's statements, to be summed."""
    return int.from_bytes(hashlib.blake2b(block, digest_size=16).digest(), "big")


def sum_content(contents: Iterable[int]) -> int:
    """The content hash of all together."""
    return sum(contents) % _MODULUS


def format_content(content: int) -> str:
    """The content hash as 32 hex digits."""
    return f"{content:032x}"


class PartWriter:
    """Writes one part, document by document: *name* is its path below the release's *folder*."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._index = index_path(folder, name)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("wb")
        self._sha256 = hashlib.sha256()
        self._buffer: list[bytes] = []
        self._members: list[Member] = []
        self._documents: list[tuple[int, int]] = []
        self._pending = self._pending_quads = self._content = 0

    def write(self, lines: Sequence[str]) -> None:
        """Add one document: its statements, each a line."""
        block = "".join(lines).encode("utf-8")
        self._content += content_of(block)
        self._documents.append((subject_hash(document_of(block[: block.index(b" ")])), len(self._members)))
        self._pending_quads += len(lines)
        self._buffer.append(block)
        self._pending += len(block)
        if self._pending >= _MEMBER_BYTES:
            self._pack()

    def _pack(self) -> None:
        if not self._pending:
            return
        data = pack_member(b"".join(self._buffer))
        self._file.write(data)
        self._sha256.update(data)
        self._members.append(Member(len(data), self._pending, self._pending_quads))
        self._buffer.clear()
        self._pending = self._pending_quads = 0

    def close(self) -> Part | None:
        """The part, flushed to the file; None, and no file, where nothing was written."""
        self._pack()
        self._file.close()
        if not self._members:
            self._path.unlink()
            return None
        MemberIndex(self._members, self._documents).write(self._index)
        return Part(
            str(self._path),
            sum(member.size for member in self._members),
            self._sha256.hexdigest(),
            sum(member.quads for member in self._members),
            sum(member.text_bytes for member in self._members),
            self._content % _MODULUS,
        )


def read_part(path: Path) -> Iterator[bytes]:
    """The N-Quads text of one part, piece by piece.

    Raises:
        DamagedRelease: it is no gzip file, or ends early.
    """
    try:
        with igzip.open(path, "rb") as file:  # type: ignore[no-untyped-call]
            while data := file.read(_CHUNK_BYTES):
                yield data
    except (EOFError, igzip.BadGzipFile, GZIP_ERROR) as error:
        raise DamagedRelease(f"{path}: {error}", value=str(path)) from error


def document_of(line: Line) -> Line:
    """The subject of a statement without its fragment: what makes statements one document."""
    subject = line.split(None, 1)[0]
    if isinstance(subject, bytes):
        return subject.rstrip(b">").partition(b"#")[0]
    return subject.rstrip(">").partition("#")[0]


def read_documents(path: Path) -> Iterator[list[bytes]]:
    """The lines of one part, a list a document: a subject and its fragments."""
    current: bytes | None = None
    lines: list[bytes] = []
    for line in read_lines(path):
        subject = document_of(line)
        if subject != current and lines:
            yield lines
            lines = []
        current = subject
        lines.append(line)
    if lines:
        yield lines


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of one part, each with its newline."""
    rest = b""
    for chunk in read_part(path):
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            yield piece + b"\n"
    if rest:
        yield rest


class PartsFile:
    """Several parts as one readable file, for the bulk loader; *advanced* is told the bytes handed out so far.

    A thread takes *paths* as they come and unpacks ahead, since the loader parses in the thread that reads.
    """

    def __init__(self, paths: Iterable[Path], advanced: Callable[[int], None] | None = None) -> None:
        self._paths = paths
        self._ahead: queue.Queue[bytes | Exception] = queue.Queue(_CHUNKS_AHEAD)
        self._rest = memoryview(b"")
        self._advanced = advanced
        self._total = 0
        self._ended = False
        threading.Thread(target=self._unpack, daemon=True).start()

    def _unpack(self) -> None:
        try:
            for path in self._paths:
                for chunk in read_part(path):
                    if chunk:
                        self._ahead.put(chunk)
        except (OSError, DamagedRelease) as error:
            self._ahead.put(error)
        self._ahead.put(b"")

    def read(self, size: int = -1) -> bytes:
        """At most *size* bytes; fewer only at the end of a piece, none at the end of all.

        Raises:
            DamagedRelease: a part is damaged.
        """
        if not self._rest and not self._ended:
            chunk = self._ahead.get()
            if isinstance(chunk, Exception):
                raise chunk
            self._ended = not chunk
            self._rest = memoryview(chunk)
            self._total += len(chunk)
            if self._advanced:
                self._advanced(self._total)
        piece = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(piece) :]
        return bytes(piece)
