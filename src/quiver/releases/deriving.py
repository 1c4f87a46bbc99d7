"""The step of a build that makes name clusters, author rows and venues of tallies; it runs in worker processes.

Tallies of a change are differences. What the parent knew of the keys that they touch is read, the difference added, and
the statements of both compared: the one rule that makes a resource of a tally is the same for all releases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from quiver.derive import NameTally, RowTally, Tally, VenueTally, is_empty, preferred_spelling
from quiver.dumps import Part, PartWriter
from quiver.filling.documents import DocumentWriter
from quiver.identifiers import Minter
from quiver.mapping import map_author_row, map_name_cluster, map_venue_edition, map_venue_series
from quiver.names import name_key
from quiver.releases.settled import tallies_folder
from quiver.releases.tables import Table, TableWriter, table_path
from quiver.search import SearchDocument

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Tally)

OneTally = NameTally | RowTally | VenueTally
_KINDS: Final[dict[str, msgspec.msgpack.Decoder[OneTally]]] = {
    "n": msgspec.msgpack.Decoder(NameTally),
    "r": msgspec.msgpack.Decoder(RowTally),
    "v": msgspec.msgpack.Decoder(VenueTally),
}


def write_tally(tally: Tally, shares: int, path: Path) -> tuple[tuple[int, int], ...]:
    """Write the pieces of *tally* one after the other; offset and length of each."""
    pieces = []
    offset = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in tally.split(shares):
            data = _ENCODER.encode(piece)
            pieces.append((offset, len(data)))
            offset += file.write(data)
    return tuple(pieces)


class DeriveTask(msgspec.Struct, frozen=True):
    """Finish one share of the keys; `pieces` are (path, offset, length) of every tally's piece of it, below the folder.

    `parent` is the folder of the release that this one is made from, or empty.
    """

    share: int
    shares: int
    pieces: tuple[tuple[str, int, int], ...]
    base: str
    folder: str
    generation: int = 0
    parent: str = ""


class DeriveDone(msgspec.Struct, frozen=True):
    """The part written, and how many resources of each kind there are more than in the parent.

    `superseded` are the IRIs of resources whose statements in the parent are no longer true; `unindexed` the paths
    whose documents are not.
    """

    part: Part | None
    names: int
    rows: int
    series: int
    editions: int
    documents_path: str
    superseded: tuple[str, ...] = ()
    unindexed: tuple[str, ...] = ()


class _Resource(msgspec.Struct):
    """A resource of a key: what it counts as, its statements, its document in the text index if it has one."""

    kind: str
    lines: list[str]
    document: SearchDocument | None = None


class _Derivation:
    """Writes what became of each key, and counts."""

    def __init__(self, task: DeriveTask) -> None:
        folder = Path(task.folder)
        self.minter = Minter(task.base)
        number = f"{task.generation:06d}-{task.share:06d}" if task.generation else f"{task.share:06d}"
        self.writer = PartWriter(folder, f"parts/derived/{number}.nq.gz")
        self.documents_path = folder / "documents" / "derived" / f"{task.share:06d}"
        self.documents = DocumentWriter(self.documents_path)
        self.counts = dict.fromkeys(("name", "row", "series", "edition"), 0)
        self.superseded: list[str] = []
        self.unindexed: list[str] = []

    def make(self, resources: dict[str, _Resource]) -> None:
        """Put *resources* where there were none."""
        for resource in resources.values():
            self.counts[resource.kind] += 1
            self.writer.write(resource.lines)
            if resource.document is not None:
                self.documents.write(resource.document)

    def change(self, before: dict[str, _Resource], now: dict[str, _Resource]) -> None:
        """Put the resources *now*, by IRI, in the place of those *before*."""
        for iri in sorted(before.keys() | now.keys()):
            old, new = before.get(iri), now.get(iri)
            if old is not None:
                self.counts[old.kind] -= 1
            if new is not None:
                self.counts[new.kind] += 1
            if (old and old.lines) != (new and new.lines):
                if old is not None:
                    self.superseded.append(iri)
                if new is not None:
                    self.writer.write(new.lines)
            was = None if old is None else old.document
            document = None if new is None else new.document
            if was != document:
                if was is not None:
                    self.unindexed.append(was.path)
                if document is not None:
                    self.documents.write(document)


def derive_share(task: DeriveTask) -> DeriveDone:
    """Reduce the tallies of one share to name clusters, author rows and venues, in order of their keys."""
    tally = Tally()
    for path, offset, length in task.pieces:
        with (Path(task.folder) / path).open("rb") as file:
            file.seek(offset)
            tally.merge(_DECODER.decode(file.read(length)))
    changes = {key: delta for key, delta in _flat(tally) if not is_empty(delta)}
    keys = sorted(changes)
    known = Table(tallies_folder(Path(task.parent)), tally_share_key).get(keys) if task.parent else {}
    keeper = TableWriter(table_path(tallies_folder(Path(task.folder)), task.generation, task.share, task.shares))
    done = _Derivation(task)
    for key in keys:
        stored = known.get(key)
        if stored is None:
            # All keys of a build are new.
            done.make(_resources(key, changes[key], done.minter))
            keeper.write(key, _ENCODER.encode(changes[key]))
            continue
        kind = _KINDS[key[0]]
        before = _resources(key, kind.decode(stored), done.minter)
        now = _sum(key, kind.decode(stored), changes[key])
        gone = is_empty(now)
        done.change(before, {} if gone else _resources(key, now, done.minter))
        keeper.write(key, b"" if gone else _ENCODER.encode(now))
    keeper.close()
    done.documents.close()
    return DeriveDone(
        part=done.writer.close(),
        names=done.counts["name"],
        rows=done.counts["row"],
        series=done.counts["series"],
        editions=done.counts["edition"],
        documents_path=str(done.documents_path),
        superseded=tuple(done.superseded),
        unindexed=tuple(done.unindexed),
    )


def _flat(tally: Tally) -> Iterator[tuple[str, OneTally]]:
    """The tally of each key; the key begins with its kind, and a row's has its source behind it."""
    for key, name in tally.names.items():
        yield "n" + key, name
    for (source, row), row_tally in tally.rows.items():
        yield f"r{source}\x00{row}", row_tally
    for key, venue in tally.venues.items():
        yield "v" + key, venue


def tally_share_key(key: str) -> str:
    """The part of a tally's key that says which share it falls in."""
    return key.partition("\x00")[2] if key[0] == "r" else key[1:]


def _sum(key: str, stored: OneTally, change: OneTally) -> OneTally:
    total = Tally()
    for one in (stored, change):
        match one:
            case NameTally():
                total.merge(Tally(names={key: one}))
            case RowTally():
                total.merge(Tally(rows={("", key): one}))
            case VenueTally():
                total.merge(Tally(venues={key: one}))
    return next(one for _, one in _flat(total))


def _resources(key: str, tally: OneTally, minter: Minter) -> dict[str, _Resource]:
    match tally:
        case NameTally():
            return _name(key[1:], tally, minter)
        case RowTally():
            source, _, row = key[1:].partition("\x00")
            source_id = row if tally.identified else ""
            clusters = len(set(map(name_key, tally.names))) if len(tally.names) > 1 else 1
            lines = map_author_row(source, row, preferred_spelling(tally.names), source_id, minter, clusters)
            return {minter.author_row(source, row): _Resource("row", lines)}
        case VenueTally():
            return _venue(key[1:], tally, minter)


def _name(key: str, tally: NameTally, minter: Minter) -> dict[str, _Resource]:
    spellings = tally.candidates
    preferred = preferred_spelling(spellings)
    others = sorted(set(spellings) - {preferred})
    iri = minter.name_cluster(key)
    document = SearchDocument(
        path=minter.path(iri) or "", kind="name", label=preferred, names=tuple(others), weight=tally.papers
    )
    lines = map_name_cluster(key, preferred, others, tally.papers, len(tally.rows), minter)
    return {iri: _Resource("name", lines, document)}


def _venue(key: str, tally: VenueTally, minter: Minter) -> dict[str, _Resource]:
    label = preferred_spelling(tally.spellings)
    iri = minter.venue_series(key)
    document = SearchDocument(path=minter.path(iri) or "", kind="venue", label=label, weight=tally.papers)
    resources = {iri: _Resource("series", map_venue_series(key, label, tally.papers, minter), document)}
    for edition, papers in sorted(tally.editions.items()):
        resources[minter.venue_edition(key, edition)] = _Resource(
            "edition", map_venue_edition(key, edition, label, papers, minter)
        )
    return resources
