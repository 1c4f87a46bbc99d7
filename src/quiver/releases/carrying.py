"""The answers of materialised queries in a release made from its parent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyoxigraph

from quiver.catalogue import (
    Change,
    carry,
    load_catalogue,
    materialise,
    read_rows,
    result_path,
)
from quiver.dumps import document_of, read_documents, read_part
from quiver.releases.changing import ChangedParts
from quiver.releases.steps import Making
from quiver.releases.workers import Progress

# Where more statements change, all queries are answered from the store.
_MOST_CARRIED: Final = 2_000_000
# A node of a group that is looked up costs 20 to 40 us, and 2 us in a scan of all; there is one in 16 statements.
_FEW_MEMBERS: Final = 50_000
_MEMBERS_SHARE: Final = 250


def change_results(making: Making, changed: ChangedParts, progress: Progress) -> None:
    """Keep the answers: those of the parent where what changed decides them, the others from the store."""
    assert making.parent is not None
    progress("answer", 0, 1)
    store = pyoxigraph.Store.read_only(str(making.folder / "store"))
    folder, base = making.folder / "results", making.minter.base
    folder.mkdir()
    known: set[str] = set()
    if changed.moved <= _MOST_CARRIED:
        known = _carry(making, changed, store, folder)
    materialise(store, load_catalogue(), folder, base, known)
    progress("answer", 1, 1)


def _carry(making: Making, changed: ChangedParts, store: pyoxigraph.Store, folder: Path) -> set[str]:
    assert making.parent is not None
    change, former = _change(making, changed, store), making.parent.results_path
    known: set[str] = set()
    for query in load_catalogue():
        if query.sum or query.local:
            rows = read_rows(former, query)
            answer = None if rows is None else carry(query, rows, change)
            if answer is not None:
                result_path(folder, query).write_bytes(answer)
                known.add(query.name)
    return known


def _change(making: Making, changed: ChangedParts, store: pyoxigraph.Store) -> Change:
    gone, came = pyoxigraph.Store(), pyoxigraph.Store()
    _fill(gone, changed.removed())
    documents = {_iri(document) for document in changed.removed()}
    for part in making.parts:
        _fill(came, read_part(Path(part.path)))
        documents.update(_iri(lines[0]) for lines in read_documents(Path(part.path)))
    minter = making.minter
    sources = {minter.source(slug) for slug in making.sources}
    files = {minter.source_file(known.source, known.sha256) for known in making.inputs}
    most = max(_FEW_MEMBERS, changed.quads // _MEMBERS_SHARE)
    return Change(store, gone, came, frozenset(documents), minter.base, frozenset(sources | files), most)


def _iri(document: bytes) -> str:
    return document_of(document[: document.index(b" ")])[1:].decode()


def _fill(store: pyoxigraph.Store, text: Iterable[bytes]) -> None:
    store.bulk_load(input=b"".join(text), format=pyoxigraph.RdfFormat.N_QUADS)
