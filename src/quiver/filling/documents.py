"""Documents for the text index on their way from the steps that make them into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from quiver.search import SearchDocument, write_index

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


def index_documents(paths: list[str], folder: str, memory_bytes: int) -> None:
    """Write the text index of the documents in *paths*."""

    def documents() -> Iterator[SearchDocument]:
        for path in paths:
            yield from read_documents(Path(path))

    write_index(documents(), Path(folder), memory_bytes=memory_bytes)
