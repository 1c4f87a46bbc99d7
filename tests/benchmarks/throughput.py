"""Requests a second at 8 clients, Quiver against another server over the same quads, in alternating windows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pyoxigraph

from tests.benchmarks.agreement import disagreements
from tests.benchmarks.load import Rate, Wrk, target
from tests.benchmarks.servers import Server, settle
from tests.benchmarks.shapes import Shape, Values, typical

_CHECKED: Final = 20
_WALKED: Final = 5_000
POINT_TARGET: Final = 0.5
HEAVY_TARGET: Final = 0.95
IDENTICAL_TARGET: Final = 2.5


@dataclass
class Contest:
    """The windows of one shape, a pair a round."""

    ours: list[Rate] = field(default_factory=list)
    theirs: list[Rate] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(
            a.per_second / b.per_second if b.per_second else 0.0 for a, b in zip(self.ours, self.theirs, strict=True)
        )

    @property
    def faults(self) -> str:
        """Answers that are no 200 and requests without an answer; empty where there are none."""
        sides = (("ours", self.ours), ("theirs", self.theirs))
        counts = [(who, sum(rate.failed for rate in rates), sum(rate.broken for rate in rates)) for who, rates in sides]
        return "".join(
            f"  {who}: {failed} failed, {broken} broken" for who, failed, broken in counts if failed + broken
        )


class Throughput:
    """Both servers and wrk; prints a line a shape. *target* is for another engine, and for all shapes."""

    def __init__(
        self,
        ours: Server,
        theirs: Server,
        store: pyoxigraph.Store,
        values: Values,
        *,
        rounds: int,
        seconds: float,
        target: float | None = None,
    ) -> None:
        self._servers = (ours, theirs)
        self._values = values
        self._store = store
        self._rounds = rounds
        self._seconds = seconds
        self._wrk = Wrk()
        self._asked = 0
        self._target = target
        self.missed = 0

    def report(self, shapes: Sequence[Shape], identical: Sequence[Shape] = ()) -> int:
        """Print what each shape does; the number of targets missed, unequal answers included."""
        ours, theirs = self._servers
        print(
            f"\nRequests a second, 8 clients: {ours.name} against {theirs.name} over the same quads;"
            f" {self._rounds} rounds A B of {self._seconds:g} s (heavy shapes 3 times as long), no request twice"
        )
        print(f"{'shape':20} {ours.name:>10} {theirs.name:>10} {'ratio':>6} {'of rounds':18} {'target':>6}")
        for shape in shapes:
            # Another engine may describe and write numbers in its own way; `endpoint.compare` looks at that.
            if self._target is None:
                self._check(shape)
                target_ratio = POINT_TARGET if shape.is_point else HEAVY_TARGET
            else:
                target_ratio = self._target
            self._line(shape, self._contest(shape, identical=False), target_ratio)
        if identical:
            print("identical requests (a typical one of the shape), answered from the cache of the release")
        for shape in identical:
            self._line(shape, self._contest(shape, identical=True), IDENTICAL_TARGET)
        return self.missed

    def _check(self, shape: Shape) -> None:
        """Count answers of the same engine that are not alike; this warms both as well."""
        checked = list(self._values.queries(shape, _CHECKED if shape.is_point else 4))
        for line in disagreements(*self._servers, shape, checked):
            self.missed += 1
            print(f"NOT EQUAL {line}")

    def _contest(self, shape: Shape, *, identical: bool) -> Contest:
        contest = Contest()
        seconds = self._seconds if shape.is_point or identical else 3 * self._seconds
        listed = self._values.of(shape)[:_WALKED]
        chosen = [typical(self._store, shape, listed, 21 if shape.is_point else 5)] if identical else listed
        queries = [shape.query(value) for value in chosen]
        for number in range(self._rounds):
            sides = list(zip(self._servers, (contest.ours, contest.theirs), strict=True))
            for server, rates in sides if number % 2 == 0 else reversed(sides):
                targets = [target(server.path, query, **server.parameters) for query in queries]
                start = None if identical else self._asked
                rates.append(self._wrk.run(server.port, targets, shape.accept, seconds, start))
                # What wrk gave up is still evaluated by a server that is not told, and would burden the next window.
                settle(server)
            # Both walk over the same queries, for their costs differ; numbers go on, so that none is asked twice.
            self._asked += max(contest.ours[-1].answers, contest.theirs[-1].answers) + 2 * self._wrk.clients
        return contest

    def _line(self, shape: Shape, contest: Contest, target_ratio: float) -> None:
        met = contest.ratio >= target_ratio and not contest.faults
        self.missed += not met
        ours = statistics.median(rate.per_second for rate in contest.ours)
        theirs = statistics.median(rate.per_second for rate in contest.theirs)
        rounds = " ".join(
            f"{a.per_second / max(b.per_second, 0.001):.2f}" for a, b in zip(contest.ours, contest.theirs, strict=True)
        )
        verdict = "met" if met else "MISSED"
        print(
            f"{shape.name:20} {ours:10,.1f} {theirs:10,.1f} {contest.ratio:6.2f} {rounds:18} {target_ratio:6.2f}"
            f" {verdict}{contest.faults}",
            flush=True,
        )
