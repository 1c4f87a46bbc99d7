"""Whether a release is what its manifest says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quiver.dumps import content_of, format_content, read_documents, sum_content
from quiver.errors import DamagedRelease, QuiverError
from quiver.manifest import CHECKSUM_NAME, FILE_NAME
from quiver.releases.finish import checksum
from quiver.releases.library import Release
from quiver.releases.workers import Progress, silent

# Faults that an error message lists.
_SAID: Final = 5


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, and every fault found, as sentences."""

    release_id: str
    files: int
    quads: int
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.faults


def verify(release: Release, progress: Progress = silent) -> Verification:
    """Check every file of *release* by size and checksum, and the store and parts by count and content hash."""
    faults: list[str] = []
    manifest = release.manifest
    known = {file.path for file in manifest.files}
    faults.extend(_check_files(release, progress))
    present = {
        str((Path(directory) / name).relative_to(release.path))
        for directory, _, names in os.walk(release.path)
        for name in names
    }
    faults.extend(f"{name}: not in the manifest" for name in sorted(present - known - {FILE_NAME, CHECKSUM_NAME}))
    faults.extend(_check_parts(release, progress))
    try:
        stored = len(release.open_store())
    except (OSError, RuntimeError, ValueError) as error:
        # The engine reads the damaged block only when it counts.
        faults.append(f"store: {error}")
    else:
        if stored != manifest.quads:
            faults.append(f"store: {stored:,} statements, not {manifest.quads:,}")
    return Verification(release.id, len(known), manifest.quads, tuple(faults))


@contextlib.contextmanager
def blaming(release: Release) -> Iterator[None]:
    """The work of the `with` reads *release*; where it fails for whatever reason and files are damaged, that is it.

    Raises:
        DamagedRelease: in the place of what reading a damaged file raises.
    """
    try:
        yield
    except (QuiverError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        faults = list(_check_files(release, silent))
        if not faults:
            raise
        raise DamagedRelease(
            f"release {release.id} is damaged, and nothing was published: " + "; ".join(faults[:_SAID]),
            value=release.id,
            hint="`quiver build` makes a release anew; `quiver releases LIBRARY --rollback ID` goes back to another.",
        ) from error


def _check_files(release: Release, progress: Progress) -> Iterator[str]:
    """What is wrong with the files of the manifest."""
    files = sorted(release.manifest.files, key=lambda file: file.path)
    for count, file in enumerate(files, start=1):
        path = release.path / file.path
        if not path.is_file():
            yield f"{file.path}: missing"
        else:
            size, sha256 = checksum(path)
            if size != file.size:
                yield f"{file.path}: {size:,} bytes, not {file.size:,}"
            elif sha256 != file.sha256:
                yield f"{file.path}: its SHA-256 is not that of the manifest"
        progress("files", count, len(files))


def _check_parts(release: Release, progress: Progress) -> list[str]:
    faults = []
    contents = []
    total = 0
    parts = release.manifest.parts
    for count, part in enumerate(parts, start=1):
        quads = 0
        try:
            for lines in read_documents(release.path / part.path):
                contents.append(content_of(b"".join(lines)))
                quads += len(lines)
        except (OSError, ValueError) as error:
            faults.append(f"{part.path}: {error}")
        if quads != part.quads:
            faults.append(f"{part.path}: {quads:,} statements, not {part.quads:,}")
        total += quads
        progress("parts", count, len(parts))
    if total != release.manifest.quads:
        faults.append(f"parts: {total:,} statements, not {release.manifest.quads:,}")
    if format_content(sum_content(contents)) != release.manifest.content_hash:
        faults.append("parts: their content hash is not that of the manifest")
    return faults
