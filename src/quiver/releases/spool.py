"""Frames: items on their way from the readers to the mapping, in files that several processes write and one reads."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

_LENGTH = struct.Struct("<I")
_FLUSH_BYTES = 1 << 18


class Frame(msgspec.Struct, array_like=True):
    """An item with what decides about it: key, canonical hash, the input it stands in (an index) and where.

    A listing (a page names a paper) has the paper's key, and as body the page's key and name.
    """

    key: str
    digest: bytes
    input: int
    locator: str
    body: bytes

    @property
    def place(self) -> tuple[int, str]:
        """A sort key: by number where the locator is one."""
        return (int(self.locator) if self.locator.isdecimal() else 0, self.locator)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Frame)


class FrameWriter:
    """Appends frames to one file, which exists only if there are any."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffer = bytearray()

    def write(self, frame: Frame) -> None:
        data = _ENCODER.encode(frame)
        self._buffer += _LENGTH.pack(len(data))
        self._buffer += data
        if len(self._buffer) > _FLUSH_BYTES:
            self.close()

    def close(self) -> None:
        if self._buffer:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(self._buffer)
            self._buffer.clear()


def read_frames(path: Path) -> Iterator[Frame]:
    """The frames of one file; none where it does not exist."""
    if not path.exists():
        return
    data = path.read_bytes()
    position = 0
    while position < len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        yield _DECODER.decode(memoryview(data)[position : position + length])
        position += length
