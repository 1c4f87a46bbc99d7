"""Two writers of one library: the second says who is at work, or waits for its turn."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from quiver.cli import main
from quiver.config import Settings
from quiver.errors import LibraryBusy
from quiver.publishing import publish
from quiver.releases import Library, build, build_from_rdf
from tests.serving import heed_ctrl_c
from tests.test_gone import papers

ONE = Settings(jobs=1, keep_releases=0)
# Long enough for whatever else the machine does; no test waits for so long.
LONG_S = 120
_HOLD = """
import sys
from pathlib import Path
from quiver.releases.turns import turn
with turn(Path(sys.argv[1]), "writing to"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds *folder* until the end of the `with`, or until it is told or killed."""
    command = [sys.executable, "-c", _HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.stdin.close()
            process.wait(LONG_S)


@contextmanager
def waiting(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that waits, and the line in which it said so."""
    command = [sys.executable, "-m", "quiver.cli", *map(str, arguments), "--wait", str(LONG_S)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    ) as process:
        assert process.stderr
        try:
            yield process, process.stderr.readline()
        finally:
            process.kill()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return papers(tmp_path / "one.jsonl", {"key": "a", "title": "A"})


def test_a_command_waits_for_its_turn_and_says_for_whom(tmp_path: Path, file: Path) -> None:
    library = tmp_path / "library"
    first = build(library, [file], settings=ONE).release
    more = papers(tmp_path / "more.jsonl", {"key": "b", "title": "B"})
    with held(library) as holder, waiting("add", library, more) as (command, line):
        assert f"process {holder.pid} is writing to {library}; waiting for up to {LONG_S} s" in line
        assert Library(library).ids() == [first.id]
        holder.communicate()
        output, errors = command.communicate(timeout=LONG_S)
        assert command.returncode == 0, errors
    assert Library(library).current().manifest.parent == first.id
    assert Library(library).current().id in output


def test_the_turn_comes_too_when_the_other_is_killed(tmp_path: Path, file: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    with held(library) as holder, waiting("build", library, file) as (command, _):
        holder.kill()
        assert command.wait(LONG_S) == 0
    assert len(Library(library).ids()) == 1


def test_ctrl_c_ends_the_waiting(tmp_path: Path, file: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    with held(library) as holder, waiting("build", library, file) as (command, _):
        command.send_signal(signal.SIGINT)
        # Long before its turn: the other still holds the library.
        _, errors = command.communicate(timeout=LONG_S / 2)
        assert command.returncode == 1
        assert errors.strip() == "Aborted!"
        assert holder.poll() is None
    assert Library(library).ids() == []


def _release(library: Path) -> str:
    return Library(library).ids()[0]


# What each command that writes needs beside its library.
WRITERS: dict[str, Callable[[Path, Path], list[object]]] = {
    "build": lambda _, file: [file],
    "add": lambda _, file: [file],
    "remove": lambda _, __: ["one"],
    "replace": lambda _, file: ["one", file],
    "rebase": lambda _, __: ["https://kg.example.org/"],
    "redact": lambda _, file: [file],
    "restore": lambda library, _: [library / "releases" / _release(library)],
    "releases --rollback": lambda library, _: [_release(library)],
    "releases --keep": lambda _, __: [1],
    "publish": lambda library, _: [library.parent / "published"],
}


def test_every_command_that_waits_is_tried() -> None:
    assert isinstance(main, click.Group)
    waits = {name for name, command in main.commands.items() if any("--wait" in one.opts for one in command.params)}
    assert waits == {name.partition(" ")[0] for name in WRITERS}


@pytest.mark.parametrize("name", WRITERS)
def test_whoever_waited_in_vain_is_told_who_is_at_work(tmp_path: Path, file: Path, name: str) -> None:
    library = tmp_path / "library"
    build(library, [file], settings=ONE)
    before = Library(library).current_id()
    command, *options = name.split()
    place = tmp_path / "published" if command == "publish" else library
    place.mkdir(exist_ok=True)
    arguments = [command, library, *options, *WRITERS[name](library, file)]
    with held(place) as holder:
        result = CliRunner().invoke(main, [*map(str, arguments), "--wait", "0.01"])
        assert result.exit_code == 1
        who = f"process {holder.pid} is still"
        assert f"Error: {who} " in result.stderr
        assert f"{place} after 0.01 s\n" in result.stderr
    assert Library(library).current_id() == before


def test_what_is_called_from_python_takes_the_setting(tmp_path: Path, file: Path) -> None:
    library = tmp_path / "library"
    build_from_rdf(library, [])
    settings = ONE.replace(wait_s=0.01)
    with held(library), pytest.raises(LibraryBusy, match=r"after 0\.01 s"):
        build_from_rdf(library, [], settings=settings)
    published = tmp_path / "published"
    published.mkdir()
    with held(published), pytest.raises(LibraryBusy, match=r"after 0\.01 s"):
        publish(library, published, settings=settings)


def test_nobody_is_named_who_is_not_known(tmp_path: Path, file: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    with held(library) as holder:
        for text, who in (
            ("", "another process"),
            (f"{holder.pid} elsewhere", f"process {holder.pid} of another host"),
        ):
            (library / ".lock").write_text(text)
            with pytest.raises(LibraryBusy, match=f"^{who} is writing to {library}$"):
                build(library, [file], settings=ONE)
    assert (library / ".lock").read_text() == ""
