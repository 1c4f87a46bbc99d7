"""What is on disk when a release becomes the current one: all of it, names and contents, or a cut could tear it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from quiver.config import Settings
from quiver.releases import Library, add, build, build_from_rdf, rebase, remove, replace

SETTINGS = Settings(jobs=1, keep_releases=2)


class Disk:
    """What was synchronised, and what was not at the moments when that matters; in place of three functions of `os`.

    A file is on disk as it was when it was last synchronised, a folder with the names that it had then.
    """

    def __init__(self, library: Path, patch: pytest.MonkeyPatch) -> None:
        self.library = library
        self.swaps: list[list[str]] = []
        self.removals: list[list[str]] = []
        self._synced: dict[tuple[int, int], object] = {}
        self._fsync, self._replace, self._rmtree = os.fsync, os.replace, shutil.rmtree
        patch.setattr(os, "fsync", self.fsync)
        patch.setattr(os, "replace", self.replace)
        patch.setattr(shutil, "rmtree", self.rmtree)

    def fsync(self, descriptor: int) -> None:
        self._fsync(descriptor)
        known = os.fstat(descriptor)
        self._synced[known.st_dev, known.st_ino] = _state(known, descriptor)

    def replace(self, source: Path, target: Path) -> None:
        if Path(target).name == "current":
            release = self.library / Path(source).readlink()
            listings = self.library.glob(f"rejected/*/{release.name}.jsonl")
            self.swaps.append(
                self.missing(
                    *(self.library, self.library.parent, self.library.parent.parent, release.parent, release),
                    *release.rglob("*"),
                    *(path for listing in listings for path in (listing, *listing.parents[:2])),
                )
            )
        self._replace(source, target)

    def rmtree(self, path: Path, *rest: object, **named: object) -> None:
        if Path(path).name.startswith(".build-removed-"):
            # What took its place, and that it is no release any more.
            self.removals.append(self.missing(self.library, self.library / "releases"))
        self._rmtree(path, *rest, **named)  # type: ignore[arg-type]

    def missing(self, *paths: Path) -> list[str]:
        """Those of *paths* that are not on disk as they are now."""
        return [str(path) for path in paths if not self.has(path)]

    def has(self, path: Path) -> bool:
        known = path.stat()
        return self._synced.get((known.st_dev, known.st_ino)) == _state(known, path)


def _state(known: os.stat_result, place: Path | int) -> object:
    if stat.S_ISDIR(known.st_mode):
        return frozenset(entry.name for entry in os.scandir(place))
    return known.st_size, known.st_mtime_ns


def _records(folder: Path, name: str, *titles: str) -> Path:
    path = folder / f"{name}.jsonl"
    # The last line is rejected, and told in a list that is not to be lost either.
    path.write_text("".join(f'{{"title": "{title}", "authors": ["Ann Lee"]}}\n' for title in titles) + "{}\n")
    return path


def _rdf(folder: Path) -> Path:
    path = folder / "plain.nt"
    path.write_text("<http://e/a> <http://e/b> <http://e/c> .\n")
    return path


COMMANDS: dict[str, Callable[[Path, Path], object]] = {
    "build": lambda library, folder: build(library, [_records(folder, "c", "Three")], settings=SETTINGS),
    "add": lambda library, folder: add(library, [_records(folder, "c", "Three")], settings=SETTINGS),
    "remove": lambda library, _: remove(library, "b", settings=SETTINGS),
    "replace": lambda library, folder: replace(library, "b", [_records(folder, "b", "Four")], settings=SETTINGS),
    "rebase": lambda library, _: rebase(library, "https://kg.example.org/", settings=SETTINGS),
    "plain RDF": lambda library, folder: build_from_rdf(library, [_rdf(folder)], settings=SETTINGS),
    "roll back": lambda library, _: Library(library).roll_back(Library(library).ids()[0]),
}


def test_the_first_build_has_the_library_itself_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "disk" / "deep" / "library"
    disk = Disk(library, monkeypatch)
    build(library, [_records(tmp_path, "a", "One")], settings=SETTINGS)
    assert disk.swaps == [[]]
    assert disk.has(library)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_release_is_on_disk_before_it_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    library = tmp_path / "disk" / "deep" / "library"
    disk = Disk(library, monkeypatch)
    files = [_records(tmp_path, "a", "One"), _records(tmp_path, "b", "Two")]
    for _ in range(2):
        build(library, files, settings=SETTINGS)
    before = Library(library).current_id()
    disk.swaps.clear()
    COMMANDS[command](library, tmp_path)
    assert Library(library).current_id() != before
    assert disk.swaps == [[]]
    # The swap itself, before the command says that it is done.
    assert disk.has(library)


def test_an_old_release_is_removed_when_the_new_one_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "disk" / "deep" / "library"
    disk = Disk(library, monkeypatch)
    for _ in range(3):
        build(library, [_records(tmp_path, "a", "One")], settings=SETTINGS)
    Library(library).prune(1)
    assert disk.removals == [[], []]
