"""Having files and names on disk before anything points to them: what a power cut must not undo or tear."""

from __future__ import annotations

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Have the content of *path* on disk."""
    _sync(path)


def sync_folder(folder: Path) -> None:
    """Have the names in *folder* on disk: those given to files, and those taken away."""
    _sync(folder)


def sync_tree(folder: Path) -> None:
    """Have every file and folder below *folder* on disk."""
    for directory, _, names in os.walk(folder):
        for name in names:
            _sync(Path(directory) / name)
        _sync(Path(directory))


def make_folder(folder: Path) -> None:
    """Make *folder*, and those above it that are missing, each with its name on disk."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        _sync(one.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
