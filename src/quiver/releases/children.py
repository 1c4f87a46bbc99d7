"""A process that does one long piece of work of a release, gives its memory back, and says why it failed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Final

from quiver.processes import die_with_starter

# Processes are forked from one that has loaded what they run: to load it takes each 0.3 s, and a build starts four.
CONTEXT: Final = multiprocessing.get_context("forkserver")
_PRELOADED: Final = ("__main__", "quiver.releases.stages", "quiver.releases.deriving", "quiver.releases.finish")


def prepare_to_fork() -> None:
    """Start the process that children are forked from, unless it runs."""
    CONTEXT.set_forkserver_preload(list(_PRELOADED))
    forkserver.ensure_running()


class Child:
    """A process that runs *function* and is called *name* where it fails."""

    def __init__(self, name: str, niceness: int, function: Callable[..., None], *arguments: object) -> None:
        self._name = name
        self._failures, failures = CONTEXT.Pipe(duplex=False)
        prepare_to_fork()
        self._process = CONTEXT.Process(target=_run_child, args=(niceness, failures, function, *arguments), daemon=True)
        self._process.start()
        failures.close()

    def join(self) -> None:
        """Wait for its end.

        Raises:
            OSError: it failed; with the reason that it gave.
        """
        self._process.join()
        if self._process.exitcode:
            reason = f"exit code {self._process.exitcode}"
            with contextlib.suppress(EOFError):
                reason = self._failures.recv()
            raise OSError(f"{self._name} failed: {reason}")

    def kill(self) -> None:
        """Have it ended, if it has not."""
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._failures.close()


def _run_child(
    niceness: int, failures: Connection[str, str], function: Callable[..., None], *arguments: object
) -> None:
    die_with_starter()
    os.nice(niceness)
    try:
        function(*arguments)
    except (OSError, RuntimeError, ValueError) as error:
        # What engine and text index say of a disk or of a part; a trace of ours would add nothing.
        failures.send(str(error))
        sys.exit(1)
