"""Pages of a large library: server time, number of queries, and the bare in-process time of those queries, in one run.

    python -m tests.benchmarks.pages LIBRARY [--repeat N]

The pages are those of an ordinary paper and name, and of the largest name cluster, venue and edition of the library.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pyoxigraph

import quiver.catalogue.answers as answers
from quiver.catalogue import BoundQuery
from quiver.config import Settings
from quiver.namespaces import sparql_prologue
from quiver.releases import Library
from quiver.web import create_app
from tests.benchmarks.measuring import conditions

LARGEST = "SELECT ?s {{ ?s a {kind} ; q:paperCount ?n }} ORDER BY DESC(?n) ?s LIMIT 1"


def first(store: pyoxigraph.Store, query: str) -> str:
    solutions = store.query(sparql_prologue() + query)
    assert isinstance(solutions, pyoxigraph.QuerySolutions)
    value = next(iter(solutions))[0]
    assert isinstance(value, pyoxigraph.NamedNode)
    return value.value


def milliseconds(action: Callable[[], object], repeat: int) -> list[float]:
    taken = []
    for _ in range(repeat):
        started = time.perf_counter()
        action()
        taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", type=Path)
    parser.add_argument("--repeat", type=int, default=21)
    arguments = parser.parse_args()
    release = Library(arguments.library).current()
    store = release.open_store()
    client = create_app(arguments.library, Settings()).test_client()
    paper = "SELECT ?s { ?s q:authorCount ?n ; dcterms:abstract ?a FILTER(?n = 5) } LIMIT 1"
    pages = {
        "home": "/",
        "paper": first(store, paper),
        "name, 10 papers": first(store, "SELECT ?s { ?s a q:NameCluster ; q:paperCount 10 } LIMIT 1"),
        "name, largest": first(store, LARGEST.format(kind="q:NameCluster")),
        "venue, largest": first(store, LARGEST.format(kind="q:VenueSeries")),
        "edition, largest": first(store, LARGEST.format(kind="q:VenueEdition")),
        "search": "/search?q=graph+neural+network",
    }
    asked: list[BoundQuery] = []
    run = answers.run

    def record(target: pyoxigraph.Store, bound: BoundQuery) -> answers.Result:
        asked.append(bound)
        return run(target, bound)

    print(conditions())
    print(f"{release.manifest.counts['papers']:,} papers, {release.manifest.quads:,} triples")
    print(f"{'page':18} {'queries':>7} {'median':>8} {'p99':>8} {'bare':>8} {'ratio':>6} {'bytes':>8}  path")
    for name, address in pages.items():
        path = "/" + address.removeprefix(release.base) + ".html" if address.startswith("http") else address

        def fetch(path: str = path) -> bytes:
            answer = client.get(path, headers={"Accept": "text/html"})
            assert answer.status_code == 200, (path, answer.status)
            return bytes(answer.data)

        asked.clear()
        with mock.patch.object(answers, "run", record):
            size = len(fetch())
        queries = list(asked)
        page = milliseconds(fetch, arguments.repeat)

        def bare(queries: list[BoundQuery] = queries) -> None:
            for bound in queries:
                result = store.query(bound.text)
                if not isinstance(result, pyoxigraph.QueryBoolean):
                    for _ in result:
                        pass

        alone = statistics.median(milliseconds(bare, arguments.repeat)) if queries else 0.0
        middle = statistics.median(page)
        ratio = f"{middle / alone:6.1f}" if alone else "     -"
        print(f"{name:18} {len(queries):7} {middle:8.1f} {page[-1]:8.1f} {alone:8.1f} {ratio} {size:8,}  {path[:60]}")


if __name__ == "__main__":
    main()
