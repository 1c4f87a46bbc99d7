"""Queries under way, and whether the clients that sent them are still there."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from quiver.evaluation import AsyncAnswer
from quiver.web.wsgi import HttpProtocol

# A query that takes longer is worth watching its client for.
_AFTER_S: Final = 0.05


@dataclass(eq=False, slots=True)
class Watched:
    """A query under way; it is cancelled when its client leaves, and `has_left` says so."""

    answer: AsyncAnswer
    protocol: HttpProtocol
    since: float
    watcher: asyncio.Task[None] | None = None
    has_left: bool = False
    has_ended: bool = False

    async def watch(self) -> None:
        await self.protocol.client_disconnect()
        self.has_left = True
        self.answer.cancel()

    def end(self) -> None:
        """The query is over."""
        self.has_ended = True
        if self.watcher is not None:
            self.watcher.cancel()


class Watch:
    """Watches the clients of queries that take long: one timer for all, since most queries need none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # In the order in which they began.
        self._young: deque[Watched] = deque()
        self._is_looking = False

    def begin(self, answer: AsyncAnswer, protocol: HttpProtocol) -> Watched:
        """The query that *answer* waits for, under watch until its `end`."""
        watched = Watched(answer, protocol, self._loop.time())
        self._young.append(watched)
        if not self._is_looking:
            self._is_looking = True
            self._loop.call_later(_AFTER_S, self._look)
        return watched

    def _look(self) -> None:
        limit = self._loop.time() - _AFTER_S
        while self._young and self._young[0].since <= limit:
            watched = self._young.popleft()
            if not watched.has_ended:
                watched.watcher = self._loop.create_task(watched.watch())
        self._is_looking = bool(self._young)
        if self._is_looking:
            self._loop.call_later(_AFTER_S, self._look)
