"""Whether the disk has room for what a command is about to write: said before it starts, not when it is full.

The factors are what `python -m tests.faults.disk_full` measured as the peak of each command, with something to spare.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from quiver.config import Settings
from quiver.errors import NotEnoughDisk
from quiver.manifest import Manifest
from quiver.releases.steps import expanded_size
from quiver.storage import Location, name_of, size_of

# Bytes of disk for each byte of records, at the peak of a build. What stays was 4.7 (records with abstracts) and 12
# (mostly without); the loader needs its store twice.
_PEAK: Final = 22.0
# A library tells better than a guess: the peak is so many times what stays.
_PEAK_OF_RELEASE: Final = 2.0
# A release of a few records is mostly what every release has, and tells nothing.
_MOST: Final = 30.0
_LEAST: Final = 5_000_000
# The same for each byte of compressed parts without a manifest: 14.9 and 15.5 were measured (4 and 18 MB of them), and
# more where the store takes 140 bytes a statement and no longer 90, as it does from some millions of statements on.
_PEAK_OF_PARTS: Final = 18.0
_MANY_PARTS: Final = 50_000_000
_PEAK_OF_MANY_PARTS: Final = 28.0
# And for each byte of a graph as N-Quads, whatever the format of its files: 1.3 was measured; the same holds.
_PEAK_OF_TEXT: Final = 2.2
# What a change writes again, whatever it changes.
_REWRITTEN: Final = ("parts/derived/", "members/derived/")
# A store that is loaded, or that the engine compacts by itself, is there so many times beside the parent's.
_LOADED: Final = 2.2
# One that is compacted on purpose.
_COMPACTED: Final = 1.2
# Statements that are moved are in a log, in a run of their own, and in the runs that this is merged into.
_MOVED: Final = 4.0


def check_build(folder: Path, files: Sequence[Location], settings: Settings, *, before: Manifest | None = None) -> None:
    """Refuse to begin a build of *files* that will probably not fit; *before* is a release of the library, if any.

    Raises:
        NotEnoughDisk: the message says how much is needed, and how much there is.
    """
    _check(folder, _records_bytes(files, before), settings)


def check_change(
    folder: Path,
    files: Sequence[Location],
    settings: Settings,
    *,
    before: Manifest,
    dropped: Collection[str] = (),
    reload_above: int,
    compact: bool = False,
) -> None:
    """As `check_build`, for a change of the release *before*, with which all is shared that it leaves alone.

    The store is loaded anew where more than *reload_above* statements move (those of the sources *dropped* do), and
    put together by the engine where it is due (*compact*) or small.
    """
    gone = sum(part.quads or 0 for part in before.parts if any(f"/source/{slug}/" in part.path for slug in dropped))
    came = int(before.quads * _size(files) / (_read(before) or 1))
    store = _sum(before, "store/")
    each = store / (before.quads or 1)
    # What was derived from them moves, too: about as much again at the most.
    moved = 2 * (gone + came)
    needed = _records_bytes(files, before) + _sum(before, *_REWRITTEN)
    if moved > reload_above or before.quads <= settings.integer("compact_above"):
        needed += int(_LOADED * each * max(before.quads - gone + came, moved - gone))
    else:
        needed += int(_MOVED * each * moved) + (int(_COMPACTED * store) if compact else 0)
    _check(folder, needed, settings)


def check_rewrite(folder: Path, settings: Settings, *, before: Manifest) -> None:
    """As `check_build`, for a release in which every statement of *before* is written again."""
    _check(folder, int(_PEAK_OF_RELEASE * sum(file.size for file in before.files)), settings)


def check_restore(folder: Path, parts_bytes: int, settings: Settings, *, stated: Manifest | None) -> None:
    """As `check_build`, for a release made of so many compressed bytes of parts, or of dumps.

    *stated* is the manifest of the release that the parts are of, if it is there.
    """
    if stated is not None:
        check_rewrite(folder, settings, before=stated)
        return
    ratio = _PEAK_OF_PARTS if parts_bytes < _MANY_PARTS else _PEAK_OF_MANY_PARTS
    _check(folder, int(ratio * parts_bytes), settings)


def check_rdf(folder: Path, text_bytes: int, settings: Settings) -> None:
    """As `check_build`, for a release of plain RDF whose statements are so many bytes of N-Quads."""
    _check(folder, int(_PEAK_OF_TEXT * text_bytes), settings)


def _check(folder: Path, needed: int, settings: Settings) -> None:
    if not settings.flag("disk_check"):
        return
    needed += _LEAST
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise NotEnoughDisk(
            f"about {needed / 1e6:,.0f} MB are needed in {folder}, and {free / 1e6:,.0f} MB are free",
            value=free,
            hint="`quiver releases LIBRARY --keep N` removes old ones; QUIVER_DISK_CHECK=no tries it all the same.",
        )


def _records_bytes(files: Sequence[Location], before: Manifest | None) -> int:
    """What a build of *files* takes at its peak."""
    ratio = _PEAK
    if before is not None and (read := _read(before)):
        ratio = min(_MOST, max(1.0, _PEAK_OF_RELEASE * sum(file.size for file in before.files) / read))
    return int(ratio * _size(files))


def _size(files: Sequence[Location]) -> int:
    return sum(expanded_size(name_of(path), size_of(path)) for path in files)


def _read(manifest: Manifest) -> int:
    return sum(expanded_size(known.name, known.size) for known in manifest.inputs)


def _sum(manifest: Manifest, *folders: str) -> int:
    return sum(file.size for file in manifest.files if file.path.startswith(folders))
