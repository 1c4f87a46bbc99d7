"""`rebase`: the current release with another base."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from quiver import __version__
from quiver.config import Settings
from quiver.dumps import PartWriter, read_documents
from quiver.errors import InvalidRecord
from quiver.identifiers import normalise_base
from quiver.mapping import OUTWARD
from quiver.namespaces import term
from quiver.releases.finish import finish_release
from quiver.releases.gone import carry_gone
from quiver.releases.library import Library, Release, link_file, stamp
from quiver.releases.rejects import carry_rejects
from quiver.releases.settled import FOLDER as SETTLED
from quiver.releases.space import check_rewrite
from quiver.releases.verify import blaming
from quiver.releases.workers import Progress, silent

_OUTWARD: Final = frozenset(f"<{term(curie)}>".encode() for curie in OUTWARD)


def rebase(library: Path, base: str, *, settings: Settings | None = None, progress: Progress = silent) -> Release:
    """Publish a release that differs from the current one in its base alone.

    Raises:
        InvalidIdentifier: *base* is no base.
        InvalidRecord: the release has that base, or was made of plain RDF and has none.
        NoRelease, LibraryBusy: as for every writer.
    """
    settings = settings or Settings()
    base = normalise_base(base)
    shelf = Library(library)
    with shelf.writing(settings.number("wait_s")):
        parent = shelf.current()
        if parent.manifest.kind != "records":
            raise InvalidRecord("a release made of plain RDF has no base of ours to change", value=parent.id)
        if parent.base == base:
            raise InvalidRecord(f"the release has the base {base} already", value=base)
        check_rewrite(shelf.path, settings, before=parent.manifest)
        with shelf.new_folder() as folder, blaming(parent):
            started = time.monotonic()
            old, new = f"<{parent.base}".encode(), f"<{base}".encode()
            parts = []
            for count, file in enumerate(parent.manifest.parts, start=1):
                writer = PartWriter(folder, file.path)
                for lines in read_documents(parent.path / file.path):
                    writer.write([_replace(line, old, new).decode() for line in lines])
                if part := writer.close():
                    parts.append(part)
                progress("rewrite", count, len(parent.manifest.parts))
            # These hold paths and records, no IRIs.
            shutil.copytree(parent.search_path, folder / "search")
            if (parent.path / SETTLED).is_dir():
                shutil.copytree(parent.path / SETTLED, folder / SETTLED, copy_function=_link)
            carry_gone(parent.path, folder)
            carry_rejects(shelf.path, parent.id, folder / "rejects", parent.manifest.sources, {})
            now = datetime.now(UTC)
            manifest = msgspec.structs.replace(
                parent.manifest,
                id=stamp(now),
                base=base,
                created=now.isoformat(timespec="seconds"),
                software=f"quiver {__version__}",
                parent=parent.id,
                seconds={"rewrite": round(time.monotonic() - started, 3)},
            )
            release, _ = finish_release(
                shelf,
                folder,
                parts=parts,
                documents=None,
                manifest=manifest,
                settings=settings,
                progress=progress,
            )
    return release


def _link(source: str, target: str) -> None:
    link_file(Path(source), Path(target))


def _replace(line: bytes, old: bytes, new: bytes) -> bytes:
    """One statement with the base of its IRIs changed; text inside a literal stays as it is."""
    subject, predicate, rest = line.split(b" ", 2)
    if subject.startswith(old):
        subject = new + subject[len(old) :]
    if rest.startswith(old) and predicate not in _OUTWARD:
        rest = new + rest[len(old) :]
    return b" ".join((subject, predicate, rest))
