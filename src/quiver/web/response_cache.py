"""Responses kept for a release: it never changes, so neither does what was answered from it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

# One answer takes at most this share of the whole.
_LARGEST_SHARE: Final = 16
# What the tables around a response take, roughly.
_OVERHEAD_BYTES: Final = 2000

_IN_304: Final = frozenset(("etag", "cache-control", "vary", "content-location", "access-control-allow-origin"))

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """A complete 200; `etag` with its quotes, `area` for the counts of requests, `key_size` of what it is under."""

    headers: Headers
    body: bytes
    etag: str
    area: str
    key_size: int = 0

    @property
    def size(self) -> int:
        return len(self.body) + self.key_size

    def headers_304(self) -> Headers:
        """The headers of the 304 that says the client has it (RFC 9110, 15.4.5)."""
        return [field for field in self.headers if field[0] in _IN_304]


class ResponseCache:
    """The responses asked for last, as many as fit in *max_bytes*. For one thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, KeptResponse] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def takes(self, size: int) -> bool:
        """Whether a body of *size* bytes would be kept."""
        return size + _OVERHEAD_BYTES <= self._max_bytes // _LARGEST_SHARE

    def get(self, key: Hashable) -> KeptResponse | None:
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def put(self, key: Hashable, kept: KeptResponse) -> None:
        """Keep *kept*, and let go what was asked for longest ago."""
        if not self.takes(kept.size):
            return
        if (before := self._kept.pop(key, None)) is not None:
            self.bytes -= before.size + _OVERHEAD_BYTES
        self._kept[key] = kept
        self.bytes += kept.size + _OVERHEAD_BYTES
        while self.bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= oldest.size + _OVERHEAD_BYTES

    def clear(self) -> None:
        self._kept.clear()
        self.bytes = 0


def etag_matches(if_none_match: str | None, etag: str) -> bool:
    """Whether an If-None-Match field names *etag* (RFC 9110, 13.1.2: weak comparison), or any.

    >>> etag_matches('W/"a", "b"', '"b"'), etag_matches("*", '"b"'), etag_matches('"a"', '"b"')
    (True, True, False)
    """
    if not if_none_match:
        return False
    # A tag of ours is hexadecimal digits in quotes, which no other tag can hold.
    return if_none_match.strip() == "*" or etag in if_none_match
