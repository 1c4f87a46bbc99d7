"""`add`, `remove`, `replace`: a release on top of the current one, exactly as a build of the same records would be."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import msgspec

from quiver import __version__
from quiver.config import Settings
from quiver.errors import InvalidRecord, NotFound, NothingAccepted, UnsupportedRelease
from quiver.identifiers import Minter
from quiver.releases.build import BuildReport, make, manifest_of, refuse_if_needed
from quiver.releases.carrying import change_results
from quiver.releases.changing import change_index, change_parts, change_store, change_tables, reload_above, timed
from quiver.releases.finish import joined, publish_folder
from quiver.releases.history import changes_of, keep_changes
from quiver.releases.joining import compact_store, is_due, join_later_parts
from quiver.releases.library import Library, Release
from quiver.releases.rejects import carry_rejects
from quiver.releases.settled import FOLDER as SETTLED
from quiver.releases.settled import tallies_folder
from quiver.releases.space import check_change
from quiver.releases.steps import Making, Plan, plan_files, start_from
from quiver.releases.tables import Table
from quiver.releases.verify import blaming
from quiver.releases.workers import Progress, silent
from quiver.storage import Location


def add(
    library: Path,
    files: Sequence[Location],
    *,
    format_name: str = "",
    source: str = "",
    settings: Settings | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Publish a release with the records of *files* added to those of the current one.

    The counts of the report are those of what was added.

    Raises:
        UnknownFormat, InvalidRecord: *format_name* or *source* is none, or the current release is plain RDF.
        NothingAccepted: no record of the files would stand.
        UnsupportedRelease: the current release keeps no records to start from.
        NoRelease, LibraryBusy, OSError: as for `build`.
    """
    settings = settings or Settings()
    shelf = Library(library)
    with shelf.writing(settings.number("wait_s")):
        parent = _parent(shelf)
        plan = plan_files(files, format_name, source, settings, _next_number(parent))
        return _publish(shelf, parent, plan, (), settings, progress, executor)


def remove(
    library: Path,
    source: str,
    *,
    settings: Settings | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Publish a release without the records of *source*, and without what was derived from them alone.

    Raises:
        NotFound: the current release has no such source.
        NothingAccepted: it has no other.
        UnsupportedRelease, InvalidRecord, NoRelease, LibraryBusy, OSError: as for `add`.
    """
    settings = settings or Settings()
    shelf = Library(library)
    with shelf.writing(settings.number("wait_s")):
        parent = _parent(shelf)
        _check_source(parent, source)
        others = [counts for slug, counts in parent.manifest.sources.items() if slug != source]
        if not any(counts.accepted for counts in others):
            raise NothingAccepted(
                f"without {source} the release would be empty; nothing was published",
                value=source,
                hint="`quiver replace` puts other files in its place; a library that is no longer wanted is a folder.",
            )
        plan = Plan([], [], [], {}, max(1, Table(tallies_folder(parent.path)).shares), "", "", _next_number(parent))
        return _publish(shelf, parent, plan, (source,), settings, progress, executor)


def replace(
    library: Path,
    source: str,
    files: Sequence[Location],
    *,
    format_name: str = "",
    settings: Settings | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Publish a release with the records of *files* in the place of all that *source* has.

    Records with a key keep their IRIs. A file is a revision of the source's former file of the same name; where each
    side has one file alone, of that.

    Raises:
        NotFound: the current release has no such source.
        NothingAccepted, UnknownFormat, UnsupportedRelease, InvalidRecord, NoRelease, LibraryBusy, OSError: as for
            `add`.
    """
    settings = settings or Settings()
    shelf = Library(library)
    with shelf.writing(settings.number("wait_s")):
        parent = _parent(shelf)
        _check_source(parent, source)
        plan = plan_files(files, format_name, source, settings, _next_number(parent))
        return _publish(shelf, parent, plan, (source,), settings, progress, executor)


def _parent(shelf: Library) -> Release:
    parent = shelf.current()
    if parent.manifest.kind != "records":
        raise InvalidRecord(
            "a release made of plain RDF has no sources to change",
            value=parent.id,
            hint="Build it again: `quiver build`.",
        )
    if not (parent.path / SETTLED).is_dir():
        raise UnsupportedRelease(
            f"release {parent.id} has format {parent.manifest.format}, which keeps no records to start from",
            value=parent.manifest.format,
            hint="Build it again from its records, once: `quiver build`.",
        )
    if parent.manifest.software != f"quiver {__version__}":
        raise UnsupportedRelease(
            f"release {parent.id} was made by {parent.manifest.software}, this is quiver {__version__}: what is old and"
            " what is new would be mapped differently",
            value=parent.manifest.software,
            hint="Build it again from its records, once: `quiver build`.",
        )
    return parent


def _check_source(parent: Release, source: str) -> None:
    if source not in parent.manifest.sources:
        raise NotFound(
            f"the release has no source {source!r}",
            value=source,
            hint=f"It has {', '.join(sorted(parent.manifest.sources))}.",
        )


def _next_number(parent: Release) -> int:
    return 1 + max((known.number for known in parent.manifest.inputs), default=-1)


def _publish(
    shelf: Library,
    parent: Release,
    plan: Plan,
    dropped: tuple[str, ...],
    settings: Settings,
    progress: Progress,
    executor: Executor | None,
) -> BuildReport:
    started = time.monotonic()
    check_change(
        shelf.path,
        plan.paths,
        settings,
        before=parent.manifest,
        dropped=dropped,
        reload_above=reload_above(parent.manifest.quads),
        compact=is_due(parent.manifest, settings),
    )
    # The dump's checksum needs all parts from the disk, which nothing else does: read them beside the rest.
    with shelf.new_folder() as folder, blaming(parent), ThreadPoolExecutor(1) as beside:
        making = Making(folder, Minter(parent.base), dropped=dropped)
        start_from(parent, making)
        make(plan, making, settings, progress, executor)
        if plan.paths:
            refuse_if_needed(shelf, making, strict=False)
        kept = making.sources.keys() - set(dropped)
        carry_rejects(shelf.path, parent.id, folder / "rejects", kept, making.conflicts)
        now = time.monotonic()
        changed = change_parts(making, progress)
        due = is_due(parent.manifest, settings)
        if due:
            join_later_parts(making, changed)
        in_order = sorted(changed.known.values(), key=lambda file: Path(file.path))
        dump = beside.submit(joined, folder, in_order, changed.quads)
        now = timed(making, "parts", now)
        change_tables(making)
        now = timed(making, "tables", now)
        change_store(making, changed, changed.quads > settings.integer("compact_above"), progress)
        if due:
            compact_store(folder / "store", progress)
        now = timed(making, "store", now)
        change_index(making, settings.integer("index_memory_bytes"), progress)
        now = timed(making, "index", now)
        change_results(making, changed, progress)
        now = timed(making, "answer", now)
        manifest = msgspec.structs.replace(
            manifest_of(making, parent.id), quads=changed.quads, content_hash=changed.content_hash
        )
        release_id = shelf.free_id(manifest.id, manifest.content_hash)
        manifest = msgspec.structs.replace(manifest, id=release_id)
        made = Release(folder, msgspec.structs.replace(manifest, files=tuple(changed.known.values())))
        changes = changes_of(changed.removed(), making.parts, parent.base, folder, changed.moved)
        patch = keep_changes(changes, parent, made, shelf.newer_than(parent.id))
        timed(making, "compare", now)
        release, lists = publish_folder(
            shelf,
            folder,
            manifest=manifest,
            known={**changed.known, **{file.path: file for file in patch}},
            parent=parent,
            progress=progress,
            dump=dump.result(),
        )
    if keep := settings.integer("keep_releases"):
        shelf.remove_oldest(keep, grace_s=settings.number("release_grace_s"))
    return BuildReport(release, making.added, tuple(making.messages), tuple(lists), time.monotonic() - started)
