"""Any input file: its reader found, its records and errors in one iteration, its checksum at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from quiver.errors import InvalidRecord, UnknownFormat
from quiver.readers.arrow import READER as ARROW
from quiver.readers.base import Reader
from quiver.readers.jsonlines import READER as JSON_LINES
from quiver.readers.streams import COMPRESSION_ENDINGS, SourceStream
from quiver.records import Read, RecordError
from quiver.storage import Location, name_of

READERS: tuple[Reader, ...] = (ARROW, JSON_LINES)

_SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


@dataclass(frozen=True, slots=True)
class FileReport:
    """A file as read: its name without folder, size in bytes, SHA-256 in hex, reader, and the slug of its source."""

    name: str
    size: int
    sha256: str
    reader: str
    source: str


def reader_named(name: str) -> Reader:
    """The reader called *name*.

    Raises:
        UnknownFormat: there is none.
    """
    for reader in READERS:
        if reader.name == name:
            return reader
    names = ", ".join(reader.name for reader in READERS)
    raise UnknownFormat(f"no reader for the format {name!r}", value=name, hint=f"There are: {names}.")


def checked_source(slug: str) -> str:
    """*slug* if it can name a source.

    Raises:
        InvalidRecord: it holds anything but letters, digits, dots, hyphens and underscores of ASCII.
    """
    if not _SLUG.fullmatch(slug):
        raise InvalidRecord(
            f"{slug!r} cannot name a source",
            value=slug,
            hint="Use ASCII letters, digits, dots, hyphens and underscores, beginning with a letter or digit.",
        )
    return slug


def default_source(file_name: str, reader: Reader) -> str:
    """The slug of a source that was not named: the reader's own, else the file's name without its endings.

    >>> default_source("acl-anthology-2016plus.jsonl.gz", JSON_LINES)
    'acl-anthology-2016plus'
    """
    if reader.source:
        return reader.source
    stem = file_name
    for endings in (COMPRESSION_ENDINGS, reader.endings):
        for ending in endings:
            if stem.lower().endswith(ending) and len(stem) > len(ending):
                stem = stem[: -len(ending)]
                break
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")
    return slug or "records"


class OpenedFile:
    """An input file with its reader; iterate once, then ask for `report`."""

    def __init__(self, stream: SourceStream, reader: Reader | None, source: str, max_record_bytes: int) -> None:
        self._stream = stream
        self._reader = reader
        self._max_record_bytes = max_record_bytes
        self.source = source

    def __iter__(self) -> Iterator[Read]:
        try:
            yield from self._read()
        except InvalidRecord as error:
            if self._stream.offset:
                return  # Who reads the first share of the lines says what is wrong with the file.
            locator = error.locator if isinstance(error, UnreadableFrom) else ""
            yield RecordError(self._stream.name, locator, error.message, hint=error.hint)
        finally:
            self._stream.drain()
            self._stream.close()

    def _read(self) -> Iterator[Read]:
        name = self._stream.name
        head = self._stream.head()
        if not head and self._stream.size == 0:
            yield RecordError(name, "", "the file is empty")
            return
        if self._reader is None:
            known = ", ".join(f"{reader.name} ({reader.title})" for reader in READERS)
            what = "is binary data" if b"\0" in head[:4096] else "is in no format that a reader recognises"
            self._stream.raise_damage()
            yield RecordError(name, "1", f"the file {what}", hint=f"Formats: {known}; --format names one.")
            return
        found = False
        last = ""
        try:
            for read in self._reader.read(self._stream, self._max_record_bytes):
                found = True
                if not isinstance(read, RecordError):
                    last = read.locator
                yield read
        except InvalidRecord as error:
            raise UnreadableFrom(error, last) from error
        if not found and self._stream.every == 1:
            yield RecordError(name, "", "the file holds no record")

    def close(self) -> None:
        """Close a file that is not to be read."""
        self._stream.close()

    @property
    def splits(self) -> bool:
        """Whether several processes can share the file."""
        return self._reader is not None and self._reader.splits

    @property
    def bytes_read(self) -> int:
        """How far the file has been read, in bytes as they lie on disk."""
        return self._stream.size

    @property
    def report(self) -> FileReport:
        reader = self._reader.name if self._reader else "none"
        return FileReport(self._stream.name, self._stream.size, self._stream.sha256, reader, self.source)


class UnreadableFrom(InvalidRecord):
    """A file that cannot be read on; `locator` says after which record."""

    def __init__(self, error: InvalidRecord, last: str) -> None:
        super().__init__(error.message, value=error.value, hint=error.hint)
        self.locator = f"after line {last}" if last else ""


def _reader_of_ending(file_name: str) -> Reader | None:
    """The reader whose files end so; of text files, of which Arrow's pages are the least, none."""
    name = file_name.lower()
    for ending in COMPRESSION_ENDINGS:
        name = name.removesuffix(ending)
    return next((reader for reader in READERS if name.endswith(reader.endings) and reader.splits), None)


def open_file(
    path: Location,
    *,
    format_name: str = "",
    source: str = "",
    max_record_bytes: int = 64_000_000,
    every: int = 1,
    offset: int = 0,
) -> OpenedFile:
    """The file at *path* with the reader named, or the first that recognises its content.

    Several processes may share a file of lines: each takes every *every*-th, those whose number leaves *offset*.

    Raises:
        UnknownFormat: *format_name* is no reader's.
        InvalidRecord: *source* cannot name a source.
        OSError: the file cannot be opened.
        StorageUnavailable, MissingExtra: an URL cannot.
    """
    reader: Reader | None = reader_named(format_name) if format_name else None
    if source:
        checked_source(source)
    stream = SourceStream(path, every, offset)
    if not format_name:
        head = stream.head()
        reader = next((candidate for candidate in READERS if candidate.recognises(head)), None)
        if reader is None and head.strip() and b"\0" not in head[:4096]:
            reader = _reader_of_ending(name_of(path))
    slug = source or default_source(name_of(path), reader or JSON_LINES)
    return OpenedFile(stream, reader, slug, max_record_bytes)
