"""What a release keeps of its records so that the next one can start from it: every version of each, and who lists it.

Quads do not tell which record stands where two are in conflict, nor where an equal one came from; this does. With the
records of another file added, `settle` decides as it would had all come at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from quiver.releases.spool import Frame
from quiver.releases.tables import Table, TableWriter

FOLDER: Final = "settled"


class Version(msgspec.Struct, array_like=True):
    """One content that records of a key have: canonical hash and bytes, and (input, locator) of each record."""

    digest: bytes
    body: bytes
    places: list[tuple[int, str]]


class Settled(msgspec.Struct, array_like=True):
    """All that is known of one key: the contents of its records, and the pages that list it (key -> name)."""

    versions: list[Version] = []
    listed_by: dict[str, str] = {}

    def frames(self, key: str) -> list[Frame]:
        """Its records as they came from the readers."""
        return [
            Frame(key, version.digest, number, locator, version.body)
            for version in self.versions
            for number, locator in version.places
        ]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Settled)


def settled_of(frames: Sequence[Frame], listed_by: dict[str, str] | None = None) -> Settled:
    """*frames* of one key as they are kept."""
    if len(frames) == 1:
        (frame,) = frames
        return Settled([Version(frame.digest, frame.body, [(frame.input, frame.locator)])], listed_by or {})
    versions: dict[bytes, Version] = {}
    for frame in frames:
        version = versions.get(frame.digest)
        if version is None:
            version = versions[frame.digest] = Version(frame.digest, frame.body, [])
        version.places.append((frame.input, frame.locator))
    for version in versions.values():
        version.places.sort()
    return Settled([versions[digest] for digest in sorted(versions)], listed_by or {})


def papers_folder(release: Path, source: str) -> Path:
    """Where the papers of a source are kept."""
    return release / FOLDER / "source" / source / "papers"


def pages_folder(release: Path, source: str) -> Path:
    """Where the cluster pages of a source are kept."""
    return release / FOLDER / "source" / source / "pages"


def tallies_folder(release: Path) -> Path:
    """Where the tallies of all derived keys are kept."""
    return release / FOLDER / "derived"


class SettledWriter:
    """Writes what is known of keys, in order, to one file of a table."""

    def __init__(self, path: Path) -> None:
        self._writer = TableWriter(path)

    def write(self, key: str, settled: Settled) -> None:
        """Keep *settled*; where nothing is known any more, keep that."""
        known = settled.versions or settled.listed_by
        self._writer.write(key, _ENCODER.encode(settled) if known else b"")

    def close(self) -> None:
        self._writer.close()


class SettledTable:
    """Reads what is known of keys."""

    def __init__(self, folder: Path) -> None:
        self._table = Table(folder)

    def get(self, keys: Iterable[str]) -> dict[str, Settled]:
        """Those of *keys* of which something is known."""
        return {key: _DECODER.decode(value) for key, value in self._table.get(keys).items()}

    @property
    def shares(self) -> int:
        """Into how many shares `entries` can be read."""
        return self._table.shares

    def entries(self, share: int | None = None) -> Iterator[tuple[str, Settled]]:
        """Everything, or one share of it, in order of keys."""
        return ((key, _DECODER.decode(value)) for key, value in self._table.entries(share))
