"""Who reads a release: each reader holds a shared lock on its manifest, and a release that is held is not removed.

The lock needs no permission to write, so releases may be mounted read-only; it goes with the process that holds it,
however that ends; and it reaches as far as the file system's locks do: all processes of a machine, and all machines
over NFS 4 and most cluster file systems. Where it does not, `release_grace_s` says how long a release stays after
another took its place. Source: flock(2).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

from quiver.errors import NotFound
from quiver.manifest import FILE_NAME


class Lease:
    """A release that will not be removed before `close`, or before nobody refers to the lease any more."""

    def __init__(self, descriptor: int) -> None:
        self._closer = weakref.finalize(self, os.close, descriptor)

    def close(self) -> None:
        """Let the release go."""
        self._closer()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def hold(folder: Path) -> Lease:
    """A lease of the release in *folder*.

    Raises:
        NotFound: it was removed meanwhile, or is about to be.
    """
    path = folder / FILE_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise _removed(folder) from None
    lease = Lease(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        lease.close()
        raise _removed(folder) from None
    except OSError:
        # This file system has no locks.
        return lease
    # Whoever removed it may have ended between the opening and the lock.
    if not path.exists():
        lease.close()
        raise _removed(folder)
    return lease


def _removed(folder: Path) -> NotFound:
    return NotFound(
        f"release {folder.name} was removed", value=folder.name, hint="`quiver releases LIBRARY` lists them."
    )


@contextlib.contextmanager
def claim(folder: Path) -> Iterator[bool]:
    """Whether nobody reads the release in *folder*, and nobody will begin to until the end of the `with`."""
    path = folder / FILE_NAME
    if not path.exists():
        # No manifest, no reader.
        yield True
        return
    # NFS gives an exclusive lock only to who may write.
    descriptor = os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)
    try:
        yield _lock_alone(descriptor)
    finally:
        os.close(descriptor)


def _lock_alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def note_leaving(folder: Path) -> None:
    """Note, as the time of the folder itself, that the release in *folder* is about to be no longer the current one."""
    # A release that is damaged or gone has nothing to note.
    with contextlib.suppress(OSError):
        os.utime(folder)


def left_long_ago(folder: Path, grace_s: float) -> bool:
    """Whether the release in *folder* has been out of use for *grace_s* seconds."""
    if grace_s <= 0:
        return True
    age_s = time.time() - folder.stat().st_mtime
    if age_s < 0:
        # The clock was put back: count from now, or it would stay until the clock has caught up.
        note_leaving(folder)
    return age_s >= grace_s
