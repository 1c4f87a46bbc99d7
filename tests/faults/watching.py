"""What a server holds while it runs: memory, processes, threads, files; and whether that grows."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: seconds since the start, and the sums over all processes; memory is proportional (PSS)."""

    at_s: float
    memory_mb: float
    processes: int
    threads: int
    files: int
    temporary: int


# Growth from the first third to the last, after warm-up, that is taken for noise: by share, and at least so many.
# Workers come and go with every deadline, and each has files, threads and spooled results of its own while it runs.
TOLERANCES: Final[dict[str, tuple[float, float]]] = {
    "memory_mb": (0.10, 40),
    "processes": (0.0, 1),
    "threads": (0.05, 2),
    "files": (0.05, 8),
    "temporary": (0.0, 4),
}


def look(members: Sequence[psutil.Process], folder: Path | None, at_s: float) -> Sample:
    """What *members* hold now, and how many files are below *folder*."""
    memory = processes = threads = files = 0
    for member in members:
        # A worker may end between two looks.
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError, ProcessLookupError):
            pss = member.memory_full_info().pss
            number = member.num_threads()
            files += member.num_fds()
            memory += pss
            threads += number
            processes += 1
    temporary = sum(1 for _ in folder.rglob("*")) if folder is not None else 0
    return Sample(at_s, memory / 1e6, processes, threads, files, temporary)


class Watch:
    """Samples of the processes that *members* gives, every *interval_s*, while the `with` lasts."""

    def __init__(
        self, members: Callable[[], Sequence[psutil.Process]], folder: Path | None = None, interval_s: float = 1.0
    ) -> None:
        self.samples: list[Sample] = []
        self._members = members
        self._folder = folder
        self._interval_s = interval_s
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                self.samples.append(look(self._members(), self._folder, time.monotonic() - self._started))

    @property
    def peak_mb(self) -> float:
        return max((sample.memory_mb for sample in self.samples), default=0.0)


def report_trend(samples: Sequence[Sample], warm_up: float = 0.2) -> list[str]:
    """Print first third against last third of the *samples* after the *warm_up* share; a line for each that grew."""
    steady = samples[int(len(samples) * warm_up) :]
    third = len(steady) // 3
    if not third:
        print("  too few samples for a trend")
        return ["too few samples"]
    grown = []
    print(f"  {'':10} {'first third':>12} {'last third':>12} {'peak':>10} {'tolerance':>10}")
    for name, (share, least) in TOLERANCES.items():
        values = [float(getattr(sample, name)) for sample in steady]
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        allowed = max(first * share, least)
        peak = max(float(getattr(sample, name)) for sample in samples)
        verdict = ""
        if last > first + allowed:
            verdict = " GROWN"
            grown.append(f"{name}: {first:.0f} -> {last:.0f}")
        print(f"  {name:10} {first:12,.0f} {last:12,.0f} {peak:10,.0f} {allowed:10,.0f}{verdict}")
    return grown
