"""SIGKILL to query workers at random under load: only queries that ran in them fail, and the service recovers.

    python -m tests.faults.kill_workers LIBRARY [--seconds 60] [--clients 6] [--every 0.3] [--setting NAME=VALUE]...

Clients (an address each) ask queries of 1 to 300 ms, each once and none from a cache, and compare every answer with the
engine's own. Exit code 1 where more queries failed than workers were killed, where one failed otherwise than with
`worker-lost`, or was answered wrongly, or where the service is not as before afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

import psutil

from quiver.releases import Library
from tests.benchmarks.agreement import Comparable, comparable
from tests.benchmarks.load import Answer, Connection, target
from tests.benchmarks.measuring import conditions
from tests.benchmarks.servers import Server, quiver
from tests.benchmarks.shapes import BY_NAME, JSON, Values, evaluate

_SHAPES: Final = ("author page", "co-authors", "path", "COUNT DISTINCT", "CONTAINS")
_QUERIES: Final = 12
_AFTERWARDS: Final = 50


def broker_of(server: Server) -> psutil.Process:
    """The process whose children are the query workers.

    Raises:
        RuntimeError: there is none.
    """
    for member in server.members():
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = member.parent()
            inside = parent is not None and "quiver.evaluation.broker" in parent.cmdline()
            if "quiver.evaluation.broker" in member.cmdline() and not inside:
                return member
    raise RuntimeError("the server has no broker")


class Clients:
    """Clients that ask until the `with` ends, and check what they get."""

    def __init__(self, port: int, clients: int, expected: list[tuple[str, Comparable]]) -> None:
        self.statuses: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.milliseconds: list[float] = []
        self._port = port
        self._expected = expected
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._number = 0
        self._threads = [threading.Thread(target=self._run, args=(f"127.0.2.{n + 1}",)) for n in range(clients)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, source: str) -> None:
        with Connection(self._port, source=source) as connection:
            while not self._ended.is_set():
                self.ask(connection)

    def ask(self, connection: Connection) -> str:
        """Ask the next query; its status and code."""
        with self._lock:
            self._number += 1
            number = self._number
        query, expected = self._expected[number % len(self._expected)]
        try:
            answer = connection.get(target("/sparql", f"{query}\n# {number}"), JSON)
            status = f"{answer.status} {answer.code}".strip()
        except (OSError, ValueError, IndexError) as error:
            answer, status = Answer(0, {}, b"", 0.0), f"none: {type(error).__name__}"
        with self._lock:
            self.statuses[status] += 1
            if answer.status == 200:
                self.milliseconds.append(answer.seconds * 1000)
                if comparable(answer) != expected:
                    self.wrong.append(query)
        return status


def expected_answers(library: Path) -> list[tuple[str, Comparable]]:
    """Queries with the engine's own answers."""
    store = Library(library).current().open_store()
    values = Values(store)
    headers = {"content-type": JSON}
    found = []
    for number in range(_QUERIES):
        for name in _SHAPES:
            shape = BY_NAME[name]
            query = shape.query(values.of(shape)[number])
            found.append((query, comparable(Answer(200, headers, evaluate(store, query), 0.0))))
    return found


def settled(broker: psutil.Process, patience_s: float = 10.0) -> int:
    """How many workers there are once none is being replaced: as many in ten looks, a tenth of a second apart."""
    seen: list[int] = []
    ending = time.monotonic() + patience_s
    while len(seen) < 10 or len(set(seen[-10:])) > 1:
        if time.monotonic() > ending:
            break
        time.sleep(0.1)
        seen.append(sum(worker.status() != psutil.STATUS_ZOMBIE for worker in broker.children()))
    return seen[-1]


def kill_at_random(server: Server, seconds: float, every_s: float, seed: int = 7) -> int:
    """Kill a worker at random moments, *every_s* apart on average; how many were killed."""
    chance = random.Random(seed)
    broker = broker_of(server)
    killed = 0
    ending = time.monotonic() + seconds
    while time.monotonic() < ending:
        time.sleep(chance.uniform(0.0, 2 * every_s))
        workers = [worker for worker in broker.children() if worker.status() != psutil.STATUS_ZOMBIE]
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(workers).pid, signal.SIGKILL)
                killed += 1
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--every", type=float, default=0.3, help="seconds between two kills, on average")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the server")
    options = parser.parse_args()
    settings = dict(setting.partition("=")[::2] for setting in options.setting)
    expected = expected_answers(options.library)
    print(conditions())
    faults: list[str] = []
    with quiver(options.library, **settings) as server:
        broker = broker_of(server)
        clients = Clients(server.port, options.clients, expected)
        workers = settled(broker)
        with clients:
            time.sleep(2)
            killed = kill_at_random(server, options.seconds, options.every)
        statuses = dict(clients.statuses)
        lost = clients.statuses["503 worker-lost"]
        middle, most = statistics.median(clients.milliseconds), max(clients.milliseconds)
        with Connection(server.port, source="127.0.2.99") as connection:
            afterwards = Counter(clients.ask(connection) for _ in range(_AFTERWARDS))
        print(f"{killed} kills in {options.seconds:g} s: {statuses}; {len(clients.wrong)} wrong answers")
        print(f"answered queries took {middle:.1f} ms (median), {most:.0f} ms at most")
        left = settled(broker)
        same = broker.is_running()
        print(f"afterwards: {dict(afterwards)}, {left} workers of {workers} before, the same broker: {same}")
        if lost > killed:
            faults.append(f"{lost} queries lost by {killed} kills")
        faults.extend(f"{n} x {status}" for status, n in statuses.items() if status not in ("200", "503 worker-lost"))
        if clients.wrong:
            faults.append(f"{len(clients.wrong)} wrong answers, the first to {clients.wrong[0]}")
        if afterwards != Counter({"200": _AFTERWARDS}) or left != workers or not same:
            faults.append("the service is not as before")
    print("FAILED: " + "; ".join(faults) if faults else "only queries that ran in killed workers failed")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
