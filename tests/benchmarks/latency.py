"""Latency of query shapes for one client: the engine in this process against servers, asked the same in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pyoxigraph

from tests.benchmarks.load import Connection, target
from tests.benchmarks.servers import Server
from tests.benchmarks.shapes import Shape, Values, evaluate

HEAVY_MS = 5.0
MOST_OVERHEAD_MS = 1.0
MOST_RATIO = 1.10
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Pairing:
    """Milliseconds of the same queries, one after the other: `alone` in this process, `served` over HTTP."""

    alone: list[float]
    served: list[float]

    @property
    def alone_ms(self) -> float:
        return statistics.median(self.alone)

    @property
    def served_ms(self) -> float:
        return statistics.median(self.served)

    @property
    def overhead_ms(self) -> float:
        """The median of what HTTP adds to one query."""
        return statistics.median(b - a for a, b in zip(self.alone, self.served, strict=True))

    @property
    def ratio(self) -> float:
        """Of the sums: medians of shapes whose values differ a hundredfold say little about either."""
        return sum(self.served) / sum(self.alone)

    @property
    def verdict(self) -> str:
        """Whether the issue's target is met: a heavy query by ratio, a point query by what is added."""
        if self.alone_ms > HEAVY_MS:
            return f"{'met' if self.ratio <= MOST_RATIO else 'MISSED'}: ratio at most {MOST_RATIO:.2f}"
        return f"{'met' if self.overhead_ms <= MOST_OVERHEAD_MS else 'MISSED'}: at most {MOST_OVERHEAD_MS:.1f} ms more"


def pair(
    store: pyoxigraph.Store, server: Server, shape: Shape, values: Values, *, most: int, budget_s: float
) -> Pairing:
    """*most* queries of *shape*, or fewer where they take longer than *budget_s*; who goes first alternates."""
    pairing = Pairing([], [])
    began = time.perf_counter()
    with Connection(server.port) as connection:
        for number, query in enumerate(values.queries(shape, most + _WARM_UP)):

            def alone(query: str = query) -> float:
                started = time.perf_counter()
                evaluate(store, query)
                return (time.perf_counter() - started) * 1000

            def served(query: str = query) -> float:
                answer = connection.get(target(server.path, query), shape.accept)
                if answer.status != 200:
                    raise RuntimeError(f"{server.name}: {answer.status} {answer.body[:500]!r} for {query}")
                return answer.seconds * 1000

            # Whoever comes second finds the pages of the store in memory.
            first, second = (alone(), served()) if number % 2 else (served(), alone())[::-1]
            if number >= _WARM_UP:
                pairing.alone.append(first)
                pairing.served.append(second)
                if time.perf_counter() - began > budget_s:
                    break
    return pairing


def report(
    store: pyoxigraph.Store, server: Server, shapes: Sequence[Shape], values: Values, *, most: int, budget_s: float
) -> int:
    """Print one line a shape; the number of targets missed."""
    print(f"\nLatency, one client, ms: {server.name} against pyoxigraph in this process, no request twice")
    print(
        f"{'shape':20} {'queries':>7} {'in-process':>10} {'HTTP':>9} {'added':>7} {'ratio':>6}"
        "  target (added is a median of pairs, ratio one of sums)"
    )
    missed = 0
    for shape in shapes:
        found = pair(store, server, shape, values, most=most, budget_s=budget_s)
        missed += found.verdict.startswith("MISSED")
        print(
            f"{shape.name:20} {len(found.alone):7} {found.alone_ms:10.2f} {found.served_ms:9.2f}"
            f" {found.overhead_ms:7.2f} {found.ratio:6.2f}  {found.verdict}",
            flush=True,
        )
    return missed


def milliseconds(server: Server, shape: Shape, queries: Sequence[str], budget_s: float) -> list[float]:
    """What each of *queries* takes on *server*, as many as fit into *budget_s*, at least one.

    Raises:
        RuntimeError: an answer is no 200.
    """
    taken: list[float] = []
    with Connection(server.port, timeout_s=300) as connection:
        for query in queries:
            answer = connection.get(target(server.path, query, **server.parameters), shape.accept)
            if answer.status != 200:
                raise RuntimeError(f"{server.name}: {answer.status} {answer.body[:300]!r}")
            taken.append(answer.seconds * 1000)
            if sum(taken) > budget_s * 1000:
                break
    return taken
