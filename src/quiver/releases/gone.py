"""Which documents a release no longer has that an earlier one had, and with which release each of them went.

A table below `gone/` of the release: the digest of a path below the base -> the id of the release that was the first
without it. The path itself is not kept, so that one that must not be said any more can still be answered for. Every
release takes over the table of the one before, as hard links, and adds what changed; what comes back is taken off.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from quiver.dumps import Change, path_digest
from quiver.releases.library import link_file
from quiver.releases.tables import Table, TableWriter, join_generations, table_path

FOLDER: Final = "gone"
# So many documents that came are looked up at once.
_BATCH: Final = 10_000


def gone_key(path: str) -> str:
    """What the table knows the document at *path* (below the base, without extension) by."""
    return path_digest(path.encode("utf-8", "surrogatepass")).hex()


class GoneTable:
    """What went before or with the release in one folder; a release may have none."""

    def __init__(self, release: Path) -> None:
        self._table = Table(release / FOLDER)

    def went_in(self, path: str) -> str | None:
        """The id of the release in which the document at *path* went; None where it is there, or never was.

        Raises:
            DamagedRelease: the table is damaged.
        """
        key = gone_key(path)
        try:
            value = self._table.get([key]).get(key)
        except FileNotFoundError:
            # The release was removed from the library while it is still being served.
            return None
        return None if value is None else value.decode()


def carry_gone(parent: Path, folder: Path) -> None:
    """Take over what had gone before or with the release in *parent* to the one in the making in *folder*."""
    source = parent / FOLDER
    for path in sorted(source.iterdir()) if source.is_dir() else ():
        link_file(path, folder / FOLDER / path.name)


class GoneWriter:
    """Notes what goes and comes with the release *release_id* in the making, after `carry_gone`."""

    def __init__(self, folder: Path, release_id: str) -> None:
        self._folder = folder / FOLDER
        self._release_id = release_id.encode()
        self._known = Table(self._folder)
        generations = [int(path.name.partition("-")[0]) for path in self._folder.glob("*.table")]
        self._writer = TableWriter(table_path(self._folder, max(generations, default=-1) + 1, 0, 1))
        self._pending: list[tuple[str, bytes]] = []

    def note(self, change: Change) -> None:
        """Take note of one document; they come in order of their digests."""
        if change.before and change.now:
            return
        self._pending.append((change.digest.hex(), b"" if change.now else self._release_id))
        if len(self._pending) >= _BATCH:
            self._write()

    def _write(self) -> None:
        known = self._known.get(key for key, value in self._pending if not value)
        for key, value in self._pending:
            if value or key in known:
                self._writer.write(key, value)
        self._pending.clear()

    def close(self) -> None:
        self._write()
        self._writer.close()
        if self._folder.is_dir():
            join_generations(self._folder)
            if not any(self._folder.iterdir()):
                shutil.rmtree(self._folder)


def write_gone(folder: Path, keys: Iterable[str], release_id: str) -> None:
    """Note that the documents known by *keys* (see `gone_key`) went with *release_id*, whatever was known of them."""
    writer = GoneWriter(folder, release_id)
    for key in sorted(set(keys)):
        writer.note(Change(bytes.fromhex(key), b"-", b""))
    writer.close()
