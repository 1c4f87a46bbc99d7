"""A process that loads a store from parts, from the first that is written on: the loader is what a build waits for."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from quiver.filling.children import Child
from quiver.filling.store import LOADED, load_fed
from quiver.releases.workers import Progress


class StoreLoader:
    """Loads parts into a new store at *store*, in a process of its own that begins with the first part, or before.

    *checked* says that the parts were written from terms known to be valid: then they are not looked at once more,
    which is a tenth of the work. `allocator` is that of `Child`. A context manager: what still runs at its end is
    killed.
    """

    def __init__(self, store: Path, *, checked: bool = False, allocator: str = "") -> None:
        self._store = str(store)
        self._checked = checked
        self.allocator = allocator
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
        """Begin the process, so that it is there when the first part is."""
        if self._process is None:
            parts, self._parts = multiprocessing.Pipe(duplex=False)
            self._reports, reports = multiprocessing.Pipe(duplex=False)
            self._process = Child(
                "the loader", 0, load_fed, self._store, self._checked, parts, reports, allocator=self.allocator
            )
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
                if bytes_read == LOADED:
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
