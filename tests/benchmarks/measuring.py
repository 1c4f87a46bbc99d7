"""Time and peak memory of a command with all its processes, and what the machine is."""

from __future__ import annotations

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

import psutil


@dataclass(frozen=True)
class Run:
    """Seconds of wall clock, peak of the summed proportional memory (PSS) of all processes in MB, and the output."""

    seconds: float
    peak_mb: float
    output: str


def _memory(process: psutil.Process) -> int:
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def run(arguments: Sequence[str], environment: dict[str, str] | None = None) -> Run:
    """Run a command to its end, sampling the memory of its process tree every 50 ms.

    Raises:
        RuntimeError: it failed; the message has its output.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
    )
    peak = 0
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        watched = psutil.Process(process.pid)
        while not ended.wait(0.05):
            try:
                peak = max(peak, _memory(watched))
            except psutil.NoSuchProcess:
                return

    sampler = threading.Thread(target=sample)
    sampler.start()
    output, _ = process.communicate()
    ended.set()
    sampler.join()
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{output.decode()}")
    return Run(seconds, peak / 1e6, output.decode())


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
