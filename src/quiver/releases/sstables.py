"""The files of the engine's store, decoded: every block of a sorted-string table, decompressed.

A dump of a store shows what is alive in it; this shows the files themselves, as RocksDB's BlockBasedTable format has
them (versions 2 to 7; the engine writes 5 and 7, compressed by LZ4 from the third level on).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import lz4.block  # type: ignore[import-untyped]

from quiver.errors import DamagedRelease

_MAGIC: Final = bytes.fromhex("f7cff485b741e288")
_FOOTER: Final = 53
_NONE, _LZ4, _LZ4HC = 0, 4, 5
_INDEX: Final = b"rocksdb.index"
_PROPERTIES: Final = b"rocksdb.properties"
_TRAILER: Final = 5
# A block whose entries are found by a hash as well has this in its last number, and its buckets before that.
_HASHED: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Entry:
    """One key and its value."""

    key: bytes
    value: bytes


class SortedTable:
    """One `.sst` file."""

    def __init__(self, path: Path) -> None:
        """Open the file at *path*.

        Raises:
            DamagedRelease: it is no table of a version known here.
        """
        self._path = path
        self._data = path.read_bytes()
        footer = self._data[-_FOOTER:]
        if len(footer) < _FOOTER or footer[-8:] != _MAGIC:
            raise self._unknown("its end is not that of a table")
        (self.version,) = struct.unpack("<I", footer[-12:-8])
        if not 2 <= self.version <= 7:
            raise self._unknown(f"format version {self.version}")
        meta = self._meta_block(footer)
        handles = {entry.key: _handle(entry.value) for entry in entries(meta)}
        self._index = handles.get(_INDEX) or _handle(footer[1:], skip=1)
        self._properties = handles.get(_PROPERTIES)

    def _unknown(self, what: str) -> DamagedRelease:
        return DamagedRelease(f"{self._path}: {what}", value=str(self._path))

    def _meta_block(self, footer: bytes) -> bytes:
        if self.version < 6:
            return self._block(*_handle(footer[1:]))
        # The size stands behind two checksums; the block ends where the footer begins.
        (size,) = struct.unpack("<I", footer[13:17])
        return self._block(len(self._data) - _FOOTER - _TRAILER - size, size)

    def _block(self, offset: int, size: int) -> bytes:
        data, kind = self._data[offset : offset + size], self._data[offset + size]
        if kind == _NONE:
            return data
        if kind not in (_LZ4, _LZ4HC):
            raise self._unknown(f"a block is compressed in way {kind}")
        length, at = _number(data, 0)
        unpacked: bytes = lz4.block.decompress(data[at:], uncompressed_size=length)
        return unpacked

    def blocks(self) -> Iterator[bytes]:
        """The index, which has keys in it, then every block of data, decompressed."""
        index = self._block(*self._index)
        yield index
        for offset, size in _handles_of(index):
            yield self._block(offset, size)

    def properties(self) -> dict[str, bytes]:
        """What the engine says of the file."""
        if self._properties is None:
            return {}
        return {entry.key.decode("utf-8", "replace"): entry.value for entry in entries(self._block(*self._properties))}

    @property
    def deleted(self) -> int:
        """How many entries of the file say that a key is no more."""
        value = self.properties().get("rocksdb.deleted.keys")
        return _number(value, 0)[0] if value else 0


def entries(block: bytes) -> Iterator[Entry]:
    """The entries of a block of data; a key is written as what differs from the one before."""
    key, at, end = b"", 0, _end_of_entries(block)
    while at < end:
        shared, at = _number(block, at)
        own, at = _number(block, at)
        size, at = _number(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield Entry(key, block[at : at + size])
        at += size


def _end_of_entries(block: bytes) -> int:
    (last,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4
    if last & _HASHED:
        (buckets,) = struct.unpack("<H", block[end - 2 : end])
        end -= 2 + buckets
    return end - 4 * int(last & ~_HASHED)


def _handles_of(index: bytes) -> Iterator[tuple[int, int]]:
    """Offset and size of the blocks that *index* names; from version 4 on it has no sizes of values."""
    at, end = 0, _end_of_entries(index)
    offset = size = 0
    while at < end:
        shared, at = _number(index, at)
        own, at = _number(index, at)
        at += own
        if shared == 0:
            offset, at = _number(index, at)
            size, at = _number(index, at)
        else:
            delta, at = _number(index, at)
            offset += size + _TRAILER
            size += (delta >> 1) ^ -(delta & 1)
        yield offset, size


def _handle(data: bytes, skip: int = 0) -> tuple[int, int]:
    at = 0
    for _ in range(2 * skip):
        _, at = _number(data, at)
    offset, at = _number(data, at)
    size, _ = _number(data, at)
    return offset, size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in 7 bits a byte, lowest first, and where it ends."""
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
