"""`build_from_rdf`: a release made of plain RDF files, quad for quad, without the data model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyoxigraph

from quiver import __version__
from quiver.config import Settings
from quiver.dumps import PartWriter, document_of
from quiver.errors import InvalidRecord, UnknownFormat
from quiver.identifiers import normalise_base
from quiver.manifest import Input, Manifest, SourceCounts
from quiver.releases.finish import checksum, finish_release
from quiver.releases.library import Library, Release, stamp
from quiver.releases.space import check_rdf
from quiver.releases.workers import Progress, silent


@dataclass(frozen=True, slots=True)
class RdfFile:
    """A file of RDF; triples in no graph of their own go to *graph*, relative IRIs are resolved against *base*.

    Empty, they mean the default graph, and what `build_from_rdf` says.
    """

    path: Path
    graph: str = ""
    base: str = ""


# A file, a file and the IRI of the named graph that its triples go to, or all that may be said of it.
RdfInput = Path | tuple[Path, str] | RdfFile


def build_from_rdf(
    library: Path,
    files: Sequence[RdfInput],
    *,
    base: str = "",
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Release:
    """Publish a release that holds the statements of RDF files (format by extension), blank nodes and graphs included.

    No file at all makes an empty release. Relative IRIs are resolved against the base of an `RdfFile`, else against
    *base* where it is given, else against the file's own `file:` IRI. The content hash is that of the canonical form
    (RDFC-1.0) of the whole.

    Raises:
        UnknownFormat: the extension is no RDF format's.
        InvalidRecord: a file does not parse; the message has file and line.
        LibraryBusy, NotEnoughDisk, OSError: as for every writer.
    """
    settings = settings or Settings()
    shelf = Library(library)
    with shelf.writing(settings.number("wait_s")), shelf.new_folder() as folder:
        started = time.monotonic()
        dataset = pyoxigraph.Dataset()
        inputs = []
        for entry in files:
            file = _file(entry)
            count = _parse(dataset, file.path, file.graph, file.base or base)
            size, sha256 = checksum(file.path)
            inputs.append(Input(file.path.name, size, sha256, "rdf", "rdf", read=count))
        dataset.canonicalize(pyoxigraph.CanonicalizationAlgorithm.RDFC_1_0)
        # The store gives numbers and dates back in their canonical form, so the parts hold that form too.
        memory = pyoxigraph.Store()
        memory.extend(dataset)
        lines = sorted(f"{quad} .\n" for quad in memory)
        # Nothing is on disk so far.
        check_rdf(shelf.path, sum(map(len, lines)), settings)
        writer = PartWriter(folder, "parts/rdf.nq.gz")
        for _, document in itertools.groupby(lines, document_of):
            writer.write(list(document))
        part = writer.close()
        now = datetime.now(UTC)
        manifest = Manifest(
            id=stamp(now),
            base=normalise_base(base or settings.text("base")),
            created=now.isoformat(timespec="seconds"),
            software=f"quiver {__version__}",
            content_hash="",
            quads=0,
            kind="rdf",
            parent=shelf.current_id(),
            sources={"rdf": SourceCounts(read=len(files), accepted=len(files))},
            inputs=tuple(inputs),
            seconds={"read": round(time.monotonic() - started, 3)},
        )
        release, _ = finish_release(
            shelf,
            folder,
            parts=[part] if part else [],
            documents=[],
            manifest=manifest,
            settings=settings,
            progress=progress,
            before=shelf.current_or_none(),
        )
    return release


def _file(entry: RdfInput) -> RdfFile:
    if isinstance(entry, RdfFile):
        return entry
    return RdfFile(*entry) if isinstance(entry, tuple) else RdfFile(entry)


def _parse(dataset: pyoxigraph.Dataset, path: Path, graph: str, base: str) -> int:
    """Add the statements of one file; how many they are."""
    rdf_format = pyoxigraph.RdfFormat.from_extension(path.suffix.removeprefix("."))
    if rdf_format is None:
        raise UnknownFormat(f"{path}: no RDF format has the ending {path.suffix!r}", value=str(path))
    count = 0
    # Blank nodes of two files are never the same, though they may share a label.
    names: dict[str, pyoxigraph.BlankNode] = {}

    def own(node: object) -> object:
        if isinstance(node, pyoxigraph.BlankNode):
            return names.setdefault(node.value, pyoxigraph.BlankNode())
        if isinstance(node, pyoxigraph.Triple):
            return pyoxigraph.Triple(own(node.subject), node.predicate, own(node.object))  # type: ignore[arg-type]
        return node

    try:
        for quad in pyoxigraph.parse(path=str(path), format=rdf_format, base_iri=base or path.resolve().as_uri()):
            name = quad.graph_name
            if graph and isinstance(name, pyoxigraph.DefaultGraph):
                name = pyoxigraph.NamedNode(graph)
            dataset.add(
                pyoxigraph.Quad(own(quad.subject), quad.predicate, own(quad.object), own(name))  # type: ignore[arg-type]
            )
            count += 1
    except (SyntaxError, ValueError) as error:
        raise InvalidRecord(f"{path}: {error}", value=str(path)) from error
    return count
