"""What a release changes: which documents went with it, kept in the release beside what was gone before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from quiver.dumps import (
    Change,
    Held,
    Part,
    Side,
    compare_documents,
    index_path,
    part_documents,
    unlike_documents,
)
from quiver.manifest import Manifest, ReleaseFile
from quiver.releases.gone import GoneWriter, carry_gone
from quiver.releases.library import Release

# Bytes of N-Quads text a statement, to foresee how much there is to compare.
_QUAD_BYTES: Final = 128
_SCRATCH: Final = "comparing"


def changes_between(before: Release, now: Manifest, folder: Path, files: Sequence[ReleaseFile]) -> Iterator[Change]:
    """The documents in which the release in *folder*, made of the parts *files*, differs from *before*.

    Raises:
        DamagedRelease: a part is damaged.
    """
    sides = [
        [(root, file) for file in parts] for root, parts in ((before.path, before.manifest.parts), (folder, files))
    ]
    first: Iterable[bytes]
    second: Iterable[bytes]
    # Plain RDF may have statements about one resource in several places; a release of format 1 has no lists of members.
    whole = before.manifest.kind == now.kind == "records" and before.manifest.format > 1
    if whole:
        held = [[Held(root / one.path, index_path(root, one.path), one.sha256) for root, one in side] for side in sides]
        first, second = unlike_documents(*held)
    else:
        first, second = (
            (document for root, one in side for document in part_documents(root / one.path)) for side in sides
        )
    return _compare(first, before.base, second, now.base, folder, before.manifest.quads + now.quads)


def changes_of(
    removed: Iterable[bytes], parts: Sequence[Part], base: str, folder: Path, moved: int
) -> Iterator[Change]:
    """The documents that differ where it is known which were *removed*, and the new ones are in *parts*.

    *moved* is how many statements they have together.
    """
    added = (document for part in parts for document in part_documents(Path(part.path)))
    return _compare(removed, base, added, base, folder, moved)


def _compare(
    first: Iterable[bytes], first_base: str, second: Iterable[bytes], second_base: str, folder: Path, quads: int
) -> Iterator[Change]:
    return compare_documents(Side(first, first_base), Side(second, second_base), folder / _SCRATCH, quads * _QUAD_BYTES)


def keep_changes(changes: Iterable[Change], folder: Path, parent: Release, release_id: str) -> None:
    """Keep in *folder* what *changes* from *parent* to the release *release_id* that is made there."""
    carry_gone(parent.path, folder)
    writer = GoneWriter(folder, release_id)
    for change in changes:
        writer.note(change)
    writer.close()
