"""One writer of a folder at a time: the lock, who holds it, and waiting for it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quiver.errors import LibraryBusy
from quiver.processes import ours_alone
from quiver.telemetry import logger

_LOG = logger("quiver.releases")
_NAME: Final = ".lock"
_LOOK_EVERY_S: Final = 0.1
_SIGNATURE_BYTES: Final = 64


@contextlib.contextmanager
def turn(folder: Path, work: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold *folder*, which is there, for one writer; *work* is what it does, in the words of the message.

    Raises:
        LibraryBusy: another process holds it, and still does after *wait_s* seconds.
    """
    lock = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(lock, folder, work, wait_s)
        try:
            _sign(lock, f"{os.getpid()} {_host()}")
            with ours_alone(lock):
                yield
        finally:
            _sign(lock, "")
            # Closing is not enough: what forks without Python's knowledge has the file open, too.
            fcntl.flock(lock, fcntl.LOCK_UN)
    finally:
        os.close(lock)


def _take(lock: int, folder: Path, work: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                still, waited = (" still", f" after {wait_s:g} s") if told else ("", "")
                raise LibraryBusy(
                    f"{_holder(lock)} is{still} {work} {folder}{waited}",
                    value=str(folder),
                    hint="Try again when it has ended; `--wait SECONDS` (the setting `wait_s`) waits for it.",
                ) from None
        else:
            return
        if not told:
            _LOG.info("%s is %s %s; waiting for up to %g s", _holder(lock), work, folder, wait_s)
            told = True
        time.sleep(_LOOK_EVERY_S)


def _sign(lock: int, text: str) -> None:
    # It only helps others to a better message: a full disk is for the work itself to tell.
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, text.encode(), 0)


def _holder(lock: int) -> str:
    """Who holds the lock, as far as its file says: one that has only just taken it has not signed yet."""
    number, _, host = os.pread(lock, _SIGNATURE_BYTES, 0).decode("ascii", "replace").partition(" ")
    if not number.isdigit():
        return "another process"
    return f"process {number}" if host == _host() else f"process {number} of another host"


def _host() -> str:
    """What tells this host from others that share the folder, but not its name: the folder may be a public one."""
    return hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:16]
