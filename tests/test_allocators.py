"""Stores and text indexes are filled with the allocator that the setting names, and are the same with any."""

from __future__ import annotations

import sys
from pathlib import Path

import pyoxigraph
import pytest

from quiver.errors import InvalidSetting
from quiver.filling import allocators
from quiver.filling.allocators import find_allocator, installed
from quiver.filling.children import Child
from quiver.releases.loading import StoreLoader
from quiver.releases.workers import silent
from tests.test_loading import write_part

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is for ELF")


def write_maps(path: str) -> None:
    Path(path).write_text(Path("/proc/self/maps").read_text())


def filled(store: Path, part: str, allocator: str) -> set[pyoxigraph.Quad]:
    with StoreLoader(store, allocator=allocator) as loader:
        loader.feed(part)
        loader.finish(compact=True, total=0, progress=silent, loaded=lambda: None)
    return set(pyoxigraph.Store.read_only(str(store)))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of libraries beside which there are no others."""
    monkeypatch.setattr(allocators, "_folders", lambda: iter([tmp_path]))
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    return tmp_path


def test_the_best_that_is_whole_is_taken(environment: Path) -> None:
    found = [find_allocator("auto")]
    for name in ("libjemalloc.so.2", "libtbbmalloc_proxy.so.2", "libtbbmalloc.so.2", "libmimalloc.so.2"):
        (environment / name).touch()
        found.append(find_allocator("auto"))
    jemalloc, mimalloc = f"{environment}/libjemalloc.so.2", f"{environment}/libmimalloc.so.2"
    both = f"{environment}/libtbbmalloc_proxy.so.2:{environment}/libtbbmalloc.so.2"
    assert found == ["", jemalloc, jemalloc, both, mimalloc]


def test_what_was_chosen_for_all_processes_stays(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (environment / "libmimalloc.so.2").touch()
    monkeypatch.setenv("LD_PRELOAD", "libother.so")
    assert find_allocator("auto") == ""


@pytest.mark.parametrize("wanted", ["none", ""])
def test_none_is_the_c_librarys(environment: Path, wanted: str) -> None:
    (environment / "libmimalloc.so.2").touch()
    assert find_allocator(wanted) == ""


def test_a_library_may_be_named_from_here(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (environment / "mine.so").touch()
    monkeypatch.chdir(environment)
    assert find_allocator("mine.so") == str(environment / "mine.so")


@pytest.mark.parametrize("name", ["absent.so", "with space.so", "with:colon.so"])
def test_a_library_that_cannot_be_loaded_is_refused(environment: Path, name: str) -> None:
    if name != "absent.so":
        (environment / name).touch()
    with pytest.raises(InvalidSetting, match="no library is at"):
        find_allocator(str(environment / name))


@pytest.mark.skipif(not list(installed()), reason="no allocator is installed")
def test_a_process_has_the_allocator_and_fills_the_same_store(tmp_path: Path) -> None:
    part = write_part(tmp_path, 0).path
    plain = filled(tmp_path / "plain", part, "")
    assert len(plain) == 1000
    for number, allocator in enumerate(installed()):
        child = Child("a child", 0, write_maps, str(tmp_path / "maps"), allocator=allocator)
        child.join()
        child.kill()
        maps = (tmp_path / "maps").read_text()
        assert all(Path(path).resolve().name in maps for path in allocator.split(":"))
        assert filled(tmp_path / f"store{number}", part, allocator) == plain
