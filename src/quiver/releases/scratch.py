"""Scratch: storage that all workers of an executor see, for what tasks hand over to those of the next step.

What a task wrote is one file here, a bundle: its files one after the other. Its name holds the hash of its content and
it appears in one step, so that a task that runs twice, since the worker of its first run was lost or only seemed to
be, writes the same file again, and nobody ever reads a piece of one.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from quiver.errors import ConversionFailed
from quiver.storage import chunks_of, filesystem, is_url, make_folder, put, reaching

# Names a file that is there for as long as the scratch at an URL is used. An object store has no folder that could be
# gone: who puts a bundle looks afterwards, and takes it back where this file is gone, which is removed before all else.
_IN_USE: Final = "in-use"


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of a bundle."""

    bundle: str
    offset: int
    length: int


class Scratch(Protocol):
    """A folder of bundles, used by one command and gone when that ends."""

    def make(self) -> None:
        """Make the folder. No task does: what comes when all is over is to find none."""

    def put(self, stem: str, files: Sequence[Path]) -> str:
        """Write *files*, one after the other, as one bundle; its name, which begins with *stem*."""

    def get(self, pieces: Sequence[Piece]) -> Iterator[bytes]:
        """The bytes of each of *pieces*.

        Raises:
            ConversionFailed: a bundle is not there, or ends early.
        """

    def remove(self) -> None:
        """Remove everything."""


def open_scratch(place: str) -> Scratch:
    """The scratch at *place*, a folder or an URL.

    Raises:
        StorageUnavailable, MissingExtra: the URL cannot be reached.
    """
    return _AtUrl(place) if is_url(place) else _InFolder(Path(place))


def _chunks(files: Sequence[Path]) -> Iterator[bytes]:
    for path in files:
        yield from chunks_of(path)


def _name(stem: str, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for data in _chunks(files):
        digest.update(data)
    return f"{stem}-{digest.hexdigest()[:24]}"


def _whole(piece: Piece, data: bytes) -> bytes:
    if len(data) != piece.length:
        raise ConversionFailed(
            f"the bundle {piece.bundle} ends early: {len(data):,} of {piece.length:,} bytes", value=piece.bundle
        )
    return data


class _InFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def put(self, stem: str, files: Sequence[Path]) -> str:
        name = _name(stem, files)
        if not (self._folder / name).exists():
            put(_chunks(files), self._folder / name)
        return name

    def get(self, pieces: Sequence[Piece]) -> Iterator[bytes]:
        for piece in pieces:
            try:
                with (self._folder / piece.bundle).open("rb") as file:
                    file.seek(piece.offset)
                    data = file.read(piece.length)
            except OSError as error:
                raise ConversionFailed(
                    f"{error.filename}: {error.strerror}",
                    value=str(self._folder),
                    hint="Every worker has to see the scratch folder under this path; the setting scratch names it.",
                ) from error
            yield _whole(piece, data)

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class _AtUrl:
    def __init__(self, url: str) -> None:
        self._url = url
        self._system, self._folder = filesystem(url)

    def make(self) -> None:
        make_folder(self._url)
        put([b""], f"{self._url}/{_IN_USE}")

    def put(self, stem: str, files: Sequence[Path]) -> str:
        name = _name(stem, files)
        path = f"{self._folder}/{name}"
        with reaching(self._url):
            there = self._system.exists(path)
        if not there:
            put(_chunks(files), f"{self._url}/{name}")
            with reaching(self._url):
                self._system.invalidate_cache()
                if not self._system.exists(f"{self._folder}/{_IN_USE}"):
                    self._system.rm(path, recursive=False)
                    raise FileNotFoundError
        return name

    def get(self, pieces: Sequence[Piece]) -> Iterator[bytes]:
        # A range of no bytes is one that HTTP cannot ask for.
        asked = [piece for piece in pieces if piece.length]
        paths = [f"{self._folder}/{piece.bundle}" for piece in asked]
        starts = [piece.offset for piece in asked]
        ends = [piece.offset + piece.length for piece in asked]
        with reaching(self._url):
            found = iter(self._system.cat_ranges(paths, starts, ends, on_error="raise"))
        for piece in pieces:
            yield _whole(piece, bytes(next(found))) if piece.length else b""

    def remove(self) -> None:
        with reaching(self._url):
            self._system.invalidate_cache()
            if self._system.exists(f"{self._folder}/{_IN_USE}"):
                self._system.rm(f"{self._folder}/{_IN_USE}", recursive=False)
                self._system.invalidate_cache()
            if self._system.exists(self._folder):
                self._system.rm(self._folder, recursive=True)
