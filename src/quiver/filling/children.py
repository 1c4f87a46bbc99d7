"""A process that does one long piece of work of a release, gives its memory back, and says why it failed."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Final

from quiver.processes import die_with_parent

# Nothing is imported before the path is that of the starter, and what is imported then is little.
_BEGIN: Final = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from quiver.filling.children import run; run(sys.stdin.buffer)"
)


class Child:
    """A process, begun anew, that runs *function*, which can be imported, and is called *name* where it fails.

    *arguments* are whatever can be pickled, and connections, of which the process gets its own. Its memory is allocated
    by the library *allocator* (`find_allocator`), which no process can change that runs already.
    """

    def __init__(
        self, name: str, niceness: int, function: Callable[..., None], *arguments: object, allocator: str = ""
    ) -> None:
        self._name = name
        self._failures, failures = multiprocessing.Pipe(duplex=False)
        packed = io.BytesIO()
        packed.write(pickle.dumps(sys.path))
        packer = _Packer(packed)
        packer.dump((os.getpid(), niceness, failures, function, arguments))
        with _ctrl_c_is_ours():
            self._process = subprocess.Popen(
                # The name is for whoever looks at the list of processes.
                [sys.executable, "-P", "-c", _BEGIN, name],
                stdin=subprocess.PIPE,
                pass_fds=packer.descriptors,
                env={**os.environ, "LD_PRELOAD": allocator} if allocator else None,
            )
        failures.close()
        assert self._process.stdin is not None
        # One that has ended already says so where it is waited for.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(packed.getbuffer())

    def join(self) -> None:
        """Wait for its end.

        Raises:
            OSError: it failed; with the reason that it gave.
        """
        if code := self._process.wait():
            reason = f"exit code {code}"
            with contextlib.suppress(EOFError):
                reason = self._failures.recv()
            raise OSError(f"{self._name} failed: {reason}")

    def kill(self) -> None:
        """Have it ended, if it has not."""
        self._process.kill()
        self._process.wait()
        self._failures.close()


class _Packer(pickle.Pickler):
    """Pickles connections as the descriptors that they have here; a process that is passed these has them as well."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.descriptors: list[int] = []

    def reducer_override(self, value: object) -> Any:
        if not isinstance(value, Connection):
            return NotImplemented
        self.descriptors.append(value.fileno())
        return Connection, (value.fileno(), value.readable, value.writable)


@contextlib.contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """Have Ctrl-C, which reaches all processes of a terminal, not end one started here: whoever starts it ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(given: io.BufferedReader) -> None:
    """Do in this process what a `Child` wrote to it."""
    # From the process that began this one, through a pipe that no other has.
    parent, niceness, failures, function, arguments = pickle.load(given)  # noqa: S301
    given.close()
    die_with_parent(parent)
    os.nice(niceness)
    try:
        function(*arguments)
    except (OSError, RuntimeError, ValueError) as error:
        # What engine and text index say of a disk or of a part; a trace of ours would add nothing.
        failures.send(str(error))
        sys.exit(1)
