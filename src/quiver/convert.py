"""Records on their way without a release: to N-Quads, to JSON Lines, or into a store in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyoxigraph

from quiver.config import Settings
from quiver.errors import InvalidRecord, UnknownFormat
from quiver.identifiers import Minter, normalise_base
from quiver.mapping import map_cluster_page, map_paper
from quiver.readers import OpenedFile, open_file
from quiver.records import ClusterPage, Record, RecordError, json_line
from quiver.releases import Library, build

_RDF_ENDINGS = {".ttl", ".nt", ".nq", ".trig", ".rdf", ".xml", ".jsonld"}


def convert_records(
    files: Sequence[Path], to: str, *, settings: Settings, format_name: str = "", source: str = ""
) -> Iterator[bytes | RecordError]:
    """The records of *files* in order, as N-Quads ("nq") or JSON lines ("jsonl"); errors stand where they occur."""
    for path in files:

        def opened(path: Path = path) -> OpenedFile:
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
