"""The statements about one resource, by property; looked up when they are asked for, or at hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import pyoxigraph as ox

from quiver.namespaces import term


class Facts(ABC):
    """The statements about one resource, by property."""

    @abstractmethod
    def all(self, curie: str) -> list[str]:
        """The values of a property, sorted."""

    def one(self, curie: str, default: str = "") -> str:
        """The first value of a property."""
        values = self.all(curie)
        return values[0] if values else default

    def number(self, curie: str) -> int | None:
        """The value of a property as an integer; None where there is none."""
        value = self.one(curie)
        return int(value) if value.isascii() and value.lstrip("-").isdigit() else None


class StoredFacts(Facts):
    """Facts that are looked up when they are asked for: a paper may have 6,000 of which a page needs thirty."""

    def __init__(self, store: ox.Store, iri: str) -> None:
        self._store = store
        self._node = ox.NamedNode(iri)
        self._values: dict[str, list[str]] = {}

    def all(self, curie: str) -> list[str]:
        values = self._values.get(curie)
        if values is None:
            found = self._store.quads_for_pattern(self._node, ox.NamedNode(term(curie)), None)
            values = self._values[curie] = sorted(
                quad.object.value for quad in found if not isinstance(quad.object, ox.Triple)
            )
        return values


class KnownFacts(Facts):
    """Facts from triples at hand."""

    def __init__(self, triples: Iterable[ox.Triple]) -> None:
        self._values: dict[str, list[str]] = {}
        for triple in triples:
            if not isinstance(triple.object, ox.Triple):
                self._values.setdefault(triple.predicate.value, []).append(triple.object.value)
        for values in self._values.values():
            values.sort()

    def all(self, curie: str) -> list[str]:
        return self._values.get(term(curie), [])

    def items(self) -> Iterator[tuple[str, list[str]]]:
        """Properties, as full IRIs, and their values, sorted."""
        yield from sorted(self._values.items())
