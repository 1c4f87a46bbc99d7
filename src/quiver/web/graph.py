"""The release that requests are answered from: opened once, read-only, and replaced when a new one is published."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

import pyoxigraph as ox
from flask import g

from quiver.catalogue import Answer, BoundQuery
from quiver.catalogue.answers import Result, as_answer, without_empty
from quiver.engines import EndpointReader, Facts, GraphReader, KnownFacts, StoreReader, Target
from quiver.errors import QuiverError
from quiver.evaluation.local import answer_searches
from quiver.evaluation.remote import rewrite
from quiver.identifiers import Minter
from quiver.manifest import Manifest
from quiver.releases import GoneTable, Lease, Library, Release
from quiver.search import SearchIndex
from quiver.telemetry import logger

__all__ = ["CurrentGraph", "Facts", "Graph", "KnownFacts", "current_graph"]

_LOG = logger("quiver.web")
_FOLLOW_S: Final = 5.0


class Graph:
    """One release, open for reading: quads, search index, manifest; its own store answers, or the endpoint *target*.

    With a *lease* the release is not removed before this is let go.
    """

    def __init__(self, release: Release, target: Target | None = None, lease: Lease | None = None) -> None:
        self.release = release
        self._lease = lease
        self.reader: GraphReader = (
            StoreReader(release.open_store()) if target is None else EndpointReader(target, release.manifest)
        )
        self.minter = Minter(release.base)

    @property
    def id(self) -> str:
        return self.release.id

    @property
    def base(self) -> str:
        return self.release.base

    @property
    def manifest(self) -> Manifest:
        return self.release.manifest

    @property
    def store_path(self) -> Path:
        return self.release.store_path

    @property
    def results_path(self) -> Path:
        return self.release.results_path

    @cached_property
    def search(self) -> SearchIndex:
        return SearchIndex(self.release.search_path)

    def went_in(self, path: str) -> str | None:
        """The id of the release with which the document at *path* went; None where none did."""
        return self._gone.went_in(path)

    @cached_property
    def _gone(self) -> GoneTable:
        return GoneTable(self.release.path)

    def ready(self, bound: BoundQuery) -> BoundQuery:
        """*bound* with its text searches answered, so that it can be run on the store."""
        return answer_searches(bound, lambda: self.search, self.base)

    def answers(self) -> bool:
        """Whether the engine answers; costs one look-up."""
        return self.reader.answers()

    def run(self, bound: BoundQuery) -> Result:
        """The engine's answer to *bound*, to be used in this thread alone."""
        ready = self.ready(bound)
        if bound.searches and isinstance(self.reader, EndpointReader):
            # Hits stand in the text with escapes that not every engine knows.
            ready = replace(ready, text=rewrite(ready.text, self.base)[0])
        return self.reader.run(ready)

    def evaluate(self, bound: BoundQuery) -> Answer:
        """The answer to *bound*."""
        answer = as_answer(self.run(bound))
        # By the standard a GROUP_CONCAT of nothing is an empty string; our own engine leaves it unbound.
        return without_empty(answer) if isinstance(self.reader, EndpointReader) else answer

    def holds(self, iri: str) -> bool:
        """Whether the release says anything about *iri*."""
        return self.reader.holds(iri)

    def about(self, iri: str) -> Facts:
        """What the release says about *iri*."""
        return self.reader.about(iri)

    def about_all(self, iris: Iterable[str]) -> dict[str, Facts]:
        """What the release says about each of these resources."""
        return self.reader.about_all(iris)

    def triples(
        self, subject: str | None = None, predicate: str | None = None, object_: str | None = None
    ) -> Iterator[ox.Triple]:
        """The triples that match, by full IRIs; None matches all."""
        return self.reader.triples(subject, predicate, object_)

    def texts(self, iris: Iterable[str], *curies: str) -> dict[str, str]:
        """The value of the first of these properties that each IRI has; IRIs without one are left out."""
        return self.reader.texts(iris, *curies)

    def objects(self, iris: Iterable[str], curie: str) -> set[str]:
        """The IRIs that are values of a property of any of these resources."""
        return self.reader.objects(iris, curie)

    def labels(self, iris: Iterable[str]) -> dict[str, str]:
        """The labels of these IRIs."""
        return self.texts(iris, "rdfs:label")


class CurrentGraph:
    """The library's current release; the first request after the polling interval looks for a new one."""

    def __init__(self, library: Library, poll_s: float, target: Target | None = None) -> None:
        self.library = library
        self._target = target
        self._poll_s = poll_s
        self._lock = threading.Lock()
        self._graph: Graph | None = None
        self._looked = 0.0
        # Those before it that requests may still be answered from.
        self._former: list[weakref.ref[Graph]] = []

    def get(self) -> Graph:
        """The release to answer from; it may take the time of opening one.

        Raises:
            NoRelease: nothing was published yet.
            DamagedRelease, UnsupportedRelease: the release does not open, and there is none that did before.
        """
        graph = self._graph
        if graph is not None and time.monotonic() - self._looked < self._poll_s:
            return graph
        with self._lock:
            if self._graph is None or time.monotonic() - self._looked >= self._poll_s:
                self._look()
            assert self._graph is not None
            return self._graph

    def catch_up(self, release_id: str) -> None:
        """Look at once, where another process answers from the release *release_id* and this one from another.

        Raises:
            NoRelease, DamagedRelease, UnsupportedRelease: as `get`.
        """
        if self._graph is not None and self._graph.id != release_id:
            with self._lock:
                self._look()

    def fresh(self) -> Graph | None:
        """The release to answer from, when that is known without looking."""
        return self._graph if time.monotonic() - self._looked < self._poll_s else None

    def follow(self) -> None:
        """Look for new releases without being asked, so that a process that has nothing to do lets old ones go."""
        threading.Thread(target=self._follow, name="follow", daemon=True).start()

    def _follow(self) -> None:
        while True:
            time.sleep(max(self._poll_s, _FOLLOW_S))
            with contextlib.suppress(QuiverError):
                self.get()
            if self._former:
                # Requests leave cycles, which the collector, running seldom here, would find late.
                gc.collect()
                self._former = [one for one in self._former if one() is not None]

    def _look(self) -> None:
        if self._graph is None or self.library.current_id() not in (None, self._graph.id):
            try:
                former = self._graph
                self._graph = self.library.open_current(lambda release: Graph(release, self._target, release.hold()))
                if former is not None:
                    self._former.append(weakref.ref(former))
            except QuiverError as error:
                if self._graph is None:
                    raise
                _LOG.error("the new release does not open; %s goes on serving: %s", self._graph.id, error)
        self._looked = time.monotonic()


def current_graph() -> Graph:
    """The release with which the present request began."""
    graph = g.graph
    assert isinstance(graph, Graph)
    return graph
