"""Files in an object store; `python -m tests.faults.object_store` does it with an S3 server and real data."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quiver.config import Settings
from quiver.convert import convert_files
from quiver.errors import StorageUnavailable
from quiver.releases.scratch import open_scratch
from quiver.storage import filesystem, make_folder, put, size_of

needs_fsspec = pytest.mark.skipif(
    importlib.util.find_spec("fsspec") is None, reason="fsspec is not installed (the extra `cluster`)"
)


@pytest.fixture
def store() -> Iterator[Any]:
    """A store in memory behind `s3://`, with one bucket; as in s3fs, makedirs would make others."""
    from fsspec import register_implementation
    from fsspec.implementations.memory import MemoryFileSystem
    from fsspec.registry import _registry

    class Buckets(MemoryFileSystem):  # type: ignore[misc] # the package has no types
        protocol = "s3"
        store: dict[str, object] = {}  # noqa: RUF012 - as the class declares it
        pseudo_dirs = ["", "/bucket"]  # noqa: RUF012 - likewise

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return "/" + path.removeprefix("s3://").strip("/")

    before = _registry.get("s3")
    register_implementation("s3", Buckets, clobber=True)
    try:
        yield Buckets(skip_instance_cache=True)
    finally:
        if before is None:
            del _registry["s3"]
        else:
            register_implementation("s3", before, clobber=True)


def _breaking() -> Iterator[bytes]:
    yield b"half of it"
    raise ConnectionResetError("reset by peer")


@needs_fsspec
@pytest.mark.parametrize("url", ["s3://bucket/a/x", "memory://quiver-storage/a/x"])
def test_a_file_that_breaks_off_is_not_there_and_leaves_nothing(store: Any, url: str) -> None:
    put([b"as it ", b"was"], url)
    system, path = filesystem(url)
    with pytest.raises(StorageUnavailable, match="reset by peer"):
        put(_breaking(), url)
    assert system.open(path, "rb").read() == b"as it was"
    assert [name.rpartition("/")[2] for name in system.glob(path.rpartition("/")[0] + "/*")] == ["x"]
    put([b"newer"], url)
    assert system.open(path, "rb").read() == b"newer"
    system.rm(path, recursive=False)


@needs_fsspec
def test_a_bucket_that_is_not_there_is_told_and_not_made(store: Any, tmp_path: Path) -> None:
    make_folder("s3://bucket/any/folder")
    (tmp_path / "x.jsonl").write_text('{"title": "One"}\n')
    with pytest.raises(StorageUnavailable, match="s3://elsewhere/quads: there is no such bucket"):
        convert_files([tmp_path / "x.jsonl"], "s3://elsewhere/quads", "nq", settings=Settings(jobs=1))
    assert not store.exists("/elsewhere")


@needs_fsspec
def test_a_folder_is_no_file(store: Any) -> None:
    put([b"x"], "s3://bucket/records/x.jsonl")
    with pytest.raises(StorageUnavailable, match="s3://bucket/records/ is a folder"):
        size_of("s3://bucket/records/")


@needs_fsspec
def test_whoever_is_late_leaves_nothing_in_an_object_store(store: Any, tmp_path: Path) -> None:
    """A store has no folder that could be gone: a task that ends after its command takes its bundle back."""
    (tmp_path / "a").write_bytes(b"abc")
    scratch = open_scratch("s3://bucket/scratch/one")
    scratch.make()
    assert scratch.put("map-000001", [tmp_path / "a"]).startswith("map-000001-")
    scratch.remove()
    assert store.find("/bucket") == []
    with pytest.raises(StorageUnavailable):
        scratch.put("map-000001", [tmp_path / "a"])
    assert store.find("/bucket") == []
    scratch.remove()


@needs_fsspec
def test_a_task_of_the_http_client_that_lost_its_connection_is_no_news(
    store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    filesystem("s3://bucket/x")
    for error in (ConnectionResetError("closing transport"), ValueError("a fault of ours")):
        logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]


@pytest.mark.parametrize(
    "arguments",
    [
        ("build", "s3://bucket/library", "x.jsonl"),
        ("publish", "library", "s3://bucket/dumps"),
        ("dump", "library", "--output", "s3://bucket/all.nq.gz"),
        ("restore", "library", "s3://bucket/all.nq.gz"),
        ("validate", "s3://bucket/x.jsonl"),
    ],
)
def test_an_url_where_only_a_path_will_do_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """It would be a folder `s3:` below the one that the command runs in."""
    (tmp_path / "x.jsonl").write_text("{}\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-m", "quiver.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert ended.returncode == 2
    assert "is an URL; a path of this machine is needed." in " ".join(ended.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]
