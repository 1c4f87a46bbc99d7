"""The broker's view of its peers: non-blocking channels of frames, jobs, and the processes that it forked."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from quiver.errors import MemoryLimit, QuiverError, WorkerLost
from quiver.evaluation.messages import MAX_HEADER_BYTES, Ask, Inbox, frame

OnFrame = Callable[["Channel", bytes, bytes, int | None], None]
OnGone = Callable[["Channel"], None]

_STDERR_BYTES: Final = 4096
_ALLOCATION_FAILED: Final = ("memory allocation of", "bad_alloc", "MemoryError", "out of memory")


class Channel:
    """One non-blocking connection: calls back for each frame, and once when the peer is gone or talks nonsense."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connection: socket.socket, max_header_bytes: int = MAX_HEADER_BYTES
    ) -> None:
        connection.setblocking(False)
        self._loop = loop
        self._connection = connection
        self._inbox = Inbox(max_header_bytes)
        self._outbox = bytearray()
        self._is_open = True

    def start(self, on_frame: OnFrame, on_gone: OnGone) -> None:
        self._on_frame, self._on_gone = on_frame, on_gone
        self._loop.add_reader(self._connection, self._read)

    def pause(self) -> None:
        """Leave what comes unread: another process reads it now."""
        self._loop.remove_reader(self._connection)

    def resume(self) -> None:
        """Read again."""
        if self._is_open:
            self._loop.add_reader(self._connection, self._read)

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def is_quiet(self) -> bool:
        """Whether it is between frames, both ways: nothing is half read, nothing waits to be sent."""
        return self._inbox.is_empty and not self._outbox

    def send(self, header: bytes, body: bytes = b"", descriptor: int | None = None) -> None:
        """Write a frame as far as the peer takes it now, the rest later; closes *descriptor*."""
        data = memoryview(frame(header, body, has_descriptor=descriptor is not None))
        try:
            if not self._is_open:
                return
            if self._outbox:
                # One request has one answer, so nothing waits when a descriptor is sent.
                assert descriptor is None
                self._outbox += data
                return
            try:
                if descriptor is None:
                    sent = self._connection.send(data)
                else:
                    sent = socket.send_fds(self._connection, [data], [descriptor])
            except BlockingIOError:
                sent = 0
                if descriptor is not None:
                    raise ConnectionError("the peer does not read") from None
            if sent < len(data):
                self._outbox += data[sent:]
                self._loop.add_writer(self._connection, self._write)
        except OSError:
            self._lose()
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._connection)
        self._loop.remove_writer(self._connection)
        self._connection.close()
        for descriptor in self._inbox.descriptors():
            os.close(descriptor)

    def _read(self) -> None:
        try:
            is_there = self._inbox.feed(self._connection)
            while self._is_open and (taken := self._inbox.take()) is not None:
                self._on_frame(self, *taken)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, msgspec.MsgspecError):
            is_there = False
        if not is_there:
            self._lose()

    def _write(self) -> None:
        try:
            sent = self._connection.send(self._outbox)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lose()
            return
        del self._outbox[:sent]
        if not self._outbox:
            self._loop.remove_writer(self._connection)

    def _lose(self) -> None:
        if self._is_open:
            self.close()
            # Not at once: the caller may be in the middle of its own books.
            self._loop.call_soon(self._on_gone, self)


@dataclass(eq=False)
class Job:
    """A query from its arrival to its reply; `header` is the request as it came, to be passed on.

    `is_long`: it has run for a while; `was_moved`: it had a turn beyond the ordinary places, which ended.
    """

    client: Channel
    ask: Ask
    header: bytes
    timeout_s: float = 0.0
    worker: WorkerProcess | None = None
    deadline: asyncio.TimerHandle | None = None
    long: asyncio.TimerHandle | None = None
    is_long: bool = False
    was_moved: bool = False

    def cancel_long(self) -> None:
        if self.long is not None:
            self.long.cancel()

    def cancel_timers(self) -> None:
        self.cancel_long()
        if self.deadline is not None:
            self.deadline.cancel()


@dataclass(frozen=True)
class Ending:
    """How a worker process ended: exit code, or minus the signal; and the last it wrote on standard error."""

    code: int
    text: str

    @property
    def is_orderly(self) -> bool:
        """Whether it ended because it was worn; what it was sent last has not been looked at."""
        return self.code == 0

    def error(self, memory_bytes: int) -> QuiverError:
        """What the query that ran in it is told."""
        if self.code == -signal.SIGABRT and any(mark in self.text for mark in _ALLOCATION_FAILED):
            return MemoryLimit(
                f"The query needs more memory than the {memory_bytes:,} bytes that one query may use.",
                value=memory_bytes,
                hint="Narrow the query; ORDER BY, DISTINCT and GROUP BY over large results need the most.",
            )
        if self.code == -signal.SIGSEGV:
            return MemoryLimit(
                "The query overran the stack of its worker.", hint="It may be nested too deeply, or be too long."
            )
        return WorkerLost("The process that evaluated the query was lost.", hint="Send the query again.")


class StandardError:
    """What a worker writes on its standard error: passed on to the broker's, the end of it kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._loop = loop
        self._descriptor = descriptor
        self.tail = b""
        loop.add_reader(descriptor, self.drain)

    def drain(self) -> None:
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._descriptor)
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()
        self.tail = (self.tail + data)[-_STDERR_BYTES:]

    def close(self) -> None:
        self.drain()
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)


@dataclass(eq=False)
class WorkerProcess:
    """A forked worker: its channel, and what it says on standard error.

    `pid` is 0 until it is known, for one that another process forks; `held` is the store that it shares in memory.
    """

    pid: int
    channel: Channel
    stderr: StandardError
    store: str | None = None
    held: str | None = None
    is_ready: bool = False
    gives_way: bool = False
    _is_reaped: bool = False
    _is_doomed: bool = False
    _is_unborn: bool = False

    def be_born(self, pid: int) -> None:
        """The process id is known."""
        self.pid = pid
        if self._is_doomed:
            self.kill()

    def be_lost(self) -> None:
        """Nobody will say the process id any more, unless the process itself does."""
        self._is_unborn = not self.pid

    def kill(self) -> None:
        self._is_doomed = True
        if self.pid and not self._is_reaped:
            os.kill(self.pid, signal.SIGKILL)

    def try_reap(self) -> bool:
        """Whether the process has ended and is now off the process table."""
        if self._is_reaped:
            return True
        is_over = os.waitpid(self.pid, os.WNOHANG)[0] != 0 if self.pid else self._is_unborn
        if is_over:
            self._is_reaped = True
            self.stderr.close()
        return is_over

    def reap(self) -> Ending:
        """How it ended, for one that has closed its channel or was killed, and whose process id is known."""
        self.kill()
        _, status = os.waitpid(self.pid, 0)
        self._is_reaped = True
        self.stderr.close()
        return Ending(os.waitstatus_to_exitcode(status), self.stderr.tail.decode("utf-8", "replace"))
