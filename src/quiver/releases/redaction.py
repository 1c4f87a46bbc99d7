"""`redact`: a release without what is to be taken out for good, and a library in which nothing else holds it.

The release is built again from the records that the current one keeps, each without what is named; so everything that
is derived follows, and its store and text index are new ones, since what is deleted in an old one stays in its files.
It is published only when a look through all of its files finds nothing. Then every other release goes, whole.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from quiver.config import Settings
from quiver.errors import InvalidRecord, InvalidRedaction, NotFound, NothingAccepted, TracesFound, UnsupportedRelease
from quiver.identifiers import Minter
from quiver.manifest import read_manifest
from quiver.releases.build import manifest_of
from quiver.releases.finish import finish_release
from quiver.releases.library import Library, Release
from quiver.releases.paging import map_pages, settle_pages
from quiver.releases.redactions import (
    FILE_NAME,
    PaperName,
    RedactionList,
    Redactions,
    list_path,
    read_list,
    read_redactions,
    write_list,
)
from quiver.releases.redactor import Redactor
from quiver.releases.refiling import Refiled, plan_again, refile, titles_of
from quiver.releases.rejects import redact_rejects
from quiver.releases.settled import FOLDER as SETTLED
from quiver.releases.settled import SettledTable, papers_folder
from quiver.releases.space import check_rewrite
from quiver.releases.steps import Making, derive, map_papers, map_sources
from quiver.releases.traces import Findings, Tracer
from quiver.releases.workers import Progress, Workers, silent

_SHOWN: Final = 20
# Servers let go of a release some seconds after the next is there, and when its last download has ended.
_READERS_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class RedactionReport:
    """What a redaction did, or a check found: see the fields of `Refiled` and `Findings`.

    `removed` are the releases that went, `engines` the addresses of SPARQL engines that a release was loaded to.
    """

    release: Release
    refiled: Refiled
    findings: Findings
    removed: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    seconds: float = 0.0


def redact(
    library: Path, file: Path, *, settings: Settings | None = None, progress: Progress = silent
) -> RedactionReport:
    """Publish a release without what *file* names, and remove all that holds it from *library*.

    Killed at any point, the library serves either the release before or the redacted one; run again, it ends the same.

    Raises:
        InvalidRedaction: *file* is no file of redactions, lies in the library, or names what cannot be taken out.
        NotFound: it names a paper that the current release does not hold.
        NothingAccepted: nothing would be left.
        TracesFound: something is left: in the new release, which is then not published; or elsewhere in the library.
        UnsupportedRelease, InvalidRecord, NoRelease, LibraryBusy, NotEnoughDisk, OSError: as for `add`.
    """
    settings = settings or Settings()
    shelf = Library(library)
    with shelf.writing(settings.number("wait_s")):
        started = time.monotonic()
        current = _release_with_records(shelf)
        asked = _read(file, shelf, current)
        before = read_list(list_path(library)) or RedactionList.empty()
        kept = before.plus(asked)
        tracer = Tracer(asked, kept)
        if kept == before and not before.pending:
            findings = tracer.look(library, [library], progress)
            _refuse(findings, "nothing was changed, since the library's list has all of this already")
            return RedactionReport(current, Refiled(), findings, seconds=time.monotonic() - started)
        _check_papers(current, asked, before)
        _check_sources(current, Redactor(kept))
        check_rewrite(library, settings, before=current.manifest)
        kept = msgspec.structs.replace(kept, pending=True)
        release, refiled = _publish(shelf, current, asked, kept, tracer, settings, progress)
        removed, engines = _remove_others(shelf, release, settings)
        findings = tracer.look(library, list(_rest(shelf, release)), progress)
        _refuse(findings, "the redacted release is current, and something else in the library is to be removed by hand")
        write_list(msgspec.structs.replace(kept, pending=False), list_path(library))
    return RedactionReport(release, refiled, findings, removed, engines, time.monotonic() - started)


def look_for(library: Path, file: Path, *, progress: Progress = silent) -> RedactionReport:
    """Look through all of *library* for what *file* names; nothing is changed.

    Raises:
        InvalidRedaction, NoRelease, DamagedRelease, OSError: as for `redact`.
    """
    shelf = Library(library)
    current = shelf.current()
    asked = _read(file, shelf, current)
    findings = Tracer(asked, read_list(list_path(library))).look(library, [library], progress)
    return RedactionReport(current, Refiled(), findings)


def _read(file: Path, shelf: Library, current: Release) -> Redactions:
    if file.resolve().is_relative_to(shelf.path.resolve()):
        raise InvalidRedaction(
            f"{file} lies in the library, and holds what is to be taken out of it",
            value=str(file),
            hint="Keep it elsewhere, as you keep what it names.",
        )
    return read_redactions(file, current.base)


def _release_with_records(shelf: Library) -> Release:
    current = shelf.current()
    if current.manifest.kind != "records":
        raise InvalidRecord(
            "a release made of plain RDF keeps no records to redact",
            value=current.id,
            hint="Change its files, build a library anew, and delete this one.",
        )
    if not (current.path / SETTLED).is_dir():
        raise UnsupportedRelease(
            f"release {current.id} has format {current.manifest.format}, which keeps no records to start from",
            value=current.manifest.format,
            hint="Build it again from its records, once: `quiver build`.",
        )
    return current


def _check_papers(current: Release, asked: Redactions, before: RedactionList) -> None:
    """Refuse where a paper is named that there is not: it may be mistyped, and what is meant would stay."""
    known = {*before.papers, *(paper for rule in before.strings for paper in rule.papers)}
    for paper in (*asked.papers, *(paper for entry in asked.strings for paper in entry.papers)):
        if before.paper_digest(paper.source, paper.key) not in known and not _is_held(current, paper):
            iri = Minter(current.base).paper(paper.source, paper.key)
            raise NotFound(f"the release holds no {iri}; nothing was changed", value=iri, hint="Look at its address.")


def _is_held(release: Release, paper: PaperName) -> bool:
    settled = SettledTable(papers_folder(release.path, paper.source)).get([paper.key]).get(paper.key)
    return settled is not None and bool(settled.versions)


def _check_sources(current: Release, redactor: Redactor) -> None:
    if redactor.holds(current.base):
        raise InvalidRedaction(
            "the base of all IRIs holds what is to be taken out",
            value=current.base,
            hint="`quiver rebase` gives the release another base; then redact it.",
        )
    for slug in current.manifest.sources:
        if redactor.holds(slug):
            raise InvalidRedaction(
                f"the source {slug} is named by what is to be taken out",
                value=slug,
                hint="`quiver remove` it, `quiver add` its files with another --source; then redact.",
            )


def _publish(
    shelf: Library,
    current: Release,
    asked: Redactions,
    kept: RedactionList,
    tracer: Tracer,
    settings: Settings,
    progress: Progress,
) -> tuple[Release, Refiled]:
    with shelf.new_folder() as folder:
        making = Making(folder, Minter(current.base))
        # In a folder that is no part of the release; the library's own list is changed with what it speaks of.
        redactions = folder / "frames" / FILE_NAME
        redactions.parent.mkdir()
        write_list(kept, redactions)
        refiled = _make(current, making, redactions, asked, settings, progress)
        if not making.counts.get("papers") and not making.counts.get("cluster_pages"):
            raise NothingAccepted(
                "without what is named the release would be empty; nothing was changed",
                value=current.id,
                hint="A library that is no longer wanted is a folder: delete it.",
            )
        redact_rejects(shelf.path, current.id, folder / "rejects", current.manifest.sources, Redactor(kept))

        def check(made: Path) -> None:
            lists = shelf.path.glob(f"rejected/*/{read_manifest(made).id}.jsonl")
            findings = tracer.look(shelf.path, [made, *lists], progress, is_new=True)
            _refuse(findings, "nothing was published or changed")
            write_list(kept, list_path(shelf.path))

        release, _ = finish_release(
            shelf,
            folder,
            parts=making.parts,
            documents=making.documents,
            manifest=manifest_of(making, current.id),
            settings=settings,
            progress=progress,
            before=current,
            # It would have in it all that was taken out.
            with_patch=False,
            check=check,
        )
    return release, refiled


def _make(
    current: Release, making: Making, redactions: Path, asked: Redactions, settings: Settings, progress: Progress
) -> Refiled:
    """Take all steps of a build, from the records that the current release keeps."""
    plan = plan_again(current, settings)
    size = sum(known.size for known in current.manifest.inputs)
    with Workers(settings.integer("jobs"), size, progress) as workers:
        titles = titles_of(current, asked.papers)
        refiled = refile(plan, making, current, redactions, titles, workers)
        pages = settle_pages(plan, making)
        map_papers(plan, making, workers)
        map_pages(plan, making, pages)
        derive(plan, making, workers)
    map_sources(making)
    return refiled


def _refuse(findings: Findings, what: str) -> None:
    if not findings.traces:
        return
    shown = [f"{trace.place}: {trace.entry} ({count:,})" for trace, count in findings.traces.items()]
    more = f"\n... and {len(shown) - _SHOWN:,} more places" if len(shown) > _SHOWN else ""
    raise TracesFound(
        f"something is left of what is to be taken out; {what}\n" + "\n".join(shown[:_SHOWN]) + more,
        value=tuple(findings.traces),
        hint="Run it again when it is gone; if it is in a release of its own making, that is a fault of quiver.",
    )


def _remove_others(shelf: Library, release: Release, settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remove every other release and what belongs to them; their ids, and engines that releases were loaded to."""
    if len(shelf.ids()) > 1:
        # Servers that look for a new release have it by then, and have let the old one go.
        time.sleep(2 * settings.number("release_poll_s"))
    end = time.monotonic() + _READERS_S
    pruned = shelf.remove_oldest(1)
    removed = [*pruned.removed]
    while pruned.read and time.monotonic() < end:
        time.sleep(_LOOK_AGAIN_S)
        pruned = shelf.remove_oldest(1)
        removed += pruned.removed
    if pruned.read:
        raise TracesFound(
            f"older releases are still being read, and hold what is to be taken out: {', '.join(pruned.read)}",
            value=pruned.read,
            hint="End downloads and servers that read them, then run it again; the new release is the current one.",
        )
    for listing in shelf.path.glob("rejected/*/*.jsonl"):
        if listing.stem != release.id:
            listing.unlink()
    engines = []
    for state in sorted(shelf.path.glob("loads/*")):
        with contextlib.suppress(msgspec.MsgspecError):
            engines.append(msgspec.json.decode(state.read_bytes(), type=_Load).endpoint)
        state.unlink()
    return tuple(removed), tuple(dict.fromkeys(engines))


class _Load(msgspec.Struct):
    """What is read here of the state of a load."""

    endpoint: str


def _rest(shelf: Library, release: Release) -> Iterator[Path]:
    """All of a library but the release that has been looked at."""
    for entry in sorted(shelf.path.iterdir()):
        if entry != shelf.releases_path:
            yield entry
    for entry in sorted(shelf.releases_path.iterdir()):
        if entry != release.path:
            yield entry
