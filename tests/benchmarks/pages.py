"""Each type of page of a large library: server time, its queries, the bare time of these; from the cache; its weight.

    python -m tests.benchmarks.pages LIBRARY [--repeat 9] [--only made,kept,typed,weight] [--type NAME]...

LIBRARY is the whole set (201,217 papers). The parts:

made    the application in this process, nothing kept: median and p99 over several pages of a type (one, where it is the
        largest). `bare` is the time of what the page asks of the store and of the text index: its queries and searches,
        and the look-ups of single facts that stand in for queries (labels, bylines). Target: within 3 times.
kept    a real server that has the page in its cache, 8 connections: answers a second, against a constant of the same
        size from the same server software with an application of one line. Target: at least half.
typed   a real server's /suggest for what is typed letter by letter, against `SearchIndex.suggest`. Target: as above.
weight  a page with its style sheets and scripts, compressed. Target: at most 100 kB.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest import mock
from urllib.parse import quote, unquote, urljoin

import pyoxigraph
from flask import Flask
from werkzeug.test import create_environ

from quiver.config import Settings
from quiver.engines import StoreReader
from quiver.namespaces import sparql_prologue
from quiver.processes import keep_what_is_loaded
from quiver.releases import Library, Release
from quiver.search import SearchIndex
from quiver.web import SERVED, Served, create_app
from quiver.web.graph import Graph
from quiver.web.wsgi import call
from tests.benchmarks.crowding import percentile
from tests.benchmarks.load import Connection, Wrk
from tests.benchmarks.measuring import conditions, python
from tests.benchmarks.servers import Server, free_port, quiver, quiver_environment, running, settle

PARTS: Final = ("made", "kept", "typed", "weight")
MOST_TIMES: Final = 3.0
LEAST_SHARE: Final = 0.5
MOST_BYTES: Final = 100_000
_ACCEPT: Final = "text/html"
_INSTANCES: Final = 12
_ROUNDS: Final = 3
_WINDOW_S: Final = 2.0

_LARGEST: Final = "SELECT ?s {{ ?s a {kind} ; q:paperCount ?n }} ORDER BY DESC(?n) ?s LIMIT 1"
_OF_PAPERS: Final = (
    "SELECT ?s {{ ?s a {kind} ; q:paperCount ?n FILTER({test}) }} ORDER BY ABS(?n - {about}) ?s LIMIT 40"
)
_SEARCHES: Final = ("graph neural network", "zhao", "language model", "neurips", "protein folding", "translation")
_SLIPS: Final = ("reinforcment lerning", "langauge modle", "trasnlation")


@dataclass(frozen=True, slots=True)
class PageType:
    """A type of page: a query for things that have one, or paths that are known. `suffix` follows a thing's path."""

    name: str
    query: str = ""
    paths: tuple[str, ...] = ()
    suffix: str = ".html"


def _searches(*parameters: str) -> tuple[str, ...]:
    return tuple(f"/search?q={quote(text)}{rest}" for text in _SEARCHES for rest in parameters)


TYPES: Final = (
    PageType("home", paths=("/",)),
    PageType("search", paths=_searches("")),
    PageType("search, narrowed", paths=_searches("&kind=paper&year=2020-2024", "&kind=paper&sort=newest")),
    PageType("search, later page", paths=_searches("&page=3")),
    PageType("search, with slips", paths=tuple(f"/search?q={quote(text)}" for text in _SLIPS)),
    PageType("paper", "SELECT ?s { ?s q:authorCount ?n ; dcterms:abstract ?a FILTER(?n = 5) } LIMIT 40"),
    PageType("paper, longest byline", "SELECT ?s { ?s q:authorCount ?n } ORDER BY DESC(?n) ?s LIMIT 1"),
    PageType(
        "the same, all names",
        "SELECT ?s { ?s q:authorCount ?n } ORDER BY DESC(?n) ?s LIMIT 1",
        suffix=".html?names=all",
    ),
    PageType("name, 5 papers", _OF_PAPERS.format(kind="q:NameCluster", test="?n = 5", about=5)),
    PageType("name, 300 papers", _OF_PAPERS.format(kind="q:NameCluster", test="?n > 200", about=300)),
    PageType("name, largest", _LARGEST.format(kind="q:NameCluster")),
    PageType("the same, page 5", _LARGEST.format(kind="q:NameCluster"), suffix=".html?page=5"),
    PageType("Andrew Zhao", paths=("/name/andrew_zhao.html",)),
    PageType("author row", "SELECT ?s { ?s a q:AuthorRow } LIMIT 40"),
    PageType("venue, 100 papers", _OF_PAPERS.format(kind="q:VenueSeries", test="?n > 50", about=100)),
    PageType("venue, largest", _LARGEST.format(kind="q:VenueSeries")),
    PageType("the same, its names", _LARGEST.format(kind="q:VenueSeries"), suffix=".html?open=venue-top-names"),
    PageType("edition", _OF_PAPERS.format(kind="q:VenueEdition", test="?n > 50", about=100)),
    PageType("edition, largest", _LARGEST.format(kind="q:VenueEdition")),
    PageType("source", "SELECT ?s { ?s a q:Source }"),
    PageType("quality", paths=("/quality",)),
    PageType("statistics", paths=("/statistics",)),
    PageType(
        "compare",
        "SELECT ?s { ?s a q:NameCluster ; q:paperCount ?n FILTER(?n > 100) } ORDER BY ?s LIMIT 12",
        suffix="compare?a=name/andrew_zhao&b=",
    ),
    PageType("explore, a paper", "SELECT ?s { ?s a q:Paper } LIMIT 12", suffix="explore?iri="),
    PageType("explore, a class", paths=("/explore?iri=q:Paper", "/explore?iri=q:NameCluster")),
    PageType("queries", paths=("/queries",)),
    PageType(
        "query", "SELECT ?s { ?s a q:NameCluster ; q:paperCount 20 } LIMIT 12", suffix="queries/name/coauthors?cluster="
    ),
    PageType("vocabulary", paths=("/ontology",)),
    PageType("dumps", paths=("/dumps/",)),
)


def paths_of(page: PageType, store: pyoxigraph.Store, base: str) -> list[str]:
    """The paths of up to twelve pages of a type."""
    if page.paths:
        return list(page.paths)
    solutions = store.query(sparql_prologue() + page.query)
    assert isinstance(solutions, pyoxigraph.QuerySolutions)
    iris = [solution[0].value for solution in solutions if isinstance(solution[0], pyoxigraph.NamedNode)]
    step = max(1, len(iris) // _INSTANCES)
    things = [quote(iri.removeprefix(base), safe="/~._-") for iri in iris[::step][:_INSTANCES]]
    before = page.suffix.endswith("=")
    return [f"/{page.suffix}{thing}" if before else f"/{thing}{page.suffix}" for thing in things]


def milliseconds(action: Callable[[], object], repeat: int) -> list[float]:
    taken = []
    for _ in range(repeat):
        started = time.perf_counter()
        action()
        taken.append((time.perf_counter() - started) * 1000)
    return taken


class Recorder:
    """What pages ask of the store and of the text index while they are made, to be asked again without them."""

    _SEARCHES: Final = ("search", "suggest", "like", "telling_words", "nearest", "identified")

    def __init__(self, graph: Graph, index: SearchIndex) -> None:
        assert isinstance(graph.reader, StoreReader)
        self._reader, self._store, self._index = graph.reader, graph.reader.store, index
        self.queries: list[str] = []
        self.lookups: list[tuple[tuple[object, ...], int]] = []
        self.searches: list[Callable[[], object]] = []
        self._depth = 0

    @property
    def store(self) -> pyoxigraph.Store:
        """The store itself."""
        return self._store

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        self.queries, self.lookups, self.searches = [], [], []
        with contextlib.ExitStack() as stack:
            # The engine's own class takes no patches: for the pages, this object stands in for the store.
            stack.enter_context(mock.patch.object(self._reader, "store", self))
            for name in self._SEARCHES:
                stack.enter_context(mock.patch.object(SearchIndex, name, self._recorded(getattr(SearchIndex, name))))
            yield

    def query(self, text: str, **options: object) -> object:
        self.queries.append(text)
        return self._store.query(text)

    def quads_for_pattern(self, *pattern: object) -> Iterator[object]:
        place = len(self.lookups)
        self.lookups.append((pattern, 0))
        for taken, quad in enumerate(self._store.quads_for_pattern(*pattern), 1):  # type: ignore[arg-type]
            self.lookups[place] = (pattern, taken)
            yield quad

    def _recorded(self, method: Callable[..., object]) -> Callable[..., object]:
        def record(index: SearchIndex, *arguments: object, **options: object) -> object:
            if not self._depth:  # what one search asks of another is its own
                self.searches.append(lambda: method(self._index, *arguments, **options))
            self._depth += 1
            try:
                return method(index, *arguments, **options)
            finally:
                self._depth -= 1

        return record

    def ask_again(self) -> None:
        """The bare work of the page recorded last."""
        for text in self.queries:
            result = self._store.query(text)
            if not isinstance(result, pyoxigraph.QueryBoolean):
                for _ in result:
                    pass
        for pattern, taken in self.lookups:
            found = self._store.quads_for_pattern(*pattern)  # type: ignore[arg-type]
            for _ in itertools.islice(found, taken):
                pass
        for search in self.searches:
            search()


def made(types: Sequence[PageType], library: Path, release: Release, repeat: int) -> int:
    """Print what pages take that are not kept; the number of targets missed."""
    app = create_app(library, Settings())
    served = app.extensions[SERVED]
    assert isinstance(served, Served)
    graph, client = served.holder.get(), Client(app)
    recorder = Recorder(graph, SearchIndex(release.search_path))
    keep_what_is_loaded()  # as the server's processes do
    print("\nMade, ms: nothing kept; `bare` is what the page asks of store and index alone")
    columns = ("pages", "queries", "searches", "look-ups", "median", "p99", "bare", "times")
    print(f"{'page':22} " + " ".join(f"{column:>8}" for column in columns))
    missed = 0
    for page in types:
        taken: list[float] = []
        alone: list[float] = []
        times: list[float] = []
        counts = (0, 0, 0)
        paths = [path for path in paths_of(page, recorder.store, release.base) if client.get(path) is not None]
        for path in paths:
            with recorder.recording():
                client.get(path)
            counts = max(counts, (len(recorder.queries), len(recorder.searches), len(recorder.lookups)))
            mine = milliseconds(lambda path=path: client.get(path), repeat)  # type: ignore[misc]
            bare = milliseconds(recorder.ask_again, repeat)
            taken += mine
            alone.append(statistics.median(bare))
            times.append(statistics.median(mine) / max(statistics.median(bare), 1e-6))
        if not taken:
            print(f"{page.name:22} absent")
            continue
        counted = " ".join(f"{figure:8}" for figure in (len(paths), *counts))
        counted += f" {statistics.median(taken):8.1f} {percentile(taken, 0.99):8.1f}"
        if counts[:2] == (0, 0):
            print(f"{page.name:22} {counted}        -        -  answers kept with the release", flush=True)
            continue
        ratio = statistics.median(times)
        verdict = "met" if ratio <= MOST_TIMES else "MISSED"
        missed += verdict == "MISSED"
        print(f"{page.name:22} {counted} {statistics.median(alone):8.1f} {ratio:8.1f}  {verdict}", flush=True)
    return missed


class Client:
    """The application as the server's front calls it; Flask's own client for tests takes longer than a small page."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def get(self, path: str, coding: str = "identity") -> bytes | None:
        """The page at *path*; None where there is none."""
        path, _, query = path.partition("?")
        environ = create_environ(unquote(path), query_string=query)
        environ |= {"HTTP_ACCEPT": _ACCEPT, "HTTP_ACCEPT_ENCODING": coding}
        answer = call(self._app.wsgi_app, environ)
        body = b"".join(answer.pieces) if answer.pieces is not None else answer.body
        answer.close()
        return body if answer.status == 200 else None


def kept(types: Sequence[PageType], server: Server, store: pyoxigraph.Store, base: str) -> int:
    """Print the rates of pages that are kept, each against that of a constant; the number of targets missed."""
    print("\nKept, answers a second, 8 connections; a constant of the same size from the same server")
    print(f"{'page':22} {'bytes':>8} {'page':>8} {'constant':>9} {'share':>6}")
    missed = 0
    wrk = Wrk()
    for page in types:
        with Connection(server.port) as connection:
            paths = paths_of(page, store, base)
            answer = next((one for path in paths[:1] if (one := connection.get(path, _ACCEPT)).status == 200), None)
        if answer is None or not answer.headers.get("etag"):
            print(f"{page.name:22} {'absent' if answer is None else 'is not kept: it may change without the release'}")
            continue
        port = free_port()
        command = python("-m", "tests.benchmarks.constant", str(port), str(len(answer.body)))
        with running("constant", command, port, "/", environment=quiver_environment()):
            mine, others = [], []
            for _ in range(_ROUNDS):
                mine.append(wrk.run(server.port, paths[:1], _ACCEPT, _WINDOW_S, None).per_second)
                others.append(wrk.run(port, ["/"], _ACCEPT, _WINDOW_S, None).per_second)
        share = statistics.median(a / b for a, b in zip(mine, others, strict=True))
        verdict = "met" if share >= LEAST_SHARE else "MISSED"
        missed += verdict == "MISSED"
        figures = (
            f"{len(answer.body):8,} {statistics.median(mine):8,.0f} {statistics.median(others):9,.0f} {share:6.2f}"
        )
        print(f"{page.name:22} {figures}  {verdict}", flush=True)
    return missed


def typed(server: Server, release: Release, store: pyoxigraph.Store) -> int:
    """Print how long completion takes, letter by letter; the number of targets missed."""
    index = SearchIndex(release.search_path)
    solutions = store.query(sparql_prologue() + "SELECT ?l { ?s a q:NameCluster ; rdfs:label ?l } LIMIT 20000")
    assert isinstance(solutions, pyoxigraph.QuerySolutions)
    labels = [solution[0].value for solution in solutions if isinstance(solution[0], pyoxigraph.Literal)]
    chosen = [*_SEARCHES, *random.Random(1).sample(labels, 60)]
    texts = list(dict.fromkeys(text[:n] for text in chosen for n in range(1, min(len(text), 12) + 1)))
    bare, asked = [], []
    with Connection(server.port) as connection:
        for text in texts:
            bare += milliseconds(lambda text=text: index.suggest(text), 1)  # type: ignore[misc]
            answer = connection.get(f"/suggest?q={quote(text)}", "application/x-suggestions+json")
            assert answer.status == 200, text
            asked.append(answer.seconds * 1000)
    print("\nTyped, ms: /suggest of a real server, each text once")
    print(f"{'':22} {'texts':>6} {'median':>8} {'p99':>8} {'bare':>8} {'bare p99':>8} {'times':>6}")
    ratio = statistics.median(asked) / statistics.median(bare)
    verdict = "met" if ratio <= MOST_TIMES else "MISSED"
    print(
        f"{'suggest':22} {len(texts):6} {statistics.median(asked):8.2f} {percentile(asked, 0.99):8.2f}"
        f" {statistics.median(bare):8.2f} {percentile(bare, 0.99):8.2f} {ratio:6.1f}  {verdict}"
    )
    return int(verdict == "MISSED")


def weight(types: Sequence[PageType], client: Client, store: pyoxigraph.Store, base: str) -> int:
    """Print what a page brings over the wire, all that it loads included; the number of targets missed."""
    print(f"\nWeight, kB: compressed, with style sheets and scripts; at most {MOST_BYTES / 1000:.0f}")
    print(f"{'page':22} {'page':>8} {'others':>8} {'all':>8}")
    missed = 0
    sizes: dict[str, int] = {}
    for page in types:
        heaviest = (0, 0, 0)
        for path in paths_of(page, store, base):
            text = client.get(path)
            if text is None:
                continue
            loaded = re.findall(rb'<link rel="(?:stylesheet|icon)"[^>]*href="([^"]+)"|<script[^>]*src="([^"]+)"', text)
            others = 0
            for address in {urljoin(f"http://h{path}", (one or other).decode()) for one, other in loaded}:
                if address not in sizes:
                    sizes[address] = len(client.get(address.removeprefix("http://h"), "gzip") or b"")
                others += sizes[address]
            size = len(client.get(path, "gzip") or b"")
            heaviest = max(heaviest, (size + others, size, others))
        if not heaviest[0]:
            print(f"{page.name:22} absent")
            continue
        verdict = "met" if heaviest[0] <= MOST_BYTES else "MISSED"
        missed += verdict == "MISSED"
        print(
            f"{page.name:22} {heaviest[1] / 1000:8.1f} {heaviest[2] / 1000:8.1f} {heaviest[0] / 1000:8.1f}  {verdict}"
        )
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--repeat", type=int, default=9, help="times that each page is made")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--type", action="append", default=[], help="one of the types; all by default")
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}; there is {', '.join(PARTS)}")
    types = [page for page in TYPES if not options.type or page.name in options.type]
    release = Library(options.library).current()
    store = release.open_store()
    print(conditions())
    print(f"{release.manifest.counts['papers']:,} papers, {release.manifest.quads:,} triples")
    missed = made(types, options.library, release, options.repeat) if "made" in parts else 0
    if "weight" in parts:
        missed += weight(types, Client(create_app(options.library, Settings())), store, release.base)
    if {"kept", "typed"} & set(parts):
        with quiver(options.library) as server:
            settle(server)
            if "typed" in parts:
                missed += typed(server, release, store)
            if "kept" in parts and Wrk.is_installed():
                missed += kept(types, server, store, release.base)
            elif "kept" in parts:
                print("\nwrk is absent")
    print(f"\n{missed} targets missed")


if __name__ == "__main__":
    main()
