"""What a release changes: kept in it as a patch from its parent, and as the documents that went with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from quiver.descriptions import release_iri
from quiver.dumps import (
    Change,
    Ends,
    Held,
    Part,
    PatchWriter,
    Side,
    compare_documents,
    index_path,
    part_documents,
    patch_lines,
    read_part,
    refuse_blank_nodes,
    unlike_documents,
)
from quiver.errors import DamagedRelease
from quiver.manifest import ReleaseFile
from quiver.releases.gone import FOLDER as GONE_FOLDER
from quiver.releases.gone import GoneWriter, carry_gone, write_gone
from quiver.releases.library import Library, Release
from quiver.telemetry import logger

PATCH_FOLDER: Final = "patch"
# Bytes of N-Quads text a statement, to foresee how much there is to compare.
_QUAD_BYTES: Final = 128
_SCRATCH: Final = "comparing"
_LOG = logger("quiver.releases")


def changes_between(before: Release, now: Release, scratch: Path) -> Iterator[Change]:
    """The documents in which two releases differ; *now* may be one in the making, with all its parts.

    *scratch* is a folder that is made where it is needed, and removed.

    Raises:
        DamagedRelease: a part is damaged.
    """
    first: Iterable[bytes]
    second: Iterable[bytes]
    sides = [
        [Held(one.path / file.path, index_path(one.path, file.path), file.sha256) for file in one.manifest.parts]
        for one in (before, now)
    ]
    # Plain RDF may have statements about one resource in several places. A release of format 1, or one that was
    # restored, has no lists of members.
    if before.manifest.kind == now.manifest.kind == "records" and all(
        held.index.is_file() for side in sides for held in side
    ):
        first, second = unlike_documents(*sides)
    else:
        first, second = (
            (document for path in one.part_paths for document in part_documents(path)) for one in (before, now)
        )
    text_bytes = (before.manifest.quads + now.manifest.quads) * _QUAD_BYTES
    yield from compare_documents(Side(first, before.base), Side(second, now.base), scratch, text_bytes)


def changes_of(
    removed: Iterable[bytes], parts: Sequence[Part], base: str, folder: Path, moved: int
) -> Iterator[Change]:
    """The documents that differ where it is known which were *removed*, and the new ones are in *parts*.

    *moved* is how many statements they have together.
    """
    added = (document for part in parts for document in part_documents(Path(part.path)))
    return compare_documents(Side(removed, base), Side(added, base), folder / _SCRATCH, moved * _QUAD_BYTES)


def keep_changes(
    changes: Iterable[Change],
    before: Release,
    made: Release,
    others: Sequence[Release] = (),
    *,
    with_patch: bool = True,
) -> list[ReleaseFile]:
    """Keep in the folder of *made*, a release in the making with its parts, what *changes* from *before* to it.

    *others* are releases that it does not start from, though they were published: what only they had is gone as well.
    The files of the patch; there are none where it has more statements than the release itself, whose dump is shorter,
    and none without *with_patch*: a patch has all that it takes away in it.
    """
    folder = made.path
    carry_gone(before.path, folder)
    gone = GoneWriter(folder, made.id)
    ends = Ends(release_iri(before.manifest), release_iri(made.manifest))
    patch = PatchWriter(folder / PATCH_FOLDER, ends, made.manifest.quads) if with_patch else None
    try:
        for change in changes:
            gone.note(change)
            if patch is not None:
                patch.note(change)
    except BaseException:
        if patch is not None:
            patch.drop()
        raise
    finally:
        gone.close()
    written = patch.close() if patch is not None else []
    if patch is not None and not written:
        shutil.rmtree(folder / PATCH_FOLDER)
    for other in others:
        lost = (change.digest for change in changes_between(other, made, folder / _SCRATCH) if not change.now)
        write_gone(folder, (digest.hex() for digest in lost), made.id)
    return [
        ReleaseFile(file.path.relative_to(folder).as_posix(), file.size, file.sha256, file.quads) for file in written
    ]


def compare_with(shelf: Library, before: Release, made: Release, with_patch: bool) -> list[ReleaseFile]:
    """`keep_changes` of a release *made* anew, in comparison with the one *before* it.

    Where that one is damaged there is no patch, and only what had gone before is known to be gone: a build is how a
    damaged library is mended.
    """
    scratch = made.path / _SCRATCH
    try:
        others = shelf.newer_than(before.id)
        return keep_changes(changes_between(before, made, scratch), before, made, others, with_patch=with_patch)
    except DamagedRelease as error:
        _LOG.warning("release %s is damaged, and no patch leads from it: %s", before.id, error)
    for path in (scratch, made.path / PATCH_FOLDER, made.path / GONE_FOLDER):
        shutil.rmtree(path, ignore_errors=True)
    carry_gone(before.path, made.path)
    return []


def write_difference(before: Release, now: Release, form: str, output: BinaryIO, scratch: Path) -> None:
    """Write what leads from one release to the other to *output*, plain, in a form of `PATCH_FORMS`.

    Where the one is the parent of the other, that is read from its patch.

    Raises:
        InvalidRecord: they differ in blank nodes.
        DamagedRelease: a part or the patch is damaged.
    """
    kept = now.manifest.patches.get(form)
    if kept is not None and now.manifest.parent == before.id:
        for chunk in read_part(now.path / kept.path):
            output.write(chunk)
        return
    changes = changes_between(before, now, scratch)
    if not before.manifest.kind == now.manifest.kind == "records":
        changes = refuse_blank_nodes(changes)
    for text in patch_lines(changes, form, Ends(release_iri(before.manifest), release_iri(now.manifest))):
        output.write(text)
