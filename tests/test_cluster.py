"""Conversion on executors: of the caller, and a Dask cluster that loses a worker; files by URL."""

from __future__ import annotations

import gzip
import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import pytest

from quiver.config import Settings
from quiver.convert import convert_files, convert_records
from quiver.errors import ConversionFailed, InvalidSetting, MissingExtra, StorageUnavailable
from quiver.records import RecordError
from quiver.releases import BuildReport, Library, add, build, remove, replace
from quiver.releases import staging as staging_module
from quiver.releases.scratch import Piece, open_scratch
from tests.increments import differences, random_file
from tests.sample import write_sample

needs_fsspec = pytest.mark.skipif(
    importlib.util.find_spec("fsspec") is None, reason="fsspec is not installed (the extra `cluster`)"
)
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask is not installed (the extra `cluster`)"
)

SETTINGS = Settings(jobs=2, partition_bytes=5_000)
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Records, pages, duplicates, conflicts and lines that are none, in three sets and the sample."""
    folder, rows = tmp_path_factory.mktemp("records"), random.Random(4)
    return [random_file(folder / f"set{number}.jsonl", rows, 60, 120) for number in range(3)] + write_sample(folder)


@pytest.fixture(scope="module")
def plain(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> BuildReport:
    """What a build without an executor makes of them."""
    return build(tmp_path_factory.mktemp("plain") / "library", files, settings=Settings(jobs=1))


def debris(library: Path) -> list[str]:
    return [path.name for path in library.rglob(".*") if path.name != ".lock"]


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_makes_the_same_release(
    executor: Callable[[int], Executor], tmp_path: Path, files: list[Path], plain: BuildReport
) -> None:
    with executor(2) as workers:
        report = build(tmp_path / "library", files, settings=SETTINGS, executor=workers)
    assert differences(plain.release, report.release) == []
    assert report.counts == plain.counts
    assert report.release.manifest.seconds.keys() == plain.release.manifest.seconds.keys()
    assert debris(tmp_path / "library") == []


def test_changes_on_an_executor_end_where_a_build_does(tmp_path: Path, files: list[Path], plain: BuildReport) -> None:
    library = tmp_path / "library"
    scratch = tmp_path / "scratch"
    settings = SETTINGS.replace(scratch=str(scratch))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        build(library, [files[1], files[0], *files[3:]], source="", settings=settings, executor=workers)
        add(library, files[2:3], settings=settings, executor=workers)
        replace(library, "set0", files[2:3], settings=settings, executor=workers)
        remove(library, "set0", settings=settings, executor=workers)
        report = add(library, files[:1], settings=settings, executor=workers)
    assert differences(plain.release, report.release) == []
    assert list(scratch.iterdir()) == []


@needs_fsspec
def test_files_and_scratch_may_be_urls(tmp_path: Path, files: list[Path], plain: BuildReport) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    with memory.open("/quiver-test/in/records.jsonl", "wb") as target:
        target.write(files[4].read_bytes())
    try:
        settings = SETTINGS.replace(scratch="memory://quiver-test/scratch")
        given: list[Path | str] = [
            "memory://quiver-test/in/records.jsonl",
            f"{files[0].parent.as_uri()}/set*.jsonl",
            files[3],
        ]
        with ThreadPoolExecutor(2) as workers:
            report = build(tmp_path / "library", given, settings=settings, executor=workers)
        assert differences(plain.release, report.release) == []
        assert memory.find("/quiver-test/scratch") == []
    finally:
        memory.rm("/quiver-test", recursive=True)


@needs_fsspec
def test_a_build_in_own_processes_takes_urls_too(tmp_path: Path, files: list[Path], plain: BuildReport) -> None:
    report = build(tmp_path / "library", [file.as_uri() for file in files], settings=Settings(jobs=1))
    assert differences(plain.release, report.release) == []


@needs_fsspec
def test_what_an_url_does_not_give_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> None:
    for url, said in (
        ("memory://nowhere/x.jsonl", "memory://nowhere/x.jsonl: there is no such file"),
        ("memory://nowhere/*.jsonl", "matches no file"),
        ("nothing://x/y.jsonl", "nothing"),
    ):
        with pytest.raises(StorageUnavailable, match=said.replace("*", r"\*")):
            build(tmp_path / "library", [url])
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtra, match=r"s3://bucket/x\.jsonl needs the package fsspec") as missing:
        build(tmp_path / "library", ["s3://bucket/x.jsonl"])
    assert missing.value.hint == "pip install 'quiver-kg[cluster]'"
    # A path needs nothing.
    assert build(tmp_path / "library", files[3:], settings=Settings(jobs=1)).counts.accepted


class _Breaking:
    """A file whose connection is lost after the first line."""

    def __init__(self) -> None:
        self.data = [b'{"title": "The first"}\n']

    def read(self, size: int = -1) -> bytes:
        if not self.data:
            raise ConnectionResetError("reset by peer")
        return self.data.pop()

    def close(self) -> None:
        pass


@needs_fsspec
def test_a_connection_that_is_lost_is_no_damage_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setattr(MemoryFileSystem, "open", lambda *_, **__: _Breaking())
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *_, **__: {"size": 100})
    with pytest.raises(StorageUnavailable, match=r"memory://x/y\.jsonl: reset by peer"):
        build(tmp_path / "library", ["memory://x/y.jsonl"], settings=Settings(jobs=1))
    assert Library(tmp_path / "library").ids() == []


class _Twice(Executor):
    """Does every task twice, as after the loss of a worker, and gives the second result."""

    def submit(self, function: Callable[..., Result], /, *given: object, **named: object) -> Future[Result]:
        future: Future[Result] = Future()
        function(*given, **named)
        future.set_result(function(*given, **named))
        return future


def test_a_task_that_ran_twice_changes_nothing(tmp_path: Path, files: list[Path], plain: BuildReport) -> None:
    report = build(tmp_path / "library", files, settings=SETTINGS, executor=_Twice())
    assert differences(plain.release, report.release) == []


@pytest.mark.parametrize("url", [False, pytest.param(True, marks=needs_fsspec)])
def test_a_bundle_is_one_file_whoever_writes_it(url: bool, tmp_path: Path) -> None:
    pieces = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for path, data in zip(pieces, (b"abc", b"", b"defg"), strict=True):
        path.write_bytes(data)
    folder = tmp_path / "scratch"
    scratch = open_scratch(folder.as_uri() if url else str(folder))
    scratch.make()
    name = scratch.put("map-000001", pieces)
    assert scratch.put("map-000001", pieces) == name
    assert name.startswith("map-000001-")
    assert {path.name for path in folder.iterdir()} == ({name, "in-use"} if url else {name})
    got = scratch.get([Piece(name, 3, 4), Piece(name, 3, 0), Piece(name, 0, 3)])
    assert list(got) == [b"defg", b"", b"abc"]
    with pytest.raises(ConversionFailed, match="ends early: 4 of 5 bytes"):
        list(scratch.get([Piece(name, 3, 5)]))
    scratch.remove()
    assert not folder.exists()
    # Whoever is late, since the command has failed, leaves nothing behind.
    with pytest.raises((OSError, StorageUnavailable)):
        scratch.put("map-000001", pieces)
    assert not folder.exists()


def test_a_worker_of_another_version_or_without_the_parent_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[Path]
) -> None:
    library = tmp_path / "library"
    build(library, files[3:], settings=SETTINGS)
    with ThreadPoolExecutor(1) as workers:
        monkeypatch.setattr(staging_module, "__version__", "99.0")
        with pytest.raises(ConversionFailed, match=r"has quiver 99\.0"):
            add(library, files[:1], settings=SETTINGS, executor=workers)
        with pytest.raises(ConversionFailed, match="does not see /elsewhere"):
            staging_module.check_worker("99.0", "/elsewhere/releases/x")
    assert len(Library(library).ids()) == 1
    assert debris(library) == []


def test_a_broken_executor_is_told_and_publishes_nothing(tmp_path: Path, files: list[Path]) -> None:
    with (
        ProcessPoolExecutor(1, initializer=os._exit, initargs=(1,)) as workers,
        pytest.raises(ConversionFailed, match="the executor is broken"),
    ):
        build(tmp_path / "library", files, settings=SETTINGS, executor=workers)
    assert Library(tmp_path / "library").ids() == []
    assert debris(tmp_path / "library") == []


def test_the_scratch_of_a_killed_command_is_removed_by_the_next(tmp_path: Path, files: list[Path]) -> None:
    library, left = tmp_path / "library", tmp_path / "scratch" / ("quiver-" + "0" * 32)
    mine = tmp_path / "mine"
    left.mkdir(parents=True)
    mine.mkdir()
    (library / "releases").mkdir(parents=True)
    with ThreadPoolExecutor(1) as workers:
        for place in (left, mine):
            (library / "releases" / ".scratch").write_text(str(place))
            build(library, files[3:], settings=SETTINGS, executor=workers)
    assert not left.exists()
    # Only what is named as ours are named.
    assert mine.exists()


def test_an_address_that_is_none_is_refused_before_anything_is_done(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(InvalidSetting, match="'ray:' is none"):
        build(tmp_path / "library", files, settings=Settings(executor="ray:"))


def test_without_dask_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtra, match="needs the package distributed") as missing:
        build(tmp_path / "library", files, settings=Settings(executor="dask:tcp://127.0.0.1:1"))
    assert "quiver-kg[cluster]" in missing.value.hint


def converted(folder: Path) -> dict[str, list[bytes]]:
    """The lines of each converted file; lists of rejects as they are."""
    return {
        path.name: (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).splitlines()
        for path in folder.iterdir()
    }


@pytest.mark.parametrize("to", ["nq", "jsonl"])
def test_convert_into_a_folder_is_the_stream_file_by_file(to: str, tmp_path: Path, files: list[Path]) -> None:
    with ThreadPoolExecutor(2) as workers:
        done = convert_files(files, tmp_path / "mapped", to, settings=SETTINGS, executor=workers)
    convert_files(files, str(tmp_path / "own"), to, settings=SETTINGS)
    assert converted(tmp_path / "mapped") == converted(tmp_path / "own")
    for number, (file, one) in enumerate(zip(files, done, strict=True)):
        pieces = list(convert_records([file], to, settings=SETTINGS))
        errors = [piece for piece in pieces if isinstance(piece, RecordError)]
        lines = b"".join(piece for piece in pieces if isinstance(piece, bytes)).splitlines()
        assert one.name == f"{number:06d}-{file.name}.{to}.gz"
        assert converted(tmp_path / "own")[one.name] == lines
        assert (one.records, one.rejected) == (len(pieces) - len(errors), len(errors))
        rejects = converted(tmp_path / "own").get(f"{number:06d}-{file.name}.rejects.jsonl", [])
        assert len(rejects) == len(errors)


def quiver(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quiver.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_dask
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_dask_cluster_that_loses_a_worker_half_way_makes_the_same_release(
    moment: str, tmp_path: Path, files: list[Path], plain: BuildReport
) -> None:
    """A task's output is lost with its worker, or is there and its result is lost: either way it is done again."""
    from tests.dask_cluster import cluster

    config = tmp_path / "quiver.toml"
    config.write_text(f'partition_bytes = 2500\njobs = 2\nscratch = "{tmp_path}"\n')
    library = tmp_path / "library"
    # 8 shares of files are read and some 20 shares of papers mapped, about half of them by each worker.
    with cluster([(moment, 7), None]) as dask:
        ended = quiver("--config", config, "build", library, *files, "-q", "--executor", f"dask:{dask.address}")
        assert ended.returncode == 0, ended.stderr
        assert [worker.poll() for worker in dask.workers] == [-9, None]
    assert differences(plain.release, Library(library).current()) == []
    assert debris(library) == []
    assert list(tmp_path.glob("quiver-*")) == []


@needs_dask
def test_convert_on_a_dask_cluster_that_loses_a_worker(tmp_path: Path, files: list[Path]) -> None:
    from tests.dask_cluster import cluster

    convert_files(files, tmp_path / "own", "nq", settings=SETTINGS)
    with cluster([("before", 2), None]) as dask:
        place = (tmp_path / "mapped").as_uri()
        ended = quiver("convert", *files, "--output", place, "--executor", f"dask:{dask.address}", "-q")
        assert ended.returncode == 1  # some records are none
        assert "rejected" in ended.stdout
        assert [worker.poll() for worker in dask.workers] == [-9, None]
    assert converted(tmp_path / "mapped") == converted(tmp_path / "own")
    assert quiver("convert", *files, "--executor", "dask:tcp://127.0.0.1:1").returncode == 2


@needs_dask
def test_a_scheduler_that_is_not_there_is_told(tmp_path: Path, files: list[Path]) -> None:
    ended = quiver("build", tmp_path / "library", *files, "-q", "--executor", "dask:nonsense")
    assert ended.returncode == 1
    assert "no Dask scheduler answers at nonsense" in ended.stderr
    assert "Traceback" not in ended.stderr
