"""What many small changes leave behind, put together again: parts joined, the store compacted.

Each change brings a few small parts, and a sorted run of its own to the store, through which every look-up then goes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pyoxigraph

from quiver.config import Settings
from quiver.dumps import MemberIndex, index_path, join_parts
from quiver.manifest import Manifest, ReleaseFile
from quiver.releases.changing import ChangedParts
from quiver.releases.steps import Making
from quiver.releases.workers import Progress

_JOINED: Final = "joined"


def is_due(parent: Manifest, settings: Settings) -> bool:
    """Whether the change on top of *parent* is one after which everything is put together."""
    every = settings.integer("compact_changes")
    return bool(every) and (parent.generation + 1) % every == 0


def join_later_parts(making: Making, changed: ChangedParts) -> None:
    """Join the parts that earlier changes brought, in each folder, to one."""
    folders: dict[str, list[str]] = {}
    new = {Path(part.path).relative_to(making.folder).as_posix() for part in making.parts}
    for name in sorted(changed.known.keys() - new):
        if _is_later(name):
            folders.setdefault(name.rpartition("/")[0], []).append(name)
    for folder, names in folders.items():
        if len(names) < 2:
            continue
        target = f"{folder}/{_JOINED}-{making.generation:06d}.nq.gz"
        sources = [(making.folder / name, MemberIndex.read(index_path(making.folder, name))) for name in names]
        size, sha256, quads = join_parts(sources, making.folder / target, index_path(making.folder, target))
        for name in names:
            del changed.known[name]
            (making.folder / name).unlink()
            index_path(making.folder, name).unlink()
        changed.known[target] = ReleaseFile(target, size, sha256, quads)


def _is_later(name: str) -> bool:
    """Whether a part is of a change; the parts of a build have no generation in their names.

    >>> [_is_later(f"parts/x/{name}.nq.gz") for name in ("papers-000001", "papers-000001-000000", "pages-000001")]
    [False, True, True]
    """
    file = Path(name).name
    numbers = re.findall(r"[0-9]{6}", file.removesuffix(".nq.gz"))
    return file.startswith(f"{_JOINED}-") or len(numbers) == (2 if _has_shares(file) else 1)


def _has_shares(file: str) -> bool:
    """Whether a part of this name is one of several shares: papers and what is derived."""
    return file.startswith("papers-") or file[0].isdigit()


def compact_store(path: Path, progress: Progress) -> None:
    """Have the engine put all its runs together."""
    progress("compact", 0, 0)
    store = pyoxigraph.Store(str(path))
    store.optimize()
    store.flush()
