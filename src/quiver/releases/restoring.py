"""`restore`: a release made again of its parts alone, or of a dump of it.

The parts become those of the new release as they are. Documents of the text index, counts, sources and files are read
from their statements. What no statement says (how many records were rejected, or stood twice in one file) is taken
from `release.json` where it stands beside `parts/`, and is not known otherwise.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from quiver import __version__
from quiver.config import Settings
from quiver.descriptions import COUNTED_CLASSES
from quiver.dumps import Part, content_of, part_documents, sum_content
from quiver.errors import DamagedRelease, InvalidRecord
from quiver.filling.documents import DocumentWriter
from quiver.identifiers import Minter, decode_segment, encode_segment, normalise_base
from quiver.manifest import FILE_NAME, Input, Manifest, SourceCounts, read_manifest
from quiver.namespaces import term
from quiver.releases.finish import checksum, finish_release
from quiver.releases.gone import carry_gone
from quiver.releases.library import Library, Release, stamp
from quiver.releases.space import check_restore
from quiver.releases.statements import Statements, search_document, subject_path
from quiver.releases.workers import Progress, silent

_PART_ENDING: Final = ".nq.gz"
_LOOSE: Final = "parts/restored"
_SOURCE: Final = f" <{term('rdf:type')}> <{term('q:Source')}> .".encode()
_CLASSES: Final = {
    name: f" <{term('rdf:type')}> <{term(curie)}> .\n".encode() for name, curie in COUNTED_CLASSES.items()
}
_TELLING: Final = ("paper/", "page/", "source/", "name/", "venue/")
_OPTIONAL: Final = ("cluster_pages",)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file that becomes a part: where it is, and its path in the release."""

    path: Path
    name: str


def restore(
    library: Path,
    files: Sequence[Path],
    *,
    base: str = "",
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Release:
    """Publish a release that is made of the parts in *files*: folders of a release, their `parts/`, or dumps (gzip).

    The base is that of its sources; *base* is needed only for plain RDF, which has none. A release so made is served
    like the one that it was, and built again to be changed.

    Raises:
        InvalidRecord: there are no parts, or two of one name.
        DamagedRelease: a part is no compressed N-Quads, or not what the `release.json` beside it says.
        LibraryBusy, NotEnoughDisk, OSError: as for every writer.
    """
    settings = settings or Settings()
    pieces = list(_pieces(files))
    stated = _stated(files)
    shelf = Library(library)
    with shelf.writing(settings.number("wait_s")):
        started = time.monotonic()
        size = sum(piece.path.stat().st_size for piece in pieces)
        check_restore(shelf.path, size, settings, stated=stated)
        with shelf.new_folder() as folder:
            found = _Found()
            base = _base(pieces) or normalise_base(base or (stated.base if stated else settings.text("base")))
            with contextlib.closing(DocumentWriter(_documents_path(folder))) as writer:
                parts = []
                for count, piece in enumerate(pieces):
                    progress("restore", count, len(pieces))
                    parts.append(_take(piece, folder, stated, found, writer, Minter(base)))
            before = shelf.current_or_none()
            if before is None:
                for given in files:
                    carry_gone(_release_folder(given), folder)
            manifest = _manifest(found, stated, base, shelf.current_id(), round(time.monotonic() - started, 3))
            release, _ = finish_release(
                shelf,
                folder,
                parts=parts,
                documents=[_documents_path(folder)],
                manifest=manifest,
                settings=settings,
                progress=progress,
                before=before,
            )
        if keep := settings.integer("keep_releases"):
            shelf.remove_oldest(keep, grace_s=settings.number("release_grace_s"))
    return release


def _documents_path(folder: Path) -> Path:
    return folder / "documents" / "restored"


def _release_folder(given: Path) -> Path:
    """The folder of the release that *given* is, or is the `parts/` of."""
    return given.parent if given.name == "parts" else given


def _pieces(files: Sequence[Path]) -> Iterator[_Piece]:
    taken: set[str] = set()
    for given in files:
        if not given.is_dir():
            found = [_Piece(given, f"{_LOOSE}/{given.name.partition('.')[0]}{_PART_ENDING}")]
        else:
            # The lists of members have the same names.
            of_release = (given / "parts").is_dir() or (given / FILE_NAME).is_file()
            root = given / "parts" if of_release else given
            found = [
                _Piece(path, f"parts/{path.relative_to(root).as_posix()}")
                for path in sorted(root.rglob(f"*{_PART_ENDING}"))
            ]
        if not found:
            raise InvalidRecord(
                f"{given} holds no parts (*{_PART_ENDING})",
                value=str(given),
                hint="Give the folder of a release, its parts/, or a dump (.nq.gz).",
            )
        for piece in found:
            if piece.name in taken:
                raise InvalidRecord(f"{piece.path}: a second part of the name {piece.name}", value=str(piece.path))
            taken.add(piece.name)
            yield piece


def _stated(files: Sequence[Path]) -> Manifest | None:
    """What `release.json` beside the parts says, where they are those of one release."""
    if len(files) != 1 or not files[0].is_dir():
        return None
    folder = _release_folder(files[0])
    return read_manifest(folder) if (folder / FILE_NAME).is_file() else None


def _base(pieces: Sequence[_Piece]) -> str:
    """The base of the first source that there is; empty where there is none."""
    # A source's own part is small and has it: the others are looked at only for want of one.
    for piece in sorted(pieces, key=lambda piece: not Path(piece.name).name.startswith("source")):
        for document in part_documents(piece.path):
            line = document.partition(b"\n")[0]
            if line.endswith(_SOURCE):
                return line[1 : line.index(b">")].decode().rpartition("source/")[0]
    return ""


@dataclass(slots=True)
class _Found:
    """What the statements tell."""

    quads: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sources: list[str] = field(default_factory=list)
    inputs: dict[str, Input] = field(default_factory=dict)  # by IRI
    records: Counter[str] = field(default_factory=Counter)  # by the IRI of the file that they stand in
    papers: Counter[str] = field(default_factory=Counter)  # by source, as in paths
    pages: Counter[str] = field(default_factory=Counter)


def _take(
    piece: _Piece, folder: Path, stated: Manifest | None, found: _Found, writer: DocumentWriter, minter: Minter
) -> Part:
    """Make *piece* a part of the release in *folder*, and learn what it tells."""
    target = folder / piece.name
    # A copy: what is given is somebody's own file, which they may write to.
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(piece.path, target)
    size, sha256 = checksum(target)
    known = {file.path: file for file in stated.files} if stated else {}
    if stated and (piece.name not in known or known[piece.name].sha256 != sha256):
        raise DamagedRelease(
            f"{piece.path}: its SHA-256 is not that of {FILE_NAME}",
            value=str(piece.path),
            hint=f"A copy of the part may be whole; without {FILE_NAME} beside it, it is taken as it is.",
        )
    quads = text_bytes = 0
    contents: list[int] = []
    for document in part_documents(target):
        contents.append(content_of(document))
        quads += document.count(b"\n")
        text_bytes += len(document)
        for name, line_end in _CLASSES.items():
            found.counts[name] += document.count(line_end)
        path = subject_path(document, minter)
        if path.startswith(_TELLING):
            statements = Statements(document)
            _learn(document, path, statements, found)
            if entry := search_document(path, statements):
                writer.write(entry)
    found.quads += quads
    return Part(str(target), size, sha256, quads, text_bytes, sum_content(contents))


def _learn(document: bytes, path: str, statements: Statements, found: _Found) -> None:
    kind, _, rest = path.partition("/")
    slug, _, file = rest.partition("/")
    match kind:
        case "paper" | "page":
            (found.papers if kind == "paper" else found.pages)[slug] += 1
            found.records.update(statements.all("prov:hadPrimarySource"))
        case "source" if not file:
            found.sources.append(statements.one("rdfs:label"))
        case "source":
            found.inputs[document[1 : document.index(b">")].decode()] = Input(
                name=statements.one("q:fileName"),
                size=int(statements.one("dcat:byteSize")),
                sha256=statements.one("q:sha256"),
                reader=statements.one("q:reader"),
                source=decode_segment(slug),
            )


def _manifest(found: _Found, stated: Manifest | None, base: str, parent: str | None, seconds: float) -> Manifest:
    now = datetime.now(UTC)
    inputs = [
        msgspec.structs.replace(known, read=found.records[iri], number=number)
        for number, (iri, known) in enumerate(
            sorted(found.inputs.items(), key=lambda item: (item[1].source, item[1].name, item[1].sha256))
        )
    ]
    counts = {
        name: found.counts[name] for name in sorted(COUNTED_CLASSES) if found.counts[name] or name not in _OPTIONAL
    }
    made = Manifest(
        id=stamp(now),
        base=base,
        created=now.isoformat(timespec="seconds"),
        software=f"quiver {__version__}",
        content_hash="",
        quads=0,
        kind="records" if found.sources else "rdf",
        parent=parent,
        counts=counts if found.sources else {},
        sources={slug: _source_counts(slug, found, inputs) for slug in sorted(found.sources)},
        inputs=tuple(inputs),
        seconds={"restore": seconds},
    )
    if stated is None:
        return made
    return msgspec.structs.replace(
        made, kind=stated.kind, counts=stated.counts, sources=stated.sources, inputs=stated.inputs
    )


def _source_counts(slug: str, found: _Found, inputs: Sequence[Input]) -> SourceCounts:
    pages = found.pages[encode_segment(slug)]
    accepted = found.papers[encode_segment(slug)] + pages
    # A record that stands in two files was a duplicate in one of them.
    read = max(accepted, sum(known.read for known in inputs if known.source == slug))
    return SourceCounts(read, accepted, read - accepted, 0, pages)
