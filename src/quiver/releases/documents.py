"""Documents for the text index on their way from the steps that make them to the one that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from quiver.search import SearchDocument

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(SearchDocument)


class DocumentWriter:
    """Writes documents for the text index to a file, length before each."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")

    def write(self, document: SearchDocument) -> None:
        data = _ENCODER.encode(document)
        self._file.write(len(data).to_bytes(4, "little"))
        self._file.write(data)

    def close(self) -> None:
        self._file.close()


def read_documents(path: Path) -> Iterator[SearchDocument]:
    """The documents of one file, in order."""
    with path.open("rb") as file:
        while prefix := file.read(4):
            yield _DECODER.decode(file.read(int.from_bytes(prefix, "little")))
