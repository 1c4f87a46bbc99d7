"""Who is next: jobs that wait, one line for each client, served in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """At most `capacity` waiting jobs. Clients take turns, each with the job that it sent first.

    A client that fills the queue does not keep others out: when it is full, the newcomer of a client with fewer jobs
    takes the place of the last job of the client with the most.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        # In the order of their turns; a client without jobs has no line.
        self._lines: dict[str, deque[T]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[tuple[str, T]]:
        """The clients and their jobs as they are now; they may be removed meanwhile."""
        return iter([(client, job) for client, line in self._lines.items() for job in line])

    def push(self, client: str, job: T, room: int = 0) -> T | None:
        """Let *job* wait; the job that has to go for it, which is *job* itself where its client has the most already.

        *room* is how many more than `capacity` may wait now, since they will not have to for long.
        """
        refused: T | None = None
        if self._size >= self.capacity + room:
            longest = max(self._lines, key=lambda one: len(self._lines[one]), default=client)
            if len(self._lines.get(longest, ())) <= len(self._lines.get(client, ())) + 1:
                return job
            refused = self._lines[longest].pop()
            self._size -= 1
        self._lines.setdefault(client, deque()).append(job)
        self._size += 1
        return refused

    def push_back(self, client: str, job: T) -> None:
        """Let *job* wait again, as the first of its client; it was in the queue before and is not refused."""
        self._lines.setdefault(client, deque()).appendleft(job)
        self._size += 1

    def pop(self, may: Callable[[str, T], bool] | None = None) -> T | None:
        """The next job, of the client whose turn it is among those for whose first job *may* holds."""
        for client, line in self._lines.items():
            if may is None or may(client, line[0]):
                job = line.popleft()
                self._size -= 1
                # Its next turn comes after everybody else's.
                del self._lines[client]
                if line:
                    self._lines[client] = line
                return job
        return None

    def holds(self, may: Callable[[str, T], bool]) -> bool:
        """Whether `pop` would find a job."""
        return any(may(client, line[0]) for client, line in self._lines.items())

    def contains(self, client: str, job: T) -> bool:
        return job in self._lines.get(client, ())

    def remove(self, client: str, job: T) -> None:
        """Take *job* out.

        Raises:
            ValueError: it does not wait.
        """
        line = self._lines.get(client)
        if line is None:
            raise ValueError(job)
        line.remove(job)
        self._size -= 1
        if not line:
            del self._lines[client]
