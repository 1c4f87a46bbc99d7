"""Whether the disk has room for what a command is about to write: said before it starts, not when it is full."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from quiver.config import Settings
from quiver.errors import NotEnoughDisk
from quiver.manifest import Manifest
from quiver.releases.steps import expanded_size

# Bytes of disk for each byte of records, at the peak of a build. What stays was 4.7 (records with abstracts) and 12
# (mostly without); while the store is compacted it is there twice.
_PEAK: Final = 10.0
# A library tells better than a guess: the peak is so many times what stays.
_PEAK_OF_RELEASE: Final = 1.8
# A release of a few records is mostly what every release has, and tells nothing.
_MOST: Final = 25.0
_LEAST: Final = 5_000_000
# What a change writes again, whatever it changes.
_REWRITTEN: Final = ("parts/derived/", "members/derived/")


def check_space(
    folder: Path,
    files: Sequence[Path],
    settings: Settings,
    *,
    before: Manifest | None = None,
    change: bool = False,
    compact: bool = False,
) -> None:
    """Refuse to begin where *files* will probably not fit; *before* is a release of the library, if it has one.

    A *change* shares what it leaves alone with that release, and writes the derived parts again; the store as well
    where it is to *compact* it.

    Raises:
        NotEnoughDisk: the message says how much is needed, and how much there is.
    """
    if not settings.flag("disk_check"):
        return
    ratio = _PEAK if before is None else min(_MOST, max(1.0, _PEAK_OF_RELEASE * _ratio(before)))
    needed = _LEAST + int(ratio * sum(expanded_size(path.name, path.stat().st_size) for path in files))
    if change and before is not None:
        again = _REWRITTEN + (("store/",) if compact else ())
        needed += sum(file.size for file in before.files if file.path.startswith(again))
    _check(folder, needed, settings)


def check_space_again(folder: Path, release: Manifest, settings: Settings) -> None:
    """Refuse to begin where *release* will probably not fit once more.

    Raises:
        NotEnoughDisk: as for `check_space`.
    """
    _check(folder, _LEAST + int(_PEAK_OF_RELEASE * sum(file.size for file in release.files)), settings)


def _check(folder: Path, needed: int, settings: Settings) -> None:
    if not settings.flag("disk_check"):
        return
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise NotEnoughDisk(
            f"about {needed / 1e6:,.0f} MB are needed in {folder}, and {free / 1e6:,.0f} MB are free",
            value=free,
            hint="`quiver releases LIBRARY --keep N` removes old ones; QUIVER_DISK_CHECK=no tries it all the same.",
        )


def _ratio(before: Manifest) -> float:
    """Bytes of a release for each byte of its records."""
    read = sum(expanded_size(known.name, known.size) for known in before.inputs)
    return sum(file.size for file in before.files) / read if read else _PEAK
