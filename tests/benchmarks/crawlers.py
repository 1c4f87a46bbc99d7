"""Name pages while crawlers walk facets, searches, orders and filters without pause.

    python -m tests.benchmarks.crawlers LIBRARY [--pages 600] [--pause 0.03] [--crawlers 50] [--setting NAME=VALUE]...

LIBRARY is the whole set (201,217 papers). Phases: idle; crawled; idle again. In each, one reader asks for name pages,
one after the other with a pause between; pages differ in all phases, but are of the same sizes. The crawlers, as many
connections of wrk, ask for addresses of `WALKS` in turn, each address once, so that no cache answers.

Targets: median and p99 of name pages within 2 times of idle.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import quote, urlencode

import pyoxigraph

from quiver.namespaces import sparql_prologue
from quiver.releases import Library
from tests.benchmarks.crowding import percentile, strided
from tests.benchmarks.load import Connection
from tests.benchmarks.measuring import conditions
from tests.benchmarks.servers import Server, quiver, settle

MOST_RATIO: Final = 2.0
_NAMES: Final = "SELECT ?s { ?s a q:NameCluster ; q:paperCount ?n FILTER(?n >= 2 && ?n <= 50) } ORDER BY ?n"
# Time in which all crawlers come to wait.
_SATURATION_S: Final = 3.0
_ADDRESSES: Final = 60_000


class Material:
    """What addresses are made of: words of titles, names, venues, years."""

    def __init__(self, store: pyoxigraph.Store, base: str, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._base = base
        self.words = sorted(
            {word for title in self._column(store, "SELECT ?t { ?p a q:Paper ; rdfs:label ?t } LIMIT 30000")
             for word in title.lower().split() if word.isascii() and word.isalpha() and len(word) > 4}
        )  # fmt: skip
        self.names = self._column(store, "SELECT ?s { ?s a q:NameCluster ; q:paperCount ?n FILTER(?n >= 5) }")
        self.venues = self._column(store, "SELECT ?s { ?s a q:VenueSeries ; q:paperCount ?n FILTER(?n >= 20) }")
        self.venue_labels = self._column(
            store, "SELECT ?l { ?s a q:VenueSeries ; rdfs:label ?l ; q:paperCount ?n FILTER(?n >= 200) }"
        )

    def _column(self, store: pyoxigraph.Store, query: str) -> list[str]:
        solutions = store.query(sparql_prologue() + query)
        assert isinstance(solutions, pyoxigraph.QuerySolutions)
        found = [solution[0] for solution in solutions]
        return sorted(
            one.value.removeprefix(self._base) for one in found if not isinstance(one, (type(None), pyoxigraph.Triple))
        )

    def some(self, of: Sequence[str]) -> str:
        return self._random.choice(of)

    def year(self) -> str:
        return str(self._random.randint(1995, 2025))

    def number(self, most: int) -> int:
        return self._random.randint(1, most)


def _search(**parameters: str) -> str:
    return "search?" + urlencode(parameters)


def _page(path: str, **parameters: str) -> str:
    return f"{quote(path, safe='/~._-')}.html?" + urlencode(parameters)


# What crawlers walk: kinds of links on pages -> an address of the kind.
WALKS: Final[dict[str, Callable[[Material], str]]] = {
    "search": lambda m: _search(q=f"{m.some(m.words)} {m.some(m.words)}"),
    "one word": lambda m: _search(q=m.some(m.words), page=str(m.number(5))),
    "kind": lambda m: _search(q=m.some(m.words), kind="paper"),
    "year": lambda m: _search(q=m.some(m.words), year=m.year()),
    "venue": lambda m: _search(q=m.some(m.words), venue=m.some(m.venue_labels)),
    "order": lambda m: _search(q=m.some(m.words), sort=m.some(("newest", "oldest", "title")), year=m.year()),
    "everything": lambda m: _search(year=m.year(), venue=m.some(m.venue_labels), page=str(m.number(9))),
    "results as data": lambda m: "search.json?" + urlencode({"q": m.some(m.words), "year": m.year()}),
    "filter of a name": lambda m: _page(m.some(m.names), year=m.year(), page=str(m.number(2))),
    "filter of a venue": lambda m: _page(m.some(m.venues), year=m.year(), open=f"venue-papers-{m.number(99)}"),
    "panel of a venue": lambda m: _page(m.some(m.venues), open="venue-top-names"),
    "later page": lambda m: _page(m.some(m.venues), page=str(m.number(20))),
    "query": lambda m: "queries/name/coauthors?" + urlencode({"cluster": m.some(m.names)}),
    "query as data": lambda m: "queries/name/papers.json?" + urlencode({"cluster": m.some(m.names)}),
    "explore": lambda m: "explore?" + urlencode({"iri": m.some(m.names)}),
    "compare": lambda m: "compare?" + urlencode({"a": m.some(m.names), "b": m.some(m.names)}),
}


def addresses(material: Material, most: int) -> Iterator[str]:
    """Addresses of all kinds in turn, none twice."""
    given: set[str] = set()
    for make in itertools.islice(itertools.cycle(WALKS.values()), most):
        address = make(material)
        if address not in given:
            given.add(address)
            yield f"/{address}"


# Asks for the addresses in turn, and says at the end what the answers were.
_SCRIPT: Final = """
local targets, position, head, statuses = {}, 0, "", {}
function setup(thread) made = thread end
function init(arguments)
  for line in io.lines(arguments[1]) do targets[#targets + 1] = line end
  local fields = "\\r\\nAccept: text/html,*/*;q=0.5\\r\\nAccept-Encoding: gzip\\r\\n\\r\\n"
  head = " HTTP/1.1\\r\\nHost: " .. wrk.host .. fields
  counts = ""
end
function request()
  position = position + 1
  return "GET " .. targets[(position - 1) % #targets + 1] .. head
end
function response(status)
  statuses[status] = (statuses[status] or 0) + 1
  counts = ""
  for code, number in pairs(statuses) do counts = counts .. " " .. code .. "=" .. number end
end
function done() io.write("\\nSTATUSES" .. made:get("counts") .. "\\n") end
"""


class Crawl:
    """Crawlers at work on a port of this machine as long as the `with` lasts; `statuses` counts their answers after."""

    def __init__(self, port: int, targets: Path, crawlers: int) -> None:
        self.statuses: dict[str, int] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="bench-crawl-")
        script = Path(self._folder.name) / "crawl.lua"
        script.write_text(_SCRIPT)
        connections = ["-t", "1", "-c", str(crawlers), "-d", "3600s", "--timeout", "60s"]
        # Elsewhere crawlers have machines of their own: here they take what the server leaves.
        self._command = ["nice", "-n", "19", "wrk", *connections, "-s", str(script), f"http://127.0.0.1:{port}/", "--"]
        self._command.append(str(targets))

    def __enter__(self) -> Crawl:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=60)
        self._folder.cleanup()
        for line in output.splitlines():
            if line.startswith("STATUSES"):
                pairs = (pair.split("=") for pair in line.split()[1:])
                self.statuses = {code: int(number) for code, number in pairs}


@dataclass
class Phase:
    """What the reader saw: milliseconds of each page, statuses of all that was no 200, and the crawlers' rate."""

    name: str
    pages: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    crawled: str = ""

    def read(self, server: Server, paths: Sequence[str], pause_s: float) -> None:
        with Connection(server.port) as connection:
            for path in paths:
                answer = connection.get(path, "text/html")
                self.pages.append(answer.seconds * 1000)
                if answer.status != 200:
                    self.faults[f"{answer.status} {answer.code}"] += 1
                time.sleep(pause_s)


def report(phases: Sequence[Phase]) -> int:
    """Print the table; the number of targets missed."""
    idle = [taken for phase in phases if phase.name == "idle" for taken in phase.pages]
    missed = 0
    print(f"{'phase':10} {'pages':>6} {'median':>8} {'p99':>8} {'of idle':>8} {'p99 of idle':>12}")
    for phase in phases:
        middle, top = statistics.median(phase.pages), percentile(phase.pages, 0.99)
        ratios = (middle / statistics.median(idle), top / percentile(idle, 0.99))
        verdict = ""
        if phase.name != "idle":
            verdict = "met" if max(ratios) <= MOST_RATIO else "MISSED"
            missed += verdict == "MISSED"
        figures = f"{len(phase.pages):6} {middle:8.1f} {top:8.1f} {ratios[0]:8.2f} {ratios[1]:12.2f}"
        print(f"{phase.name:10} {figures} {verdict} {phase.crawled} {dict(phase.faults) or ''}")
        missed += bool(phase.faults)
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--pages", type=int, default=600, help="name pages in each phase")
    parser.add_argument("--pause", type=float, default=0.03, help="seconds between them")
    parser.add_argument("--crawlers", type=int, default=50)
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the server")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed")
    settings = dict(setting.partition("=")[::2] for setting in options.setting)
    release = Library(options.library).current()
    store = release.open_store()
    warm, before, crawled, after = strided(store, _NAMES, release.base, options.pages, 4)
    with tempfile.TemporaryDirectory(prefix="bench-crawl-") as folder:
        targets = Path(folder) / "targets"
        targets.write_text("".join(f"{one}\n" for one in addresses(Material(store, release.base), _ADDRESSES)))
        del store
        print(conditions())
        print(f"{release.manifest.counts['papers']:,} papers; settings: {settings or 'as shipped'}", flush=True)
        with quiver(options.library, **settings) as server:
            Phase("warm-up").read(server, warm, 0)
            phases = [Phase("idle"), Phase("crawled"), Phase("idle")]
            phases[0].read(server, before, options.pause)
            began = time.monotonic()
            with Crawl(server.port, targets, options.crawlers) as crawl:
                time.sleep(_SATURATION_S)
                phases[1].read(server, crawled, options.pause)
                took = time.monotonic() - began
            rate = sum(crawl.statuses.values()) / took
            phases[1].crawled = f"crawlers: {rate:.0f} answers a second, {crawl.statuses}"
            settle(server)
            phases[2].read(server, after, options.pause)
    missed = report(phases)
    print(f"\n{missed} targets missed")


if __name__ == "__main__":
    main()
