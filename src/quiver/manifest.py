"""`release.json`: what a release is, in one file that the rest of the release can be checked against."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from quiver.errors import DamagedRelease, UnsupportedRelease

FORMAT: Final = 2
# Formats that are served. A release of format 1 has no `settled` records, and `add` cannot start from it.
SERVED: Final = (1, 2)
FILE_NAME: Final = "release.json"
# What leads from a release's parent to it: form -> the ending of a file of it without .gz, and what it is called.
PATCH_FORMS: Final[dict[str, tuple[str, str]]] = {
    "patch": ("rdfp", "RDF Patch"),
    "added": ("added.nq", "added statements, N-Quads"),
    "removed": ("removed.nq", "removed statements, N-Quads"),
}
# Its own SHA-256, in the form of `sha256sum`: everything else is checked against the manifest, and it against this.
CHECKSUM_NAME: Final = "release.json.sha256"


class ReleaseFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file below the release's folder: path, size in bytes, SHA-256 in hex; quads where it holds some."""

    path: str
    size: int
    sha256: str
    quads: int | None = None


class Input(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file that was read: what it is, and how many records it held (`read`) and lost (`unreadable`).

    `number` is what settled records know it by; `revises` are the SHA-256 of the files in whose place it was put.
    """

    name: str
    size: int
    sha256: str
    reader: str
    source: str
    read: int = 0
    unreadable: int = 0
    number: int = 0
    revises: tuple[str, ...] = ()


class SourceCounts(msgspec.Struct, frozen=True):
    """Of one source: read = accepted + duplicate + rejected, and the cluster pages among the accepted."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    pages: int = 0

    def minus(self, other: SourceCounts) -> SourceCounts:
        return SourceCounts(
            self.read - other.read,
            self.accepted - other.accepted,
            self.duplicate - other.duplicate,
            self.rejected - other.rejected,
            self.pages - other.pages,
        )

    def plus(self, other: SourceCounts) -> SourceCounts:
        return SourceCounts(
            self.read + other.read,
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            self.pages + other.pages,
        )


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A release: identity, base of its IRIs, counts, sources, inputs, files, and seconds spent on each stage.

    `generation` counts the changes since everything was built; files of a change carry its number. `dump`
    is all parts one after the other as one file, which is not there as such: its size and SHA-256.
    """

    format: int = FORMAT
    id: str
    base: str
    created: str
    software: str
    content_hash: str
    quads: int
    kind: str = "records"
    parent: str | None = None
    generation: int = 0
    counts: dict[str, int] = {}
    sources: dict[str, SourceCounts] = {}
    inputs: tuple[Input, ...] = ()
    files: tuple[ReleaseFile, ...] = ()
    seconds: dict[str, float] = {}
    dump: ReleaseFile | None = None

    @property
    def totals(self) -> SourceCounts:
        """The counts of all sources together."""
        total = SourceCounts()
        for counts in self.sources.values():
            total = total.plus(counts)
        return total

    @property
    def parts(self) -> tuple[ReleaseFile, ...]:
        """The files that hold the release's quads as compressed N-Quads, in order; together they are the dump."""
        return tuple(file for file in self.files if file.path.startswith("parts/"))

    def dump_address(self, extension: str = "nq") -> str:
        """Where the dump is offered, below the base."""
        return f"dumps/{self.id}/quiver-{self.id}.{extension}.gz"

    def patch_address(self, form: str) -> str:
        """Where the patch of that form is offered, below the base."""
        return f"dumps/{self.id}/patch-{self.id}.{PATCH_FORMS[form][0]}.gz"

    @property
    def patches(self) -> dict[str, ReleaseFile]:
        """By form (`patch`, `added`, `removed`), the files that hold what leads from the parent to the release."""
        return {Path(file.path).name.partition(".")[0]: file for file in self.files if file.path.startswith("patch/")}


class _FormatOnly(msgspec.Struct):
    format: int


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `release.json` into *folder*, and its checksum beside it."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    (folder / FILE_NAME).write_bytes(data)
    (folder / CHECKSUM_NAME).write_text(_checksum_line(data), encoding="ascii")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the release in *folder*.

    Raises:
        DamagedRelease: there is none, it cannot be read, or it is not what its checksum says.
        UnsupportedRelease: its format number is not one that this version serves.
    """
    path = folder / FILE_NAME
    try:
        data = path.read_bytes()
        _check(data, folder / CHECKSUM_NAME)
        number = msgspec.json.decode(data, type=_FormatOnly).format
        if number in SERVED:
            return msgspec.json.decode(data, type=Manifest)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise DamagedRelease(
            f"{path}: {error}",
            value=str(path),
            hint="`quiver releases LIBRARY --rollback ID` goes back to another release.",
        ) from error
    raise UnsupportedRelease(
        f"{path}: release format {number}; this version serves formats {SERVED[0]} to {SERVED[-1]}",
        value=number,
        hint="Install a newer quiver." if number > FORMAT else "Build it again from its records: `quiver build`.",
    )


def _check(data: bytes, checksum: Path) -> None:
    try:
        stated = checksum.read_bytes()
    except FileNotFoundError:
        # Earlier releases have none.
        return
    if stated != _checksum_line(data).encode():
        raise ValueError(f"its SHA-256 is not that in {checksum.name}")


def _checksum_line(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  {FILE_NAME}\n"
