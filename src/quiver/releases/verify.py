"""Whether a release is what its manifest says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from quiver.dumps import content_of, format_content, read_documents, sum_content
from quiver.errors import DamagedRelease
from quiver.manifest import CHECKSUM_NAME, FILE_NAME
from quiver.releases.finish import checksum
from quiver.releases.library import Release
from quiver.releases.workers import Progress, silent


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
    known = {file.path: file for file in manifest.files}
    for count, (name, file) in enumerate(sorted(known.items()), start=1):
        path = release.path / name
        if not path.is_file():
            faults.append(f"{name}: missing")
        else:
            size, sha256 = checksum(path)
            if size != file.size:
                faults.append(f"{name}: {size:,} bytes, not {file.size:,}")
            elif sha256 != file.sha256:
                faults.append(f"{name}: its SHA-256 is not that of the manifest")
        progress("files", count, len(known))
    present = {
        str((Path(directory) / name).relative_to(release.path))
        for directory, _, names in os.walk(release.path)
        for name in names
    }
    faults.extend(f"{name}: not in the manifest" for name in sorted(present - set(known) - {FILE_NAME, CHECKSUM_NAME}))
    faults.extend(_check_parts(release, progress))
    try:
        stored = len(release.open_store())
    except DamagedRelease as error:
        faults.append(f"store: {error.message}")
    else:
        if stored != manifest.quads:
            faults.append(f"store: {stored:,} statements, not {manifest.quads:,}")
    return Verification(release.id, len(known), manifest.quads, tuple(faults))


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
