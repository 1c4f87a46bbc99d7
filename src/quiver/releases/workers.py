"""Worker processes for the steps of a build; small inputs are done in this process."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, TypeVar

import msgspec

from quiver.processes import die_with_parent, process_context


class Task(Protocol):
    """What every task has, besides what it is about: a folder, in which its function reads and writes."""

    @property
    def folder(self) -> str: ...


class Need(msgspec.Struct, frozen=True, array_like=True):
    """What a task reads below its folder: all files of the folder *path*, or with a length these bytes of a file."""

    path: str
    offset: int = 0
    length: int | None = None


SomeTask = TypeVar("SomeTask", bound=Task)
Done = TypeVar("Done")

# Told the step, what is done of it, and its total (0 where unknown), in the step's own unit.
Progress = Callable[[str, int, int], None]

# Below this, starting processes costs more than they save.
_SMALL_BYTES = 2_000_000


_LOOK_EVERY_S = 0.2


class _Counter(Protocol):
    """What `multiprocessing.Value("q")` gives: a number that several processes add to."""

    value: int

    def get_lock(self) -> AbstractContextManager[bool]: ...


# Of a worker process: set when it starts.
_counter: _Counter | None = None


def _start_worker(parent: int, counter: _Counter) -> None:
    global _counter
    _counter = counter
    # Tasks make millions of small values without cycles; looking for cycles costs a tenth of the time and finds none.
    gc.disable()
    die_with_parent(parent)
    # Ctrl-C reaches all processes of a terminal, and ends this one without a trace of its own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def advance(amount: int) -> None:
    """Tell whoever watches the build that a task has got further, in the unit of its step."""
    if _counter is not None:
        with _counter.get_lock():
            _counter.value += amount


def silent(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def no_one_waits(result: object) -> None:
    """What is done with a result that nobody waits for."""


def worker_count(jobs: int) -> int:
    """How many processes the setting `jobs` means: one for each core where it is 0."""
    return jobs or os.cpu_count() or 1


class Workers:
    """Runs tasks of one step side by side; results come in the order of tasks."""

    def __init__(self, jobs: int, input_bytes: int, progress: Progress) -> None:
        self._jobs = worker_count(jobs)
        self._progress = progress
        self._pool: ProcessPoolExecutor | None = None
        self._wanted = self._jobs > 1 and input_bytes > _SMALL_BYTES
        self._context = process_context()
        self._counter = self._context.Value("q", 0)
        self.seconds = 0.0

    def __enter__(self) -> Workers:
        if self._wanted:
            self._pool = ProcessPoolExecutor(
                self._jobs,
                mp_context=self._context,
                initializer=_start_worker,
                initargs=(os.getpid(), self._counter),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def several(self) -> bool:
        """Whether tasks are done beside each other."""
        return self._pool is not None

    def run(
        self,
        step: str,
        function: Callable[[SomeTask], Done],
        tasks: Sequence[SomeTask],
        total: int = 0,
        needs: Callable[[SomeTask], Iterable[Need]] | None = None,
        arrived: Callable[[Done], None] = no_one_waits,
    ) -> list[Done]:
        """*function* of every task; `seconds` is what the step took.

        *arrived* is told each result when it and its files are there, in no order.
        Here all tasks see the one folder; elsewhere they are brought what *needs* says they read of earlier steps.
        Progress is counted by what tasks tell `advance`, up to *total*, or in tasks where no total is given.
        """
        started = time.monotonic()
        self._counter.value = 0
        self._progress(step, 0, total or len(tasks))
        if self._pool is None:
            results = []
            for task in tasks:
                results.append(function(task))
                arrived(results[-1])
                self._progress(step, total * len(results) // len(tasks) or len(results), total or len(tasks))
        else:
            futures = [self._pool.submit(function, task) for task in tasks]
            pending: set[Future[Done]] = set(futures)
            while pending:
                done, pending = wait(pending, timeout=_LOOK_EVERY_S, return_when="FIRST_COMPLETED")
                for future in done:
                    arrived(future.result())
                at = self._counter.value if total else len(tasks) - len(pending)
                self._progress(step, at, total or len(tasks))
            results = [future.result() for future in futures]
        self.seconds = round(time.monotonic() - started, 3)
        return results
