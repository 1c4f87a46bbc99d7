"""A library: a folder of immutable releases, one of them current."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import pyoxigraph

from quiver.errors import DamagedRelease, NoRelease, NotFound, QuiverError
from quiver.manifest import Manifest, read_manifest
from quiver.releases.durability import make_folder, sync_folder, sync_tree
from quiver.releases.fullness import disk_full, is_full
from quiver.releases.leases import Lease, claim, hold, left_long_ago, note_leaving
from quiver.releases.turns import turn

Opened = TypeVar("Opened")

_BUILDING: Final = ".build-"
# Points to a release from before it has its name until it is the current one.
_PUBLISHING: Final = ".publishing"
_STAMP: Final = "%Y%m%dT%H%M%S%fZ"
# The processes of a killed writer end a moment after it, and may write until then.
_ATTEMPTS: Final = 20
_ATTEMPT_S: Final = 0.1


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

    def hold(self) -> Lease:
        """A lease: as long as it lasts, the release is not removed.

        Raises:
            NotFound: it was removed meanwhile.
        """
        return hold(self.path)

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


@dataclass(frozen=True, slots=True)
class Pruned:
    """The ids of the releases that were removed, and of those that were to be, but stay until the next time.

    `read` are held by a reader, `recent` have been out of use for less than the setting `release_grace_s`.
    """

    removed: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    recent: tuple[str, ...] = ()


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

    @contextlib.contextmanager
    def reading(self, release_id: str | None = None) -> Iterator[Release]:
        """The release of that id, or the current one, which is not removed until the end of the `with`.

        Raises:
            NotFound, NoRelease, DamagedRelease, UnsupportedRelease: as `release` and `current`.
        """
        release, lease = self._held(release_id)
        with lease:
            yield release

    def _held(self, release_id: str | None) -> tuple[Release, Lease]:
        if release_id is not None:
            release = self.release(release_id)
            return release, release.hold()
        return self.open_current(lambda release: (release, release.hold()))

    def open_current(self, opened: Callable[[Release], Opened]) -> Opened:
        """What *opened* makes of the current release; of the next, where that takes its place meanwhile.

        Raises:
            QuiverError: from `current`, or from *opened*.
        """
        while True:
            release_id = self.current_id()
            try:
                return opened(self.current())
            except QuiverError:
                if self.current_id() == release_id:
                    raise

    def _open(self, release_id: str) -> Release:
        folder = self.releases_path / release_id
        manifest = read_manifest(folder)
        if manifest.id != release_id:
            raise DamagedRelease(
                f"{folder} holds the manifest of {manifest.id}", value=release_id, hint="Copy releases as they are."
            )
        return Release(folder, manifest)

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
        make_folder(self.releases_path)
        with turn(self.path, "writing to", wait_s):
            self._remove_debris()
            yield

    def _remove_debris(self) -> None:
        self._withdraw()
        for entry in self.releases_path.iterdir():
            if entry.name.startswith(_BUILDING):
                _remove_tree(entry)
        (self.path / ".current").unlink(missing_ok=True)
        published = set(self.ids())
        for listing in self.path.glob("rejected/*/*.jsonl"):
            # Lists of a build that was refused carry the prefix; they stay until the next one.
            if not listing.name.startswith("refused-") and listing.stem not in published:
                listing.unlink()

    def _withdraw(self) -> None:
        """Take back a release that got its place among the others and never became the current one."""
        try:
            release_id = (self.path / _PUBLISHING).readlink().name
        except OSError:
            return
        if release_id != self.current_id() and release_id in self.ids():
            self._remove(release_id)
        (self.path / _PUBLISHING).unlink()

    @contextlib.contextmanager
    def new_folder(self) -> Iterator[Path]:
        """An empty folder for a release in the making; enter it while holding `writing`.

        If making it fails, it is gone, and everything else that was written.

        Raises:
            NotEnoughDisk: in the place of whatever a full disk makes of the work.
        """
        folder = self.releases_path / f"{_BUILDING}{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        except BaseException as error:
            full = is_full(self.releases_path, error)
            # What cannot be removed now is by the next writer.
            with contextlib.suppress(OSError):
                self._remove_debris()
            if full:
                raise disk_full(self.path) from error
            raise

    def publish(self, folder: Path, release_id: str) -> Release:
        """Move a finished folder into place and make it current, in one step for readers."""
        sync_tree(folder)
        pending = self.path / _PUBLISHING
        pending.symlink_to(Path("releases") / release_id)
        sync_folder(self.path)
        folder.rename(self.releases_path / release_id)
        sync_folder(self.releases_path)
        self.point_to(release_id)
        pending.unlink()
        sync_folder(self.path)
        return self._open(release_id)

    def free_id(self, moment: str, content_hash: str) -> str:
        """The id of a release that is made at *moment* (a `stamp`), or by ids later than every other of the library.

        A clock that was put back does not make the new release an old one.
        """
        latest = max(self.ids(), default="").partition("-")[0]
        if moment <= latest:
            # A folder that is none of ours has no time.
            with contextlib.suppress(ValueError):
                moment = stamp(datetime.strptime(latest, _STAMP).replace(tzinfo=UTC) + timedelta(milliseconds=1))
        return f"{moment}-{content_hash[:12]}"

    def point_to(self, release_id: str) -> None:
        """Make a published release the current one."""
        former = self.current_id()
        if former not in (None, release_id):
            note_leaving(self.releases_path / str(former))
        pending = self.path / ".current"
        pending.unlink(missing_ok=True)
        pending.symlink_to(Path("releases") / release_id)
        sync_folder(self.path)
        pending.replace(self.path / "current")
        sync_folder(self.path)

    def roll_back(self, release_id: str, *, wait_s: float = 0.0) -> Release:
        """Make an older (or newer) kept release the current one.

        Raises:
            NotFound: the library does not hold it.
            DamagedRelease: its store does not open.
            LibraryBusy: as for `writing`.
        """
        with self.writing(wait_s):
            release = self.release(release_id)
            release.open_store()
            self.point_to(release_id)
            return release

    def prune(self, keep: int, *, grace_s: float = 0.0, wait_s: float = 0.0) -> Pruned:
        """Remove the oldest releases until *keep* are left; the current one always stays.

        So does one that a reader holds, or that was the current one less than *grace_s* seconds ago.

        Raises:
            LibraryBusy: as for `writing`.
        """
        with self.writing(wait_s):
            return self.remove_oldest(keep, grace_s=grace_s)

    def remove_oldest(self, keep: int, *, grace_s: float = 0.0) -> Pruned:
        """As `prune`, for a caller that holds `writing`."""
        current = self.current_id()
        others = [release_id for release_id in self.ids() if release_id != current]
        removed, read, recent = [], [], []
        for release_id in others[: max(0, len(others) - max(keep - 1, 0))]:
            folder = self.releases_path / release_id
            with claim(folder) as claimed:
                if not claimed:
                    read.append(release_id)
                elif not left_long_ago(folder, grace_s):
                    recent.append(release_id)
                else:
                    self._remove(release_id)
                    removed.append(release_id)
        return Pruned(tuple(removed), tuple(read), tuple(recent))

    def _remove(self, release_id: str) -> None:
        doomed = self.releases_path / f"{_BUILDING}removed-{release_id}"
        (self.releases_path / release_id).rename(doomed)
        # Without its name on disk first, a power cut could leave a release with half of its files.
        sync_folder(self.releases_path)
        _remove_tree(doomed)
        for listing in self.path.glob(f"rejected/*/{release_id}.jsonl"):
            listing.unlink()


def _remove_tree(folder: Path) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not folder.exists():
                return
        except OSError:
            if attempt == _ATTEMPTS:
                raise
        else:
            return
        time.sleep(_ATTEMPT_S)


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
