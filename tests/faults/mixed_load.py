"""A mixed load on a server: pages, queries of all sizes, deadlines, clients that leave, and errors."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from quiver.releases import Library
from tests.benchmarks.attackers import WORST
from tests.benchmarks.load import Connection, target
from tests.benchmarks.shapes import BY_NAME, JSON, SHAPES, Values

# What any query may be answered when others crowd the service.
_CROWDED: Final = frozenset({"503 overloaded", "503 query-timeout"})
_STOPPED: Final = _CROWDED | {"507 memory-limit"}
_ANSWERED: Final = frozenset({"200"})
_LARGE: Final = "SELECT ?a ?b ?c {{ ?a ?b ?c }} OFFSET {} LIMIT {} # {}"
_HUNGRY: Final = (
    "SELECT ?a (GROUP_CONCAT(?t) AS ?all) {{ ?a ?b ?c BIND(STR(?c) AS ?t) }} GROUP BY ?a ORDER BY ?all # {}"
)
_LEAVE_AFTER_S: Final = 0.2
_PAUSE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask, and the answers ("STATUS CODE") that are right; `leaves` is a client that does not wait for one."""

    path: str
    accept: str
    expected: frozenset[str]
    leaves: bool = False


class Requests:
    """Makers of requests by kind, with values of a library; each has a weight."""

    def __init__(self, library: Path, seed: int) -> None:
        release = Library(library).current()
        self._base = release.base
        self._values = Values(release.open_store())
        self._random = random.Random(seed)
        self._number = seed * 1_000_000
        self.makers: Mapping[str, tuple[int, Callable[[], Request]]] = {
            "page": (30, self._page),
            "search": (5, self._search),
            "point query": (30, self._point),
            "same query": (10, self._same),
            "heavy query": (4, self._heavy),
            "endless query": (6, self._endless),
            "hungry query": (1, self._hungry),
            "large result": (2, self._large),
            "client leaves": (6, self._leaving),
            "error": (6, self._error),
        }

    def next(self) -> tuple[str, Request]:
        kinds = list(self.makers)
        kind = self._random.choices(kinds, [weight for weight, _ in self.makers.values()])[0]
        self._number += 1
        return kind, self.makers[kind][1]()

    def _value(self, name: str) -> str:
        return self._random.choice(self._values.lists[name])

    def _page(self) -> Request:
        iri = self._value(self._random.choice(["names", "papers", "names", "papers", "venues"])).strip("<>")
        path = quote(iri.removeprefix(self._base), safe="/~._-")
        return Request(f"/{path}.html", "text/html", _ANSWERED)

    def _search(self) -> Request:
        return Request(f"/search?{urlencode({'q': self._value('pairs')})}", "text/html", _ANSWERED)

    def _shape(self, is_point: bool) -> tuple[str, str]:
        shape = self._random.choice([shape for shape in SHAPES if shape.is_point == is_point])
        return shape.query(self._value(shape.values)), shape.accept

    def _point(self) -> Request:
        query, accept = self._shape(is_point=True)
        return Request(target("/sparql", f"{query}\n# {self._number}"), accept, _ANSWERED | _CROWDED)

    def _same(self) -> Request:
        shape = BY_NAME["author page"]
        return Request(target("/sparql", shape.query(self._values.of(shape)[0])), JSON, _ANSWERED | _CROWDED)

    def _heavy(self) -> Request:
        query, accept = self._shape(is_point=False)
        return Request(target("/sparql", f"{query}\n# {self._number}"), accept, _ANSWERED | _STOPPED)

    def _endless(self, *, leaves: bool = False) -> Request:
        query = f"{self._random.choice(WORST)} # {self._number}"
        timeout = "20" if leaves else f"{self._random.uniform(0.2, 1.5):.2f}"
        return Request(target("/sparql", query, timeout=timeout), JSON, _STOPPED, leaves)

    def _leaving(self) -> Request:
        return self._endless(leaves=True)

    def _hungry(self) -> Request:
        query = _HUNGRY.format(self._number)
        return Request(target("/sparql", query, timeout="5"), JSON, _ANSWERED | _STOPPED)

    def _large(self) -> Request:
        query = _LARGE.format(self._random.randrange(100_000), self._random.randrange(20_000, 200_000), self._number)
        return Request(target("/sparql", query), "text/csv", _ANSWERED | _STOPPED)

    def _error(self) -> Request:
        query, code = self._random.choice(
            [
                ("SELECT ?a { ?a ?b ", "400 malformed-query"),
                ("SELECT ?a { SERVICE <http://127.0.0.1:9/sparql> { ?a ?b ?c } }", "403 query-refused"),
                ("INSERT DATA { <a:a> <a:b> <a:c> }", "403 update-refused"),
                ("", "404 not-found"),
            ]
        )
        if not query:
            return Request(f"/paper/nowhere/{self._number}.html", "application/json", frozenset({code}))
        return Request(target("/sparql", f"{query} # {self._number}"), JSON, frozenset({code}) | _CROWDED)


class MixedLoad:
    """Clients with addresses of their own (127.0.1.1, .2 ...), each one request at a time, while the `with` lasts.

    `counts` has the answers by kind and status; `faults` those that are not documented, and requests without answer.
    """

    def __init__(self, library: Path, port: int, clients: int, seed: int = 1) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.faults: Counter[str] = Counter()
        self._port = port
        self._lock = threading.Lock()
        self._ended = threading.Event()
        requests = Requests(library, seed)
        self._threads = [
            threading.Thread(target=self._run, args=(requests, f"127.0.1.{number + 1}")) for number in range(clients)
        ]

    def __enter__(self) -> MixedLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, requests: Requests, source: str) -> None:
        # The deadline, and what a crowded machine needs beyond it.
        with Connection(self._port, source=source, timeout_s=60) as connection:
            while not self._ended.is_set():
                with self._lock:
                    kind, request = requests.next()
                try:
                    status, detail = self._ask(connection, request)
                except (OSError, ValueError, IndexError) as error:
                    status, detail = f"none: {type(error).__name__}", str(error)
                with self._lock:
                    self.counts[kind, status] += 1
                    if status != "left" and status not in request.expected:
                        self.faults[f"{kind}: {status} {detail}"] += 1
                time.sleep(_PAUSE_S)

    def _ask(self, connection: Connection, request: Request) -> tuple[str, str]:
        if request.leaves:
            head = f"GET {request.path} HTTP/1.1\r\nHost: localhost\r\nAccept: {request.accept}\r\n\r\n"
            sent = connection.send(head.encode("ascii"))
            sent.settimeout(_LEAVE_AFTER_S)
            with contextlib.suppress(TimeoutError):
                sent.recv(1)
            connection.close()
            return "left", ""
        answer = connection.get(request.path, request.accept)
        detail = "" if answer.status == 200 else f"{request.path[:100]} {answer.body[:150]!r}"
        return f"{answer.status} {answer.code}".strip(), detail

    def report(self) -> None:
        """Print the counts by kind, and the faults."""
        kinds = sorted({kind for kind, _ in self.counts})
        for kind in kinds:
            found = ", ".join(
                f"{status}: {count:,}" for (one, status), count in sorted(self.counts.items()) if one == kind
            )
            print(f"  {kind:14} {found}")
        print(f"  {sum(self.counts.values()):,} requests, {sum(self.faults.values()):,} not as documented")
        for fault, count in self.faults.most_common(20):
            print(f"    {count:,} x {fault[:400]}")
