"""The steps of a build that run in worker processes: each a function of a task, with files for in- and output.

input file --read_input--> frames by source and share --map_share--> part, tally, documents --derive_share--> part

What is added to a release goes the same way. `map_share` then finds in the parent what it knew of the same papers, and
tells what of it is superseded; the tally is the difference.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from quiver.derive import Tally, share_of
from quiver.dumps import Part, PartWriter
from quiver.filling.documents import DocumentWriter
from quiver.identifiers import Minter
from quiver.manifest import Input, SourceCounts
from quiver.mapping import MappedPaper, map_paper
from quiver.readers import open_file
from quiver.records import ClusterPage, Record, RecordError, canonical_bytes
from quiver.releases.deriving import write_tally
from quiver.releases.redactor import redactor_of
from quiver.releases.rejects import RejectWriter, redacted_error
from quiver.releases.settled import Settled, SettledTable, SettledWriter, papers_folder, settled_of
from quiver.releases.spool import Frame, FrameWriter, read_frames
from quiver.releases.tables import table_path
from quiver.releases.workers import advance
from quiver.search import SearchDocument
from quiver.storage import located

_ITEM = msgspec.msgpack.Decoder(Record | ClusterPage)
# The name of the file of listings among the frames of a share; the body of a listing that is no more.
LISTINGS = "listings"
NO_LISTING = b""


def decode_item(body: bytes) -> Record | ClusterPage:
    """The item in a frame's body."""
    item: Record | ClusterPage = _ITEM.decode(body)
    return item


def frames_path(folder: Path, source: str, share: int) -> Path:
    """Where the frames of one share of a source's papers are collected; one file an input, below this folder."""
    return folder / "frames" / source / str(share)


def part_path(source: str, kind: str, generation: int, share: int | None = None) -> str:
    """The path of a part of *source* below its release: what a change brings carries its generation.

    >>> part_path("dblp", "papers", 2, 0)
    'parts/source/dblp/papers-000002-000000.nq.gz'
    """
    numbers = ([generation] if generation else []) + ([] if share is None else [share])
    return f"parts/source/{source}/{'-'.join([kind, *(f'{number:06d}' for number in numbers)])}.nq.gz"


class ReadTask(msgspec.Struct, frozen=True):
    """Read one input file into frames; `input` is its number among the release's inputs.

    `redactions` is the path of the library's list of what was taken out for good.
    """

    path: str
    format_name: str
    source: str
    input: int
    shares: int
    folder: str
    max_record_bytes: int
    every: int = 1
    offset: int = 0
    redactions: str = ""


class ReadDone(msgspec.Struct, frozen=True):
    """The file as read; papers and pages that are now in frames, records that could not be read."""

    input: Input
    papers: int
    pages: int
    messages: tuple[str, ...]


_MESSAGES_SHOWN = 20
_TELL_EVERY = 1000


def read_input(task: ReadTask) -> ReadDone:
    """Read one file; its papers go to frames by share, its pages to one file, its errors to the list of rejects.

    What the library has a redaction for is taken out of it, or refused, before anything else sees it.
    """
    folder = Path(task.folder)
    redactor = redactor_of(task.redactions)
    opened = open_file(
        located(task.path),
        format_name=task.format_name,
        source=task.source,
        max_record_bytes=task.max_record_bytes,
        every=task.every,
        offset=task.offset,
    )
    name = f"{task.input:06d}-{task.offset}"
    writers: dict[int, FrameWriter] = {}
    pages = FrameWriter(frames_path(folder, opened.source, -1) / name)
    rejects = RejectWriter(folder / "rejects", opened.source, f"read-{name}")
    counts = {"papers": 0, "pages": 0, "unreadable": 0, "redacted": 0}
    messages: list[str] = []
    told = 0
    for count, read in enumerate(opened):
        if count % _TELL_EVERY == 0:
            advance((opened.bytes_read - told) // task.every)
            told = opened.bytes_read
        if isinstance(read, RecordError):
            counts["unreadable"] += 1
            rejects.write_error(read if redactor is None else redacted_error(redactor, read, opened.source))
            if len(messages) < _MESSAGES_SHOWN:
                messages.append(str(read))
            continue
        item = read.item
        if redactor is not None:
            left = redactor.item(item, opened.source)
            if left is not item:
                counts["redacted"] += 1
            if left is None:
                counts["unreadable"] += 1
                rejects.write_redacted(redactor.file_name(opened.report.name), read.locator)
                continue
            item = left
        body = canonical_bytes(item)
        key = item.local_key()
        frame = Frame(key, hashlib.sha256(body).digest(), task.input, read.locator, body)
        if isinstance(item, ClusterPage):
            counts["pages"] += 1
            pages.write(frame)
            continue
        counts["papers"] += 1
        share = share_of(key, task.shares)
        writer = writers.get(share)
        if writer is None:
            path = frames_path(folder, opened.source, share) / name
            writer = writers[share] = FrameWriter(path)
        writer.write(frame)
    for writer in (*writers.values(), pages):
        writer.close()
    rejects.close()
    report = opened.report
    total = counts["papers"] + counts["pages"] + counts["unreadable"]
    if counts["redacted"]:
        messages.append(f"{report.name}: what was redacted in this library, in {counts['redacted']:,} records")
    known = Input(
        report.name if redactor is None else redactor.file_name(report.name),
        report.size,
        report.sha256,
        report.reader,
        report.source,
        total,
        counts["unreadable"],
        number=task.input,
    )
    return ReadDone(known, counts["papers"], counts["pages"], tuple(messages))


class Kept(msgspec.Struct, frozen=True):
    """The frame that stands for a key, and the inputs that hold it."""

    frame: Frame
    inputs: tuple[int, ...]
    locator: str


def record_of(kept: Kept) -> Record:
    """The record of a paper that stands."""
    record = decode_item(kept.frame.body)
    assert isinstance(record, Record)
    return record


def page_of(kept: Kept) -> ClusterPage:
    """The cluster page that stands."""
    page = decode_item(kept.frame.body)
    assert isinstance(page, ClusterPage)
    return page


def settle(frames: list[Frame], checksums: tuple[str, ...]) -> tuple[Kept, list[Frame], int]:
    """Of the frames of one key: the one kept, those in conflict with it, and how many equal ones there were besides.

    The smallest canonical hash wins, whatever the order of files.
    """
    if len(frames) == 1:
        (only,) = frames
        return Kept(only, (only.input,), only.locator), [], 0
    digest = min(frame.digest for frame in frames)
    equal = [frame for frame in frames if frame.digest == digest]
    losers = [frame for frame in frames if frame.digest != digest]
    inputs = sorted({frame.input for frame in equal}, key=lambda index: checksums[index])
    first = checksums[inputs[0]]
    frame = min((frame for frame in equal if checksums[frame.input] == first), key=lambda frame: frame.place)
    return Kept(frame, tuple(inputs), frame.locator), losers, len(equal) - 1


class MapTask(msgspec.Struct, frozen=True):
    """Map one share of one source's papers; by the input's number, `checksums` are the SHA-256, `names` file names.

    `parent` is the folder of the release that this one is made from, or empty.
    """

    source: str
    share: int
    shares: int
    derived_shares: int
    base: str
    checksums: tuple[str, ...]
    names: tuple[str, ...]
    folder: str
    generation: int = 0
    parent: str = ""


class MapDone(msgspec.Struct, frozen=True):
    """The part written, counts, the tally's pieces (offset and length), and for each paper that is new who lists it.

    Counts are those of the share, less what the parent had counted of the same papers. `superseded` are the IRIs of
    papers whose statements in the parent are no longer true; `unindexed` the paths whose documents are not.
    """

    part: Part | None
    counts: SourceCounts
    signatures: int
    tally_path: str
    pieces: tuple[tuple[int, int], ...]
    documents_path: str
    listings: tuple[tuple[str, str], ...]
    messages: tuple[str, ...]
    superseded: tuple[str, ...] = ()
    unindexed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    kept_inputs: tuple[int, ...] = ()


class _State(msgspec.Struct):
    """One paper as it stands in a release: the record that stands, its statements, how many fell to it."""

    kept: Kept
    losers: list[Frame]
    equal: int
    mapped: MappedPaper


def count_paper(tally: Tally, source: str, mapped: MappedPaper, listed_by: dict[str, str]) -> None:
    """Add what a paper contributes to *tally*."""
    signatures = ((s.cluster, s.stated_name, s.row, s.row_id) for s in mapped.signatures)
    tally.add_paper(source, signatures, mapped.venues, mapped.edition, listed_by)


def _state(frames: list[Frame], listed_by: dict[str, str], task: MapTask, minter: Minter) -> _State:
    kept, losers, equal = settle(frames, task.checksums)
    mapped = map_paper(
        record_of(kept),
        source=task.source,
        key=kept.frame.key,
        files=[minter.source_file(task.source, task.checksums[index]) for index in kept.inputs],
        locator=kept.locator,
        listed_by=listed_by,
        minter=minter,
    )
    return _State(kept, losers, equal, mapped)


def map_share(task: MapTask) -> MapDone:
    """Map the papers of one share, each once, in order of their keys."""
    folder = Path(task.folder)
    name = f"{task.source}-{task.share:06d}"
    minter = Minter(task.base)
    papers, listings = _collect(frames_path(folder, task.source, task.share))
    keys = sorted(papers.keys() | listings.keys())
    known = SettledTable(papers_folder(Path(task.parent), task.source)).get(keys) if task.parent else {}
    writer = PartWriter(folder, part_path(task.source, "papers", task.generation, task.share))
    keeper = SettledWriter(table_path(papers_folder(folder, task.source), task.generation, task.share, task.shares))
    rejects = RejectWriter(folder / "rejects", task.source, f"map-{task.share:06d}")
    documents = DocumentWriter(folder / "documents" / "papers" / name)
    tally, former = Tally(), Tally()
    accepted = duplicates = rejected = signatures = 0
    found: list[tuple[str, str]] = []
    messages: list[str] = []
    superseded: list[str] = []
    unindexed: list[str] = []
    conflicts: list[str] = []
    standing: set[int] = set()
    for key in keys:
        came = papers.pop(key, [])
        old = known.pop(key, None) or Settled()
        listed_by = dict(old.listed_by)
        for page, page_name in listings.get(key, ()):
            listed_by.pop(page, None)
            if page_name:
                listed_by[page] = page_name
        frames = old.frames(key) + came
        keeper.write(key, settled_of(frames, listed_by))
        if not frames:
            continue
        now = _state(frames, listed_by, task, minter)
        before = _state(old.frames(key), old.listed_by, task, minter) if old.versions else None
        accepted += 1
        duplicates += now.equal
        rejected += len(now.losers)
        signatures += len(now.mapped.signatures)
        document = _paper_document(now.mapped, minter)
        count_paper(tally, task.source, now.mapped, listed_by)
        if before is None:
            writer.write(now.mapped.lines)
            documents.write(document)
            found.extend((page, key) for page in listed_by)
        else:
            accepted -= 1
            duplicates -= before.equal
            rejected -= len(before.losers)
            signatures -= len(before.mapped.signatures)
            count_paper(former, task.source, before.mapped, old.listed_by)
            if now.mapped.lines != before.mapped.lines:
                superseded.append(before.mapped.iri)
                writer.write(now.mapped.lines)
            if document != _paper_document(before.mapped, minter):
                unindexed.append(document.path)
                documents.write(document)
        if came:
            new = {frame.input for frame in came}
            standing.update(index for index in now.kept.inputs if index in new)
            if before is not None and before.losers:
                conflicts.append(key)
            for frame in now.losers:
                stands = f"{task.names[now.kept.frame.input]}:{now.kept.locator}"
                message = rejects.write_conflict(frame, task.names[frame.input], decode_item(frame.body), stands)
                if len(messages) < _MESSAGES_SHOWN:
                    messages.append(message)
    for closing in (documents, rejects, keeper):
        closing.close()
    tally_path = folder / "tallies" / "papers" / name
    tally.with_bare_names()
    tally.subtract(former.with_bare_names())
    return MapDone(
        part=writer.close(),
        counts=SourceCounts(0, accepted, duplicates, rejected, 0),
        signatures=signatures,
        tally_path=str(tally_path),
        pieces=write_tally(tally, task.derived_shares, tally_path),
        documents_path=str(folder / "documents" / "papers" / name),
        listings=tuple(found),
        messages=tuple(messages),
        superseded=tuple(superseded),
        unindexed=tuple(unindexed),
        conflicts=tuple(conflicts),
        kept_inputs=tuple(standing),
    )


def _collect(path: Path) -> tuple[dict[str, list[Frame]], dict[str, list[tuple[str, str]]]]:
    """The frames of each paper, and in order what changes in who lists it: page key, and name or nothing."""
    papers: dict[str, list[Frame]] = {}
    listings: dict[str, list[tuple[str, str]]] = {}
    for file in sorted(path.iterdir()) if path.is_dir() else ():
        for frame in read_frames(file):
            if file.name == LISTINGS:
                listings.setdefault(frame.key, []).append((frame.locator, frame.body.decode()))
            else:
                papers.setdefault(frame.key, []).append(frame)
    return papers, listings


def _paper_document(mapped: MappedPaper, minter: Minter) -> SearchDocument:
    return SearchDocument(
        path=minter.path(mapped.iri) or "",
        kind="paper",
        label=mapped.label,
        text=mapped.text,
        names=tuple(signature.stated_name for signature in mapped.signatures),
        venues=tuple(stated for _, stated in mapped.venues),
        year=mapped.year,
        identifiers=mapped.identifiers,
    )
