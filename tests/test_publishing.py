"""Dumps as files: at the addresses that descriptions name, whole or not there, the same again when run again."""

from __future__ import annotations

import fcntl
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pyoxigraph
import pytest
from click.testing import CliRunner

from quiver.cli import main
from quiver.config import Settings
from quiver.errors import DamagedRelease, LibraryBusy
from quiver.manifest import PATCH_FORMS
from quiver.namespaces import term
from quiver.publishing import publish
from quiver.releases import Library, add, build
from quiver.web import create_app
from tests.sample import write_sample

KEEP_ALL = Settings(jobs=1, keep_releases=0)


@pytest.fixture
def shelf(tmp_path: Path) -> Library:
    for _ in range(3):
        build(tmp_path / "library", write_sample(tmp_path), settings=KEEP_ALL)
    return Library(tmp_path / "library")


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {".lock"}


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {name: ((folder / name).stat().st_mtime_ns, (folder / name).read_bytes()) for name in names(folder)}


def lines(path: Path) -> set[bytes]:
    return set(gzip.decompress(path.read_bytes()).splitlines())


def dump_of(release_id: str) -> str:
    return f"dumps/{release_id}/quiver-{release_id}.nq.gz"


def patches_of(release_id: str) -> list[str]:
    return [f"dumps/{release_id}/patch-{release_id}.{ending}.gz" for ending, _ in PATCH_FORMS.values()]


def test_a_folder_holds_what_the_server_sends_at_the_same_addresses(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    done = publish(shelf.path, folder, settings=KEEP_ALL)
    assert done.current == shelf.current_id()
    assert done.releases == done.written[:1] + tuple(reversed(shelf.ids()))[1:] == tuple(reversed(shelf.ids()))
    assert names(folder) == {
        *("index.html", "void.ttl", ".well-known/void", "releases.atom"),
        *("dumps/index.html", "dumps/SHA256SUMS", "dumps/current.json"),
        *(dump_of(one) for one in shelf.ids()),
        *(f"releases/{one}.{ending}" for one in shelf.ids() for ending in ("json", "ttl")),
        *(one for release_id in shelf.ids()[1:] for one in patches_of(release_id)),
    }
    client = create_app(shelf.path, Settings()).test_client()
    for one in shelf.ids():
        assert (folder / dump_of(one)).read_bytes() == client.get("/" + dump_of(one)).get_data()
        for name in patches_of(one) if one != shelf.ids()[0] else ():
            assert (folder / name).read_bytes() == client.get("/" + name).get_data()
        assert json.loads((folder / f"releases/{one}.json").read_bytes()) == client.get(f"/releases/{one}.json").json
    subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=folder / "dumps", check=True)


def test_every_link_and_every_address_leads_to_a_file(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(shelf.path, folder, settings=KEEP_ALL)
    for page in (folder / "index.html", folder / "dumps" / "index.html"):
        links = [link for link in re.findall(r'href="([^"]+)"', page.read_text()) if not link.startswith("https:")]
        assert len(links) == 3 * 3 + 2 * 3 + 4
        assert all((page.parent / link).is_file() for link in links)
    base = shelf.current().base
    quads = pyoxigraph.parse((folder / "void.ttl").read_bytes(), pyoxigraph.RdfFormat.TURTLE)
    downloads = (term("void:dataDump"), term("dcat:downloadURL"))
    dumps = [quad.object.value for quad in quads if quad.predicate.value in downloads]
    assert len(dumps) > len(patches_of(""))
    assert all((folder / dump.removeprefix(base)).is_file() for dump in dumps)
    pointer = json.loads((folder / "dumps/current.json").read_bytes())
    assert pointer["release"] == shelf.current_id()
    assert (folder / "dumps" / pointer["dump"]).stat().st_size == pointer["size"]


def test_the_feed_leads_to_files(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(shelf.path, folder, settings=KEEP_ALL)
    base = shelf.current().base
    feed = ElementTree.parse(folder / "releases.atom").getroot()
    atom = {"a": "http://www.w3.org/2005/Atom"}
    assert [entry.text for entry in feed.iterfind("a:entry/a:id", atom)] == [
        f"{base}releases/{one}" for one in reversed(shelf.ids())
    ]
    links = [link.attrib["href"] for link in feed.iterfind("a:entry/a:link", atom)]
    assert len(links) == 3 + 3 + 2
    assert all((folder / link.removeprefix(base)).is_file() for link in links)


def test_by_the_patches_a_copy_of_the_first_becomes_the_last(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    extra = tmp_path / "extra.jsonl"
    extra.write_text('{"key": "x/1", "title": "One more", "authors": [{"name": "Ada Lovelace"}], "year": 2020}\n')
    add(shelf.path, [extra], source="extra", settings=KEEP_ALL)
    publish(shelf.path, folder, settings=KEEP_ALL)
    first, *later = shelf.ids()
    copy = lines(folder / dump_of(first))
    for one in later:
        _, added, removed = patches_of(one)
        copy = copy - lines(folder / removed) | lines(folder / added)
    assert copy == lines(folder / dump_of(later[-1]))
    assert copy != lines(folder / dump_of(first))


def test_patches_that_an_older_quiver_left_out_are_written(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(shelf.path, folder, settings=KEEP_ALL)
    last = shelf.ids()[-1]
    for name in patches_of(last):
        (folder / name).unlink()
    assert publish(shelf.path, folder, settings=KEEP_ALL).written == (last,)
    assert set(patches_of(last)) <= names(folder)


def test_nothing_in_it_says_where_it_was_made(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(shelf.path, folder, settings=KEEP_ALL)
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert [name for name in names(folder) if str(tmp_path).encode() in (folder / name).read_bytes()] == []


def test_run_again_it_writes_nothing(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(shelf.path, folder, settings=KEEP_ALL)
    before = state(folder)
    # Where it was moved to does not matter.
    shutil.copytree(folder, tmp_path / "elsewhere", copy_function=shutil.copy2)
    for place in (folder, tmp_path / "elsewhere"):
        assert publish(shelf.path, place, settings=KEEP_ALL).written == ()
        assert state(place) == before


def test_old_releases_stay_as_long_as_retention_says(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(shelf.path, folder, settings=KEEP_ALL)
    first, second, third = shelf.ids()
    shelf.prune(1)
    # The library has them no more, the folder has.
    assert publish(shelf.path, folder, settings=KEEP_ALL).releases == (third, second, first)
    assert publish(shelf.path, folder, keep=2).removed == (first,)
    assert dump_of(first) not in names(folder)
    assert first not in (folder / "dumps/SHA256SUMS").read_text() + (folder / "index.html").read_text()
    subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=folder / "dumps", check=True)


def test_the_current_release_stays_though_it_is_the_oldest(shelf: Library, tmp_path: Path) -> None:
    first, _, third = shelf.ids()
    shelf.roll_back(first)
    done = publish(shelf.path, tmp_path / "published", keep=2)
    assert done.current == first
    assert done.releases == (third, first)
    assert json.loads((tmp_path / "published/dumps/current.json").read_bytes())["release"] == first


def test_a_damaged_release_is_not_published_and_the_folder_stays(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    shelf.roll_back(shelf.ids()[0])
    publish(shelf.path, folder, keep=1)
    before = state(folder)
    release = shelf.roll_back(shelf.ids()[2])
    part = release.part_paths[0]
    data = part.read_bytes()
    part.unlink()
    part.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DamagedRelease, match="are not what its manifest says"):
        publish(shelf.path, folder, keep=1)
    assert state(folder) == before


def test_what_a_killed_one_left_is_removed_and_what_it_lacked_is_written(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(shelf.path, folder, settings=KEEP_ALL)
    before = names(folder)
    current = shelf.current_id() or ""
    (folder / "dumps" / current / f".partial-quiver-{current}.nq.gz").write_bytes(b"half")
    (folder / dump_of(current)).write_bytes(b"cut off")
    (folder / "releases" / f"{shelf.ids()[0]}.json").write_bytes(b"{")
    assert set(publish(shelf.path, folder, settings=KEEP_ALL).written) == {current, shelf.ids()[0]}
    assert names(folder) == before


def test_two_at_once_are_told(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LibraryBusy, match="is publishing to"):
            publish(shelf.path, folder)


def test_a_release_that_is_being_published_is_not_removed(shelf: Library, tmp_path: Path) -> None:
    first = shelf.roll_back(shelf.ids()[0]).id
    seen = []

    def publish_another(step: str, done: int, total: int) -> None:
        if shelf.current_id() == first:
            shelf.roll_back(shelf.ids()[-1])
            seen.append(shelf.prune(1).read)

    publish(shelf.path, tmp_path / "published", keep=1, progress=publish_another)
    assert seen == [(first,)]


def test_the_command_says_what_it_did(shelf: Library, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    run = CliRunner().invoke(main, ["publish", str(shelf.path), str(folder), "--keep", "1", "-q"])
    assert run.output == f"wrote {shelf.current_id()}\n{folder} holds 1 releases; {shelf.current_id()} is current\n"
