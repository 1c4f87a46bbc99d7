"""The store is loaded from parts while others are still to be written; what fails is told, and nothing is left over."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pyoxigraph
import pytest

from quiver.dumps import Part, PartWriter
from quiver.filling.store import load_parts
from quiver.releases.loading import StoreLoader
from quiver.releases.workers import silent


def write_part(folder: Path, number: int) -> Part:
    writer = PartWriter(folder, f"parts/{number}.nq.gz")
    for document in range(200):
        writer.write([f'<urn:{number}:{document}> <urn:p> "{value}" .\n' for value in range(5)])
    part = writer.close()
    assert part is not None
    return part


def children() -> set[int]:
    """The processes that this one has started; other tests may have some."""
    return {child.pid for child in psutil.Process().children()}


def test_parts_are_loaded_as_they_come(tmp_path: Path) -> None:
    parts = []
    stores: list[int] = []
    loader = StoreLoader(tmp_path / "store")
    before = loader.began
    with loader:
        for number in range(3):
            parts.append(write_part(tmp_path, number))
            loader.feed(parts[-1].path)
        assert (before, loader.began) == (False, True)

        def loaded() -> None:
            stores.append(len(pyoxigraph.Store.read_only(str(tmp_path / "store"))))

        loader.finish(compact=True, total=0, progress=silent, loaded=loaded)
    assert stores == [3000], "it can be read before it is compacted"
    load_parts([part.path for part in parts], str(tmp_path / "other"), compact=False)
    both = [set(pyoxigraph.Store.read_only(str(tmp_path / name))) for name in ("store", "other")]
    assert both[0] == both[1]
    assert len(both[0]) == 3000


def test_a_loader_that_dies_is_told_of(tmp_path: Path) -> None:
    part = write_part(tmp_path, 0)
    others = children()
    with StoreLoader(tmp_path / "store") as loader:
        loader.feed(part.path)
        (process,) = children() - others
        os.kill(process, signal.SIGKILL)
        with pytest.raises(OSError, match="the loader failed: exit code -9"):
            loader.finish(compact=False, total=0, progress=silent, loaded=lambda: None)


def test_a_damaged_part_is_told_of(tmp_path: Path) -> None:
    part = Path(write_part(tmp_path, 0).path)
    part.write_bytes(part.read_bytes()[:-20])
    with StoreLoader(tmp_path / "store") as loader:
        loader.feed(str(part))
        with pytest.raises(OSError, match=f"the loader failed: .*{part}"):
            loader.finish(compact=False, total=0, progress=silent, loaded=lambda: pytest.fail("it is not loaded"))


def test_a_build_that_gives_up_takes_its_loader_along(tmp_path: Path) -> None:
    part = write_part(tmp_path, 0)
    others = children()
    with StoreLoader(tmp_path / "store") as loader:
        loader.feed(part.path)
        (process,) = children() - others
    assert process not in children()
