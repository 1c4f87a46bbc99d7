"""A control group that caps memory, of version 1 or 2, as an object that is gone afterwards. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")


class NoControlGroups(RuntimeError):
    """This machine has no memory controller, or its folder cannot be written."""


class MemoryGroup:
    """A group of processes that may use *limit_bytes* together, the files that they have in memory included."""

    def __init__(self, name: str, limit_bytes: int) -> None:
        self.version = 2 if (_ROOT / "cgroup.controllers").exists() else 1
        self.path = (_ROOT if self.version == 2 else _ROOT / "memory") / name
        try:
            if self.version == 2:
                (_ROOT / "cgroup.subtree_control").write_text("+memory")
            self.path.mkdir()
            self._write("memory.max" if self.version == 2 else "memory.limit_in_bytes", str(limit_bytes))
        except OSError as error:
            raise NoControlGroups(f"no memory group at {self.path}: {error}") from error

    def _write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def _read(self, name: str) -> str:
        with contextlib.suppress(OSError):
            return (self.path / name).read_text()
        return ""

    def _field(self, name: str, key: str) -> int:
        fields = (line.split() for line in self._read(name).splitlines())
        return next((int(value) for found, value in fields if found == key), 0)

    def wrapper(self) -> Sequence[str]:
        """A command that runs the one behind it inside the group."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    @property
    def peak_bytes(self) -> int:
        """The most that was ever charged: anonymous memory, and files kept in memory, which give way."""
        return int(self._read("memory.peak" if self.version == 2 else "memory.max_usage_in_bytes") or 0)

    @property
    def anonymous_bytes(self) -> int:
        """What cannot give way, now."""
        return self._field("memory.stat", "anon" if self.version == 2 else "total_rss")

    @property
    def kills(self) -> int:
        """Processes that the kernel killed for want of memory."""
        return self._field("memory.events" if self.version == 2 else "memory.oom_control", "oom_kill")

    def processes(self) -> list[int]:
        return [int(line) for line in self._read("cgroup.procs").split()]

    def remove(self) -> None:
        """Kill what is left in it, and remove it."""
        for _ in range(50):
            for process in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.1)


@contextlib.contextmanager
def memory_group(name: str, limit_bytes: int) -> Iterator[MemoryGroup]:
    """The group, for a `with`.

    Raises:
        NoControlGroups: there can be none here.
    """
    group = MemoryGroup(f"{name}-{os.getpid()}", limit_bytes)
    try:
        yield group
    finally:
        group.remove()


def on_two_cores() -> list[str]:
    """A command that keeps the one behind it on two cores, where there are more."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) <= 2 or shutil.which("taskset") is None:
        return []
    return ["taskset", "-c", ",".join(map(str, cores[:2]))]
