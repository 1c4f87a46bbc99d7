"""A process that does one long piece of work of a release, gives its memory back, and says why it failed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from quiver.processes import die_with_parent, process_context


class Child:
    """A process that runs *function* and is called *name* where it fails."""

    def __init__(self, name: str, niceness: int, function: Callable[..., None], *arguments: object) -> None:
        self._name = name
        context = process_context()
        self._failures, failures = context.Pipe(duplex=False)
        self._process: BaseProcess = context.Process(
            target=_run_child, args=(os.getpid(), niceness, failures, function, *arguments), daemon=True
        )
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
    parent: int, niceness: int, failures: Connection[str, str], function: Callable[..., None], *arguments: object
) -> None:
    die_with_parent(parent)
    # Ctrl-C reaches all processes of a terminal; the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(niceness)
    try:
        function(*arguments)
    except (OSError, RuntimeError, ValueError) as error:
        # What engine and text index say of a disk or of a part; a trace of ours would add nothing.
        failures.send(str(error))
        sys.exit(1)
