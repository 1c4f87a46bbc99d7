"""Members: a part is many gzip members, and a list of them says in which one a document stands.

So a document can be found in a part, and taken out of it, without reading the rest: what surrounds it is copied as it
is, compressed.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec
from isal import isal_zlib

from quiver.errors import DamagedRelease

_LEVEL: Final = 2
GZIP_ERROR: Final = cast("type[Exception]", isal_zlib.error)  # its stub calls it an instance
FOLDER: Final = "members"


class Member(msgspec.Struct, frozen=True, array_like=True):
    """One gzip member of a part: its size, that of its text, and its statements."""

    size: int
    text_bytes: int
    quads: int


class _Stored(msgspec.Struct, array_like=True):
    members: list[Member]
    hashes: bytes
    places: bytes


class MemberIndex:
    """The members of a part in order, and of each document by a hash of its subject the member that holds it.

    Two subjects may share a hash, so that what is found is to be looked at.
    """

    def __init__(self, members: list[Member], documents: Iterable[tuple[int, int]]) -> None:
        self.members = members
        ordered = sorted(documents)
        self._hashes = array("I", (one for one, _ in ordered))
        self._places = array("I", (place for _, place in ordered))

    @classmethod
    def read(cls, path: Path) -> MemberIndex:
        """The list as `write` left it.

        Raises:
            DamagedRelease: it is none.
        """
        try:
            stored = _DECODER.decode(path.read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            raise DamagedRelease(f"{path}: {error}", value=str(path)) from error
        index = cls(stored.members, ())
        index._hashes.frombytes(stored.hashes)
        index._places.frombytes(stored.places)
        return index

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = _ENCODER.encode(_Stored(self.members, self._hashes.tobytes(), self._places.tobytes()))
        path.write_bytes(data)

    def find(self, subject: bytes) -> set[int]:
        """The numbers of members that may hold the document of *subject* (as `document_of` gives it)."""
        wanted = subject_hash(subject)
        at = bisect_left(self._hashes, wanted)
        found = set()
        while at < len(self._hashes) and self._hashes[at] == wanted:
            found.add(self._places[at])
            at += 1
        return found

    def without(self, members: list[Member], numbers: dict[int, int], gone: Counter[tuple[int, int]]) -> MemberIndex:
        """The list of a part that has *members*, with their new *numbers*, and of what is *gone* so many fewer."""
        left = MemberIndex(members, ())
        for document in self.documents():
            if gone.get(document):
                gone[document] -= 1
                continue
            # In order still: members keep theirs.
            left._hashes.append(document[0])
            left._places.append(numbers[document[1]])
        return left

    def documents(self) -> Iterator[tuple[int, int]]:
        """(hash of the subject, number of the member) of every document."""
        return zip(self._hashes, self._places, strict=True)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Stored)


def subject_hash(subject: bytes) -> int:
    """The hash by which a document is found."""
    return zlib.crc32(subject)


def pack_member(text: bytes) -> bytes:
    """*text* as one gzip member."""
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, 31)
    return compressor.compress(text) + compressor.flush()


def unpack_member(data: bytes) -> bytes:
    """The text of one gzip member."""
    return isal_zlib.decompress(data, 31)


class Remainder(msgspec.Struct, frozen=True):
    """What is left of a part: size, SHA-256 and statements of the new file; the documents taken out of it."""

    size: int
    sha256: str
    quads: int
    text_bytes: int
    documents: list[bytes]


def find_members(index: MemberIndex, subjects: Iterable[bytes]) -> dict[int, list[bytes]]:
    """By number, the members that may hold documents of *subjects*, and which of them."""
    wanted: dict[int, list[bytes]] = {}
    for subject in subjects:
        for number in index.find(subject):
            wanted.setdefault(number, []).append(subject)
    return wanted


def take_out(
    source: Path, index: MemberIndex, wanted: dict[int, list[bytes]], target: Path, target_index: Path
) -> Remainder | None:
    """Write the part *source* without the documents *wanted* to *target*, and its list; None where none was there.

    Raises:
        DamagedRelease: a member that is looked at is none of gzip.
    """
    taken: list[bytes] = []
    changed: dict[int, tuple[bytes, int, int]] = {}
    gone: Counter[tuple[int, int]] = Counter()
    offsets = [0]
    for member in index.members:
        offsets.append(offsets[-1] + member.size)
    with source.open("rb") as file:
        for number, subjects in sorted(wanted.items()):
            file.seek(offsets[number])
            try:
                text = unpack_member(file.read(index.members[number].size))
            except GZIP_ERROR as error:
                raise DamagedRelease(f"{source}: {error}", value=str(source)) from error
            text, documents = _cut(text, subjects)
            if not documents:
                continue
            for subject, document in documents.items():
                taken.append(document)
                gone[subject_hash(subject), number] += 1
            quads = index.members[number].quads - sum(document.count(b"\n") for document in documents.values())
            changed[number] = (pack_member(text) if text else b"", len(text), quads)
        if not taken:
            return None
        return _write(file, index, offsets, changed, gone, target, target_index, taken)


def _write(
    file: BinaryIO,
    index: MemberIndex,
    offsets: list[int],
    changed: dict[int, tuple[bytes, int, int]],
    gone: Counter[tuple[int, int]],
    target: Path,
    target_index: Path,
    taken: list[bytes],
) -> Remainder:
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    members: list[Member] = []
    numbers: dict[int, int] = {}
    with target.open("wb") as output:

        def put(data: bytes) -> None:
            output.write(data)
            digest.update(data)

        at = 0
        for number, member in enumerate(index.members):
            data, text_bytes, quads = changed.get(number, (None, member.text_bytes, member.quads))
            if data is None:
                numbers[number] = len(members)
                members.append(member)
                continue
            file.seek(offsets[at])
            put(file.read(offsets[number] - offsets[at]))
            at = number + 1
            if data:
                put(data)
                numbers[number] = len(members)
                members.append(Member(len(data), text_bytes, quads))
        file.seek(offsets[at])
        put(file.read())
    index.without(members, numbers, gone).write(target_index)
    return Remainder(
        sum(member.size for member in members),
        digest.hexdigest(),
        sum(member.quads for member in members),
        sum(member.text_bytes for member in members),
        taken,
    )


def _cut(text: bytes, subjects: Collection[bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    """*text* without the documents of *subjects*, and those of them that were there."""
    spans = []
    for subject in subjects:
        start = _start_of(text, subject)
        if start is not None:
            end = start
            # The statements of a document stand together: its subject, or a fragment of it.
            while text.startswith((subject + b">", subject + b"#"), end):
                end = text.index(b"\n", end) + 1
            spans.append((start, end, subject))
    spans.sort()
    kept, documents, at = [], {}, 0
    for start, end, subject in spans:
        kept.append(text[at:start])
        documents[subject] = text[start:end]
        at = end
    kept.append(text[at:])
    return b"".join(kept), documents


def _start_of(text: bytes, subject: bytes) -> int | None:
    if text.startswith((subject + b">", subject + b"#")):
        return 0
    ends = [at for end in (b">", b"#") if (at := text.find(b"\n" + subject + end)) >= 0]
    return min(ends) + 1 if ends else None


def join_parts(sources: Collection[tuple[Path, MemberIndex]], target: Path, target_index: Path) -> tuple[int, str, int]:
    """Write parts one after the other as one, and its list; its size, SHA-256 and statements."""
    digest = hashlib.sha256()
    members: list[Member] = []
    documents: list[tuple[int, int]] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as output:
        for path, index in sources:
            data = path.read_bytes()
            output.write(data)
            digest.update(data)
            documents.extend((one, place + len(members)) for one, place in index.documents())
            members.extend(index.members)
        size = output.tell()
    MemberIndex(members, documents).write(target_index)
    return size, digest.hexdigest(), sum(member.quads for member in members)


def index_path(folder: Path, part: str) -> Path:
    """Where the list of members of *part* (its path below *folder*) is kept."""
    return folder / FOLDER / os.path.relpath(part, "parts")
