"""Readers: files of the field to records.

A format is one module with a `READER`. A reader takes a `SourceStream` and yields `Located` items and `RecordError`s;
it raises `InvalidRecord` where nothing after that point can be read. `open_file` finds the reader and adds what holds
for all.
"""

from quiver.readers.base import Reader
from quiver.readers.files import (
    READERS,
    FileReport,
    OpenedFile,
    checked_source,
    default_source,
    open_file,
    reader_named,
)

__all__ = [
    "READERS",
    "FileReport",
    "OpenedFile",
    "Reader",
    "checked_source",
    "default_source",
    "open_file",
    "reader_named",
]
