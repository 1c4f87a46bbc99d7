"""What pages, documents and the catalogue ask of a release's quads, whichever engine holds them.

A look-up in a store of this process takes microseconds, a request to another machine milliseconds: so whoever needs
something about many resources asks for all of them in one call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import pyoxigraph as ox

from quiver.catalogue import BoundQuery
from quiver.catalogue.answers import Result
from quiver.engines.facts import Facts


class GraphReader(ABC):
    """Reads the default graph of one release."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the engine gives an answer now; costs one look-up."""

    @abstractmethod
    def holds(self, iri: str) -> bool:
        """Whether anything is said about *iri*; no for what is no IRI."""

    @abstractmethod
    def about(self, iri: str) -> Facts:
        """What is said about *iri*."""

    @abstractmethod
    def about_all(self, iris: Iterable[str]) -> dict[str, Facts]:
        """What is said about each of these IRIs, in their order."""

    @abstractmethod
    def triples(
        self, subject: str | None = None, predicate: str | None = None, object_: str | None = None
    ) -> Iterator[ox.Triple]:
        """The triples that match, by full IRIs; None matches all. No more is read than is taken, or a little more."""

    @abstractmethod
    def texts(self, iris: Iterable[str], *curies: str) -> dict[str, str]:
        """The value of the first of these properties that each IRI has; IRIs without one are left out."""

    @abstractmethod
    def objects(self, iris: Iterable[str], curie: str) -> set[str]:
        """The IRIs that are values of this property of any of these resources."""

    @abstractmethod
    def members(self, class_: str, limit: int, offset: int) -> list[str]:
        """IRIs of the class, by its full IRI, in an order that stays."""

    @abstractmethod
    def run(self, bound: BoundQuery) -> Result:
        """The answer to a named query whose text searches are answered, to be used in this thread alone."""
