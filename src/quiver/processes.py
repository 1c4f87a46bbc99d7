"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.context import ForkContext, SpawnContext
from pathlib import Path
from typing import Final, NoReturn

_GC_THRESHOLD: Final = 10_000
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_THREADS: Final = Path("/proc/self/task")
_ours_alone: set[int] = set()


def process_context() -> ForkContext | SpawnContext:
    """How to start processes from here: forked, which imports nothing again, or anew where that is not sound.

    A fork copies locks that other threads hold, and not those threads: it is sound where there are none, not even the
    engine's own, which Python does not count (Linux only).
    """
    alone = sys.platform == "linux" and _THREADS.is_dir() and len(list(_THREADS.iterdir())) == 1
    return multiprocessing.get_context("fork") if alone else multiprocessing.get_context("spawn")


@contextlib.contextmanager
def ours_alone(descriptor: int) -> Iterator[None]:
    """Have no process that is forked meanwhile hold the open file *descriptor*, and with it a lock, after this one."""
    _ours_alone.add(descriptor)
    try:
        yield
    finally:
        _ours_alone.discard(descriptor)


def _let_go() -> None:
    # Not closed: another file would get the number, and be closed in the place of this one.
    if _ours_alone:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in _ours_alone:
            os.dup2(nothing, descriptor)
        os.close(nothing)
        _ours_alone.clear()


os.register_at_fork(after_in_child=_let_go)


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send *number* to this process when its parent ends, whose process id is *parent* (Linux only).

    Source: prctl(2), PR_SET_PDEATHSIG. "Parent" means the thread that started this process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        # The parent may have ended before the kernel knew what to do then.
        if os.getppid() != parent:
            os._exit(1)


def give_back_memory() -> None:
    """Return what is free in the heap to the system (glibc only)."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_what_is_loaded() -> None:
    """Have the garbage collector leave alone what is there now, and look at new objects less often.

    For a process that loads once and then serves: the collector would look at all of it again every few requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def adopt_orphans() -> None:
    """Have the kernel make this process the parent of descendants whose own parent ends (Linux only).

    Source: prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_at_once() -> NoReturn:
    """End this process, whose work is done, without taking the interpreter down first.

    For a process with threads that are not Python's own: one that comes back into an interpreter which is being taken
    down is ended there and then, and where that thread is Rust's, the process with it (SIGABRT, "panic in a function
    that cannot unwind"; Python 3.11 to 3.13).
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)
