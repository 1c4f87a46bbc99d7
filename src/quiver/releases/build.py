"""`build`: record files to a published release.

    read inputs -> settle pages -> map shares -> map pages -> derive shares -> load | index -> answer -> publish

Papers are dealt to shares by a hash of their key, so that a share can settle duplicates and conflicts on its own,
memory stays bounded by the size of a share, and the result depends neither on the order of files nor on the number of
processes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from quiver import __version__
from quiver.config import Settings
from quiver.derive import Tally, share_of
from quiver.dumps import Part, PartWriter
from quiver.errors import NothingAccepted, QuiverError, RejectedRecords
from quiver.identifiers import Minter, normalise_base
from quiver.manifest import Input, Manifest, SourceCounts
from quiver.mapping import map_cluster_page, map_rules, map_source, map_source_file
from quiver.readers import open_file
from quiver.readers.streams import COMPRESSION_ENDINGS
from quiver.records import ClusterPage
from quiver.releases.finish import finish_release
from quiver.releases.library import Library, Release, stamp
from quiver.releases.rejects import RejectWriter, publish_rejects
from quiver.releases.spool import Frame, FrameWriter, read_frames
from quiver.releases.stages import (
    DeriveDone,
    DeriveTask,
    Kept,
    MapDone,
    MapTask,
    ReadDone,
    ReadTask,
    decode_item,
    derive_share,
    frames_path,
    map_share,
    read_input,
    settle,
    write_tally,
)
from quiver.releases.workers import Progress, Workers, silent, worker_count

# How much larger a compressed file's content is, for dealing out work only.
_EXPANSION = 5


@dataclass(frozen=True, slots=True)
class BuildReport:
    """A release as built: what became of the records, the messages of what was not taken, where rejects are written."""

    release: Release
    counts: SourceCounts
    messages: tuple[str, ...]
    rejects: tuple[Path, ...]
    seconds: float


@dataclass(slots=True)
class _Plan:
    """The inputs with their sources, and into how many shares each source's papers and the derived keys are dealt."""

    paths: list[Path]
    sources: list[str]
    splits: list[int]  # into how many tasks each file is read
    shares: dict[str, int]
    derived_shares: int


@dataclass(slots=True)
class _Progress:
    """What the steps of one build have found so far."""

    inputs: list[Input] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    sources: dict[str, SourceCounts] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    tallies: list[tuple[str, tuple[tuple[int, int], ...]]] = field(default_factory=list)
    documents: list[Path] = field(default_factory=list)
    listings: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    pages: dict[str, list[tuple[str, Kept]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def count(self, source: str, counts: SourceCounts) -> None:
        self.sources[source] = self.sources.get(source, SourceCounts()).plus(counts)

    def keep(self, part: Part | None) -> None:
        if part is not None:
            self.parts.append(part)


def build(
    library: Path,
    files: Sequence[Path],
    *,
    base: str = "",
    format_name: str = "",
    source: str = "",
    strict: bool = False,
    settings: Settings | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Build a release from record files and publish it.

    Raises:
        UnknownFormat, InvalidRecord: *format_name* or *source* is none.
        NothingAccepted: the files hold no acceptable record.
        RejectedRecords: *strict*, and at least one record was rejected.
        LibraryBusy: another process writes to the library.
        OSError: a file cannot be opened, or the disk is full.
    """
    settings = settings or Settings()
    started = time.monotonic()
    minter = Minter(normalise_base(base or settings.text("base")))
    plan = _plan(files, format_name, source, settings)
    shelf = Library(library)
    with shelf.writing():
        with shelf.new_folder() as folder:
            state = _Progress()
            size = sum(path.stat().st_size for path in plan.paths)
            with Workers(settings.integer("jobs"), size, progress) as workers:
                _read(plan, state, folder, format_name, source, settings, workers)
                _settle_pages(plan, state, folder)
                _map(plan, state, folder, minter, workers)
                _map_pages(state, folder, minter, plan)
                _derive(plan, state, folder, minter, workers)
            _map_sources(state, folder, minter)
            total = SourceCounts()
            for counts in state.sources.values():
                total = total.plus(counts)
            _refuse_if_needed(shelf, folder, state, total, strict)
            release, rejects = finish_release(
                shelf,
                folder,
                parts=state.parts,
                documents=state.documents,
                manifest=_manifest(minter.base, state, shelf.current_id()),
                settings=settings,
                progress=progress,
            )
        if keep := settings.integer("keep_releases"):
            shelf.remove_oldest(keep)
    return BuildReport(release, total, tuple(state.messages), tuple(rejects), time.monotonic() - started)


def _plan(files: Sequence[Path], format_name: str, source: str, settings: Settings) -> _Plan:
    sources, splits = [], []
    sizes: dict[str, int] = {}
    share_bytes = max(1, settings.integer("partition_bytes"))
    jobs = worker_count(settings.integer("jobs"))
    for path in files:
        opened = open_file(path, format_name=format_name, source=source)
        opened.close()
        sources.append(opened.source)
        size = path.stat().st_size * (_EXPANSION if path.suffix in COMPRESSION_ENDINGS else 1)
        sizes[opened.source] = sizes.get(opened.source, 0) + size
        splits.append(min(jobs, 1 + size // share_bytes) if opened.splits else 1)
    shares = {slug: max(1, round(size / share_bytes)) for slug, size in sizes.items()}
    return _Plan(list(files), sources, splits, shares, min(256, sum(shares.values())))


def _read(
    plan: _Plan, state: _Progress, folder: Path, format_name: str, source: str, settings: Settings, workers: Workers
) -> None:
    tasks = [
        ReadTask(
            str(path),
            format_name,
            source,
            index,
            plan.shares[slug],
            str(folder),
            settings.integer("max_record_bytes"),
            every,
            offset,
        )
        for index, (path, slug, every) in enumerate(zip(plan.paths, plan.sources, plan.splits, strict=True))
        for offset in range(every)
    ]
    done: list[ReadDone] = workers.run("read", read_input, tasks, sum(path.stat().st_size for path in plan.paths))
    inputs: dict[int, Input] = {}
    for task, result in zip(tasks, done, strict=True):
        known = result.input
        before = inputs.get(task.input)
        inputs[task.input] = (
            known
            if before is None
            else msgspec.structs.replace(
                known, read=before.read + known.read, unreadable=before.unreadable + known.unreadable
            )
        )
        state.messages.extend(result.messages)
        # Duplicates and conflicts are told apart only when a share is settled.
        state.count(known.source, SourceCounts(read=known.read, rejected=known.unreadable))
    state.inputs.extend(inputs[index] for index in sorted(inputs))
    state.seconds["read"] = workers.seconds


def _settle_pages(plan: _Plan, state: _Progress, folder: Path) -> None:
    """Decide between pages of one key, and tell the shares which papers the pages that stand list."""
    checksums = tuple(known.sha256 for known in state.inputs)
    for slug, shares in plan.shares.items():
        pages: dict[str, list[Frame]] = {}
        for file in sorted(frames_path(folder, slug, -1).iterdir()):
            for frame in read_frames(file):
                pages.setdefault(frame.key, []).append(frame)
        rejects = RejectWriter(folder / "rejects", slug, "pages")
        listings: dict[int, FrameWriter] = {}
        tally = Tally()
        for key in sorted(pages):
            kept, losers, equal = settle(pages[key], checksums)
            page = decode_item(kept.frame.body)
            assert isinstance(page, ClusterPage)
            state.pages.setdefault(slug, []).append((key, kept))
            state.count(slug, SourceCounts(0, 1, equal, len(losers), 1))
            for frame in losers:
                stands = f"{state.inputs[kept.frame.input].name}:{kept.locator}"
                message = rejects.write_conflict(frame, state.inputs[frame.input].name, decode_item(frame.body), stands)
                state.messages.append(message)
            tally.add_page(key, page.name)
            for paper in page.lists:
                share = share_of(paper, shares)
                writer = listings.setdefault(share, FrameWriter(frames_path(folder, slug, share) / "listings"))
                writer.write(Frame(paper, b"", 0, key, page.name.encode()))
        for writer in listings.values():
            writer.close()
        rejects.close()
        if pages:
            path = folder / "tallies" / f"{slug}-pages"
            state.tallies.append((str(path), write_tally(tally.with_bare_names(), plan.derived_shares, path)))


def _map(plan: _Plan, state: _Progress, folder: Path, minter: Minter, workers: Workers) -> None:
    checksums = tuple(known.sha256 for known in state.inputs)
    names = tuple(known.name for known in state.inputs)
    tasks = [
        MapTask(slug, share, plan.derived_shares, minter.base, checksums, names, str(folder))
        for slug, shares in plan.shares.items()
        for share in range(shares)
    ]
    done: list[MapDone] = workers.run("map", map_share, tasks)
    for task, result in zip(tasks, done, strict=True):
        state.keep(result.part)
        state.count(task.source, result.counts)
        state.messages.extend(result.messages)
        state.tallies.append((result.tally_path, result.pieces))
        state.documents.append(Path(result.documents_path))
        state.counts["papers"] = state.counts.get("papers", 0) + result.counts.accepted
        state.counts["signatures"] = state.counts.get("signatures", 0) + result.signatures
        found = state.listings.setdefault(task.source, {})
        for page, paper in result.listings:
            found.setdefault(page, set()).add(paper)
    state.seconds["map"] = workers.seconds


def _map_pages(state: _Progress, folder: Path, minter: Minter, plan: _Plan) -> None:
    for slug, pages in state.pages.items():
        writer = PartWriter(folder / "parts" / "source" / slug / "pages.nq.gz")
        for key, kept in pages:
            page = decode_item(kept.frame.body)
            assert isinstance(page, ClusterPage)
            found = state.listings.get(slug, {}).get(key, set())
            files = [minter.source_file(slug, state.inputs[index].sha256) for index in kept.inputs]
            writer.write(
                map_cluster_page(
                    page, source=slug, key=key, found=found, files=files, locator=kept.locator, minter=minter
                )
            )
        state.keep(writer.close())
        state.counts["cluster_pages"] = state.counts.get("cluster_pages", 0) + len(pages)


def _derive(plan: _Plan, state: _Progress, folder: Path, minter: Minter, workers: Workers) -> None:
    tasks = [
        DeriveTask(
            share,
            tuple((path, *pieces[share]) for path, pieces in state.tallies),
            minter.base,
            str(folder),
        )
        for share in range(plan.derived_shares)
    ]
    done: list[DeriveDone] = workers.run("derive", derive_share, tasks)
    for result in done:
        state.keep(result.part)
        state.documents.append(Path(result.documents_path))
        for name, count in (
            ("name_clusters", result.names),
            ("author_rows", result.rows),
            ("venue_series", result.series),
            ("venue_editions", result.editions),
        ):
            state.counts[name] = state.counts.get(name, 0) + count
    rules = PartWriter(folder / "parts" / "derived" / "rules.nq.gz")
    for lines in map_rules(minter):
        rules.write(lines)
    state.keep(rules.close())
    state.seconds["derive"] = workers.seconds


def _map_sources(state: _Progress, folder: Path, minter: Minter) -> None:
    for slug in sorted(state.sources):
        # The same bytes under two names are one file; the first name stands.
        files: dict[str, Input] = {}
        for known in sorted(state.inputs, key=lambda known: (known.sha256, known.name)):
            if known.source == slug:
                files.setdefault(known.sha256, known)
        writer = PartWriter(folder / "parts" / "source" / slug / "source.nq.gz")
        writer.write(map_source(slug, list(files), minter))
        for sha256, known in files.items():
            writer.write(map_source_file(slug, known.name, known.size, sha256, known.reader, minter))
        state.keep(writer.close())
    state.counts["sources"] = len(state.sources)


def _refuse_if_needed(shelf: Library, folder: Path, state: _Progress, total: SourceCounts, strict: bool) -> None:
    error: QuiverError | None = None
    what = "\n".join(state.messages)
    if not total.accepted:
        error = NothingAccepted(f"no record was accepted; nothing was published\n{what}".rstrip(), value=total)
    elif strict and total.rejected:
        error = RejectedRecords(
            f"{total.rejected:,} of {total.read:,} records were rejected; nothing was published\n{what}".rstrip(),
            value=total,
        )
    if error:
        written = publish_rejects(folder / "rejects", shelf.path, "refused-" + stamp(datetime.now(UTC)))
        error.hint = "Rejects are in " + ", ".join(map(str, written)) + "." if written else ""
        raise error


def _manifest(base: str, state: _Progress, parent: str | None) -> Manifest:
    now = datetime.now(UTC)
    return Manifest(
        id=stamp(now),
        base=base,
        created=now.isoformat(timespec="seconds"),
        software=f"quiver {__version__}",
        content_hash="",
        quads=0,
        parent=parent,
        counts=dict(sorted(state.counts.items())),
        sources=dict(sorted(state.sources.items())),
        inputs=tuple(sorted(state.inputs, key=lambda known: (known.source, known.name, known.sha256))),
        seconds=state.seconds,
    )
