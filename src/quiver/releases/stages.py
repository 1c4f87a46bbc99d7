"""The steps of a build that run in worker processes: each a function of a task, with files for in- and output.

input file --read_input--> frames by source and share --map_share--> part, tally, documents --derive_share--> part
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from quiver.derive import Tally, preferred_spelling, share_of
from quiver.dumps import Part, PartWriter
from quiver.identifiers import Minter
from quiver.manifest import Input, SourceCounts
from quiver.mapping import (
    MappedPaper,
    map_author_row,
    map_name_cluster,
    map_paper,
    map_venue_edition,
    map_venue_series,
)
from quiver.readers import open_file
from quiver.records import ClusterPage, Record, RecordError, canonical_bytes
from quiver.releases.rejects import RejectWriter
from quiver.releases.spool import Frame, FrameWriter, read_frames
from quiver.releases.workers import advance
from quiver.search import SearchDocument

_ITEM = msgspec.msgpack.Decoder(Record | ClusterPage)
_TALLY_ENCODER = msgspec.msgpack.Encoder()
_TALLY_DECODER = msgspec.msgpack.Decoder(Tally)
_DOCUMENT_ENCODER = msgspec.msgpack.Encoder()
_DOCUMENT_DECODER = msgspec.msgpack.Decoder(SearchDocument)


def decode_item(body: bytes) -> Record | ClusterPage:
    """The item in a frame's body."""
    item: Record | ClusterPage = _ITEM.decode(body)
    return item


def frames_path(folder: Path, source: str, share: int) -> Path:
    """Where the frames of one share of a source's papers are collected; one file an input, below this folder."""
    return folder / "frames" / source / str(share)


class ReadTask(msgspec.Struct, frozen=True):
    """Read one input file into frames; `input` is its index among the build's inputs."""

    path: str
    format_name: str
    source: str
    input: int
    shares: int
    folder: str
    max_record_bytes: int
    every: int = 1
    offset: int = 0


class ReadDone(msgspec.Struct, frozen=True):
    """The file as read; papers and pages that are now in frames, records that could not be read."""

    input: Input
    papers: int
    pages: int
    messages: tuple[str, ...]


_MESSAGES_SHOWN = 20
_TELL_EVERY = 1000


def read_input(task: ReadTask) -> ReadDone:
    """Read one file; its papers go to frames by share, its pages to one file, its errors to the list of rejects."""
    folder = Path(task.folder)
    opened = open_file(
        Path(task.path),
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
    counts = {"papers": 0, "pages": 0, "unreadable": 0}
    messages: list[str] = []
    for share in range(-1, task.shares):
        frames_path(folder, opened.source, share).mkdir(parents=True, exist_ok=True)
    told = 0
    for count, read in enumerate(opened):
        if count % _TELL_EVERY == 0:
            advance((opened.bytes_read - told) // task.every)
            told = opened.bytes_read
        if isinstance(read, RecordError):
            counts["unreadable"] += 1
            rejects.write_error(read)
            if len(messages) < _MESSAGES_SHOWN:
                messages.append(str(read))
            continue
        item = read.item
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
    known = Input(report.name, report.size, report.sha256, report.reader, report.source, total, counts["unreadable"])
    return ReadDone(known, counts["papers"], counts["pages"], tuple(messages))


class Kept(msgspec.Struct, frozen=True):
    """The frame that stands for a key, and the inputs that hold it."""

    frame: Frame
    inputs: tuple[int, ...]
    locator: str


def settle(frames: list[Frame], checksums: tuple[str, ...]) -> tuple[Kept, list[Frame], int]:
    """Of the frames of one key: the one kept, those in conflict with it, and how many equal ones there were besides.

    The smallest canonical hash wins, whatever the order of files.
    """
    digest = min(frame.digest for frame in frames)
    equal = [frame for frame in frames if frame.digest == digest]
    losers = [frame for frame in frames if frame.digest != digest]
    inputs = sorted({frame.input for frame in equal}, key=lambda index: checksums[index])
    first = checksums[inputs[0]]
    frame = min((frame for frame in equal if checksums[frame.input] == first), key=lambda frame: frame.place)
    return Kept(frame, tuple(inputs), frame.locator), losers, len(equal) - 1


class MapTask(msgspec.Struct, frozen=True):
    """Map one share of one source's papers; `checksums` are the SHA-256 of all inputs, `names` their file names."""

    source: str
    share: int
    derived_shares: int
    base: str
    checksums: tuple[str, ...]
    names: tuple[str, ...]
    folder: str


class MapDone(msgspec.Struct, frozen=True):
    """The part written, counts, the tally's pieces (offset and length), listings found (page key, paper key)."""

    part: Part | None
    counts: SourceCounts
    signatures: int
    tally_path: str
    pieces: tuple[tuple[int, int], ...]
    documents_path: str
    listings: tuple[tuple[str, str], ...]
    messages: tuple[str, ...]


def map_share(task: MapTask) -> MapDone:
    """Map the papers of one share, each once, in order of their keys."""
    folder = Path(task.folder)
    name = f"{task.source}-{task.share:06d}"
    minter = Minter(task.base)
    papers, listings = _collect(frames_path(folder, task.source, task.share))
    writer = PartWriter(folder / "parts" / "source" / task.source / f"papers-{task.share:06d}.nq.gz")
    rejects = RejectWriter(folder / "rejects", task.source, f"map-{task.share:06d}")
    documents = DocumentWriter(folder / "documents" / name)
    tally = Tally()
    accepted = duplicates = rejected = signatures = 0
    found: list[tuple[str, str]] = []
    messages: list[str] = []
    for key in sorted(papers):
        kept, losers, equal = settle(papers.pop(key), task.checksums)
        record = decode_item(kept.frame.body)
        assert isinstance(record, Record)
        listed_by = listings.get(key, {})
        mapped = map_paper(
            record,
            source=task.source,
            key=key,
            files=[minter.source_file(task.source, task.checksums[index]) for index in kept.inputs],
            locator=kept.locator,
            listed_by=listed_by,
            minter=minter,
        )
        writer.write(mapped.lines)
        tally.add_paper(
            task.source,
            ((s.cluster, s.stated_name, s.row, s.row_id) for s in mapped.signatures),
            mapped.venues,
            mapped.edition,
            listed_by,
        )
        documents.write(_paper_document(mapped, minter))
        found.extend((page, key) for page in listed_by)
        signatures += len(mapped.signatures)
        accepted += 1
        duplicates += equal
        rejected += len(losers)
        for frame in losers:
            stands = f"{task.names[kept.frame.input]}:{kept.locator}"
            message = rejects.write_conflict(frame, task.names[frame.input], decode_item(frame.body), stands)
            if len(messages) < _MESSAGES_SHOWN:
                messages.append(message)
    documents.close()
    rejects.close()
    tally_path = folder / "tallies" / name
    return MapDone(
        part=writer.close(),
        counts=SourceCounts(0, accepted, duplicates, rejected, 0),
        signatures=signatures,
        tally_path=str(tally_path),
        pieces=write_tally(tally.with_bare_names(), task.derived_shares, tally_path),
        documents_path=str(folder / "documents" / name),
        listings=tuple(found),
        messages=tuple(messages),
    )


def _collect(path: Path) -> tuple[dict[str, list[Frame]], dict[str, dict[str, str]]]:
    """The frames of each paper, and the names (by page key) under which pages list it."""
    papers: dict[str, list[Frame]] = {}
    listings: dict[str, dict[str, str]] = {}
    for file in sorted(path.iterdir()):
        for frame in read_frames(file):
            if file.name == "listings":
                listings.setdefault(frame.key, {})[frame.locator] = frame.body.decode()
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


def write_tally(tally: Tally, shares: int, path: Path) -> tuple[tuple[int, int], ...]:
    """Write the pieces of *tally* one after the other; offset and length of each."""
    pieces = []
    offset = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in tally.split(shares):
            data = _TALLY_ENCODER.encode(piece)
            pieces.append((offset, len(data)))
            offset += file.write(data)
    return tuple(pieces)


class DocumentWriter:
    """Writes documents for the text index to a file, length before each."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")

    def write(self, document: SearchDocument) -> None:
        data = _DOCUMENT_ENCODER.encode(document)
        self._file.write(len(data).to_bytes(4, "little"))
        self._file.write(data)

    def close(self) -> None:
        self._file.close()


def read_documents(path: Path) -> Iterator[SearchDocument]:
    """The documents of one file, in order."""
    with path.open("rb") as file:
        while prefix := file.read(4):
            yield _DOCUMENT_DECODER.decode(file.read(int.from_bytes(prefix, "little")))


class DeriveTask(msgspec.Struct, frozen=True):
    """Finish one share of the keys; `pieces` are (path, offset, length) of every tally's piece of it."""

    share: int
    pieces: tuple[tuple[str, int, int], ...]
    base: str
    folder: str


class DeriveDone(msgspec.Struct, frozen=True):
    """The part written, and how many resources of each kind it holds."""

    part: Part | None
    names: int
    rows: int
    series: int
    editions: int
    documents_path: str


def derive_share(task: DeriveTask) -> DeriveDone:
    """Reduce the tallies of one share to name clusters, author rows and venues, in order of their keys."""
    folder = Path(task.folder)
    minter = Minter(task.base)
    tally = Tally()
    for path, offset, length in task.pieces:
        with Path(path).open("rb") as file:
            file.seek(offset)
            tally.merge(_TALLY_DECODER.decode(file.read(length)))
    writer = PartWriter(folder / "parts" / "derived" / f"{task.share:06d}.nq.gz")
    documents = DocumentWriter(folder / "documents" / f"derived-{task.share:06d}")
    for key, name in sorted(tally.names.items()):
        preferred = preferred_spelling(name.spellings)
        others = sorted(set(name.spellings) - {preferred})
        writer.write(map_name_cluster(key, preferred, others, name.papers, len(name.rows), minter))
        documents.write(
            SearchDocument(
                path=minter.path(minter.name_cluster(key)) or "",
                kind="name",
                label=preferred,
                names=tuple(others),
                weight=name.papers,
            )
        )
    for (source, row), row_tally in sorted(tally.rows.items()):
        writer.write(map_author_row(source, row, preferred_spelling(row_tally.names), row_tally.source_id, minter))
    editions = 0
    for key, venue in sorted(tally.venues.items()):
        label = preferred_spelling(venue.spellings)
        writer.write(map_venue_series(key, label, venue.papers, minter))
        documents.write(
            SearchDocument(
                path=minter.path(minter.venue_series(key)) or "", kind="venue", label=label, weight=venue.papers
            )
        )
        for edition, papers in sorted(venue.editions.items()):
            writer.write(map_venue_edition(key, edition, label, papers, minter))
            editions += 1
    documents.close()
    return DeriveDone(
        part=writer.close(),
        names=len(tally.names),
        rows=len(tally.rows),
        series=len(tally.venues),
        editions=editions,
        documents_path=str(folder / "documents" / f"derived-{task.share:06d}"),
    )
