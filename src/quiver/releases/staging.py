"""A step's task on another machine: what it reads is brought, what it writes is taken away, the step knows of neither.

A task (`ReadTask`, `MapTask`, `DropTask`, `DeriveTask`) is a value that names a folder; its function reads and writes
there and gives back a value with counts and paths. Here the folder is a temporary one of the worker's. What the task
needs of other tasks' files comes as pieces of their bundles from the scratch, what it wrote goes there as one bundle.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from quiver import __version__
from quiver.dumps import Part
from quiver.errors import ConversionFailed
from quiver.releases.scratch import Piece, Scratch, open_scratch
from quiver.releases.workers import SomeTask

Done = TypeVar("Done")


class Brought(msgspec.Struct, frozen=True, array_like=True):
    """Bytes that belong at *offset* of the file *path* below a folder."""

    path: str
    offset: int
    piece: Piece


class Written(msgspec.Struct, frozen=True, array_like=True):
    """A file that a task wrote, below its folder, and where it stands in the task's bundle."""

    path: str
    piece: Piece


class Staged(msgspec.Struct, Generic[SomeTask], frozen=True):
    """A task to be done by `run_staged`; `stem` is its own among all tasks of a command."""

    stem: str
    task: SomeTask
    needs: tuple[Brought, ...]
    scratch: str
    software: str = __version__


class StagedDone(msgspec.Struct, Generic[Done], frozen=True):
    """What the task gave back, with paths below *folder*, and the files that it wrote."""

    done: Done
    folder: str
    written: tuple[Written, ...]


def run_staged(function: Callable[[SomeTask], Done], staged: Staged[SomeTask]) -> StagedDone[Done]:
    """Do one task in a folder of this worker's own.

    Raises:
        ConversionFailed: as for `check_worker`, or the scratch is not what it was.
    """
    check_worker(staged.software, getattr(staged.task, "parent", ""))
    scratch = open_scratch(staged.scratch)
    with tempfile.TemporaryDirectory(prefix="quiver-task-") as name:
        folder = Path(name)
        bring(scratch, staged.needs, folder)
        task = msgspec.structs.replace(staged.task, folder=name)  # type: ignore[type-var]
        done = function(task)
        brought = {need.path for need in staged.needs}
        files = [path for path in files_below(folder) if os.path.relpath(path, folder) not in brought]
        return StagedDone(done, name, pack(scratch, staged.stem, folder, files))


def check_worker(software: str, parent: str) -> None:
    """Refuse tasks of a command of the version *software* that would go wrong here; they read *parent*, if any.

    Raises:
        ConversionFailed: this worker has another version of Quiver, or does not see that release.
    """
    if software != __version__:
        raise ConversionFailed(
            f"the worker on {socket.gethostname()} has quiver {__version__}, the command is quiver {software}",
            value=__version__,
            hint="Install the same version on all machines.",
        )
    if parent and not Path(parent).is_dir():
        raise ConversionFailed(
            f"the worker on {socket.gethostname()} does not see {parent}",
            value=parent,
            hint="A change reads the release before it: put the library on storage that all workers see, or leave"
            " the executor out.",
        )


def files_below(folder: Path) -> list[Path]:
    """Every file below *folder*, in order."""
    return sorted(Path(directory) / name for directory, _, names in os.walk(folder) for name in names)


def pack(scratch: Scratch, stem: str, folder: Path, files: Sequence[Path]) -> tuple[Written, ...]:
    """Put *files*, which are below *folder*, into the scratch as one bundle."""
    if not files:
        return ()
    bundle = scratch.put(stem, files)
    written, offset = [], 0
    for path in files:
        size = path.stat().st_size
        written.append(Written(os.path.relpath(path, folder), Piece(bundle, offset, size)))
        offset += size
    return tuple(written)


def bring(scratch: Scratch, needs: Iterable[Brought], folder: Path) -> None:
    """Write what is needed below *folder*; what a file has besides, before or after it, is a hole."""
    needs = list(needs)
    for need, data in zip(needs, scratch.get([need.piece for need in needs]), strict=True):
        path = folder / need.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "wb") as file:
            file.seek(need.offset)
            file.write(data)


def moved(done: Done, here: str, there: str) -> Done:
    """*done* with its paths below *there* instead of *here*."""

    def move(path: str) -> str:
        return there + path.removeprefix(here) if path.startswith(here + os.sep) else path

    changes: dict[str, object] = {}
    for name in done.__struct_fields__:  # type: ignore[attr-defined]
        value = getattr(done, name)
        if isinstance(value, Part):
            changes[name] = msgspec.structs.replace(value, path=move(value.path))
        elif name.endswith("_path"):
            changes[name] = move(value)
    return msgspec.structs.replace(done, **changes)  # type: ignore[type-var]
