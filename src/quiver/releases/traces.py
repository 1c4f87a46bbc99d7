"""Whether anything is left of what was taken out: every file of a library, decoded, and looked through.

Parts are unpacked, tables and their records decoded, the store is dumped and its files are read block by block, the
text index gives its documents and its terms; whatever else there is is read as it is, decompressed where it is packed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec
import pyoxigraph

from quiver.errors import DamagedRelease, InvalidRecord
from quiver.identifiers import Minter
from quiver.manifest import FILE_NAME, read_manifest
from quiver.readers.streams import SourceStream
from quiver.records import Record
from quiver.releases.library import Release
from quiver.releases.probing import Probe
from quiver.releases.redactions import PaperName, RedactionList, Redactions
from quiver.releases.redactor import Matcher, Redactor
from quiver.releases.settled import SettledTable, pages_folder, papers_folder, tallies_folder
from quiver.releases.sstables import SortedTable, entries
from quiver.releases.stages import decode_item
from quiver.releases.tables import read_table
from quiver.releases.workers import Progress, silent
from quiver.search import deleted_documents, stored_documents, unexplained_terms

_CHUNK_BYTES: Final = 1 << 20
_CARRIED_BYTES: Final = 1 << 14
_LONGEST_LINE_BYTES: Final = 1 << 24
# In N-Quads and JSON these are white space, where the letters would be taken for those of a word.
_WHITE_SPACE: Final = re.compile(rb"\\[ntr]")
# Files of a text index: documents and terms are asked for from the index itself. In its files the beginning of a word
# stands elsewhere where another has the same ("Ziyang Liu" once left "yang Liu").
_INDEX_ENDINGS: Final = (".store", ".term", ".fast", ".idx", ".pos", ".fieldnorm", ".del")
_MOST_TRACES: Final = 1000


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that is left: the file (its path below the library) and what part of it, and which entry it is of."""

    place: str
    entry: str


@dataclass(slots=True)
class Findings:
    """What a look through a library found, how many files it decoded, and the names that stay: see `Tracer`."""

    traces: dict[Trace, int] = field(default_factory=dict)
    files: int = 0
    longer: dict[str, int] = field(default_factory=dict)

    def note(self, place: str, entry: str) -> None:
        trace = Trace(place, entry)
        if trace in self.traces or len(self.traces) < _MOST_TRACES:
            self.traces[trace] = self.traces.get(trace, 0) + 1


class Tracer:
    """Looks for all that *asked* takes out.

    A name that is taken out may be part of a longer one, which is somebody else's: such names stay, and are told.
    """

    def __init__(self, asked: Redactions, listed: RedactionList | None = None) -> None:
        """*listed* is the library's list, by which papers may have new keys."""
        self._redactor = None if listed is None else Redactor(listed)
        kept = RedactionList.empty().plus(Redactions(strings=asked.strings))
        self._asked, self._kept = asked, kept
        self._matcher = Matcher(kept)
        kinds = [entry.kind for entry in asked.strings]
        # Entries that are the same stand once in the list.
        self._labels = [""] * len(kept.strings)
        for at, entry in enumerate(asked.strings):
            rule = kept.strings.index(kept.rule(entry))
            self._labels[rule] = self._labels[rule] or f"{entry.kind} {kinds[: at + 1].count(entry.kind)}"
        everywhere = [entry for entry in asked.strings if not entry.papers]
        self._everywhere = self._matcher.everywhere
        self._expressions = [text for entry in everywhere for text in entry.expressions]
        self._probe = Probe(self._expressions) if self._expressions else None
        self._papers = {_path(one): f"paper {at}" for at, one in enumerate(asked.papers, 1)}
        self._paths = [path.encode() for path in self._papers]
        self.findings = Findings()

    def look(
        self, library: Path, folders: Iterable[Path], progress: Progress = silent, *, is_new: bool = False
    ) -> Findings:
        """Look through *folders* of *library* (or all of it, as one of them).

        Where a release *is_new*, nothing may have been deleted in its store and index: it was in there before.
        """
        self._library, self._is_new = library, is_new
        files = sorted({path for folder in folders for path in _files_below(folder)})
        progress("look", 0, len(files))
        for release in {file.parent for file in files if file.name == FILE_NAME}:
            if (release / "store").is_dir():
                self._look_at_release(Release(release, read_manifest(release)))
        for count, path in enumerate(files, start=1):
            self._look_at_file(path)
            progress("look", count, len(files))
        self.findings.files += len(files)
        return self.findings

    def _place(self, path: Path) -> str:
        return str(path.relative_to(self._library)) if path.is_relative_to(self._library) else str(path)

    def data(self, data: bytes, place: str, seen: int = 0) -> None:
        """Note what stands in *data*, which is text, or has text in it, and ends behind its first *seen* bytes."""
        for piece in self._probe.pieces(data, seen) if self._probe is not None else ():
            text = _WHITE_SPACE.sub(b"  ", piece.data)
            first, last = (len(text[:at].decode("utf-8", "replace")) for at in (piece.first, piece.last))
            for match in self._matcher.find(text.decode("utf-8", "replace"), self._everywhere):
                if first < match.end <= last:
                    self.findings.note(place, self._labels[match.rule])
        for path in self._paths:
            at = data.find(path)
            while at >= 0:
                # Another key may begin like this one.
                if data[at + len(path) : at + len(path) + 1] in (b"", b">", b"#", b'"', b" ", b"\n", b"\t"):
                    self.findings.note(place, self._papers[path.decode()])
                    break
                at = data.find(path, at + 1)

    def chunks(self, chunks: Iterable[bytes], place: str) -> None:
        """As `data`, for data in pieces that may begin and end anywhere."""
        data, seen = b"", 0
        for chunk in chunks:
            data += chunk
            # The last line may not be whole.
            whole = data[: data.rfind(b"\n") + 1]
            if len(data) - len(whole) > _LONGEST_LINE_BYTES:
                whole = data
            if len(whole) > seen:
                self.data(whole, place, seen)
                # What stands across the end is seen with what follows.
                kept = max(0, len(whole) - _CARRIED_BYTES)
                data, seen = data[kept:], len(whole) - kept
        self.data(data, place, seen)

    def _look_at_file(self, path: Path) -> None:
        place = self._place(path)
        self.data(place.encode("utf-8", "surrogateescape"), f"the name of {place}")
        if path.is_symlink():
            self.data(str(path.readlink()).encode(), place)
        elif path.suffix == ".table":
            self._look_at_table(path, place)
        elif path.suffix == ".sst":
            self._look_at_sorted(path, place)
        elif path.suffix not in _INDEX_ENDINGS:
            self.chunks(_content(path), place)

    def _look_at_table(self, path: Path, place: str) -> None:
        # The keys of tallies have a letter before them, for the kind.
        kind = 1 if path.parent == tallies_folder(path.parents[2]) else 0
        for key, value in read_table(path):
            name = key[kind:].encode("utf-8", "surrogatepass")
            if self._probe is not None and not self._paths and not self._probe.may_hold(name + b"\n" + value):
                continue
            self.data(name, place)
            for text in _strings(value):
                self.data(text.encode("utf-8", "surrogatepass"), place)

    def _look_at_sorted(self, path: Path, place: str) -> None:
        table = SortedTable(path)
        for number, block in enumerate(table.blocks()):
            if number == 0:
                self.data(block, place)
            elif (
                table.deleted
                or (self._probe is not None and self._probe.may_hold(block))
                or any(one in block for one in self._paths)
            ):
                for entry in entries(block):
                    self.data(entry.key, place)
                    self.data(entry.value, place)
        if table.deleted and self._is_new:
            self.findings.note(f"{place}: {table.deleted:,} deletions, whose values may be in other files", "store")

    def _look_at_release(self, release: Release) -> None:
        self._settle_names(release)
        store = release.open_store()
        watched = _Watched(self, f"{self._place(release.store_path)}: its dump")
        store.dump(cast(BinaryIO, watched), pyoxigraph.RdfFormat.N_QUADS)
        watched.close()
        place = self._place(release.search_path)
        if self._is_new and (deleted := deleted_documents(release.search_path)):
            self.findings.note(f"{place}: {deleted:,} deleted documents that are still in its files", "index")
        wanted = self._scoped()
        for document in stored_documents(release.search_path):
            texts = list(_flat(msgspec.structs.astuple(document)))
            if self._paths or (self._probe and self._probe.may_hold("\n".join(texts).encode("utf-8", "surrogatepass"))):
                for text in texts:
                    self.data(text.encode("utf-8", "surrogatepass"), f"{place}: a document")
            if document.path in wanted:
                self._scoped_texts(texts, wanted[document.path], f"{place}: {document.path}")
        for text in self._expressions:
            for path in unexplained_terms(release.search_path, re.findall(r"\w+", text)):
                self.findings.note(f"{place}: a term of {path}", "index")
        self._look_at_papers(release, store, wanted)

    def _settle_names(self, release: Release) -> None:
        """Find the longer names that stay."""
        if not any(entry.kind == "name" and not entry.papers for entry in self._asked.strings):
            return
        for slug in release.manifest.sources:
            for folder in (papers_folder, pages_folder):
                for _, settled in SettledTable(folder(release.path, slug)).entries():
                    for version in settled.versions:
                        if self._probe is None or not self._probe.may_hold(version.body):
                            continue
                        for name in _names(version.body):
                            if name in self.findings.longer:
                                self.findings.longer[name] += 1
                            elif self._is_longer(name):
                                self.findings.longer[name] = 1
                                self._matcher.keep(name)

    def _is_longer(self, name: str) -> bool:
        found = self._matcher.find(name, self._everywhere)
        names = all(self._matcher.rules[match.rule].kind == "name" for match in found)
        return bool(found) and names and self._matcher.whole(name, self._everywhere) is None

    def _scoped(self) -> dict[str, frozenset[int]]:
        """By path, the papers in which alone something is taken out, and the rules."""
        wanted: dict[str, frozenset[int]] = {}
        for entry in self._asked.strings:
            rule = self._kept.strings.index(self._kept.rule(entry))
            for path in {path for paper in entry.papers for path in map(_path, self._now(paper))}:
                wanted[path] = wanted.get(path, frozenset()) | {rule}
        return wanted

    def _now(self, paper: PaperName) -> set[PaperName]:
        """*paper* by its key, and by the one that it may have in its place."""
        if self._redactor is None:
            return {paper}
        return {paper, PaperName(paper.source, self._redactor.pseudonym(paper.key))}

    def _scoped_texts(self, texts: Iterable[str], rules: frozenset[int], place: str) -> None:
        for text in texts:
            for match in self._matcher.find(text, rules):
                self.findings.note(place, self._labels[match.rule])

    def _look_at_papers(self, release: Release, store: pyoxigraph.Store, wanted: dict[str, frozenset[int]]) -> None:
        """Look at the records and statements of the papers that are named."""
        for path, rules in wanted.items():
            place = f"{self._place(release.store_path)}: {path}"
            for quad in _about(store, release.base + path):
                self._scoped_texts([str(quad.object)], rules, place)
        named = [(paper, frozenset[int]()) for paper in self._asked.papers]
        scoped = {paper for entry in self._asked.strings for one in entry.papers for paper in self._now(one)}
        named += [(one, wanted[_path(one)]) for one in sorted(scoped, key=_path)]
        for paper, rules in named:
            table = SettledTable(papers_folder(release.path, paper.source))
            settled = table.get([paper.key]).get(paper.key)
            place = f"{self._place(release.path)}/settled: {_path(paper)}"
            if settled is not None and not rules:
                self.findings.note(place, self._papers[_path(paper)])
            for version in settled.versions if settled is not None else ():
                self._scoped_texts(_strings(version.body), rules, place)
            if settled is not None:
                self._scoped_texts(settled.listed_by.values(), rules, place)


class _Watched:
    """A file to which a store is dumped, and of which nothing stays but what is found in it."""

    def __init__(self, tracer: Tracer, place: str) -> None:
        self._tracer, self._place = tracer, place
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._waiting.append(data)
        self._size += len(data)
        if self._size > _CHUNK_BYTES:
            self.flush()
        return len(data)

    def flush(self) -> None:
        text = b"".join(self._waiting)
        # The last line may not be whole.
        whole, newline, rest = text.rpartition(b"\n")
        self._tracer.data(whole if newline else b"", self._place)
        self._waiting, self._size = [rest], len(rest)

    def close(self) -> None:
        """Look at what is left."""
        self._tracer.data(b"".join(self._waiting), self._place)
        self._waiting = []


def _path(paper: PaperName) -> str:
    """The path of a paper below any base."""
    return Minter("").paper(paper.source, paper.key)


def _files_below(folder: Path) -> Iterator[Path]:
    if folder.is_file() or folder.is_symlink():
        yield folder
        return
    for directory, folders, names in os.walk(folder):
        yield from (Path(directory) / name for name in names)
        yield from (path for name in folders if (path := Path(directory) / name).is_symlink())


def _content(path: Path) -> Iterator[bytes]:
    """What a file holds, decompressed where it is packed."""
    stream = SourceStream(path)
    try:
        yield from stream.chunks()
    except InvalidRecord as error:
        raise DamagedRelease(f"{path}: {error.message}", value=str(path)) from error
    finally:
        stream.close()


def _strings(value: bytes) -> Iterator[str]:
    """Every string in a MessagePack value, also in values that are kept in it as bytes."""
    if not value:
        return
    try:
        decoded = msgspec.msgpack.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        yield value.decode("utf-8", "replace")
        return
    yield from _flat(decoded)


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield from _strings(value)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(key)
            yield from _flat(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _flat(one)


def _names(body: bytes) -> list[str]:
    item = decode_item(body)
    if isinstance(item, Record):
        return [name for author in item.authors for name in (author.name, *author.variants)]
    return [item.name]


def _about(store: pyoxigraph.Store, iri: str) -> Iterator[pyoxigraph.Quad]:
    """The statements about a resource and about its fragments that it points to."""
    for quad in store.quads_for_pattern(pyoxigraph.NamedNode(iri), None, None, None):
        yield quad
        if isinstance(quad.object, pyoxigraph.NamedNode) and quad.object.value.startswith(iri + "#"):
            yield from store.quads_for_pattern(quad.object, None, None, None)
