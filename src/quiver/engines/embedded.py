"""The release's own store, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyoxigraph as ox

from quiver.catalogue import BoundQuery, run
from quiver.catalogue.answers import Result
from quiver.engines.facts import Facts, StoredFacts
from quiver.engines.reader import GraphReader
from quiver.namespaces import term


class StoreReader(GraphReader):
    """Reads a store by its indexes: a look-up takes 3 microseconds, less than its share of a query would."""

    def __init__(self, store: ox.Store) -> None:
        self.store = store

    def answers(self) -> bool:
        return next(self.triples(), None) is not None

    def holds(self, iri: str) -> bool:
        try:
            node = ox.NamedNode(iri)
        except ValueError:
            return False
        return next(self.store.quads_for_pattern(node, None, None), None) is not None

    def about(self, iri: str) -> Facts:
        return StoredFacts(self.store, iri)

    def about_all(self, iris: Iterable[str]) -> dict[str, Facts]:
        return {iri: StoredFacts(self.store, iri) for iri in iris}

    def triples(
        self, subject: str | None = None, predicate: str | None = None, object_: str | None = None
    ) -> Iterator[ox.Triple]:
        found = self.store.quads_for_pattern(
            ox.NamedNode(subject) if subject else None,
            ox.NamedNode(predicate) if predicate else None,
            ox.NamedNode(object_) if object_ else None,
        )
        return (quad.triple for quad in found)

    def texts(self, iris: Iterable[str], *curies: str) -> dict[str, str]:
        found: dict[str, str] = {}
        properties = [ox.NamedNode(term(curie)) for curie in curies]
        for iri in iris:
            if iri in found:
                continue
            node = ox.NamedNode(iri)
            for property_ in properties:
                quad = next(self.store.quads_for_pattern(node, property_, None), None)
                if quad is not None and not isinstance(quad.object, ox.Triple):
                    found[iri] = quad.object.value
                    break
        return found

    def objects(self, iris: Iterable[str], curie: str) -> set[str]:
        property_ = ox.NamedNode(term(curie))
        return {
            quad.object.value
            for iri in iris
            for quad in self.store.quads_for_pattern(ox.NamedNode(iri), property_, None)
            if isinstance(quad.object, ox.NamedNode)
        }

    def members(self, class_: str, limit: int, offset: int) -> list[str]:
        """The engine steps over those before them, ten times as fast as they are read: 0.08 s for the last of 218,200
        names, where reading up to them took 0.9 s, and 3 s the first time. Their order is that of the index.
        """
        solutions = self.store.query(f"SELECT ?s {{ ?s a {ox.NamedNode(class_)} }} LIMIT {limit:d} OFFSET {offset:d}")
        assert isinstance(solutions, ox.QuerySolutions)
        return [node.value for solution in solutions if isinstance(node := solution[0], ox.NamedNode)]

    def run(self, bound: BoundQuery) -> Result:
        return run(self.store, bound)
