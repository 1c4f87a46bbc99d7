"""The answers of materialised queries in a release made from its parent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyoxigraph

from quiver.catalogue import (
    carry_local,
    carry_sum,
    load_catalogue,
    materialise,
    read_rows,
    result_path,
)
from quiver.dumps import document_of, read_documents, read_part
from quiver.namespaces import term
from quiver.releases.changing import ChangedParts
from quiver.releases.steps import Making
from quiver.releases.workers import Progress

# Where more statements change, all queries are answered from the store.
_MOST_CARRIED: Final = 2_000_000
_SIGNATURE: Final = pyoxigraph.NamedNode(term("q:hasSignature"))


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
    base, former = making.minter.base, making.parent.results_path
    gone, came = pyoxigraph.Store(), pyoxigraph.Store()
    _fill(gone, changed.removed())
    subjects = {_iri(document) for document in changed.removed()}
    for part in making.parts:
        _fill(came, read_part(Path(part.path)))
        subjects.update(_iri(lines[0]) for lines in read_documents(Path(part.path)))
    known: set[str] = set()
    queries = [query for query in load_catalogue() if query.materialise]
    rows = {query.name: kept for query in queries if (kept := read_rows(former, query)) is not None}
    for query in queries:
        if query.sum and query.name in rows:
            answer = carry_sum(query, rows[query.name], gone, came, base)
            if answer is not None:
                result_path(folder, query).write_bytes(answer)
                known.add(query.name)
    surroundings = _Surroundings(store, came, base, subjects)
    for query in queries:
        if query.local and query.name in rows:
            answer = carry_local(query, rows[query.name], subjects, surroundings.with_documents, base)
            if answer is not None:
                result_path(folder, query).write_bytes(answer)
                known.add(query.name)
    return known


def _iri(document: bytes) -> str:
    return document_of(document[: document.index(b" ")])[1:].decode()


def _fill(store: pyoxigraph.Store, text: Iterable[bytes]) -> None:
    store.bulk_load(input=b"".join(text), format=pyoxigraph.RdfFormat.N_QUADS)


class _Surroundings:
    """A store in memory of the documents that changed, as they are now, and of those that they name."""

    def __init__(self, whole: pyoxigraph.Store, changed: pyoxigraph.Store, base: str, subjects: set[str]) -> None:
        self._whole, self._part, self._base = whole, changed, base
        self._there = set(subjects)
        named = {
            quad.object.value
            for quad in changed
            if isinstance(quad.object, pyoxigraph.NamedNode) and quad.object.value.startswith(base)
        }
        self._add({iri.partition("#")[0] for iri in named})

    def with_documents(self, iris: set[str]) -> pyoxigraph.Store:
        """The store, with the documents *iris* in it."""
        self._add({iri for iri in iris if iri.startswith(self._base)})
        return self._part

    def _add(self, iris: set[str]) -> None:
        quads: list[pyoxigraph.Quad] = []
        for iri in iris - self._there:
            for quad in self._whole.quads_for_pattern(pyoxigraph.NamedNode(iri), None, None, None):
                quads.append(quad)
                if quad.predicate == _SIGNATURE:
                    # The fragments of a paper.
                    quads.extend(self._whole.quads_for_pattern(quad.object, None, None, None))  # type: ignore[arg-type]
        self._part.extend(quads)
        self._there |= iris
