"""`build`: record files to a published release."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from quiver import __version__
from quiver.config import Settings
from quiver.errors import NothingAccepted, QuiverError, RejectedRecords
from quiver.filling.allocators import find_allocator
from quiver.identifiers import Minter, normalise_base
from quiver.manifest import Manifest, SourceCounts
from quiver.releases.dropping import drop_sources, dropped_bytes
from quiver.releases.executors import StagedWorkers, noted_scratch, opened_executor
from quiver.releases.finish import finish_release
from quiver.releases.library import Library, Release, stamp
from quiver.releases.loading import StoreLoader
from quiver.releases.paging import map_pages, settle_pages
from quiver.releases.rejects import publish_rejects
from quiver.releases.space import check_build
from quiver.releases.steps import Making, Plan, derive, map_papers, map_sources, plan_files, read_files, revise_inputs
from quiver.releases.workers import Progress, Workers, silent
from quiver.storage import Location, size_of

# Counts that a release without any does not give.
_OPTIONAL_COUNTS: Final = ("cluster_pages",)


@dataclass(frozen=True, slots=True)
class BuildReport:
    """A release as built: what became of the records, the messages of what was not taken, where rejects are written."""

    release: Release
    counts: SourceCounts
    messages: tuple[str, ...]
    rejects: tuple[Path, ...]
    seconds: float


def build(
    library: Path,
    files: Sequence[Location],
    *,
    base: str = "",
    format_name: str = "",
    source: str = "",
    strict: bool = False,
    settings: Settings | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Build a release from record files, by path or URL, and publish it.

    Records are read and mapped on *executor*, else where the setting of that name says, else in processes of our own.

    Raises:
        UnknownFormat, InvalidRecord: *format_name* or *source* is none.
        InvalidSetting: the setting `allocator` names no library.
        NothingAccepted: the files hold no acceptable record.
        RejectedRecords: *strict*, and at least one record was rejected.
        LibraryBusy: another process writes to the library, and still does after the setting `wait_s`.
        OSError: a file cannot be opened, or the disk is full.
        StorageUnavailable: an URL cannot be reached.
        MissingExtra: it, or the executor, needs a package that is not installed.
        ConversionFailed: the executor could not do its share.
    """
    settings = settings or Settings()
    minter = Minter(normalise_base(base or settings.text("base")))
    allocator = find_allocator(settings.text("allocator"))
    plan = plan_files(files, format_name, source, settings)
    shelf = Library(library)
    with shelf.writing(settings.number("wait_s")):
        started = time.monotonic()
        before = shelf.current_or_none()
        check_build(shelf.path, plan.paths, settings, before=before.manifest if before else None)
        with (
            shelf.new_folder() as folder,
            StoreLoader(folder / "store", checked=True, allocator=allocator) as loader,
        ):
            making = Making(folder, minter)
            make(plan, making, settings, progress, executor, loader)
            refuse_if_needed(shelf, making, strict)
            release, rejects = finish_release(
                shelf,
                folder,
                parts=making.parts,
                documents=making.documents,
                manifest=manifest_of(making, shelf.current_id()),
                settings=settings,
                progress=progress,
                before=before,
                loader=loader,
            )
        if keep := settings.integer("keep_releases"):
            shelf.remove_oldest(keep, grace_s=settings.number("release_grace_s"))
    return BuildReport(release, making.added, tuple(making.messages), tuple(rejects), time.monotonic() - started)


def make(
    plan: Plan,
    making: Making,
    settings: Settings,
    progress: Progress,
    executor: Executor | None = None,
    loader: StoreLoader | None = None,
) -> None:
    """Take all steps from the planned files to parts, tables and documents; *loader* is fed the parts, unless few."""
    with _workers(plan, making, settings, progress, executor) as workers:
        if workers.several and loader is not None:
            loader.start()
            making.loader = loader
        read_files(plan, making, settings, workers)
        revise_inputs(making)
        drop_sources(plan, making, workers)
        pages = settle_pages(plan, making)
        map_papers(plan, making, workers)
        map_pages(plan, making, pages)
        derive(plan, making, workers)
    map_sources(making)
    for part in making.parts:
        making.feed(part)


@contextlib.contextmanager
def _workers(
    plan: Plan, making: Making, settings: Settings, progress: Progress, given: Executor | None
) -> Iterator[Workers]:
    with contextlib.ExitStack() as stack:
        executor = given or stack.enter_context(opened_executor(settings))
        if executor is None:
            size = sum(map(size_of, plan.paths)) + dropped_bytes(making)
            yield stack.enter_context(Workers(settings.integer("jobs"), size, progress))
            return
        place = stack.enter_context(noted_scratch(making.folder, settings.text("scratch")))
        yield StagedWorkers(executor, place, making.folder, progress)


def refuse_if_needed(shelf: Library, making: Making, strict: bool) -> None:
    """Refuse to publish where no record stands that the files hold, or where one was rejected and that is a failure.

    Raises:
        NothingAccepted, RejectedRecords: with the lists of rejects, which are kept, in the hint.
    """
    error: QuiverError | None = None
    what = "\n".join(making.messages)
    if not making.taken:
        error = NothingAccepted(f"no record was accepted; nothing was published\n{what}".rstrip(), value=making.added)
    elif strict and making.added.rejected:
        error = RejectedRecords(
            f"{making.added.rejected:,} of {making.added.read:,} records were rejected; nothing was published\n"
            f"{what}".rstrip(),
            value=making.added,
        )
    if error:
        written = publish_rejects(making.folder / "rejects", shelf.path, "refused-" + stamp(datetime.now(UTC)))
        error.hint = "Rejects are in " + ", ".join(map(str, written)) + "." if written else ""
        raise error


def manifest_of(making: Making, parent: str | None) -> Manifest:
    """The manifest of what was made, without what is known only when it is finished."""
    now = datetime.now(UTC)
    return Manifest(
        id=stamp(now),
        base=making.minter.base,
        created=now.isoformat(timespec="seconds"),
        software=f"quiver {__version__}",
        content_hash="",
        quads=0,
        parent=parent,
        generation=making.generation,
        counts={name: count for name, count in sorted(making.counts.items()) if count or name not in _OPTIONAL_COUNTS},
        sources=dict(sorted(making.sources.items())),
        inputs=tuple(sorted(making.inputs, key=lambda known: (known.source, known.name, known.sha256))),
        seconds=making.seconds,
    )
