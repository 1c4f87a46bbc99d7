"""A byte that changed in any file of a release: `verify` finds it, no command makes worse of it, the rest goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from quiver.config import Settings
from quiver.errors import DamagedRelease
from quiver.releases import Library, add, build, increment, remove, verify

ONE = Settings(jobs=1, keep_releases=0)
PAPERS = '{"key": "1", "title": "One", "authors": ["Ann Lee", "Bo Wu"], "venue": "ICML", "year": 2024}\n'
PAGE = '{"record": "cluster-page", "name": "Ann Lee", "lists": ["1"], "paper_count": 2}\n'


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with a release that a build made and one that an addition made."""
    folder = tmp_path_factory.mktemp("corruption")
    for name in ("first", "second", "third"):
        (folder / f"{name}.jsonl").write_text(PAPERS.replace("One", name) + PAGE)
    build(folder / "library", [folder / "first.jsonl", folder / "third.jsonl"], settings=ONE)
    add(folder / "library", [folder / "second.jsonl"], settings=ONE)
    return folder / "library"


def flip(path: Path) -> bool:
    """Change one bit in the middle of *path*; whether it has any."""
    data = bytearray(path.read_bytes())
    if data:
        data[len(data) // 2] ^= 0x10
        # Not in place: the parent's file may be the same one.
        path.unlink()
        path.write_bytes(data)
    return bool(data)


@pytest.fixture
def library(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "library", symlinks=True))


def test_a_changed_bit_is_found_in_every_file_and_in_no_other(library: Path) -> None:
    release = Library(library).current()
    assert verify(release).sound
    areas = set()
    for file in release.manifest.files:
        path = release.path / file.path
        sound = path.read_bytes()
        if not flip(path):
            continue
        areas.add(file.path.partition("/")[0])
        named = {fault.partition(": ")[0] for fault in verify(release).faults}
        # A part or the store is also found by what it holds.
        assert file.path in named
        assert named <= {file.path, "parts", "store"}
        path.write_bytes(sound)
    assert areas == {"members", "parts", "patch", "results", "search", "settled", "store"}
    assert verify(release).sound


def test_a_file_that_was_cut_or_emptied_is_found(library: Path) -> None:
    release = Library(library).current()
    for size in (0, 1):
        file = max(release.manifest.files, key=lambda file: file.size)
        path = release.path / file.path
        sound = path.read_bytes()
        path.unlink()
        path.write_bytes(sound[: file.size - 1 if size else 0])
        assert any(fault.startswith(f"{file.path}: ") for fault in verify(release).faults)
        path.write_bytes(sound)


@pytest.mark.parametrize("area", ["members", "parts", "patch", "results", "search", "settled", "store"])
def test_a_change_of_a_damaged_release_is_refused_plainly_or_right(library: Path, tmp_path: Path, area: str) -> None:
    """Nothing but our own errors; the release before stays current; nothing is left; a build makes it good."""
    shelf = Library(library)
    damaged = shelf.current()
    for file in damaged.manifest.files:
        if file.path.startswith(f"{area}/"):
            flip(damaged.path / file.path)
    late = tmp_path / "late.jsonl"
    late.write_text('{"key": "2", "title": "Late", "authors": ["ann lee"], "venue": "icml"}\n')
    acts: list[Callable[[], object]] = [
        lambda: add(library, [late], settings=ONE),
        lambda: remove(library, "third", settings=ONE),
    ]
    for act in acts:
        before = shelf.current_id()
        ids = shelf.ids()
        try:
            act()
        except DamagedRelease:
            assert shelf.current_id() == before
            assert shelf.ids() == ids
            assert not list(shelf.releases_path.glob(".*"))
        # What two releases share is as wrong as before, and still found.
        assert not verify(damaged).sound
    assert verify(build(library, [late], settings=ONE).release).sound


def test_the_error_names_the_files(library: Path, tmp_path: Path) -> None:
    damaged = Library(library).current()
    flip(damaged.path / "search" / "meta.json")
    late = tmp_path / "late.jsonl"
    late.write_text('{"key": "2", "title": "Late"}\n')
    with pytest.raises(DamagedRelease, match=r"search/meta\.json: its SHA-256 is not that of the manifest") as caught:
        add(library, [late], settings=ONE)
    assert "quiver build" in caught.value.hint


def test_a_failure_without_damage_is_not_blamed_on_the_release(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a fault of our own")

    monkeypatch.setattr(increment, "change_index", fail)
    late = tmp_path / "late.jsonl"
    late.write_text('{"key": "2", "title": "Late"}\n')
    with pytest.raises(ValueError, match="a fault of our own"):
        add(library, [late], settings=ONE)
    assert not list(Library(library).releases_path.glob(".*"))
