"""The steps from record files to parts, tables and documents, for a whole release or for what changes in one.

    read files -> settle pages -> map shares -> map pages -> derive shares -> map sources

Papers are dealt to shares by a hash of their key, so that a share can settle duplicates and conflicts on its own,
memory stays bounded by the size of a share, and the result depends neither on the order of files nor on the number of
processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from quiver.config import Settings
from quiver.dumps import Part, PartWriter
from quiver.errors import InvalidRecord
from quiver.identifiers import Minter
from quiver.manifest import Input, Manifest, SourceCounts
from quiver.mapping import map_rules, map_source, map_source_file
from quiver.readers import open_file
from quiver.readers.streams import COMPRESSION_ENDINGS
from quiver.releases.deriving import DeriveDone, DeriveTask, derive_share
from quiver.releases.library import Release
from quiver.releases.loading import StoreLoader
from quiver.releases.redactions import list_path
from quiver.releases.redactor import redactor_of
from quiver.releases.stages import (
    MapDone,
    MapTask,
    ReadDone,
    ReadTask,
    frames_path,
    map_share,
    part_path,
    read_input,
)
from quiver.releases.workers import Need, Workers, worker_count
from quiver.storage import Location, expanded, name_of, size_of

# How much larger a compressed file's content is, for dealing out work and for estimates only.
_EXPANSION = 5
# What is derived, where a source is named otherwise: no source has this name.
DERIVED = ""


@dataclass(slots=True)
class Plan:
    """The inputs with their sources, and into how many shares each source's papers and the derived keys are dealt."""

    paths: list[Location]
    sources: list[str]
    splits: list[int]  # into how many tasks each file is read
    shares: dict[str, int]
    derived_shares: int
    format_name: str
    source: str
    first_number: int = 0


@dataclass(slots=True)
class Making:
    """A release in the making: what the steps have found so far.

    Counts start at those of the parent, if it has one. `superseded` are, by source or for what is derived, the IRIs
    whose statements in the parent are no longer true; `unindexed` the paths whose documents are not.
    """

    folder: Path
    minter: Minter
    parent: Release | None = None
    dropped: tuple[str, ...] = ()  # sources of which nothing that the parent holds is kept
    inputs: list[Input] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    sources: dict[str, SourceCounts] = field(default_factory=dict)
    added: SourceCounts = field(default_factory=SourceCounts)
    messages: list[str] = field(default_factory=list)
    tallies: list[tuple[str, tuple[tuple[int, int], ...]]] = field(default_factory=list)
    documents: list[Path] = field(default_factory=list)
    listings: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    superseded: dict[str, list[str]] = field(default_factory=dict)
    unindexed: list[str] = field(default_factory=list)
    conflicts: dict[tuple[str, str], set[str]] = field(default_factory=dict)  # source and kind -> keys
    taken: bool = False  # whether any record of the new files stands
    loader: StoreLoader | None = None  # of the store, where parts are loaded while others are still to be written
    fed: set[str] = field(default_factory=set)

    @property
    def library(self) -> Path:
        """The library that the release is made in."""
        return self.folder.parents[1]

    @property
    def generation(self) -> int:
        return 0 if self.parent is None else self.parent.manifest.generation + 1

    def parent_of(self, source: str) -> Path | None:
        """The folder of the release whose records of *source* are kept, if there is one."""
        return None if self.parent is None or source in self.dropped else self.parent.path

    @property
    def checksums(self) -> tuple[str, ...]:
        """The SHA-256 of every input, by its number."""
        return by_number(self.inputs, lambda one: one.sha256)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every input, by its number."""
        return by_number(self.inputs, lambda one: one.name)

    def count(self, source: str, counts: SourceCounts) -> None:
        self.sources[source] = self.sources.get(source, SourceCounts()).plus(counts)
        self.added = self.added.plus(counts)

    def add(self, name: str, count: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + count

    def keep(self, part: Part | None) -> None:
        if part is not None:
            self.parts.append(part)

    def feed(self, part: Part | None) -> None:
        """Have *part* loaded, if parts are as soon as they are there, and it is not yet."""
        if self.loader is not None and part is not None and part.path not in self.fed:
            self.fed.add(part.path)
            self.loader.feed(part.path)

    def supersede(self, area: str, iris: Sequence[str]) -> None:
        if iris:
            self.superseded.setdefault(area, []).extend(iris)

    def put(self, area: str, writer: PartWriter, before: dict[str, list[str]], now: dict[str, list[str]]) -> None:
        """Write the documents *now*, by IRI, in the place of those *before*."""
        for iri, lines in now.items():
            if before.get(iri) != lines:
                writer.write(lines)
        self.supersede(area, [iri for iri, lines in before.items() if now.get(iri) != lines])


def by_number(inputs: Sequence[Input], value: Callable[[Input], str]) -> tuple[str, ...]:
    """The *value* of every input in the place that is its number; empty where no input has that."""
    known = {one.number: value(one) for one in inputs}
    return tuple(known.get(number, "") for number in range(max(known, default=-1) + 1))


def plan_files(
    files: Sequence[Location], format_name: str, source: str, settings: Settings, first_number: int = 0
) -> Plan:
    """How the work on *files* is dealt out.

    Raises:
        UnknownFormat, InvalidRecord: *format_name* or *source* is none.
        OSError: a file cannot be opened.
        StorageUnavailable, MissingExtra: an URL cannot.
    """
    paths = expanded(files)
    sources, splits = [], []
    sizes: dict[str, int] = {}
    share_bytes = max(1, settings.integer("partition_bytes"))
    jobs = worker_count(settings.integer("jobs"))
    for path in paths:
        opened = open_file(path, format_name=format_name, source=source)
        opened.close()
        sources.append(opened.source)
        size = expanded_size(name_of(path), size_of(path))
        sizes[opened.source] = sizes.get(opened.source, 0) + size
        splits.append(min(jobs, 1 + size // share_bytes) if opened.splits else 1)
    shares = {slug: max(1, round(size / share_bytes)) for slug, size in sizes.items()}
    derived = min(256, sum(shares.values()))
    return Plan(paths, sources, splits, shares, derived, format_name, source, first_number)


def expanded_size(name: str, size: int) -> int:
    """About how many bytes the content of a file of this name and size has."""
    return size * (_EXPANSION if name.endswith(COMPRESSION_ENDINGS) else 1)


def read_files(plan: Plan, making: Making, settings: Settings, workers: Workers) -> None:
    """Read the planned files to frames.

    Raises:
        InvalidRecord: the name of a source holds what was taken out of the library.
    """
    check_slugs(plan, list_path(making.library))
    tasks = [
        ReadTask(
            str(path.absolute() if isinstance(path, Path) else path),
            plan.format_name,
            plan.source,
            plan.first_number + index,
            plan.shares[slug],
            str(making.folder),
            settings.integer("max_record_bytes"),
            every,
            offset,
            str(list_path(making.library)),
        )
        for index, (path, slug, every) in enumerate(zip(plan.paths, plan.sources, plan.splits, strict=True))
        for offset in range(every)
    ]
    done: list[ReadDone] = workers.run("read", read_input, tasks, sum(map(size_of, plan.paths)))
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
        making.messages.extend(result.messages)
        # Duplicates and conflicts are told apart only when a share is settled.
        making.count(known.source, SourceCounts(read=known.read, rejected=known.unreadable))
    making.inputs.extend(inputs[index] for index in sorted(inputs))
    making.seconds["read"] = workers.seconds


def check_slugs(plan: Plan, redactions: Path) -> None:
    """Refuse a source whose name holds what the list at *redactions* takes out.

    Raises:
        InvalidRecord: it does.
    """
    redactor = redactor_of(str(redactions))
    for slug in plan.sources if redactor else ():
        if redactor is not None and redactor.holds(slug):
            raise InvalidRecord(
                "the name of a source holds what was redacted in this library; nothing was published",
                value=slug,
                hint="Give it another name: --source.",
            )


def revise_inputs(making: Making) -> None:
    """Say of each new file of a replaced source which of the former files it is put in the place of."""
    if making.parent is None:
        return
    former = [known for known in making.parent.manifest.inputs if known.source in making.dropped]
    new = [known for known in making.inputs if known.source in making.dropped]
    making.inputs = [known for known in making.inputs if known.source not in making.dropped]
    for known in new:
        same = [other for other in former if other.sha256 == known.sha256]
        older = [other for other in former if other.name == known.name]
        if not older and len(former) == len(new) == 1:
            older = former
        # The very same file again is no revision of itself, and keeps what it was one of.
        revises = {one for other in same for one in other.revises} if same else {other.sha256 for other in older}
        making.inputs.append(msgspec.structs.replace(known, revises=tuple(sorted(revises))))


def map_papers(plan: Plan, making: Making, workers: Workers) -> None:
    """Map every share of the planned sources' papers."""
    checksums, names = making.checksums, making.names
    tasks = [
        MapTask(
            slug,
            share,
            shares,
            plan.derived_shares,
            making.minter.base,
            checksums,
            names,
            str(making.folder),
            making.generation,
            str(making.parent_of(slug) or ""),
        )
        for slug, shares in plan.shares.items()
        for share in range(shares)
    ]
    done: list[MapDone] = workers.run("map", map_share, tasks, needs=_frames, arrived=lambda one: making.feed(one.part))
    for task, result in zip(tasks, done, strict=True):
        slug = task.source
        making.keep(result.part)
        making.count(slug, result.counts)
        making.messages.extend(result.messages)
        making.tallies.append((result.tally_path, result.pieces))
        making.documents.append(Path(result.documents_path))
        making.add("papers", result.counts.accepted)
        making.add("signatures", result.signatures)
        making.supersede(slug, result.superseded)
        making.unindexed.extend(result.unindexed)
        making.conflicts.setdefault((slug, "paper"), set()).update(result.conflicts)
        making.taken = making.taken or bool(result.kept_inputs)
        found = making.listings.setdefault(slug, {})
        for page, paper in result.listings:
            found.setdefault(page, set()).add(paper)
    making.seconds["map"] = workers.seconds


def _frames(task: MapTask) -> list[Need]:
    return [Need(str(frames_path(Path(), task.source, task.share)))]


def derive(plan: Plan, making: Making, workers: Workers) -> None:
    """Derive what the tallies touch."""
    tallies = [(os.path.relpath(path, making.folder), pieces) for path, pieces in making.tallies]
    tasks = [
        DeriveTask(
            share,
            plan.derived_shares,
            tuple((path, *pieces[share]) for path, pieces in tallies),
            making.minter.base,
            str(making.folder),
            making.generation,
            "" if making.parent is None else str(making.parent.path),
        )
        for share in range(plan.derived_shares)
    ]
    done: list[DeriveDone] = workers.run(
        "derive", derive_share, tasks, needs=_tallies, arrived=lambda one: making.feed(one.part)
    )
    for result in done:
        making.keep(result.part)
        making.documents.append(Path(result.documents_path))
        making.supersede(DERIVED, result.superseded)
        making.unindexed.extend(result.unindexed)
        making.add("name_clusters", result.names)
        making.add("author_rows", result.rows)
        making.add("venue_series", result.series)
        making.add("venue_editions", result.editions)
    if making.parent is None:
        rules = PartWriter(making.folder, "parts/derived/rules.nq.gz")
        for lines in map_rules(making.minter):
            rules.write(lines)
        making.keep(rules.close())
    making.seconds["derive"] = workers.seconds


def _tallies(task: DeriveTask) -> list[Need]:
    return [Need(*piece) for piece in task.pieces]


def map_sources(making: Making) -> None:
    """Map the sources and their files."""
    parent = making.parent.manifest if making.parent else None
    for slug in sorted(making.sources):
        before = {} if parent is None or slug in making.dropped else _source(slug, parent.inputs, making.minter)
        now = _source(slug, making.inputs, making.minter)
        writer = PartWriter(making.folder, part_path(slug, "source", making.generation))
        making.put(slug, writer, before, now)
        making.keep(writer.close())
    making.counts["sources"] = len(making.sources)


def _source(slug: str, inputs: Sequence[Input], minter: Minter) -> dict[str, list[str]]:
    # The same bytes under two names are one file; the first name stands.
    files: dict[str, Input] = {}
    for known in sorted(inputs, key=lambda known: (known.sha256, known.name)):
        if known.source == slug:
            files.setdefault(known.sha256, known)
    if not files:
        return {}
    documents = {minter.source(slug): map_source(slug, list(files), minter)}
    for sha256, known in files.items():
        documents[minter.source_file(slug, sha256)] = map_source_file(
            slug, known.name, known.size, sha256, known.reader, minter, known.revises
        )
    return documents


def start_from(parent: Release, making: Making) -> None:
    """Begin with the counts, inputs and sources of *parent*, but for the sources that are dropped."""
    manifest: Manifest = parent.manifest
    making.parent = parent
    making.inputs = [known for known in manifest.inputs if known.source not in making.dropped]
    making.sources = {slug: counts for slug, counts in manifest.sources.items() if slug not in making.dropped}
    making.counts = dict(manifest.counts)
