"""What a reader is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from quiver.readers.streams import SourceStream
from quiver.records import Read


@dataclass(frozen=True, slots=True)
class Reader:
    """One row of the table of formats.

    `recognises` is asked with the first bytes of the content; `read` is given the stream and the longest record in
    bytes; `splits` says that each line
    stands for itself; `source` is the slug of the source that this format always comes from, or empty.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    source: str
    recognises: Callable[[bytes], bool]
    read: Callable[[SourceStream, int], Iterator[Read]]
    splits: bool = False
