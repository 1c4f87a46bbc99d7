"""The difference between two releases, in three forms: an RDF Patch, the added and the removed statements as N-Quads.

All three are lines of N-Quads, with an operation before each in a patch, and in order of the documents' digests. A
patch says of which release it makes which: `prev` and `id` of its header are their IRIs.

Source: RDF Patch, https://afs.github.io/rdf-delta/rdf-patch.html.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from quiver.dumps.comparing import Change
from quiver.dumps.members import pack_member
from quiver.errors import InvalidRecord
from quiver.manifest import PATCH_FORMS

_MEMBER_BYTES: Final = 1 << 17
# So many statements, and half as many again as would do, leave no doubt.
_SAMPLE: Final = 50_000
_TEXTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|<[^<>]*>')


class Ends(msgspec.Struct, frozen=True):
    """The IRIs of the two releases that a patch leads from and to."""

    before: str
    now: str


def patch_lines(changes: Iterable[Change], form: str, ends: Ends) -> Iterator[bytes]:
    """The lines of *changes* in the form named, document by document."""
    if form == "patch":
        yield f"H id <{ends.now}> .\nH prev <{ends.before}> .\nTX .\n".encode()
    for change in changes:
        if text := _text(*change.lines(), form):
            yield text
    if form == "patch":
        yield b"TC .\n"


def _text(removed: list[bytes], added: list[bytes], form: str) -> bytes:
    if form == "added":
        return b"".join(added)
    if form == "removed":
        return b"".join(removed)
    return b"".join([b"D " + line for line in removed] + [b"A " + line for line in added])


def refuse_blank_nodes(changes: Iterable[Change]) -> Iterator[Change]:
    """*changes*, of which none may be about a blank node: in another release the same label means another node.

    Raises:
        InvalidRecord: one is.
    """
    for change in changes:
        for lines in change.lines():
            for line in lines:
                if has_blank_node(line):
                    raise InvalidRecord(
                        "the releases differ in blank nodes, which have no name that both know",
                        value=line.decode("utf-8", "replace"),
                        hint="Compare the dumps with a tool that matches graphs.",
                    )
        yield change


def has_blank_node(line: bytes) -> bool:
    """Whether a statement of N-Quads has a blank node anywhere.

    >>> has_blank_node(b'<s> <p> "_:a" .'), has_blank_node(b"<s> <p> _:a .")
    (False, True)
    """
    return b"_:" in line and b"_:" in _TEXTS.sub(b"", line)


class PatchFile(msgspec.Struct, frozen=True):
    """One form of a patch as written: its form, path, size and SHA-256 as on disk, its statements."""

    form: str
    path: Path
    size: int
    sha256: str
    quads: int


class PatchWriter:
    """Writes all forms of a patch, compressed, into *folder*; nothing at all where it has more than *most* statements.

    A patch with blank nodes is none, see `refuse_blank_nodes`.
    """

    def __init__(self, folder: Path, ends: Ends, most: int) -> None:
        self._most = most
        self._moved = 0
        self._files: dict[str, _Packed] = {}
        folder.mkdir(parents=True)
        for form, (ending, _) in PATCH_FORMS.items():
            self._files[form] = _Packed(folder / f"{form}.{ending.rpartition('.')[2]}.gz")
        self._files["patch"].write(next(patch_lines((), "patch", ends)), 0)

    def note(self, change: Change) -> None:
        """Take note of one document; they come in order of their digests."""
        if not self._files:
            return
        removed, added = change.lines()
        self._moved += len(removed) + len(added)
        if self._is_too_much(change.digest) or any(map(has_blank_node, (*removed, *added))):
            self.drop()
            return
        for form, quads in (("removed", len(removed)), ("added", len(added)), ("patch", len(removed) + len(added))):
            self._files[form].write(_text(removed, added, form), quads)

    def _is_too_much(self, digest: bytes) -> bool:
        """Whether there is too much already, or will be: what came before *digest* is a fair sample of the whole."""
        seen = int.from_bytes(digest[:4], "big") / (1 << 32)
        most = min(self._most, max(_SAMPLE, 1.5 * seen * self._most))
        return self._moved > most

    def drop(self) -> None:
        """Keep nothing."""
        for file in self._files.values():
            file.drop()
        self._files.clear()

    def close(self) -> list[PatchFile]:
        """The files written; none where there is no patch."""
        if self._files:
            self._files["patch"].write(b"TC .\n", 0)
        return [file.close(form) for form, file in self._files.items()]


class _Packed:
    """A file of gzip members."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("xb")
        self._digest = hashlib.sha256()
        self._buffer: list[bytes] = []
        self._pending = self._quads = 0

    def write(self, text: bytes, quads: int) -> None:
        self._buffer.append(text)
        self._pending += len(text)
        self._quads += quads
        if self._pending >= _MEMBER_BYTES:
            self._pack()

    def _pack(self) -> None:
        data = pack_member(b"".join(self._buffer))
        self._file.write(data)
        self._digest.update(data)
        self._buffer.clear()
        self._pending = 0

    def drop(self) -> None:
        self._file.close()
        self._path.unlink()

    def close(self, form: str) -> PatchFile:
        # An empty file is a member of no text.
        if self._pending or not self._file.tell():
            self._pack()
        size = self._file.tell()
        self._file.close()
        return PatchFile(form, self._path, size, self._digest.hexdigest(), self._quads)
