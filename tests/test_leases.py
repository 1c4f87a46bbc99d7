"""Releases that are read are not removed; those that nobody reads go, whatever the clock says."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from quiver.cli import main
from quiver.config import Settings
from quiver.errors import DamagedRelease, NotFound
from quiver.releases import Library, Pruned, Release, build
from quiver.releases import build as build_module
from quiver.web import create_app
from tests.serving import Server, fetch, serving

_ASK = "/sparql?query=ASK%7B%3Fs%20%3Fp%20%3Fo%7D"
KEEP_ALL = Settings(jobs=1, keep_releases=0)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    path.write_text('{"key": "k", "title": "One", "authors": ["Ann Lee"]}\n')
    return path


@pytest.fixture
def two(tmp_path: Path, records: Path) -> tuple[Library, Release, Release]:
    library = tmp_path / "library"
    old, new = (build(library, [records], settings=KEEP_ALL).release for _ in range(2))
    return Library(library), old, new


def test_a_release_that_is_read_stays_until_it_is_let_go(two: tuple[Library, Release, Release]) -> None:
    shelf, old, new = two
    with old.hold(), old.hold():
        assert shelf.prune(1) == Pruned(read=(old.id,))
    lease = old.hold()
    assert shelf.prune(1) == Pruned(read=(old.id,))
    del lease
    assert shelf.prune(1) == Pruned(removed=(old.id,))
    assert shelf.ids() == [new.id]
    with pytest.raises(NotFound, match="was removed"):
        old.hold()


def test_one_that_is_about_to_be_removed_cannot_be_held(
    two: tuple[Library, Release, Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, old, _ = two
    remove = Library._remove

    def remove_while_somebody_comes(self: Library, release_id: str) -> None:
        with pytest.raises(NotFound, match="was removed"):
            old.hold()
        remove(self, release_id)

    monkeypatch.setattr(Library, "_remove", remove_while_somebody_comes)
    assert shelf.prune(1).removed == (old.id,)


def test_a_lease_goes_with_the_process_that_holds_it(two: tuple[Library, Release, Release]) -> None:
    shelf, old, _ = two
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom quiver.releases import Library\n"
        "lease = Library(Path(sys.argv[1])).release(sys.argv[2]).hold()\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(shelf.path), old.id],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"held\n"
        assert shelf.prune(1).read == (old.id,)
        reader.send_signal(signal.SIGKILL)
    assert shelf.prune(1).removed == (old.id,)


def test_the_release_of_a_with_is_the_next_one_where_the_first_is_removed_meanwhile(
    two: tuple[Library, Release, Release], records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, _, new = two
    hold = Release.hold
    calls = 0

    def publish_first(self: Release) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            build(shelf.path, [records], settings=KEEP_ALL)
            shelf.prune(1)
        return hold(self)

    monkeypatch.setattr(Release, "hold", publish_first)
    with shelf.reading() as release:
        assert release.id == shelf.current_id() != new.id


def test_the_command_says_what_stays_and_why(two: tuple[Library, Release, Release]) -> None:
    shelf, old, _ = two
    command = ["releases", str(shelf.path), "--keep", "1"]
    with old.hold():
        assert CliRunner().invoke(main, command).output == f"{old.id} is being read, and stays until the next time\n"
    waiting = CliRunner().invoke(main, command, env={"QUIVER_RELEASE_GRACE_S": "60"}).output
    assert waiting.startswith(f"{old.id} was current until a moment ago")
    assert CliRunner().invoke(main, command).output == f"removed {old.id}\n"


# --- grace, for readers that locks do not reach


def test_a_release_has_its_grace_from_when_it_was_last_current(two: tuple[Library, Release, Release]) -> None:
    shelf, old, new = two
    os.utime(old.path, (1, 1))
    shelf.roll_back(old.id)
    os.utime(new.path, (time.time() - 100,) * 2)
    assert shelf.prune(1, grace_s=1000).recent == (new.id,)
    assert shelf.prune(1, grace_s=50).removed == (new.id,)


def test_a_release_that_left_in_the_future_has_its_grace_from_now(two: tuple[Library, Release, Release]) -> None:
    shelf, old, _ = two
    os.utime(old.path, (time.time() + 1e6,) * 2)
    assert shelf.prune(1, grace_s=10).recent == (old.id,)
    assert old.path.stat().st_mtime <= time.time()
    assert shelf.prune(1, grace_s=1e-9).removed == (old.id,)


# --- the clock goes backwards


class Backwards(datetime):
    """A clock that was put back by years."""

    @classmethod
    def now(cls, tz: object = None) -> Backwards:
        return cls(2001, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)


def test_a_clock_that_was_put_back_does_not_make_the_new_release_an_old_one(
    tmp_path: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library"
    first = build(library, [records], settings=KEEP_ALL).release
    monkeypatch.setattr(sys.modules[build_module.__module__], "datetime", Backwards)
    later = [build(library, [records], settings=Settings(jobs=1, keep_releases=2)).release for _ in range(3)]
    shelf = Library(library)
    assert later[0].manifest.created.startswith("2001-02-03")
    assert [release.manifest.parent for release in later] == [first.id, later[0].id, later[1].id]
    assert sorted([first.id, *(release.id for release in later)]) == [first.id, *(release.id for release in later)]
    # Of the two that are kept, one is the current one and the other its parent.
    assert shelf.ids() == [later[1].id, later[2].id]
    assert shelf.current_id() == later[2].id
    assert later[2].id.partition("-")[0] > first.id.partition("-")[0]


# --- servers


def test_the_pages_of_a_removed_release_are_answered_410_and_hold_nothing(tmp_path: Path, records: Path) -> None:
    library = tmp_path / "library"
    old = build(library, [records], settings=KEEP_ALL).release
    other = tmp_path / "other.jsonl"
    other.write_text('{"key": "other", "title": "Two"}\n')
    build(library, [other], source="records", settings=KEEP_ALL)
    client = create_app(library, Settings()).test_client()
    assert client.get("/paper/records/k.html").status_code == 410
    assert Library(library).prune(1).removed == (old.id,)
    # The release that is left knows what went with it.
    assert client.get("/paper/records/k.html").status_code == 410


def test_a_dump_that_is_being_sent_keeps_its_release(two: tuple[Library, Release, Release]) -> None:
    shelf, old, _ = two
    client = create_app(shelf.path, Settings()).test_client()
    pieces = client.get(f"/dumps/{old.id}/quiver-{old.id}.nq.gz", buffered=False).iter_encoded()
    sent = next(pieces)
    assert shelf.prune(1).read == (old.id,)
    sent += b"".join(pieces)
    assert old.manifest.dump is not None
    assert len(sent) == old.manifest.dump.size
    assert shelf.prune(1).removed == (old.id,)


def test_an_idle_server_lets_the_old_release_go(tmp_path: Path, records: Path) -> None:
    library = tmp_path / "library"
    old = build(library, [records], settings=KEEP_ALL).release
    with serving(library, tmp_path / "server", web_workers=2) as server:
        # Searched by one process, evaluated by another.
        assert fetch(server.port, "/search?q=one")[0] == fetch(server.port, _ASK)[0] == 200
        assert Library(library).prune(1) == Pruned()
        build(library, [records], settings=KEEP_ALL)
        # Nobody asks it anything.
        end = time.monotonic() + 60
        while not (pruned := Library(library).prune(1)).removed:
            assert pruned.read == (old.id,)
            assert time.monotonic() < end
            time.sleep(0.5)
        while _open_files(server, old.id):
            assert time.monotonic() < end
            time.sleep(0.5)
        assert fetch(server.port, _ASK)[0] == 200


def _open_files(server: Server, release_id: str) -> list[str]:
    """Files of a release that a process of the server has open, though they may be removed."""
    found = []
    for process in server.processes():
        with contextlib.suppress(OSError):
            links = [str(path.readlink()) for path in Path(f"/proc/{process.pid}/fd").iterdir()]
            found += [link for link in links if release_id in link]
    return found


# --- the manifest


def test_a_manifest_that_was_changed_is_not_opened(two: tuple[Library, Release, Release]) -> None:
    shelf, old, new = two
    path = new.path / "release.json"
    path.write_text(path.read_text().replace('"papers": 1', '"papers": 7'))
    with pytest.raises(DamagedRelease, match=r"its SHA-256 is not that in release\.json\.sha256"):
        shelf.current()
    listing = CliRunner().invoke(main, ["releases", str(shelf.path)])
    assert listing.exit_code == 0
    assert f"* {new.id}  damaged-release" in listing.output
    assert CliRunner().invoke(main, ["verify", str(shelf.path)]).exit_code == 1
    assert shelf.roll_back(old.id).id == shelf.current().id


def test_sha256sum_agrees(two: tuple[Library, Release, Release]) -> None:
    subprocess.run(["sha256sum", "-c", "--quiet", "release.json.sha256"], cwd=two[1].path, check=True)


def test_a_release_under_another_name_is_not_opened(two: tuple[Library, Release, Release]) -> None:
    shelf, old, _ = two
    old.path.rename(shelf.releases_path / "20300101T000000000Z-000000000000")
    with pytest.raises(DamagedRelease, match=old.id):
        shelf.release("20300101T000000000Z-000000000000")
