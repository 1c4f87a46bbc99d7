"""Records on their way without a release: to N-Quads or JSON Lines, as one stream or file by file, or into a store."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

import msgspec
import pyoxigraph
from isal import igzip

from quiver.config import Settings
from quiver.errors import InvalidRecord, UnknownFormat
from quiver.identifiers import Minter, normalise_base
from quiver.mapping import map_cluster_page, map_paper
from quiver.readers import OpenedFile, open_file
from quiver.records import ClusterPage, Record, RecordError, json_line
from quiver.releases import Library, Progress, build, silent
from quiver.releases.executors import opened_executor, run_on
from quiver.releases.rejects import RejectWriter
from quiver.releases.workers import Workers
from quiver.storage import Location, below, chunks_of, expanded, located, make_folder, name_of, put, size_of

_RDF_ENDINGS = {".ttl", ".nt", ".nq", ".trig", ".rdf", ".xml", ".jsonld"}


def convert_records(
    files: Sequence[Location], to: str, *, settings: Settings, format_name: str = "", source: str = ""
) -> Iterator[bytes | RecordError]:
    """The records of *files* in order, as N-Quads ("nq") or JSON lines ("jsonl"); errors stand where they occur."""
    for path in expanded(files):

        def opened(path: Location = path) -> OpenedFile:
            return open_file(
                path,
                format_name=format_name,
                source=source,
                max_record_bytes=settings.integer("max_record_bytes"),
            )

        if to == "nq":
            yield from _statements(opened, Minter(normalise_base(settings.text("base"))))
        else:
            for read in opened():
                yield read if isinstance(read, RecordError) else json_line(read.item)


class ConvertTask(msgspec.Struct, frozen=True):
    """Convert one file into the folder or URL *folder*, as the file of this number there."""

    path: str
    number: int
    to: str
    base: str
    max_record_bytes: int
    format_name: str
    source: str
    folder: str


class ConvertDone(msgspec.Struct, frozen=True):
    """What was written: its name, records in it (with pages), records not taken, and the messages of some of those."""

    name: str
    records: int
    rejected: int
    messages: tuple[str, ...]


_MESSAGES_SHOWN = 20


def convert_files(
    files: Sequence[Location],
    output: Location,
    to: str,
    *,
    settings: Settings,
    format_name: str = "",
    source: str = "",
    executor: Executor | None = None,
    progress: Progress = silent,
) -> list[ConvertDone]:
    """Convert each of *files*, by path or URL, to a compressed file in *output*; what was written, in order.

    A file appears when it is whole, so that after a loss the same call writes the same again. What was not taken of it
    stands beside it, in a list that ends in `.rejects.jsonl`.

    Raises:
        UnknownFormat, InvalidRecord: *format_name* or *source* is none.
        OSError, StorageUnavailable, MissingExtra: a file cannot be opened, or not be written.
        ConversionFailed: the executor could not do its share.
    """
    paths = expanded(files)
    place = located(output)
    make_folder(place)
    folder = str(place.absolute() if isinstance(place, Path) else place)
    base, longest = normalise_base(settings.text("base")), settings.integer("max_record_bytes")
    tasks = [
        ConvertTask(
            str(path.absolute() if isinstance(path, Path) else path),
            number,
            to,
            base,
            longest,
            format_name,
            source,
            folder,
        )
        for number, path in enumerate(paths)
    ]
    with contextlib.ExitStack() as stack:
        chosen = executor or stack.enter_context(opened_executor(settings))
        if chosen is None:
            size = sum(map(size_of, paths))
            workers = stack.enter_context(Workers(settings.integer("jobs"), size, progress))
            return workers.run("convert", convert_file, tasks)
        done: dict[int, ConvertDone] = {}
        for number, one in run_on(chosen, "convert", convert_file, tasks):
            done[number] = one
            progress("convert", len(done), len(tasks))
        return [done[number] for number in range(len(tasks))]


def convert_file(task: ConvertTask) -> ConvertDone:
    """Convert one file; the output is written here first, and put in its place when it is whole."""
    path, place = located(task.path), located(task.folder)
    name = f"{task.number:06d}-{name_of(path)}"
    settings = Settings(base=task.base, max_record_bytes=task.max_record_bytes)
    counts = {"records": 0, "rejected": 0}
    messages: list[str] = []
    with tempfile.TemporaryDirectory(prefix="quiver-convert-") as temporary:
        made, rejects = Path(temporary) / "made", RejectWriter(Path(temporary), "rejects", "list")
        # Neither name nor time in its header: the same records are the same bytes.
        with made.open("wb") as file, igzip.IGzipFile("", "wb", 2, file, 0) as output:  # type: ignore[no-untyped-call]
            for piece in convert_records(
                [path], task.to, settings=settings, format_name=task.format_name, source=task.source
            ):
                if isinstance(piece, bytes):
                    counts["records"] += 1
                    output.write(piece)  # type: ignore[no-untyped-call]
                    continue
                counts["rejected"] += 1
                rejects.write_error(piece)
                if len(messages) < _MESSAGES_SHOWN:
                    messages.append(str(piece))
        rejects.close()
        target = f"{name}.{task.to}.gz"
        put(chunks_of(made), below(place, target))
        if counts["rejected"]:
            put(chunks_of(Path(temporary) / "rejects" / "list.jsonl"), below(place, f"{name}.rejects.jsonl"))
    return ConvertDone(target, counts["records"], counts["rejected"], tuple(messages))


def _statements(opened: Callable[[], OpenedFile], minter: Minter) -> Iterator[bytes | RecordError]:
    # The file is read twice: its checksum, and what its pages list, must be known before its first paper is mapped.
    first = opened()
    pages = [read for read in first if not isinstance(read, RecordError) and isinstance(read.item, ClusterPage)]
    listed: dict[str, set[str]] = {}
    for page in pages:
        assert isinstance(page.item, ClusterPage)
        for paper in page.item.lists:
            listed.setdefault(paper, set()).add(page.item.local_key())
    source = first.source
    files = [minter.source_file(source, first.report.sha256)]
    found: set[str] = set()
    for read in opened():
        if isinstance(read, RecordError):
            yield read
        elif isinstance(read.item, Record):
            key = read.item.local_key()
            found.update({key} & listed.keys())
            mapped = map_paper(
                read.item,
                source=source,
                key=key,
                files=files,
                locator=read.locator,
                listed_by=listed.get(key, ()),
                minter=minter,
            )
            yield "".join(mapped.lines).encode()
    for page in pages:
        assert isinstance(page.item, ClusterPage)
        lines = map_cluster_page(
            page.item,
            source=source,
            key=page.item.local_key(),
            found=found,
            files=files,
            locator=page.locator,
            minter=minter,
        )
        yield "".join(lines).encode()


def load_for_validation(path: Path, settings: Settings, rejected: Callable[[str], None]) -> pyoxigraph.Store:
    """A store with the statements of an RDF file, or with the release that a file of records would make.

    *rejected* is told of each record that was not taken.

    Raises:
        InvalidRecord: an RDF file that does not parse.
        NothingAccepted: a file without an acceptable record.
    """
    if path.suffix in _RDF_ENDINGS:
        store = pyoxigraph.Store()
        rdf_format = pyoxigraph.RdfFormat.from_extension(path.suffix.removeprefix("."))
        if rdf_format is None:
            raise UnknownFormat(f"{path}: no RDF format has this ending", value=str(path))
        try:
            store.load(path=str(path), format=rdf_format, base_iri=path.resolve().as_uri())
        except (SyntaxError, ValueError) as error:
            raise InvalidRecord(f"{path}: {error}", value=str(path)) from error
        return store
    with tempfile.TemporaryDirectory(prefix="quiver-validate-") as folder:
        report = build(Path(folder), [path], settings=settings)
        for message in report.messages:
            rejected(message)
        kept = pyoxigraph.Store()
        kept.bulk_extend(Library(Path(folder)).current().open_store())
        return kept
