"""What is added, removed or replaced ends where a build of the same records ends: quad for quad."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyoxigraph import Store

from quiver.catalogue import Catalogue, answers
from quiver.config import Settings
from quiver.dumps import read_lines
from quiver.errors import (
    InvalidRecord,
    LibraryBusy,
    NoRelease,
    NotEnoughDisk,
    NotFound,
    NothingAccepted,
    QuiverError,
    UnsupportedRelease,
)
from quiver.manifest import CHECKSUM_NAME, FILE_NAME, Manifest
from quiver.releases import (
    Library,
    Release,
    add,
    build,
    build_from_rdf,
    carrying,
    changing,
    rebase,
    remove,
    replace,
    verify,
)
from quiver.releases.space import check_build
from tests.increments import differences, random_file

ONE = Settings(jobs=1, keep_releases=0)
SHARED_OUT = Settings(jobs=1, keep_releases=0, partition_bytes=400, compact_changes=2)
# "derived" is the name of a folder, too.
SOURCES = ("one", "two", "derived")


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


@pytest.mark.parametrize("seed", range(10))
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


@pytest.mark.parametrize("seed", range(100, 106))
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


@pytest.mark.parametrize("seed", range(200, 206))
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


def papers(path: Path, *records: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_many_small_changes_stay_few_files_and_exact(tmp_path: Path) -> None:
    rows = random.Random(9)
    files = [random_file(tmp_path / "one.jsonl", rows, 40, 30)]
    settings = Settings(jobs=1, compact_changes=4)
    library = tmp_path / "library"
    release = build(library, files, settings=settings).release
    for number in range(14):
        path = tmp_path / f"in{number}" / rows.choice(("one.jsonl", "two.jsonl"))
        path.parent.mkdir()
        files.append(random_file(path, rows, 40, 6))
        release = add(library, [path], settings=settings).release
    assert differences(build(tmp_path / "whole", files, settings=settings).release, release) == []
    assert len(release.part_paths) < 40
    assert len(list((release.path / "settled").rglob("*.table"))) < 60
    # And they end where they should after a change of base, too.
    rebase(library, "https://kg.example.org/")
    again = add(library, [papers(tmp_path / "more.jsonl", {"title": "More"})], settings=settings).release
    files.append(tmp_path / "more.jsonl")
    expected = build(tmp_path / "elsewhere", files, base="https://kg.example.org/", settings=settings).release
    assert differences(expected, again) == []


def test_an_addition_asks_the_store_only_what_cannot_be_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = random.Random(5)
    one, two = (random_file(tmp_path / f"{name}.jsonl", rows, 30, 25) for name in ("one", "two"))
    build(tmp_path / "library", [one], settings=ONE)
    asked: set[str] = set()

    def materialise(store: Store, catalogue: Catalogue, folder: Path, base: str, known: set[str]) -> None:
        asked.update(query.name for query in catalogue if query.materialise and query.name not in known)
        answers.materialise(store, catalogue, folder, base, known)

    monkeypatch.setattr(carrying, "materialise", materialise)
    release = add(tmp_path / "library", [two], settings=ONE).release
    assert asked == {"release/names-by-papers", "release/papers-by-year", "release/stated-types"}
    # Where the groups that change are large, looking them up costs more than a scan.
    monkeypatch.setattr(carrying, "_FEW_MEMBERS", 0)
    asked.clear()
    remove(tmp_path / "library", "two", settings=ONE)
    assert {"quality/overview", "quality/duplicate-titles"} < asked
    assert "release/sources" not in asked
    assert differences(build(tmp_path / "whole", [one, two], settings=ONE).release, release) == []


def test_much_that_moves_is_loaded_anew_and_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "_FEW", 0)
    rows = random.Random(4)
    one, two = (random_file(tmp_path / f"{name}.jsonl", rows, 30, 25) for name in ("one", "two"))
    build(tmp_path / "library", [one], settings=ONE)
    added = add(tmp_path / "library", [two], settings=ONE).release
    assert not any(path.stat().st_nlink > 1 for path in added.store_path.iterdir())
    assert differences(build(tmp_path / "both", [one, two], settings=ONE).release, added) == []
    left = remove(tmp_path / "library", "one", settings=ONE).release
    assert differences(build(tmp_path / "two", [two], settings=ONE).release, left) == []


def test_what_is_unchanged_is_shared_with_the_parent_which_stays_as_it_was(tmp_path: Path) -> None:
    library = tmp_path / "library"
    many: list[dict[str, object]] = [
        {"key": f"k{number}", "title": f"T {number}", "authors": [f"A {number}"]} for number in range(400)
    ]
    parent = build(library, [papers(tmp_path / "one.jsonl", *many)], settings=ONE).release
    store, index = parent.open_store(), {path: path.stat() for path in parent.path.rglob("*") if path.is_file()}
    release = add(library, [papers(tmp_path / "two.jsonl", {"title": "B", "authors": ["A 7"]})], settings=ONE).release
    assert release.manifest.parent == parent.id
    assert {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in index.items()} == {
        path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in index
    }
    assert verify(parent).faults == ()
    assert len(store) == parent.manifest.quads
    shared = [path for path in release.path.rglob("*") if path.is_file() and path.stat().st_nlink > 1]
    assert any("store" in path.parts and path.suffix == ".sst" for path in shared)
    assert release.path / "parts/source/one/papers-000000.nq.gz" in shared
    # A page that the new record does not touch has its documents in files of the parent alone.
    shutil.rmtree(parent.path)
    assert verify(release).faults == ()


def test_a_revision_is_said_of_a_replaced_file_and_kept(tmp_path: Path) -> None:
    library = tmp_path / "library"
    old = papers(tmp_path / "one.jsonl", {"key": "a", "title": "Old"}, {"key": "b", "title": "Stays"})
    build(library, [old, papers(tmp_path / "two.jsonl", {"title": "Other"})], settings=ONE)
    before = library_iris(Library(library).current())
    new = papers(tmp_path / "newer" / "mine.jsonl", {"key": "a", "title": "New"}, {"key": "b", "title": "Stays"})
    report = replace(library, "one", [new], settings=ONE)
    assert (report.counts.read, report.counts.accepted) == (2, 2)
    assert library_iris(report.release) == before
    release = add(library, [papers(tmp_path / "three.jsonl", {"title": "Third"})], settings=ONE).release
    lines = [line for path in release.part_paths for line in read_lines(path) if b"wasRevisionOf" in line]
    sums = {known.name: known.sha256[:12] for known in Library(library).release(release.id).manifest.inputs}
    assert len(lines) == 1
    assert f"source/one/{sums['mine.jsonl']}>".encode() in lines[0]
    assert verify(release).faults == ()


def library_iris(release: Release) -> set[bytes]:
    lines = (line for path in release.part_paths for line in read_lines(path))
    return {line.split()[0] for line in lines if line.split()[0].startswith(b"<http://localhost:8000/paper/")}


def test_the_report_counts_what_was_added(tmp_path: Path) -> None:
    library = tmp_path / "library"
    build(
        library, [papers(tmp_path / "one.jsonl", {"key": "a", "title": "A"}, {"key": "b", "title": "B"})], settings=ONE
    )
    same = papers(tmp_path / "x" / "one.jsonl", {"key": "a", "title": "A"}, {"key": "c", "title": "C"}, {"title": ""})
    report = add(library, [same], settings=ONE)
    counts = report.counts
    assert (counts.read, counts.accepted, counts.duplicate, counts.rejected) == (3, 1, 1, 1)
    assert report.release.manifest.sources["one"].read == 5
    assert [path.parent.name for path in report.rejects] == ["one"]


REFUSALS: dict[str, tuple[Callable[[Path, Path], object], type[QuiverError], str]] = {
    "unknown source": (lambda library, _: remove(library, "three"), NotFound, "no source 'three'"),
    "unknown source to replace": (lambda library, file: replace(library, "three", [file]), NotFound, "no source"),
    "nothing in the file": (lambda library, file: add(library, [file]), NothingAccepted, "no record was accepted"),
    "nothing to replace by": (lambda library, file: replace(library, "one", [file]), NothingAccepted, "no record"),
    "the last source": (lambda library, _: remove(library, "one"), NothingAccepted, "would be empty"),
    "no release": (lambda library, file: add(library / "none", [file]), NoRelease, "holds no release"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_is_refused_and_leaves_the_release(tmp_path: Path, case: str) -> None:
    library = tmp_path / "library"
    release = build(library, [papers(tmp_path / "one.jsonl", {"title": "A"})], settings=ONE).release
    empty = papers(tmp_path / "bad.jsonl", {"title": ""})
    act, error, message = REFUSALS[case]
    with pytest.raises(error, match=message) as caught:
        act(library, empty)
    assert caught.value.hint
    assert Library(library).current_id() == release.id
    assert [entry.name for entry in (library / "releases").iterdir()] == [release.id]
    assert verify(release).faults == ()


def test_a_record_that_loses_against_what_is_there_is_no_reason_for_a_release(tmp_path: Path) -> None:
    library = tmp_path / "library"
    versions: list[dict[str, object]] = [{"key": "a", "title": title} for title in ("One", "Two")]
    build(library, [papers(tmp_path / "one.jsonl", *versions)], settings=ONE)
    (kept,) = [
        line for path in Library(library).current().part_paths for line in read_lines(path) if b"/title>" in line
    ]
    loser = next(one for one in versions if str(one["title"]).encode() not in kept)
    with pytest.raises(NothingAccepted, match="was kept"):
        add(library, [papers(tmp_path / "x" / "one.jsonl", loser)], settings=ONE)


def test_two_writers_and_other_kinds_of_release_are_refused(tmp_path: Path) -> None:
    library = tmp_path / "library"
    file = papers(tmp_path / "one.jsonl", {"title": "A"})
    release = build(library, [file], settings=ONE).release
    with Library(library).writing(), pytest.raises(LibraryBusy):
        add(library, [file], settings=ONE)
    build_from_rdf(tmp_path / "rdf", [])
    with pytest.raises(InvalidRecord, match="plain RDF"):
        add(tmp_path / "rdf", [file], settings=ONE)
    manifest = release.path / FILE_NAME
    (release.path / CHECKSUM_NAME).unlink()
    manifest.write_text(manifest.read_text().replace('"software": "quiver ', '"software": "quiver 0.0.'))
    with pytest.raises(UnsupportedRelease, match="mapped differently") as caught:
        add(library, [file], settings=ONE)
    assert "quiver build" in caught.value.hint


def test_a_release_of_format_1_is_served_and_built_again_to_be_changed(tmp_path: Path) -> None:
    library = tmp_path / "library"
    file = papers(tmp_path / "one.jsonl", {"title": "A"})
    release = build(library, [file], settings=ONE).release
    path = release.path / FILE_NAME
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    (release.path / CHECKSUM_NAME).unlink()
    shutil.rmtree(release.path / "settled")
    assert Library(library).current().manifest.format == 1
    with pytest.raises(UnsupportedRelease, match="format 1, which keeps no records") as caught:
        add(library, [file], settings=ONE)
    assert "quiver build" in caught.value.hint
    assert build(library, [file], settings=ONE).release.manifest.format == 2


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library"
    file = papers(tmp_path / "one.jsonl", {"title": "A" * 100_000})
    manifest: Manifest = build(library, [file], settings=ONE).release.manifest
    before = Library(library).ids()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    for act in (build, add):
        with pytest.raises(NotEnoughDisk, match=r"MB are needed .* 1 MB are free") as caught:
            act(library, [file], settings=ONE)
        assert (caught.value.code, caught.value.status) == ("not-enough-disk", 507)
        assert "--keep" in caught.value.hint
    assert Library(library).ids() == before
    check_build(library, [file], Settings(disk_check=False), before=manifest)
    assert build(library, [file], settings=Settings(jobs=1, disk_check=False)).release.id not in before


def test_a_page_learns_of_the_paper_that_it_had_listed(tmp_path: Path) -> None:
    library = tmp_path / "library"
    page = {"record": "cluster-page", "name": "Ann Lee", "lists": ["k1", "k2"], "paper_count": 2}
    build(
        library,
        [papers(tmp_path / "one.jsonl", page, {"key": "k2", "title": "T2", "authors": ["Ann Lee"]})],
        settings=ONE,
    )
    late = papers(tmp_path / "x" / "one.jsonl", {"key": "k1", "title": "T1", "authors": ["Bo Wu"]})
    release = add(library, [late], settings=ONE).release
    text = b"".join(line for path in release.part_paths for line in read_lines(path))
    assert text.count(b"#listsPaper>") == 2
    assert b"#statedListing>" not in text
    # The paper is the page's word against the byline.
    assert (
        b"/paper/one/k1> <https://w3id.org/quiver/ontology#bylineStatus> <https://w3id.org/quiver/ontology#Abridged>"
        in text
    )


def test_a_source_of_pages_alone_can_be_taken_out(tmp_path: Path) -> None:
    library = tmp_path / "library"
    page = papers(tmp_path / "pages.jsonl", {"record": "cluster-page", "name": "Ann Lee", "lists": ["k1"]})
    file = papers(tmp_path / "one.jsonl", {"key": "k1", "title": "T", "authors": ["Bo Wu"]})
    build(library, [page, file], settings=ONE)
    release = remove(library, "pages", settings=ONE).release
    assert differences(build(tmp_path / "whole", [file], settings=ONE).release, release) == []


KILLED_ADD = """
import os, signal, sys
from pathlib import Path
from quiver.releases import add
events = 0
def progress(step, done, total):
    global events
    events += 1
    if events == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    add(Path(sys.argv[1]), [Path(sys.argv[3])], progress=progress)
"""


def test_an_addition_killed_at_any_step_leaves_the_parent_and_no_debris(tmp_path: Path) -> None:
    script, library = tmp_path / "add.py", tmp_path / "library"
    script.write_text(KILLED_ADD)
    rows = random.Random(8)
    one, two = (random_file(tmp_path / f"{name}.jsonl", rows, 30, 25) for name in ("one", "two"))
    first = build(library, [one], settings=Settings(keep_releases=0)).release
    shelf, killed = Library(library), 0
    for event in (1, 4, 8, 12, 17, 22, 1_000_000):
        arguments = [sys.executable, str(script), str(library), str(event), str(two)]
        result = subprocess.run(arguments, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
        assert result.returncode in (0, -signal.SIGKILL)
        killed += result.returncode != 0
        assert verify(first).faults == ()
        if shelf.current_id() != first.id:
            assert verify(shelf.current()).faults == ()
        if result.returncode == 0:
            break
        shelf.roll_back(first.id)
        assert [entry.name for entry in shelf.releases_path.iterdir() if entry.name.startswith(".")] == []
    assert killed >= 5
    assert differences(build(tmp_path / "whole", [one, two], settings=ONE).release, shelf.current()) == []
