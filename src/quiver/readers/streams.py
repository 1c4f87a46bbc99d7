"""The bytes of an input file: decompressed, hashed on the way, in bounded memory.

Compression is recognised by its magic bytes, never by the file's name. A stream that ends early or is corrupt raises
`InvalidRecord` after everything before the damage has been handed out.
"""

from __future__ import annotations

import bz2
import errno
import hashlib
import lzma
import zlib
from collections.abc import Iterator
from typing import Protocol, cast

import zstandard
from isal import isal_zlib

from quiver.errors import InvalidRecord
from quiver.storage import Location, name_of, open_location

CHUNK_BYTES = 1 << 20
_FEED_BYTES = 1 << 14
COMPRESSION_ENDINGS = (".gz", ".zst", ".bz2", ".xz")


class _Decompressor(Protocol):
    """One member or frame: bytes in, at most a chunk out."""

    eof: bool
    unused: bytes

    def feed(self, data: bytes) -> Iterator[bytes]: ...


class _Zlib:
    def __init__(self) -> None:
        self._inner = isal_zlib.decompressobj(31)
        self.eof, self.unused = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        # A small piece at a time: what a call has decompressed before it meets damage is lost.
        for start in range(0, len(data), _FEED_BYTES):
            piece = data[start : start + _FEED_BYTES]
            while piece:
                yield self._inner.decompress(piece, CHUNK_BYTES)
                piece = self._inner.unconsumed_tail
            if self._inner.eof:
                self.eof = True
                self.unused = self._inner.unused_data + data[start + _FEED_BYTES :]
                return


class _Zstd:
    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self.eof, self.unused = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        # A small piece at a time bounds what one call can expand to.
        view = memoryview(data)
        for start in range(0, len(data), _FEED_BYTES):
            yield self._inner.decompress(view[start : start + _FEED_BYTES])
            if self._inner.eof:
                self.eof = True
                self.unused = self._inner.unused_data + bytes(view[start + _FEED_BYTES :])
                return


class _Stdlib:
    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner
        self.eof, self.unused = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.decompress(data, CHUNK_BYTES)
        while not self._inner.eof and not self._inner.needs_input:
            yield self._inner.decompress(b"", CHUNK_BYTES)
        self.eof, self.unused = self._inner.eof, self._inner.unused_data


def _decompressor(magic: bytes) -> _Decompressor | None:
    if magic.startswith(b"\x1f\x8b"):
        return _Zlib()
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return _Zstd()
    if magic.startswith(b"BZh"):
        return _Stdlib(bz2.BZ2Decompressor())
    if magic.startswith(b"\xfd7zXZ\x00"):
        return _Stdlib(lzma.LZMADecompressor())
    return None


_DAMAGE: tuple[type[Exception], ...] = (
    zlib.error,
    cast("type[Exception]", isal_zlib.error),  # its stub calls it an instance
    zstandard.ZstdError,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
)


class SourceStream:
    """One input file, read once from start to end; `sha256` and `size` are those of the file as it lies on disk."""

    def __init__(self, path: Location, every: int = 1, offset: int = 0) -> None:
        """The file at *path*; of its lines only each *every*-th is wanted, those whose number leaves *offset*."""
        self.every, self.offset = every, offset
        self.name = name_of(path)
        self.size = 0
        self._hash = hashlib.sha256()
        self._raw = open_location(path)
        self._chunks = self._decompressed()
        self._head: list[bytes] = []
        self._damage: InvalidRecord | None = None

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def close(self) -> None:
        self._raw.close()

    def drain(self) -> None:
        """Read what is left, so that size and checksum are those of the whole file."""
        while self._read_raw():
            pass

    def head(self) -> bytes:
        """The first bytes of the decompressed content, for recognising its format; they are not consumed."""
        if not self._head:
            self._head = [next(self._guarded(), b"")]
        return self._head[0]

    def chunks(self) -> Iterator[bytes]:
        """The decompressed content, piece by piece.

        Raises:
            InvalidRecord: the compressed data is damaged or cut off, after all that came before.
            OSError: the file cannot be read any further.
        """
        yield from self._head
        self._head = [b""]
        yield from self._guarded()
        self.raise_damage()

    def raise_damage(self) -> None:
        """Raise the `InvalidRecord` of damage that reading has met so far, if any."""
        if self._damage:
            raise self._damage

    def lines(self, max_bytes: int) -> Iterator[tuple[int, bytes]]:
        """Line number (from 1) and line without its end; a line longer than *max_bytes* is cut to one byte more.

        Raises:
            InvalidRecord: as for `chunks`; the piece of a line before the damage is not handed out.
        """
        number, kept = 0, b""
        oversized = False
        for chunk in self.chunks():
            pieces = chunk.split(b"\n")
            if len(pieces) == 1 and oversized:
                continue
            pieces[0] = kept + pieces[0]
            for line in pieces[:-1]:
                number += 1
                if self.every == 1 or number % self.every == self.offset:
                    yield number, line[: max_bytes + 1]
            kept = pieces[-1][: max_bytes + 1]
            oversized = len(kept) > max_bytes
        if kept and (number + 1) % self.every == self.offset % self.every:
            yield number + 1, kept

    def _guarded(self) -> Iterator[bytes]:
        # Damage is kept until everything before it has been used.
        try:
            yield from (chunk for chunk in self._chunks if chunk)
        except _DAMAGE as error:
            if isinstance(error, OSError) and error.errno:
                # Of the disk or the network: what is missing may well be whole. That of bz2 for damage has no number.
                raise
            self._damage = InvalidRecord(
                f"the compressed data is damaged or cut off after {self.size:,} bytes ({error})",
                value=self.name,
                hint="Fetch the file again; the lines before the damage were read.",
            )

    def _read_raw(self) -> bytes:
        try:
            data = self._raw.read(CHUNK_BYTES)
        except OSError as error:
            raise OSError(error.errno or errno.EIO, error.strerror or str(error), self.name) from error
        self._hash.update(data)
        self.size += len(data)
        return data

    def _decompressed(self) -> Iterator[bytes]:
        data = self._read_raw()
        member = _decompressor(data[:8])
        if member is None:
            while data:
                yield data
                data = self._read_raw()
            return
        while True:
            yield from member.feed(data)
            if not member.eof:
                data = self._read_raw()
                if not data:
                    raise EOFError("it ends before its end marker")
                continue
            data = member.unused.lstrip(b"\0") or self._read_raw().lstrip(b"\0")
            if not data:
                return
            following = _decompressor(data[:8])
            if following is None:
                raise EOFError("something else follows the compressed data")
            member = following
