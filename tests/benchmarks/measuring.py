"""Time and peak memory of a command with all its processes, and what the machine is."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil


@dataclass(frozen=True)
class Run:
    """Seconds of wall clock and CPU, peak of the proportional memory (PSS) of all processes in MB, the output."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str

    def __str__(self) -> str:
        return f"{self.seconds:6.1f} s  CPU {self.cpu_seconds:6.1f} s  peak {self.peak_mb:6.0f} MB"


# To look at memory costs milliseconds a gigabyte and holds up whoever is looked at: this share of a core at most.
_LOOKING: Final = 0.02


def _memory(process: psutil.Process) -> int:
    total = 0
    for member in [process, *process.children(recursive=True)]:
        # psutil has the same sum from `smaps`, which is a hundred times as long.
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def run(arguments: Sequence[str], environment: dict[str, str] | None = None) -> Run:
    """Run a command to its end, sampling the memory of its process tree, every 50 ms where that costs little.

    Raises:
        RuntimeError: it failed; the message has its output.
    """
    cpu = children_cpu()
    started = time.perf_counter()
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
    )
    peak = 0
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        watched = psutil.Process(process.pid)
        pause = 0.05
        while not ended.wait(pause):
            looked = time.thread_time()
            try:
                peak = max(peak, _memory(watched))
            except psutil.NoSuchProcess:
                return
            pause = max(0.05, (time.thread_time() - looked) / _LOOKING)

    sampler = threading.Thread(target=sample)
    sampler.start()
    output, _ = process.communicate()
    ended.set()
    sampler.join()
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{output.decode()}")
    return Run(seconds, children_cpu() - cpu, peak / 1e6, output.decode())


def children_cpu() -> float:
    """CPU seconds of all processes that this one started and that have ended, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def conditions() -> str:
    """One line that says when, on what and with which versions figures were taken."""
    return (
        f"{date.today().isoformat()}; {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB; "
        f"Python {platform.python_version()}, pyoxigraph {version('pyoxigraph')}, tantivy {version('tantivy')}, "
        f"load average {os.getloadavg()[0]:.1f}"
    )


def python(*arguments: str) -> list[str]:
    """A command that runs this interpreter."""
    return [sys.executable, *arguments]
