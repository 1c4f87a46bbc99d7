"""Loading a store from parts, in this process; from the first that is written on, where they are fed by another."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Final, cast

import pyoxigraph

from quiver.dumps import PartsFile

# What the loader reports: bytes read so far, or this when the store can be read.
LOADED: Final = -1
# Reports wait in a pipe while nobody reads them, and a full one would hold the loader up.
_REPORT_BYTES: Final = 16_000_000


def load_parts(paths: list[str], store: str, compact: bool) -> None:
    """Load parts into a new store on disk, in this process."""
    target = _load(iter(map(Path, paths)), store, False, None)
    if compact:
        _compact(target)


def _load(paths: Iterator[Path], store: str, checked: bool, report: Callable[[int], None] | None) -> pyoxigraph.Store:
    target = pyoxigraph.Store(store)
    # The engine calls nothing of a file but `read`, which is what this has.
    parts = cast("IO[bytes]", PartsFile(paths, report))
    target.bulk_load(input=parts, format=pyoxigraph.RdfFormat.N_QUADS, lenient=checked)
    target.flush()
    return target


def _compact(target: pyoxigraph.Store) -> None:
    """Leave one sorted run of each key space.

    The loader leaves one for every million quads, and a look-up goes through all of them. Compacted, queries were 5 to
    10 times faster at 15 M triples, 3 to 6 times at 4 M, for 10 s more in a build of 45 s.
    """
    target.optimize()
    target.flush()


def load_fed(store: str, checked: bool, parts: Connection, reports: Connection) -> None:
    """Load the parts whose paths come through *parts*, until a switch comes that says whether to compact the store.

    *checked* is that of `StoreLoader`.

    Raises:
        OSError: a part cannot be read, or the other end of *parts* is gone.
    """
    fed: queue.Queue[str | bool | None] = queue.Queue()
    compact = False

    def receive() -> None:
        """Take in what is fed at once, so that whoever feeds never waits."""
        message: str | bool = ""
        while not isinstance(message, bool):
            try:
                message = parts.recv()
            except EOFError:
                fed.put(None)
                return
            fed.put(message)

    def paths() -> Iterator[Path]:
        nonlocal compact
        while not isinstance(message := fed.get(), bool):
            if message is None:
                raise OSError("the build ended before all parts were there")
            yield Path(message)
        compact = message

    told = 0

    def report(read: int) -> None:
        nonlocal told
        if read - told >= _REPORT_BYTES:
            told = read
            reports.send(read)

    threading.Thread(target=receive, daemon=True).start()
    target = _load(paths(), store, checked, report)
    reports.send(LOADED)
    if compact:
        _compact(target)
