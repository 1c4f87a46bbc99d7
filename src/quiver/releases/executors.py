"""Conversion on an executor of `concurrent.futures` (the caller's own, or a Dask cluster) instead of our own processes.

Tasks go through `staging`, so that workers need to see no more than the scratch and the input files. Whatever the
release is made of is fetched as soon as the task that wrote it is done; what only later tasks read stays in the
scratch.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Final, TypeVar, cast

from quiver.config import Settings
from quiver.errors import ConversionFailed, InvalidSetting, MissingExtra, QuiverError
from quiver.releases.scratch import Piece, Scratch, open_scratch
from quiver.releases.staging import Brought, Staged, StagedDone, Written, bring, moved, pack, run_staged
from quiver.releases.workers import Need, Progress, SomeTask, Workers, no_one_waits
from quiver.storage import EXTRA, is_url
from quiver.telemetry import logger

Given = TypeVar("Given")
Done = TypeVar("Done")

_DASK: Final = "dask:"
# A task is done again so often when it fails; when its worker is lost, Dask does so of itself.
_RETRIES: Final = 2
_CONNECT_S: Final = 30
# What only tasks read.
_BETWEEN_TASKS: Final = ("frames", "tallies")
# Where a library notes the scratch in use, for the next command to remove if this one is killed.
_NOTE: Final = ".scratch"
_OWN: Final = re.compile(r".*[/\\]quiver-[0-9a-f]{32}")
_LOGGER: Final = logger(__name__)


@contextlib.contextmanager
def opened_executor(settings: Settings) -> Iterator[Executor | None]:
    """The executor that the setting `executor` names; None where it names none: our own processes.

    Raises:
        InvalidSetting: it is no such name. MissingExtra: Dask is not installed.
        ConversionFailed: no scheduler answers at its address.
    """
    name = settings.text("executor")
    if not name:
        yield None
        return
    if not name.startswith(_DASK) or name == _DASK:
        raise InvalidSetting(
            f"executor: {name!r} is none", value=name, hint="Use dask:tcp://HOST:PORT, or nothing for own processes."
        )
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        raise MissingExtra(f"{name} needs the package distributed", value=name, hint=EXTRA) from error
    address = name.removeprefix(_DASK)
    try:
        # A client that finds nobody takes a minute to give up, and complains when it is collected.
        socket.create_connection(get_address_host_port(address), _CONNECT_S).close()
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ConversionFailed(f"no Dask scheduler answers at {address}: {error}", value=address) from error
    with client:
        executor = client.get_executor(pure=False, retries=_RETRIES)  # type: ignore[no-untyped-call]
        yield cast("Executor", executor)


@contextlib.contextmanager
def noted_scratch(folder: Path, place: str) -> Iterator[str]:
    """Where tasks of one command hand over their files: in *folder* (a release in the making), or below *place*.

    It is removed at the end, and what a killed command has left, too; the caller holds the library's lock.
    """
    note = folder.parent / _NOTE
    _remove_noted(note)
    own = f"{place.rstrip('/') or folder}/quiver-{uuid.uuid4().hex}"
    if not is_url(own):
        own = str(Path(own).absolute())
    note.write_text(own, encoding="utf-8")
    try:
        yield own
    finally:
        _remove_noted(note)


def _remove_noted(note: Path) -> None:
    """Remove the scratch that is noted, this command's or that of a killed one, if it can be reached."""
    if not note.exists():
        return
    place = note.read_text(encoding="utf-8")
    try:
        if _OWN.fullmatch(place):
            open_scratch(place).remove()
        note.unlink()
    except (QuiverError, OSError) as error:
        _LOGGER.warning("the scratch at %s could not be removed: %s", place, error)


def run_on(
    executor: Executor, step: str, function: Callable[[Given], Done], tasks: Iterable[Given]
) -> Iterator[tuple[int, Done]]:
    """The number of each task and its result, as they come.

    Raises:
        ConversionFailed: the executor is broken, or workers are lost whenever they do a task.
    """
    futures: dict[Future[Done], int] = {}
    try:
        for number, task in enumerate(tasks):
            futures[executor.submit(function, task)] = number
        for future in as_completed(list(futures)):
            yield futures.pop(future), future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise ConversionFailed(f"the executor is broken: {error!r}", value=step) from error
    except Exception as error:
        if type(error).__name__ != "KilledWorker":
            raise
        raise ConversionFailed(
            f"workers were lost whenever they did a task of the step {step!r}: {error}",
            value=step,
            hint="See their logs; where memory ends, partition_bytes makes tasks smaller.",
        ) from error
    finally:
        for future in futures:
            future.cancel()


class StagedWorkers(Workers):
    """Runs the tasks of a step on *executor*; their files are handed over in the scratch at *place*.

    *folder* is that of the release in the making.
    """

    def __init__(self, executor: Executor, place: str, folder: Path, progress: Progress) -> None:
        super().__init__(1, 0, progress)
        self._executor = executor
        self._place = place
        self._scratch: Scratch = open_scratch(place)
        self._scratch.make()
        self._folder = folder
        # Of every folder below ours, the files in bundles.
        self._known: dict[str, dict[str, Piece]] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The executor is the caller's, and stays open."""

    @property
    def several(self) -> bool:
        return True

    def run(
        self,
        step: str,
        function: Callable[[SomeTask], Done],
        tasks: Sequence[SomeTask],
        total: int = 0,
        needs: Callable[[SomeTask], Iterable[Need]] | None = None,
        arrived: Callable[[Done], None] = no_one_waits,
    ) -> list[Done]:
        """As `Workers.run`; *needs* says what of earlier steps a task reads.

        Raises:
            ConversionFailed: as for `run_on`.
        """
        started = time.monotonic()
        self._progress(step, 0, total or len(tasks))
        wanted = [list(needs(task)) if needs else [] for task in tasks]
        self._hand_over(step, [need for some in wanted for need in some])
        staged = [
            Staged(f"{step}-{number:06d}", task, tuple(one for need in some for one in self._find(need)), self._place)
            for number, (task, some) in enumerate(zip(tasks, wanted, strict=True))
        ]
        results: dict[int, Done] = {}
        for number, result in run_on(self._executor, step, partial(run_staged, function), staged):
            results[number] = self._take(result)
            arrived(results[number])
            self._progress(step, total * len(results) // len(tasks) or len(results), total or len(tasks))
        self.seconds = round(time.monotonic() - started, 3)
        return [results[number] for number in range(len(tasks))]

    def _take(self, result: StagedDone[Done]) -> Done:
        """Fetch what a task wrote for the release; note where the rest is."""
        self._note(result.written)
        kept = [one for one in result.written if not _is_between_tasks(one.path)]
        bring(self._scratch, [Brought(one.path, 0, one.piece) for one in kept], self._folder)
        return moved(result.done, result.folder, str(self._folder))

    def _note(self, written: Iterable[Written]) -> None:
        for one in written:
            path = PurePosixPath(one.path)
            self._known.setdefault(str(path.parent), {})[path.name] = one.piece

    def _hand_over(self, step: str, needs: Iterable[Need]) -> None:
        """Put what this process has written, and tasks need, into the scratch."""
        files: dict[Path, None] = {}
        for need in needs:
            path = PurePosixPath(need.path)
            mine = self._folder / path
            found = [mine] if need.length is not None else sorted(mine.iterdir()) if mine.is_dir() else []
            for file in found:
                folder = str(path if need.length is None else path.parent)
                if file.is_file() and file.name not in self._known.get(folder, {}):
                    files[file] = None
        self._note(pack(self._scratch, f"{step}-first", self._folder, list(files)))

    def _find(self, need: Need) -> Iterator[Brought]:
        path = PurePosixPath(need.path)
        if need.length is None:
            for name, piece in sorted(self._known.get(str(path), {}).items()):
                yield Brought(f"{path}/{name}", 0, piece)
            return
        whole = self._known[str(path.parent)][path.name]
        piece = Piece(whole.bundle, whole.offset + need.offset, need.length)
        yield Brought(need.path, need.offset, piece)


def _is_between_tasks(path: str) -> bool:
    """Whether only tasks read the file: all frames but those of pages, and tallies."""
    parts = PurePosixPath(path).parts
    return parts[0] in _BETWEEN_TASKS and not (parts[0] == "frames" and parts[2] == "-1")
