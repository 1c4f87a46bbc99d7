"""A release made from its parent: what is unchanged is linked, what is superseded taken out, what is new put in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyoxigraph

from quiver.dumps import (
    MemberIndex,
    content_of,
    find_members,
    format_content,
    index_path,
    read_documents,
    sum_content,
    take_out,
)
from quiver.errors import DamagedRelease
from quiver.filling.documents import read_documents as read_search_documents
from quiver.filling.store import load_parts
from quiver.manifest import ReleaseFile
from quiver.releases.library import Release, link_file
from quiver.releases.settled import FOLDER as SETTLED
from quiver.releases.settled import tallies_folder
from quiver.releases.steps import DERIVED, Making
from quiver.releases.tables import join_generations
from quiver.releases.workers import Progress
from quiver.search import SearchDocument, is_worn, link_index, rewrite_index, update_index

# Fewer statements than these are never worth loading the whole store for; more are, where they are a sixth of it:
# measured, 25,000 a second are taken out or put in, and 150,000 loaded.
_FEW: Final = 200_000
# So many statements are handed to the engine in one transaction.
_BATCH: Final = 100_000


class ChangedParts:
    """The parts of a release in the making: those of its parent, less what was taken out, and the new ones.

    `known` are the parts by path; `moved` counts the statements that go and come.
    """

    def __init__(self, parent: Release) -> None:
        self.known: dict[str, ReleaseFile] = {}
        self.content = int(parent.manifest.content_hash, 16)
        self.quads = self.moved = 0
        self._taken: list[bytes] = []
        self._dropped: list[Path] = []

    def take(self, documents: Iterable[bytes]) -> None:
        """Note *documents* that were taken out of a part that stays."""
        for document in documents:
            self._count(document)
            self._taken.append(document)

    def drop(self, part: Path) -> None:
        """Note a part of the parent that is left out."""
        for lines in read_documents(part):
            self._count(b"".join(lines))
        self._dropped.append(part)

    def _count(self, document: bytes) -> None:
        self.content -= content_of(document)
        self.moved += document.count(b"\n")

    def removed(self) -> Iterator[bytes]:
        """The documents that are no more; read again where they fill whole parts."""
        yield from self._taken
        for part in self._dropped:
            for lines in read_documents(part):
                yield b"".join(lines)

    @property
    def content_hash(self) -> str:
        return format_content(sum_content([self.content]))


def change_parts(making: Making, progress: Progress) -> ChangedParts:
    """Link, rewrite or leave out each part of the parent.

    Raises:
        DamagedRelease: a document that is superseded is in no part, or in two.
    """
    parent = making.parent
    assert parent is not None
    changed = ChangedParts(parent)
    parts = parent.manifest.parts
    found: dict[str, int] = {}
    for count, part in enumerate(parts, start=1):
        area = _area(part.path)
        if area in making.dropped:
            changed.drop(parent.path / part.path)
        else:
            taken = _change_part(making, part, making.superseded.get(area, ()), changed)
            found[area] = found.get(area, 0) + taken
        progress("rewrite", count, len(parts))
    for area, iris in making.superseded.items():
        if found.get(area, 0) != len(iris):
            raise DamagedRelease(
                f"{len(iris):,} documents of {area or 'what is derived'} are superseded,"
                f" and the parts hold {found.get(area, 0):,} of them",
                value=parent.id,
                hint="Run `quiver verify`; `quiver build` makes a release anew.",
            )
    for new in making.parts:
        name = str(Path(new.path).relative_to(making.folder))
        changed.known[name] = ReleaseFile(name, new.size, new.sha256, new.quads)
        changed.content += new.content
        changed.moved += new.quads
    changed.quads = sum(file.quads or 0 for file in changed.known.values())
    return changed


def _area(part: str) -> str:
    """Whose a part is: a source's, or what is derived."""
    pieces = part.split("/")
    return pieces[2] if pieces[1] == "source" else DERIVED


def _change_part(making: Making, part: ReleaseFile, superseded: Iterable[str], changed: ChangedParts) -> int:
    parent, folder = making.parent, making.folder
    assert parent is not None
    source, listed = parent.path / part.path, index_path(parent.path, part.path)
    target, target_list = folder / part.path, index_path(folder, part.path)
    if superseded:
        index = MemberIndex.read(listed)
        wanted = find_members(index, (b"<" + iri.encode() for iri in superseded))
        left = take_out(source, index, wanted, target, target_list) if wanted else None
        if left is not None:
            changed.take(left.documents)
            if left.quads:
                changed.known[part.path] = ReleaseFile(part.path, left.size, left.sha256, left.quads)
            else:
                target.unlink()
                target_list.unlink()
            return len(left.documents)
    link_file(source, target)
    link_file(listed, target_list)
    changed.known[part.path] = part
    return 0


def change_tables(making: Making) -> None:
    """Link what the parent keeps of records and tallies, but for the sources that are dropped."""
    assert making.parent is not None
    kept = making.parent.path / SETTLED
    for directory, _, names in os.walk(kept):
        place = Path(directory).relative_to(kept)
        if len(place.parts) > 1 and place.parts[0] == "source" and place.parts[1] in making.dropped:
            continue
        for name in names:
            link_file(Path(directory) / name, making.folder / SETTLED / place / name)
    folders = [*(making.folder / SETTLED / "source").glob("*/*"), tallies_folder(making.folder)]
    for folder in folders:
        join_generations(folder)


def reload_above(quads: int) -> int:
    """How many statements may move in a store of so many *quads*, before loading all of them is faster."""
    return max(_FEW, quads // 6)


def change_store(making: Making, changed: ChangedParts, compact: bool, progress: Progress) -> None:
    """Make the store of the parent's, by a backup that links its files, without what was taken out and with the new.

    Where much is moved, loading all parts is faster.

    Raises:
        DamagedRelease: the parent's store lacks a statement that its parts have, or has one of the new ones already.
    """
    assert making.parent is not None
    path = making.folder / "store"
    if changed.moved > reload_above(changed.quads):
        progress("load", 0, 0)
        load_parts([str(making.folder / name) for name in sorted(changed.known)], str(path), compact)
        if len(pyoxigraph.Store.read_only(str(path))) != changed.quads:
            raise DamagedRelease("the store does not hold what the parts do; nothing was published", value=str(path))
        return
    making.parent.open_store().backup(str(path))
    store = pyoxigraph.Store(str(path))
    total, done = changed.moved, 0
    for batch in _batches(changed.removed()):
        for quad in pyoxigraph.parse(input=batch, format=pyoxigraph.RdfFormat.N_QUADS):
            if quad not in store:
                raise _differs(making.parent, quad, "lacks")
            store.remove(quad)
            done += 1
        progress("change", done, total)
    for part in making.parts:
        quads: list[pyoxigraph.Quad] = []
        for lines in read_documents(Path(part.path)):
            for quad in pyoxigraph.parse(input=b"".join(lines), format=pyoxigraph.RdfFormat.N_QUADS):
                if quad in store:
                    raise _differs(making.parent, quad, "has already")
                quads.append(quad)
            if len(quads) >= _BATCH:
                done += len(quads)
                store.extend(quads)
                quads.clear()
                progress("change", done, total)
        store.extend(quads)
        done += len(quads)
        progress("change", done, total)
    store.flush()
    del store
    # The engine leaves its write-ahead log (as large as what changed) to the next who opens the store for writing.
    pyoxigraph.Store(str(path)).flush()
    for log in path.glob("LOG.old.*"):
        log.unlink()


def _batches(documents: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for document in documents:
        waiting.append(document)
        size += len(document)
        if size > 1 << 20:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _differs(parent: Release, quad: pyoxigraph.Quad, what: str) -> DamagedRelease:
    return DamagedRelease(
        f"the store of release {parent.id} {what} {quad}; nothing was published",
        value=parent.id,
        hint="Run `quiver verify`; `quiver build` makes a release anew.",
    )


def change_index(making: Making, memory_bytes: int, progress: Progress) -> None:
    """Make the text index of the parent's, with the documents that changed."""
    assert making.parent is not None

    def documents() -> Iterator[SearchDocument]:
        for path in making.documents:
            yield from read_search_documents(path)

    progress("index", 0, 1)
    link_index(making.parent.search_path, making.folder / "search")
    folder = making.folder / "search"
    update_index(folder, making.unindexed, documents(), memory_bytes=memory_bytes)
    if is_worn(folder):
        rewrite_index(folder, memory_bytes=memory_bytes)
    progress("index", 1, 1)


def timed(making: Making, step: str, started: float) -> float:
    """Note what *step* took since *started*; the time now."""
    now = time.monotonic()
    making.seconds[step] = round(now - started, 3)
    return now
