"""Worker processes for the steps of a build; small inputs are done in this process."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from types import TracebackType
from typing import TypeVar

Task = TypeVar("Task")
Done = TypeVar("Done")

# Told the step, what is done of it, and its total (0 where unknown), in the step's own unit.
Progress = Callable[[str, int, int], None]

# Below this, starting processes costs more than they save.
_SMALL_BYTES = 2_000_000


_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have this process killed when the process *parent*, which started it, ends, however it ends (Linux only).

    A worker that outlives a killed build would go on writing into a folder that the next build removes.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def silent(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


class Workers:
    """Runs tasks of one step side by side; results come in the order of tasks."""

    def __init__(self, jobs: int, input_bytes: int, progress: Progress) -> None:
        self._jobs = jobs or os.cpu_count() or 1
        self._progress = progress
        self._pool: ProcessPoolExecutor | None = None
        self._wanted = self._jobs > 1 and input_bytes > _SMALL_BYTES
        self.seconds = 0.0

    def __enter__(self) -> Workers:
        if self._wanted:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._jobs, mp_context=context, initializer=die_with_parent, initargs=(os.getpid(),)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, step: str, function: Callable[[Task], Done], tasks: Sequence[Task]) -> list[Done]:
        """*function* of every task; `seconds` is what the step took."""
        started = time.monotonic()
        self._progress(step, 0, len(tasks))
        results: list[Done] = []
        if self._pool is None:
            for task in tasks:
                results.append(function(task))
                self._progress(step, len(results), len(tasks))
        else:
            futures = [self._pool.submit(function, task) for task in tasks]
            for count, future in enumerate(as_completed(futures), start=1):
                future.result()
                self._progress(step, count, len(tasks))
            results = [future.result() for future in futures]
        self.seconds = round(time.monotonic() - started, 3)
        return results
