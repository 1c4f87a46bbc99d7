"""Pages and well-behaved queries while others saturate all query workers with cross products.

    python -m tests.benchmarks.crowding LIBRARY [--pages 300] [--budget 60] [--least 30] [--addresses 8]
        [--connections 4] [--pause 0.05] [--setting NAME=VALUE]...

LIBRARY is the whole set (201,217 papers). Phases: idle; one attacking address (127.0.0.2) with 8 connections; idle
again; several attacking addresses (127.0.0.2, .3 ...) with some connections each; idle. In each phase one client reads
name and paper pages without pause (for `--budget` seconds a kind at most), and another (127.0.0.100) asks point
queries, ten a second, for `--least` seconds at least. Pages differ in all phases, but are of the same sizes. An
attacker that is refused waits `--pause` seconds, whatever Retry-After says.

Targets: p99 of pages within 2 times of idle; well-behaved queries still get in.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyoxigraph

from quiver.namespaces import sparql_prologue
from quiver.releases import Library
from tests.benchmarks.attackers import Attack
from tests.benchmarks.load import Connection, target
from tests.benchmarks.measuring import conditions
from tests.benchmarks.servers import Server, quiver
from tests.benchmarks.shapes import BY_NAME, Values

MOST_RATIO: Final = 2.0
_WELL_BEHAVED: Final = "127.0.0.100"
_EVERY_S: Final = 0.1
# Time for the queue to fill.
_SATURATION_S: Final = 3.0

_NAMES: Final = "SELECT ?s { ?s a q:NameCluster ; q:paperCount ?n FILTER(?n >= 2 && ?n <= 50) } ORDER BY ?n"
_PAPERS: Final = "SELECT ?s { ?s a q:Paper ; q:authorCount ?n FILTER(?n >= 1 && ?n <= 30) } ORDER BY ?n"


@dataclass
class Phase:
    """What clients saw: milliseconds of pages by kind and of queries, statuses of all that was no 200."""

    name: str
    pages: dict[str, list[float]] = field(default_factory=dict)
    queries: list[float] = field(default_factory=list)
    asked: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def read_pages(self, server: Server, kind: str, paths: Sequence[str], budget_s: float) -> None:
        taken = self.pages.setdefault(kind, [])
        began = time.monotonic()
        with Connection(server.port) as connection:
            for path in paths:
                answer = connection.get(path, "text/html")
                taken.append(answer.seconds * 1000)
                if answer.status != 200:
                    self.faults[f"{kind} page {answer.status} {answer.code}"] += 1
                if time.monotonic() - began > budget_s:
                    return

    def ask(self, server: Server, queries: Sequence[str], ended: threading.Event) -> None:
        with Connection(server.port, source=_WELL_BEHAVED) as connection:
            for query in queries:
                if ended.is_set():
                    return
                self.asked += 1
                answer = connection.get(target(server.path, query), "application/sparql-results+json")
                if answer.status == 200:
                    self.queries.append(answer.seconds * 1000)
                else:
                    self.faults[f"query {answer.status} {answer.code}"] += 1
                time.sleep(_EVERY_S)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Crowding:
    """One server, its pages by phase, and the phases that have been."""

    def __init__(
        self, server: Server, pages: dict[str, list[list[str]]], queries: list[str], budget_s: float, least_s: float
    ) -> None:
        self._server = server
        self._pages = pages
        self._queries = queries
        self._budget_s = budget_s
        self._least_s = least_s
        self.phases: list[Phase] = []

    def run(self, name: str) -> Phase:
        number = len(self.phases)
        phase = Phase(name)
        ended = threading.Event()
        share = self._queries[number::5]
        asker = threading.Thread(target=phase.ask, args=(self._server, share, ended))
        asker.start()
        began = time.monotonic()
        try:
            for kind, parts in self._pages.items():
                phase.read_pages(self._server, kind, parts[number], self._budget_s)
            time.sleep(max(0.0, began + self._least_s - time.monotonic()))
        finally:
            ended.set()
            asker.join()
        self.phases.append(phase)
        return phase

    def report(self) -> int:
        """Print the table; the number of targets missed."""
        idle = [phase for phase in self.phases if phase.name == "idle"]
        missed = 0
        print(f"{'phase':24} {'what':8} {'count':>6} {'median':>8} {'p99':>8} {'of idle':>8} {'p99 of idle':>12}")
        for phase in self.phases:
            rows = {**{f"{kind} page": values for kind, values in phase.pages.items()}, "query": phase.queries}
            for what, values in rows.items():
                pool = [
                    taken
                    for one in idle
                    for taken in (one.queries if what == "query" else one.pages[what.removesuffix(" page")])
                ]
                if not values or not pool:
                    print(f"{phase.name:24} {what:10} none answered")
                    missed += 1
                    continue
                middle, top = statistics.median(values), percentile(values, 0.99)
                middle_ratio, ratio = middle / statistics.median(pool), top / percentile(pool, 0.99)
                verdict = ""
                if phase.name != "idle" and what != "query":
                    verdict = "met" if ratio <= MOST_RATIO else "MISSED"
                    missed += verdict == "MISSED"
                print(
                    f"{phase.name:24} {what:10} {len(values):4} {middle:8.1f} {top:8.1f}"
                    f" {middle_ratio:8.2f} {ratio:12.2f} {verdict}"
                )
            answered = f"{len(phase.queries)} of {phase.asked} queries answered"
            print(f"{'':24} {answered}; {dict(phase.faults) or 'no fault'}")
            missed += bool(phase.faults)
        return missed


def strided(store: pyoxigraph.Store, query: str, base: str, most: int, parts: int) -> list[list[str]]:
    """Paths of pages for each of *parts* phases, all different, with the same mix of sizes (*query* orders by size)."""
    solutions = store.query(sparql_prologue() + query)
    assert isinstance(solutions, pyoxigraph.QuerySolutions)
    iris = [solution[0].value for solution in solutions if isinstance(solution[0], pyoxigraph.NamedNode)]
    step = max(1, len(iris) // (most * parts))
    chosen = iris[::step][: most * parts]
    return [[f"/{quote(iri.removeprefix(base), safe='/~._-')}.html" for iri in chosen[n::parts]] for n in range(parts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--pages", type=int, default=300, help="pages of a kind in each phase")
    parser.add_argument("--budget", type=float, default=60.0, help="most seconds for a kind of page in a phase")
    parser.add_argument("--least", type=float, default=30.0, help="least seconds of a phase")
    parser.add_argument("--addresses", type=int, default=8, help="attacking addresses in the last attack")
    parser.add_argument("--connections", type=int, default=4, help="connections of each of them")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds that a refused attacker waits")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the server")
    options = parser.parse_args()
    settings = dict(setting.partition("=")[::2] for setting in options.setting)
    release = Library(options.library).current()
    store = release.open_store()
    parts = 6
    pages = {
        "name": strided(store, _NAMES, release.base, options.pages, parts),
        "paper": strided(store, _PAPERS, release.base, options.pages, parts),
    }
    queries = list(Values(store).queries(BY_NAME["author page"], 20_000))
    del store
    print(conditions())
    print(f"{release.manifest.counts['papers']:,} papers; settings: {settings or 'as shipped'}")
    many = [f"127.0.0.{number + 2}" for number in range(options.addresses)]
    with quiver(options.library, **settings) as server:
        for kind, paths in pages.items():
            Phase("warm-up").read_pages(server, kind, paths[parts - 1], options.budget)
        crowding = Crowding(server, pages, queries, options.budget, options.least)
        crowding.run("idle")
        for name, sources, connections in (
            ("one attacker", many[:1], 8),
            (f"{len(many)} attackers", many, options.connections),
        ):
            with Attack(server.port, server.path, sources, connections, options.pause) as attack:
                time.sleep(_SATURATION_S)
                crowding.run(name)
            print(f"{name}: {len(sources) * connections} connections were answered {attack.statuses}", flush=True)
            time.sleep(1)
            crowding.run("idle")
        missed = crowding.report()
    print(f"\n{missed} targets missed")


if __name__ == "__main__":
    main()
