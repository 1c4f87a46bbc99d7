"""Orders: requests for what is made for one reader's question, sent to processes that give way to those of pages.

Of searches, narrowed lists and answers of queries there is no end, and crawlers walk them without pause. A thread that
makes them takes turns with the threads that make pages, in the same interpreter: with 50 crawlers a page took 66 times
as long, and still 4 times where they had one thread for all of them. A process that is nice to others takes only what
the pages leave.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quiver.evaluation.scheduling import FairQueue
from quiver.web.response_cache import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Orders that one web process has in hand at once, in each process that makes them: more than one, since one may scan.
SLOTS: Final = 3
_STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """A request: what of its WSGI environment is text, and the release that its answer is to be of."""

    environ: dict[str, str]
    release_id: str


@dataclass(frozen=True, slots=True)
class Filled:
    """The answer to an order, the release that it is of, and what there is to count of it."""

    status: int
    headers: Headers
    body: bytes
    release_id: str
    area: str
    queries: int


class Orders:
    """The orders of one web process: who asks seldom need not wait for who asks without pause."""

    def __init__(self, socket_paths: Sequence[str]) -> None:
        slots = SLOTS * len(socket_paths)
        self._turns = Turns(slots)
        self._threads = ThreadPoolExecutor(slots, "orders")
        self._next_path = itertools.cycle(socket_paths)
        self._local = threading.local()

    async def fill(self, environ: WSGIEnvironment, client: str, release_id: str) -> Filled | None:
        """The answer; None where there can be none from elsewhere: a body is long, or nobody is there to make it."""
        texts = {key: value for key, value in environ.items() if isinstance(value, str)}
        await self._turns.take(client)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._send, Order(texts, release_id))
        finally:
            self._turns.give_back()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, order: Order) -> Filled | None:
        """In one of the threads, each of which has a connection of its own."""
        connection: Connection[Order, object] | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = Client(next(self._next_path), "AF_UNIX")
            connection.send(order)
            filled = connection.recv()
        except (OSError, EOFError):
            if connection is not None:
                connection.close()
            self._local.connection = None
            return None
        return filled if isinstance(filled, Filled) else None


class Turns:
    """So many may work at once; of those who wait, each client in turn. For one event loop."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        # None is refused: each is a request whose connection the server has taken already.
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(sys.maxsize)

    async def take(self, client: str) -> None:
        """Nothing, as soon as *client* may work; then it has to give its place back."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.push(client, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Let the next one work."""
        while (turn := self._waiting.pop()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class OrderProcess:
    """A process that fills orders, from the process that owns the service: where its socket is, and how to end it."""

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path
        self._process = self._start()

    def restart_if_lost(self) -> bool:
        """Whether it had ended by itself and was started again, at the same socket."""
        if self._process.poll() is None:
            return False
        self._process = self._start()
        return True

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # In a group of its own: what a terminal sends to the server's is for the server, which ends this one.
        command = [sys.executable, "-m", "quiver.web.order_process", str(self.socket_path)]
        return subprocess.Popen(command, process_group=0)
