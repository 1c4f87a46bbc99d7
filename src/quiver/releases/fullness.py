"""A disk that is full: the one error for what engine, text index and file system each say in their own way."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from quiver.errors import NotEnoughDisk, QuiverError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WORDS: Final = tuple(os.strerror(number) for number in _FULL)
# With less than this free, whatever fails fails for that: some libraries say only that a thread ended.
_NOTHING_BYTES: Final = 1 << 20


def is_full(folder: Path, error: BaseException) -> bool:
    """Whether *error* came of the disk that holds *folder* being full, or of a quota or limit that was reached."""
    if not isinstance(error, Exception):
        return False
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    if any(words in str(error) for words in _WORDS):
        return True
    return not isinstance(error, QuiverError) and shutil.disk_usage(folder).free < _NOTHING_BYTES


def disk_full(library: Path) -> NotEnoughDisk:
    """The error that says so."""
    return NotEnoughDisk(
        f"the disk became full; nothing was published, and {library} is as it was",
        value=str(library),
        hint="Make room (`quiver releases LIBRARY --keep N` removes old releases) and run the command again.",
    )
