"""A process that loads a store from parts, from the first that is written on: the loader is what a build waits for."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import IO, Final, cast

import pyoxigraph

from quiver.dumps import PartsFile
from quiver.releases.children import Child
from quiver.releases.workers import Progress

# What the loader reports: bytes read so far, or this when the store can be read.
_LOADED: Final = -1
# Reports wait in a pipe while nobody reads them, and a full one would hold the loader up.
_REPORT_BYTES: Final = 16_000_000


class StoreLoader:
    """Loads parts into a new store at *store*, in a process of its own that begins with the first part, or before.

    *checked* says that the parts were written from terms known to be valid: then they are not looked at once more,
    which is a tenth of the work. A context manager: what still runs at its end is killed.
    """

    def __init__(self, store: Path, *, checked: bool = False) -> None:
        self._store = str(store)
        self._checked = checked
        self._process: Child | None = None
        self._parts: Connection | None = None
        self._reports: Connection | None = None

    def __enter__(self) -> StoreLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()

    @property
    def began(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def start(self) -> None:
        """Begin the process, while this one has no threads yet: then it is forked."""
        if self._process is None:
            parts, self._parts = multiprocessing.Pipe(duplex=False)
            self._reports, reports = multiprocessing.Pipe(duplex=False)
            self._process = Child("the loader", 0, _load_fed, self._store, self._checked, parts, reports)
            parts.close()
            reports.close()

    def feed(self, path: str) -> None:
        """Have the part at *path*, which is whole, loaded after those before it.

        Raises:
            OSError: the process has ended.
        """
        self.start()
        self._send(path)

    def finish(self, compact: bool, total: int, progress: Progress, loaded: Callable[[], None]) -> None:
        """Wait until all parts are loaded, *total* bytes of text, and the store is compacted, if that is wanted.

        *loaded* is called when the store can be read: while it is being compacted, a reader keeps the state it opened.

        Raises:
            OSError: the process failed.
        """
        assert self._reports is not None
        assert self._process is not None
        self._send(compact)
        try:
            while True:
                bytes_read = self._reports.recv()
                if bytes_read == _LOADED:
                    loaded()
                    progress("compact", 0, 0)
                else:
                    progress("load", bytes_read, total)
        except EOFError:
            self._process.join()

    def _send(self, message: str | bool) -> None:
        assert self._parts is not None
        assert self._process is not None
        try:
            self._parts.send(message)
        except OSError:
            self._process.join()
            raise


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


def _load_fed(store: str, checked: bool, parts: Connection, reports: Connection) -> None:
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
    reports.send(_LOADED)
    if compact:
        _compact(target)
