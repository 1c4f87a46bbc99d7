"""Clients that ask the worst queries without end, in a process of their own so that they do not slow who measures."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.queues import SimpleQueue
from types import TracebackType
from typing import Final

from tests.benchmarks.load import Connection, target

# Each would run for hours: products that the engine must walk through, sort, or keep.
WORST: Final = (
    "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
    "SELECT (COUNT(DISTINCT ?c) AS ?n) { ?a ?b ?c . ?d ?e ?f . FILTER(STR(?c) = STR(?e)) }",
    "SELECT ?a ?d { ?a ?b ?c . ?d ?e ?f . FILTER(STRLEN(STR(?c)) + STRLEN(STR(?f)) = 7919) } LIMIT 1000000",
    "ASK { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER(?c = 1 && ?f = 2 && ?i = 3 && ?a = ?d && ?b = ?h && ?e = ?g) }",
)
# A refusal that comes sooner is one that nobody waited for.
_AT_ONCE_S: Final = 0.5


class Attack:
    """An attack on a port of this machine, from several source addresses, as long as the `with` lasts.

    `statuses` counts the answers by status and code afterwards; "none" is a connection that gave no answer.
    """

    def __init__(self, port: int, path: str, sources: Sequence[str], connections: int, pause_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.statuses: dict[str, int] = {}
        self._ended = context.Event()
        self._counts: SimpleQueue[dict[str, int]] = context.SimpleQueue()
        arguments = (port, path, tuple(sources), connections, pause_s, self._ended, self._counts)
        self._process = context.Process(target=_attack, args=arguments, daemon=True)

    def __enter__(self) -> Attack:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        if not self._counts.empty():
            self.statuses = self._counts.get()


def _attack(
    port: int,
    path: str,
    sources: Sequence[str],
    connections: int,
    pause_s: float,
    ended: threading.Event,
    result: SimpleQueue[dict[str, int]],
) -> None:
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def attack(source: str, number: int) -> None:
        with Connection(port, source=source, timeout_s=600) as connection:
            while not ended.is_set():
                number += 1
                query = f"{WORST[number % len(WORST)]} # {source} {number}"
                answered = "none"
                started = time.monotonic()
                with contextlib.suppress(OSError, ValueError):
                    answer = connection.get(target(path, query))
                    answered = f"{answer.status} {answer.code}".strip()
                with lock:
                    counts[answered] += 1
                if time.monotonic() - started < _AT_ONCE_S:
                    time.sleep(pause_s)

    for source in sources:
        for number in range(connections):
            threading.Thread(target=attack, args=(source, number * 1_000_000 + number), daemon=True).start()
    ended.wait()
    # Connections close with the process: their clients leave in the middle of their queries.
    with lock:
        result.put(dict(counts))
