"""Tables: sorted files of key and value in compressed blocks, of which a few keys are read without the rest.

A table is a set of files in one folder. The first generation is written by a build, one file a share of the keys; each
later release adds a generation of what changed, which goes before the older ones. An empty value says that the key is
no more. A file's name says it all: generation, share, number of shares.
"""

from __future__ import annotations

import heapq
import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import zstandard

from quiver.derive import share_of
from quiver.errors import DamagedRelease

_BLOCK_BYTES: Final = 1 << 15
_LEVEL: Final = 1
_LENGTHS: Final = struct.Struct("<II")
_TAIL: Final = struct.Struct("<Q8s")
_MAGIC: Final = b"qvtable1"
_ENDING: Final = ".table"
# More small generations than this are joined into one.
_MOST_GENERATIONS: Final = 8


class _Block(msgspec.Struct, frozen=True, array_like=True):
    first: str
    offset: int
    size: int


_INDEX_ENCODER: Final = msgspec.msgpack.Encoder()
_INDEX_DECODER: Final = msgspec.msgpack.Decoder(list[_Block])


def table_path(folder: Path, generation: int, share: int, shares: int) -> Path:
    """The file of one share of a generation."""
    return folder / f"{generation:06d}-{share:06d}-{shares:06d}{_ENDING}"


class TableWriter:
    """Writes one file of a table; keys come in order, each once. The file exists only if there are any."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._blocks: list[_Block] = []
        self._buffer = bytearray()
        self._first = ""
        self._offset = 0

    def write(self, key: str, value: bytes) -> None:
        if not self._buffer:
            self._first = key
        name = key.encode("utf-8", "surrogatepass")
        self._buffer += _LENGTHS.pack(len(name), len(value))
        self._buffer += name
        self._buffer += value
        if len(self._buffer) >= _BLOCK_BYTES:
            self._pack()

    def _pack(self) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        data = self._compressor.compress(self._buffer)
        self._file.write(data)
        self._blocks.append(_Block(self._first, self._offset, len(data)))
        self._offset += len(data)
        self._buffer.clear()

    def close(self) -> None:
        if self._buffer:
            self._pack()
        if self._file is not None:
            index = self._compressor.compress(_INDEX_ENCODER.encode(self._blocks))
            self._file.write(index)
            self._file.write(_TAIL.pack(len(index), _MAGIC))
            self._file.close()


class _TableFile:
    """One file of a table, opened for reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        generation, share, shares = path.name.removesuffix(_ENDING).split("-")
        self.generation, self.share, self.shares = int(generation), int(share), int(shares)
        self._blocks: list[_Block] | None = None
        self._firsts: list[str] = []

    def _open(self) -> list[_Block]:
        if self._blocks is None:
            with self._path.open("rb") as file:
                try:
                    file.seek(-_TAIL.size, os.SEEK_END)
                    size, magic = _TAIL.unpack(file.read(_TAIL.size))
                    if magic != _MAGIC:
                        raise ValueError("its end is not that of a table")
                    file.seek(-_TAIL.size - size, os.SEEK_END)
                    blocks = _INDEX_DECODER.decode(_unpack(file.read(size)))
                except (OSError, ValueError, zstandard.ZstdError) as error:
                    raise self._damaged(error) from error
            # In this order: another thread goes by `_blocks`.
            self._firsts = [block.first for block in blocks]
            self._blocks = blocks
        return self._blocks

    def get(self, keys: list[str]) -> Iterator[tuple[str, bytes]]:
        """Those of *keys*, which are in order, that the file holds."""
        blocks = self._open()
        wanted: dict[int, set[str]] = {}
        for key in keys:
            number = bisect_right(self._firsts, key) - 1
            if number >= 0:
                wanted.setdefault(number, set()).add(key)
        with self._path.open("rb") as file:
            for number, some in wanted.items():
                for key, value in _entries(self._text(file, blocks[number])):
                    if key in some:
                        yield key, value

    def entries(self) -> Iterator[tuple[str, bytes]]:
        with self._path.open("rb") as file:
            for block in self._open():
                yield from _entries(self._text(file, block))

    def _text(self, file: BinaryIO, block: _Block) -> bytes:
        file.seek(block.offset)
        try:
            return _unpack(file.read(block.size))
        except zstandard.ZstdError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DamagedRelease:
        return DamagedRelease(f"{self._path}: {error}", value=str(self._path))


def _unpack(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


def _entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(data):
        name, value = _LENGTHS.unpack_from(data, at)
        at += _LENGTHS.size
        yield data[at : at + name].decode("utf-8", "surrogatepass"), data[at + name : at + name + value]
        at += name + value


class Table:
    """All generations of a table in one folder, which need not exist; *share_key* is what keys are dealt out by."""

    def __init__(self, folder: Path, share_key: Callable[[str], str] = str) -> None:
        self._share_key = share_key
        paths = sorted(folder.glob(f"*{_ENDING}"), reverse=True) if folder.is_dir() else []
        self._files = [_TableFile(path) for path in paths]

    def get(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Those of *keys* that the table holds, with their values."""
        found: dict[str, bytes] = {}
        missing = sorted(set(keys))
        for generation in sorted({file.generation for file in self._files}, reverse=True):
            files = [file for file in self._files if file.generation == generation]
            shares: dict[int, list[str]] = {}
            for key in missing:
                shares.setdefault(share_of(self._share_key(key), files[0].shares), []).append(key)
            for file in files:
                if file.share in shares:
                    found.update(file.get(shares[file.share]))
            missing = [key for key in missing if key not in found]
        return {key: value for key, value in found.items() if value}

    @property
    def shares(self) -> int:
        """Into how many shares the keys of the first generation are dealt; 0 where there is none."""
        return self._files[-1].shares if self._files else 0

    def entries(self, share: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Every key with its newest value, in order of keys; of one share of the first generation, or of all."""
        files, last = self._files, None
        if files and share is not None:
            first = files[-1].generation
            files = [file for file in files if file.generation != first or file.share == share]
        for key, _, value in heapq.merge(*map(_dated, files)):
            mine = share is None or share_of(self._share_key(key), self.shares) == share
            if key != last and value and mine:
                yield key, value
            last = key


def read_table(path: Path) -> Iterator[tuple[str, bytes]]:
    """All that one file of a table holds, also what a later generation has put something else in the place of."""
    return _TableFile(path).entries()


def _dated(file: _TableFile) -> Iterator[tuple[str, int, bytes]]:
    return ((key, -file.generation, value) for key, value in file.entries())


def join_generations(folder: Path) -> list[Path]:
    """Join all generations but the first where there are too many; the files that are no longer needed."""
    files = [_TableFile(path) for path in sorted(folder.glob(f"*{_ENDING}"))]
    first = min((file.generation for file in files), default=0)
    later = [file for file in files if file.generation != first]
    generations = {file.generation for file in later}
    if len(generations) <= _MOST_GENERATIONS:
        return []
    # A name of its own until it is whole: one of the files that it replaces has that name.
    target = table_path(folder, max(generations), 0, 1)
    pending = target.with_suffix(".pending")
    writer = TableWriter(pending)
    last = None
    for key, _, value in heapq.merge(*map(_dated, later)):
        if key != last:
            writer.write(key, value)
        last = key
    writer.close()
    replaced = [file._path for file in later]
    for path in replaced:
        path.unlink()
    pending.rename(target)
    return replaced
