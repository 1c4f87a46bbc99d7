"""A disk that becomes full under a command; `python -m tests.faults.disk_full` does it with a real one, at every stage.

Here the kernel refuses to let any file of the command grow beyond a size, which all its libraries meet as they meet a
full disk, and a system call fails as on one.
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from quiver.config import Settings
from quiver.errors import NotEnoughDisk
from quiver.releases import Library, add, build, verify
from tests.sample import write_sample

ONE = Settings(jobs=1, keep_releases=0)
_LIMITED = """
import resource, sys
from quiver.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(sys.argv[2:], prog_name="quiver")
"""


@pytest.mark.parametrize("size", [0, 200, 2_000, 30_000])
def test_a_full_disk_is_said_and_leaves_the_library_as_it_was(tmp_path: Path, size: int) -> None:
    library = tmp_path / "library"
    files = write_sample(tmp_path)
    first = build(library, files[:1], settings=ONE).release
    for arguments in (["build", *map(str, files)], ["add", str(files[1])]):
        command = [sys.executable, "-c", _LIMITED, str(size), arguments[0], str(library), *arguments[1:], "-q"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "QUIVER_JOBS": "1"}
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert ended.returncode == 1
        assert ended.stderr.startswith("Error: the disk became full; nothing was published"), ended.stderr
        assert "Traceback" not in ended.stderr
        assert sorted(entry.name for entry in library.iterdir()) == [".lock", "current", "releases"]
        assert Library(library).ids() == [first.id] == [Library(library).current_id()]
    assert verify(Library(library).current()).sound
    assert verify(add(library, [files[1]], settings=ONE).release).sound


@pytest.mark.parametrize("call", ["symlink", "rename", "replace", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_so_is_one_that_is_full_at_the_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """A release that has its place already, and never became the current one, is taken back."""
    library = tmp_path / "library"
    files = write_sample(tmp_path)
    first = build(library, files, settings=ONE).release
    real = getattr(os, call)

    def refuse(*arguments: object, **named: object) -> object:
        # `current` is the last name that a publication makes.
        if call in ("fsync", "rename") or any("current" in str(argument) for argument in arguments):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(NotEnoughDisk) as caught:
            build(library, files, settings=ONE)
    assert caught.value.status == 507
    with Library(library).writing():
        pass
    assert Library(library).ids() == [first.id] == [Library(library).current_id()]
    assert sorted(entry.name for entry in library.iterdir()) == [".lock", "current", "releases"]


def test_a_failure_with_room_enough_is_not_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output error") as caught:
        build(tmp_path / "library", write_sample(tmp_path), settings=ONE)
    assert not isinstance(caught.value, NotEnoughDisk)


def test_the_limit_of_the_test_is_not_the_test_s_own() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
