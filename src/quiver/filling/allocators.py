"""Which library allocates the memory of processes that fill stores and text indexes."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quiver.errors import InvalidSetting

_AUTO: Final = "auto"
_NONE: Final = "none"
# Whole builds were fastest with the first, and nearly so with the second; with the third only loads were measured
# (`tests.benchmarks.allocators`). With glibc's, a quarter of the CPU of a load is malloc and free: each key of each
# statement is allocated by itself.
_KNOWN: Final = (
    ("libmimalloc.so.2",),
    # The first needs the second, and does not find it by itself.
    ("libtbbmalloc_proxy.so.2", "libtbbmalloc.so.2"),
    ("libjemalloc.so.2",),
)


def installed() -> Iterator[str]:
    """The known allocators that are here, the one to take first, each as LD_PRELOAD takes it."""
    for names in _KNOWN:
        for folder in _folders():
            paths = [folder / name for name in names]
            if all(map(Path.is_file, paths)) and _can_be_named(str(folder)):
                yield ":".join(map(str, paths))
                break


def find_allocator(wanted: str) -> str:
    """What the setting `allocator` means, as LD_PRELOAD takes it (ld.so(8)); empty for the C library's own.

    Raises:
        InvalidSetting: *wanted* is a file that is not there, or that cannot be named so.
    """
    if sys.platform != "linux" or wanted in ("", _NONE):
        return ""
    if wanted != _AUTO:
        # A name without a folder would be looked for where the system has its libraries.
        path = str(Path(wanted).absolute())
        if not Path(path).is_file() or not _can_be_named(path):
            raise InvalidSetting(
                f"setting allocator: no library is at {wanted!r}",
                value=wanted,
                hint="A path without spaces and colons, or `auto`, or `none`.",
            )
        return path
    # Somebody has chosen one for all processes.
    return "" if os.environ.get("LD_PRELOAD") else next(installed(), "")


def _folders() -> Iterator[Path]:
    """Where libraries are: of this environment (venv, conda), and of the system."""
    yield Path(sys.prefix, "lib")
    for folder in ("/usr/local/lib", "/usr/lib"):
        if triplet := sysconfig.get_config_var("MULTIARCH"):
            yield Path(folder, triplet)
        yield Path(folder)
    yield Path("/usr/lib64")


def _can_be_named(path: str) -> bool:
    return not set(path) & set(" :")
