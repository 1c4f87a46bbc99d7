"""What is added, removed or replaced ends where a build of the same records ends: quad for quad."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from quiver.config import Settings
from quiver.releases import Release, add, build, remove, replace
from tests.increments import differences, random_file

ONE = Settings(jobs=1, keep_releases=0)
SHARED_OUT = Settings(jobs=1, keep_releases=0, partition_bytes=400)
SOURCES = ("one", "two", "three")


def settings_of(seed: int) -> Settings:
    return SHARED_OUT if seed % 2 else ONE


def random_files(folder: Path, rows: random.Random, count: int, sources: tuple[str, ...] = SOURCES) -> list[Path]:
    """Files whose names say which of a few sources they are of."""
    files = []
    for number in range(count):
        path = folder / f"in{number}" / f"{rows.choice(sources)}.jsonl"
        path.parent.mkdir()
        files.append(random_file(path, rows, rows.choice((6, 30)), rows.randint(1, 25)))
    return files


@pytest.mark.parametrize("seed", range(16))
def test_adding_is_building(tmp_path: Path, seed: int) -> None:
    rows = random.Random(seed)
    files = random_files(tmp_path, rows, rows.randint(2, 6), SOURCES[: 1 + seed % 3])
    if seed % 4 == 0:
        files.append(files[0])  # the very same file once more
    settings = settings_of(seed)
    expected = build(tmp_path / "whole", files, settings=settings).release
    first = rows.randint(1, len(files) - 1)
    release: Release = build(tmp_path / "library", files[:first], settings=settings).release
    while first < len(files):
        size = rows.randint(1, 2)
        release = add(tmp_path / "library", files[first : first + size], settings=settings).release
        first += size
    assert differences(expected, release) == []


@pytest.mark.parametrize("seed", range(100, 110))
def test_removing_is_building_without(tmp_path: Path, seed: int) -> None:
    rows = random.Random(seed)
    files = random_files(tmp_path, rows, 6)
    sources = sorted({file.stem for file in files})
    gone = rows.choice(sources)
    kept = [file for file in files if file.stem != gone]
    if not kept:
        pytest.skip("one source alone")
    settings = settings_of(seed)
    expected = build(tmp_path / "whole", kept, settings=settings).release
    library = tmp_path / "library"
    build(library, files[:3], settings=settings)
    add(library, files[3:], settings=settings)
    assert differences(expected, remove(library, gone, settings=settings).release) == []
    # And back again: what came with an `add` goes with the next `remove`.
    again = build(tmp_path / "again", files, settings=settings).release
    assert differences(again, add(library, [f for f in files if f.stem == gone], settings=settings).release) == []


@pytest.mark.parametrize("seed", range(200, 210))
def test_replacing_is_building_with_the_newer_files(tmp_path: Path, seed: int) -> None:
    rows = random.Random(seed)
    files = random_files(tmp_path, rows, 5)
    changed = rows.choice(files).stem
    newer = tmp_path / "newer" / f"{changed}.jsonl"
    newer.parent.mkdir()
    random_file(newer, rows, 30, 20)
    kept = [file for file in files if file.stem != changed]
    settings = settings_of(seed)
    library = tmp_path / "library"
    build(library, files[:3], settings=settings)
    add(library, files[3:], settings=settings)
    release = replace(library, changed, [newer], settings=settings).release
    expected = build(tmp_path / "whole", [*kept, newer], settings=settings).release
    assert differences(expected, release) == []
