"""How much of something may be held at once."""

from __future__ import annotations

import threading

from quiver.errors import Overloaded


class Budget:
    """At most *limit* in all; *complaint* says what there is too much of. Safe to share between threads."""

    def __init__(self, limit: int, complaint: str) -> None:
        self._limit = limit
        self._complaint = complaint
        self._lock = threading.Lock()
        self.taken = 0

    def take(self, amount: int) -> int:
        """*amount*, which is to be given back.

        Raises:
            Overloaded: so much is not left.
        """
        with self._lock:
            # One alone may be larger than all.
            if self.taken and self.taken + amount > self._limit:
                raise Overloaded(self._complaint, value=self._limit, hint="Try again soon.")
            self.taken += amount
        return amount

    def give_back(self, amount: int) -> None:
        with self._lock:
            self.taken -= amount
