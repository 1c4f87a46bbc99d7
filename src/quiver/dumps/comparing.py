"""What differs between two sets of parts, document by document, in memory that does not grow with them.

Documents of both sides are dealt out to files by a digest of their path, so that each file can be compared alone. What
both sides hold as the same bytes (a whole part, or a gzip member of one) is left out before it is unpacked.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from quiver.dumps.members import GZIP_ERROR, Member, MemberIndex, unpack_member
from quiver.dumps.parts import read_part
from quiver.errors import DamagedRelease

DIGEST_BYTES: Final = 16
# Text of both sides that is compared at once; three times as much is in memory.
_PARTITION_BYTES: Final = 1 << 24
# Each has a buffer.
_MOST_PARTITIONS: Final = 256
_BUFFER_BYTES: Final = 1 << 17
# A subject and its fragments, which stand together. A blank node ends in a space.
_DOCUMENT: Final = re.compile(rb"([^> #]*)[^\n]*\n(?:\1[># ][^\n]*\n)*")
_LINE: Final = re.compile(rb"[^\n]*\n")
_RECORD: Final = struct.Struct(f"<{DIGEST_BYTES}sBI")
_BEFORE: Final = 0
_NOW: Final = 1


class Held(msgspec.Struct, frozen=True):
    """A part that a release holds: its file, the list of its members, its SHA-256."""

    path: Path
    index: Path
    sha256: str


class Change(msgspec.Struct, frozen=True):
    """A document that is not the same text on both sides: the digest of its path, and its statements on either side.

    A side without any does not have the document. The same statements in another order differ in none.
    """

    digest: bytes
    before: bytes
    now: bytes

    def lines(self) -> tuple[list[bytes], list[bytes]]:
        """The statements removed and those added, each with its newline, in order."""
        before, now = (set(_LINE.findall(text)) for text in (self.before, self.now))
        return sorted(before - now), sorted(now - before)


def path_digest(path: bytes) -> bytes:
    """The digest by which a document's path below the base is known where the path itself is not kept.

    >>> path_digest(b"name/andrew_zhao").hex()
    'e98582b8b2a74c08623d5e06edda6f0c'
    """
    return hashlib.sha256(path).digest()[:DIGEST_BYTES]


def split_documents(text: bytes) -> list[bytes]:
    """The documents that whole lines of N-Quads are made of: runs of statements about a subject and its fragments."""
    return [match[0] for match in _DOCUMENT.finditer(text)]


def part_documents(path: Path) -> Iterator[bytes]:
    """The documents of one part.

    Raises:
        DamagedRelease: it is no gzip file, ends early, or does not end with a line.
    """
    rest = b""
    for chunk in read_part(path):
        text = rest + chunk
        documents = split_documents(text[: text.rfind(b"\n") + 1])
        # The last one may go on in the next piece.
        rest = text[sum(map(len, documents[:-1])) :]
        yield from documents[:-1]
    yield from split_documents(rest)
    if not rest.endswith(b"\n") and rest:
        raise DamagedRelease(f"{path}: its last line has no end", value=str(path))


def unlike_documents(before: list[Held], now: list[Held]) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """The documents of either side, but for those in parts and members that both sides have.

    A document must stand in one member whole, as it does where `PartWriter` had all of it at once.

    Raises:
        DamagedRelease: a part or its list is none.
    """
    alike = {part.sha256 for part in before} & {part.sha256 for part in now}
    sides = [[part for part in side if part.sha256 not in alike] for side in (before, now)]
    found = [{digest for part in side for digest in _members(part)} for side in sides]
    shared = found[0] & found[1]
    first, second = (_unshared(side, shared) for side in sides)
    return first, second


def _members(part: Held) -> Iterator[bytes]:
    return (_digest_of(data) for _, data in _packed(part))


def _digest_of(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _packed(part: Held) -> Iterator[tuple[Member, bytes]]:
    """Each member of a part, and its bytes."""
    with part.path.open("rb") as file:
        for member in MemberIndex.read(part.index).members:
            yield member, file.read(member.size)


def _unshared(parts: list[Held], shared: set[bytes]) -> Iterator[bytes]:
    for part in parts:
        for member, data in _packed(part):
            if _digest_of(data) in shared:
                continue
            try:
                text = unpack_member(data)
            except GZIP_ERROR as error:
                raise DamagedRelease(f"{part.path}: {error}", value=str(part.path)) from error
            if len(text) != member.text_bytes:
                raise DamagedRelease(f"{part.path}: a member ends early", value=str(part.path))
            yield from split_documents(text)


class Side(msgspec.Struct, frozen=True):
    """Documents of one side, and the base below which their paths are."""

    documents: Iterable[bytes]
    base: str


def compare_documents(before: Side, now: Side, folder: Path, text_bytes: int) -> Iterator[Change]:
    """The documents that differ, in order of their digests.

    *folder*, which must not exist, takes what does not fit into memory, and is gone at the end; *text_bytes* is about
    how much text there is. The order does not depend on it.
    """
    partitions = min(_MOST_PARTITIONS, 1 + text_bytes // _PARTITION_BYTES)
    spills = [_Spill(folder / f"{number:03d}", partitions > 1) for number in range(partitions)]
    if partitions > 1:
        folder.mkdir(parents=True)
    for number, side in ((_BEFORE, before), (_NOW, now)):
        base = b"<" + side.base.encode()
        for document in side.documents:
            digest = _digest(document, base)
            spills[int.from_bytes(digest[:2], "big") * partitions >> 16].put(digest, number, document)
    for spill in spills:
        yield from _compare(spill.take())
    if partitions > 1:
        folder.rmdir()


def _digest(document: bytes, base: bytes) -> bytes:
    subject = document[: document.index(b" ")]
    path = subject.rstrip(b">").partition(b"#")[0]
    # A foreign IRI keeps its bracket, which no path has.
    return path_digest(path.removeprefix(base))


def _compare(records: Iterator[tuple[bytes, int, bytes]]) -> Iterator[Change]:
    sides: dict[bytes, tuple[list[bytes], list[bytes]]] = {}
    for digest, number, document in records:
        sides.setdefault(digest, ([], []))[number].append(document)
    for digest in sorted(sides):
        before, now = (b"".join(side) for side in sides[digest])
        if before != now:
            yield Change(digest, before, now)


class _Spill:
    """Documents of one stretch of digests: in memory, or in a file that is written as they come."""

    def __init__(self, path: Path, on_disk: bool) -> None:
        self._path = path
        self._on_disk = on_disk
        self._buffer = bytearray()
        self._kept: list[tuple[bytes, int, bytes]] = []

    def put(self, digest: bytes, side: int, document: bytes) -> None:
        if not self._on_disk:
            self._kept.append((digest, side, document))
            return
        self._buffer += _RECORD.pack(digest, side, len(document))
        self._buffer += document
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        data = zstandard.ZstdCompressor(level=1).compress(self._buffer)
        with self._path.open("ab") as file:
            file.write(len(data).to_bytes(4, "little"))
            file.write(data)
        self._buffer.clear()

    def take(self) -> Iterator[tuple[bytes, int, bytes]]:
        """All that was put, once."""
        if not self._on_disk:
            yield from self._kept
            self._kept.clear()
            return
        if self._path.exists():
            with self._path.open("rb") as file:
                while prefix := file.read(4):
                    data = file.read(int.from_bytes(prefix, "little"))
                    yield from _records(zstandard.ZstdDecompressor().decompress(data))
            self._path.unlink()
        yield from _records(bytes(self._buffer))
        self._buffer.clear()


def _records(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    at = 0
    while at < len(data):
        digest, side, size = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        yield digest, side, data[at : at + size]
        at += size
