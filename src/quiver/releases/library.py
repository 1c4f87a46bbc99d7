"""A library: a folder of immutable releases, one of them current."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyoxigraph

from quiver.errors import DamagedRelease, LibraryBusy, NoRelease, NotFound, QuiverError
from quiver.manifest import Manifest, read_manifest

_BUILDING: Final = ".build-"


@dataclass(frozen=True, slots=True)
class Release:
    """One published release; nothing in its folder ever changes."""

    path: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def base(self) -> str:
        return self.manifest.base

    @property
    def store_path(self) -> Path:
        return self.path / "store"

    @property
    def search_path(self) -> Path:
        return self.path / "search"

    @property
    def results_path(self) -> Path:
        return self.path / "results"

    @property
    def part_paths(self) -> list[Path]:
        """The compressed N-Quads files that together hold the release's quads."""
        return [self.path / file.path for file in self.manifest.parts]

    def open_store(self) -> pyoxigraph.Store:
        """The store, read-only (opening it otherwise would rewrite files in it).

        Raises:
            DamagedRelease: the engine cannot open it.
        """
        try:
            return pyoxigraph.Store.read_only(str(self.store_path))
        except (OSError, RuntimeError, ValueError) as error:
            raise DamagedRelease(
                f"{self.store_path}: {error}", value=self.id, hint="Run `quiver verify`; `--rollback` goes back."
            ) from error


class Library:
    """The releases in one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def releases_path(self) -> Path:
        return self.path / "releases"

    def current_id(self) -> str | None:
        """The id of the current release, or None; costs one look at the file system."""
        try:
            return (self.path / "current").readlink().name
        except OSError:
            return None

    def current(self) -> Release:
        """The current release.

        Raises:
            NoRelease: nothing was published yet.
            DamagedRelease, UnsupportedRelease: from its manifest.
        """
        release_id = self.current_id()
        if release_id is None:
            raise NoRelease(
                f"{self.path} holds no release", value=str(self.path), hint="`quiver build LIBRARY FILE...` makes one."
            )
        return self._open(release_id)

    def current_or_none(self) -> Release | None:
        """The current release, if there is one that can be read."""
        try:
            return self.current()
        except QuiverError:
            return None

    def release(self, release_id: str) -> Release:
        """The release called *release_id*.

        Raises:
            NotFound: the library does not hold it.
        """
        if release_id not in self.ids():
            raise NotFound(
                f"no release {release_id!r}",
                value=release_id,
                hint="`quiver releases LIBRARY` lists them.",
            )
        return self._open(release_id)

    def _open(self, release_id: str) -> Release:
        folder = self.releases_path / release_id
        return Release(folder, read_manifest(folder))

    def ids(self) -> list[str]:
        """The ids of all published releases, oldest first."""
        if not self.releases_path.is_dir():
            return []
        return sorted(
            entry.name for entry in self.releases_path.iterdir() if entry.is_dir() and not entry.name.startswith(".")
        )

    def newer_than(self, release_id: str) -> list[Release]:
        """The releases that were published after *release_id* and can be read: there are some after a roll-back."""
        found = []
        for other in self.ids():
            if other > release_id:
                with contextlib.suppress(QuiverError):
                    found.append(self._open(other))
        return found

    @contextlib.contextmanager
    def writing(self, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the library for one writer; what killed writers left behind is removed first.

        Raises:
            LibraryBusy: another process holds it, and still does after *wait_s* seconds.
        """
        self.releases_path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a") as lock:
            deadline = time.monotonic() + wait_s
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise LibraryBusy(
                            f"another process is writing to {self.path}",
                            value=str(self.path),
                            hint="Try again when it has ended.",
                        ) from None
                    time.sleep(0.1)
            self._remove_debris()
            yield

    def _remove_debris(self) -> None:
        for entry in self.releases_path.iterdir():
            if entry.name.startswith(_BUILDING):
                shutil.rmtree(entry)
        (self.path / ".current").unlink(missing_ok=True)
        published = set(self.ids())
        for listing in self.path.glob("rejected/*/*.jsonl"):
            # Lists of a build that was refused carry the prefix; they stay until the next one.
            if not listing.name.startswith("refused-") and listing.stem not in published:
                listing.unlink()

    @contextlib.contextmanager
    def new_folder(self) -> Iterator[Path]:
        """An empty folder for a release in the making, gone if making it fails; enter it while holding `writing`."""
        folder = self.releases_path / f"{_BUILDING}{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def publish(self, folder: Path, release_id: str) -> Release:
        """Move a finished folder into place and make it current, in one step for readers."""
        target = self.releases_path / release_id
        sync_tree(folder)
        folder.rename(target)
        sync_folder(self.releases_path)
        self.point_to(release_id)
        return self._open(release_id)

    def point_to(self, release_id: str) -> None:
        """Make a published release the current one."""
        pending = self.path / ".current"
        pending.unlink(missing_ok=True)
        pending.symlink_to(Path("releases") / release_id)
        pending.replace(self.path / "current")
        sync_folder(self.path)

    def roll_back(self, release_id: str) -> Release:
        """Make an older (or newer) kept release the current one.

        Raises:
            NotFound: the library does not hold it.
            DamagedRelease: its store does not open.
        """
        with self.writing():
            release = self.release(release_id)
            release.open_store()
            self.point_to(release_id)
            return release

    def prune(self, keep: int) -> list[str]:
        """Remove the oldest releases until *keep* are left; the current one always stays. The ids removed."""
        with self.writing():
            return self.remove_oldest(keep)

    def remove_oldest(self, keep: int) -> list[str]:
        """As `prune`, for a caller that holds `writing`."""
        current = self.current_id()
        others = [release_id for release_id in self.ids() if release_id != current]
        removed = others[: max(0, len(others) - max(keep - 1, 0))]
        for release_id in removed:
            doomed = self.releases_path / f"{_BUILDING}removed-{release_id}"
            (self.releases_path / release_id).rename(doomed)
            shutil.rmtree(doomed)
            for listing in self.path.glob(f"rejected/*/{release_id}.jsonl"):
                listing.unlink()
        return removed


def stamp(moment: datetime) -> str:
    """A moment of UTC as a release's id begins: to the millisecond, so that ids sort by time.

    >>> stamp(datetime(2026, 11, 24, 1, 2, 3, 456789))
    '20261124T010203456Z'
    """
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"


def link_file(source: Path, target: Path) -> None:
    """Give *source*, which never changes, the name *target* too; a copy where the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def sync_folder(folder: Path) -> None:
    """Have the names in *folder* on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Have every file and folder below *folder* on disk."""
    for directory, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(directory) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(directory))
