"""A release made again of its parts alone, or of its dump: the same dump, the same store, the same pages."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import shutil
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from quiver.cli import main
from quiver.config import Settings
from quiver.dumps import write_dump
from quiver.errors import DamagedRelease, InvalidRecord, NotEnoughDisk, QuiverError, UnsupportedRelease
from quiver.releases import GoneTable, Library, Release, add, build, build_from_rdf, remove, restore, restoring, verify
from quiver.web import create_app
from tests.increments import lines_of, random_file, search_answers
from tests.sample import write_sample
from tests.test_gone import papers, paths_of

BASE = "https://kg.example.org/x/"
ONE = Settings(jobs=1, keep_releases=0, base=BASE)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("original")
    files = write_sample(folder)
    more = papers(
        folder / "more.jsonl",
        {
            "key": "a/b.ttl",
            "title": 'Ids \\ "quoted"\tand ü \U0001f600',
            "abstract": "A <b>bold</b>\nclaim, é",
            "identifiers": {"arxiv": "arXiv:2001.00001v2", "isbn": "978-3-16-148410-0", "mag": "77", "issn": "no"},
            "doi": ["10.1000/XYZ", "none"],
            "authors": ["A", "A", {"name": "B 0002", "identifiers": {"mag": "9"}}],
            "venue": ["ICML", "...", "icml"],
            "year": 1999,
        },
    )
    build(folder / "library", files, settings=ONE)
    # What was added is in parts of its own.
    return add(folder / "library", [more], settings=ONE).release


def texts_of(release: Release) -> dict[str, str]:
    """Every page and document of a release, without what tells one release of the same statements from another."""
    client = create_app(release.path.parents[1], ONE).test_client()
    found = {}
    general = ("", "statistics", "quality", "search?q=mia", "search.json?q=three", "sitemap.xml")
    for path in [*general, *(f"{one}.{ending}" for one in sorted(paths_of(release)) for ending in ("html", "ttl"))]:
        response = client.get("/" + path)
        if path.startswith("rule/"):
            continue
        assert response.status_code == 200, path
        created = release.manifest.created
        text = response.text.replace(release.id, "ID").replace(created, "TIME")
        # The pages of sources have it in words, too.
        text = text.replace(created.replace("T", " ").replace("+00:00", " UTC"), "TIME")
        found[path] = re.sub(r"[0-9.]+ ms|score\": [0-9.]+", "", text)
    assert len(found) > 60
    return found


def check(restored: Release, original: Release) -> None:
    assert verify(restored).faults == ()
    assert lines_of(restored) == lines_of(original)
    if original.manifest.kind == "records":  # blank nodes have a name of their own in every store
        assert set(restored.open_store()) == set(original.open_store())
    left, right = restored.manifest, original.manifest
    assert (left.content_hash, left.quads, left.base, left.kind) == (
        right.content_hash,
        right.quads,
        right.base,
        right.kind,
    )
    assert left.counts == right.counts
    assert search_answers(restored) == search_answers(original)


class _Tomorrow(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _Tomorrow:
        return super().now(tz) + timedelta(days=1)


def test_parts_alone_make_the_same_release_with_the_same_dump_and_pages(
    tmp_path: Path, original: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Releases of the same second would say the same where they tell their times.
    monkeypatch.setattr(restoring, "datetime", _Tomorrow)
    shutil.copytree(original.path / "parts", tmp_path / "backup")
    restored = restore(tmp_path / "library", [tmp_path / "backup"], settings=Settings(jobs=1))
    assert restored.id != original.id
    assert restored.manifest.dump == original.manifest.dump
    check(restored, original)
    assert restored.manifest.sources == original.manifest.sources
    names = [(known.name, known.size, known.sha256, known.source, known.read) for known in restored.manifest.inputs]
    assert names == [
        (known.name, known.size, known.sha256, known.source, known.read) for known in original.manifest.inputs
    ]
    mine, theirs = texts_of(restored), texts_of(original)
    assert mine.keys() == theirs.keys()
    assert [path for path, text in mine.items() if text != theirs[path]] == []
    # What was given may be written to afterwards.
    for path in (tmp_path / "backup").rglob("*.gz"):
        path.write_bytes(b"")
    assert verify(restored).faults == ()


@pytest.mark.parametrize("text", ["10.1000/xyz", "2001.00001", "9783161484100", "77"])
def test_identifiers_are_found_as_before(tmp_path: Path, original: Release, text: str) -> None:
    from quiver.search import SearchIndex

    restored = restore(tmp_path / "library", [original.path / "parts"], settings=ONE)
    hits = [
        [hit.path for hit in SearchIndex(one.search_path).search(text, limit=9).hits] for one in (restored, original)
    ]
    assert hits[0] == hits[1]
    assert hits[0]


def test_a_dump_is_enough(tmp_path: Path, original: Release) -> None:
    dump = tmp_path / "quiver.nq.gz"
    with dump.open("wb") as output:
        write_dump(original.part_paths, output, compression="gz")
    restored = restore(tmp_path / "library", [dump], settings=ONE)
    check(restored, original)
    assert restored.manifest.dump
    assert original.manifest.dump
    assert restored.manifest.dump.sha256 == original.manifest.dump.sha256
    # One that somebody else has packed, in a single piece.
    other = tmp_path / "other.nq.gz"
    other.write_bytes(gzip.compress(gzip.decompress(dump.read_bytes())))
    check(restore(tmp_path / "library", [other], settings=ONE), original)


@pytest.mark.parametrize("seed", range(4))
def test_the_folder_of_a_release_has_all_that_its_parts_do_not_say(tmp_path: Path, seed: int) -> None:
    rows = random.Random(seed)
    library = tmp_path / "library"
    build(library, [random_file(tmp_path / f"{name}.jsonl", rows, 20, 30) for name in ("one", "two")], settings=ONE)
    original = remove(library, "two", settings=ONE).release
    restored = restore(tmp_path / "again", [original.path], settings=ONE)
    check(restored, original)
    assert original.manifest.totals.rejected
    assert restored.manifest.sources == original.manifest.sources
    assert restored.manifest.inputs == original.manifest.inputs
    if (original.path / "gone").is_dir():
        before = Library(library).release(str(original.manifest.parent))
        lost = paths_of(before) - paths_of(original)
        assert {GoneTable(restored.path).went_in(path) for path in lost} == {original.id}
    # Without it, all but what was not taken is known.
    shutil.copytree(original.path / "parts", tmp_path / "parts")
    alone = restore(tmp_path / "third", [tmp_path / "parts"], settings=ONE)
    check(alone, original)
    for slug, counts in alone.manifest.sources.items():
        expected = original.manifest.sources[slug]
        assert (counts.accepted, counts.pages) == (expected.accepted, expected.pages)
        assert counts.read == counts.accepted + counts.duplicate + counts.rejected


def test_restoring_into_a_library_in_use_is_a_release_like_any_other(tmp_path: Path) -> None:
    library = tmp_path / "library"
    first = build(library, [papers(tmp_path / "one.jsonl", {"key": "a", "title": "A"})], settings=ONE).release
    second = build(library, [papers(tmp_path / "one.jsonl", {"key": "b", "title": "B"})], settings=ONE).release
    third = restore(library, [first.path], settings=ONE)
    assert third.manifest.parent == second.id
    assert [GoneTable(third.path).went_in(f"paper/one/{key}") for key in "ab"] == [None, third.id]
    # It has no records to start from, and says what to do.
    with pytest.raises(UnsupportedRelease) as caught:
        add(library, [tmp_path / "one.jsonl"], settings=ONE)
    assert "quiver build" in caught.value.hint


def test_plain_rdf_is_restored_too(tmp_path: Path) -> None:
    file = tmp_path / "a.trig"
    file.write_text('<g:1> { <p:a> <p:p> 1, "x\\ny", _:b . _:b <p:p> <p:a#f> }  <p:a> <p:p> <p:b> .')
    original = build_from_rdf(tmp_path / "library", [file], base=BASE)
    restored = restore(tmp_path / "again", [original.path / "parts"], base=BASE, settings=Settings(jobs=1))
    check(restored, original)


def test_a_disk_that_is_too_small_for_either_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, original: Release
) -> None:
    """What they ask for grows with what they are given; without the check both try."""
    library, parts = tmp_path / "library", tmp_path / "parts"
    parts.mkdir()
    asked: dict[str, list[int]] = {"restore": [], "rdf": []}
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    for statements in (1_000, 100_000):
        # Hashes: text that no compression makes small.
        lines = [f'<s:{n}> <p:p> "{hashlib.sha256(b"%d" % n).hexdigest()}" .\n' for n in range(statements)]
        (parts / "all.nq.gz").write_bytes(gzip.compress("".join(lines).encode()))
        (tmp_path / "all.nt").write_text("".join(lines))
        for name, make, given in (("restore", restore, parts), ("rdf", build_from_rdf, tmp_path / "all.nt")):
            with pytest.raises(NotEnoughDisk, match=r"about [\d,]+ MB are needed .* 1 MB are free") as caught:
                make(library, [given], base=BASE, settings=ONE)
            asked[name].append(int(re.findall(r"about ([\d,]+) MB", str(caught.value))[0].replace(",", "")))
            assert sorted(path.name for path in library.rglob("*")) == [".lock", "releases"]
            if statements == 1_000:
                unchecked = ONE.replace(disk_check=False)
                assert make(library, [given], base=BASE, settings=unchecked).manifest.quads == statements
                shutil.rmtree(library)
    for small, large in asked.values():
        assert small < 10 < large
    # The manifest beside the parts says how large the release was.
    with pytest.raises(NotEnoughDisk):
        restore(library, [original.path / "parts"], settings=ONE)
    assert restore(library, [original.path / "parts"], settings=ONE.replace(disk_check=False)).manifest.quads


def truncated(folder: Path) -> None:
    (path,) = folder.glob("parts/source/records/papers*")
    path.write_bytes(path.read_bytes()[:-9])


def other_bytes(folder: Path) -> None:
    (path,) = folder.glob("parts/source/records/papers*")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())))


def half_a_line(folder: Path) -> None:
    shutil.rmtree(folder / "parts")
    (folder / "parts").mkdir()
    (folder / "parts/a.nq.gz").write_bytes(gzip.compress(b"<p:a> <p:p> <p:b> .\n<p:a> <p"))
    (folder / "release.json").unlink()


def nothing(folder: Path) -> None:
    shutil.rmtree(folder / "parts")


REFUSALS = {
    "a part that ends early": (truncated, DamagedRelease, "SHA-256"),
    "other bytes than release.json says": (other_bytes, DamagedRelease, "SHA-256"),
    "half a line": (half_a_line, DamagedRelease, "no end"),
    "no parts": (nothing, InvalidRecord, "holds no parts"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_no_whole_release_is_refused(tmp_path: Path, original: Release, case: str) -> None:
    spoil, error, message = REFUSALS[case]
    folder = tmp_path / "copy"
    shutil.copytree(original.path, folder)
    spoil(folder)
    with pytest.raises(error, match=message) as caught:
        restore(tmp_path / "library", [folder], settings=ONE)
    assert isinstance(caught.value, QuiverError)
    assert Library(tmp_path / "library").ids() == []
    assert list((tmp_path / "library").glob("releases/.*")) == []


def test_two_parts_of_one_name_and_text_that_is_not_compressed_are_refused(tmp_path: Path, original: Release) -> None:
    with pytest.raises(InvalidRecord, match="second part"):
        restore(tmp_path / "library", [original.path, original.path / "parts"], settings=ONE)
    (tmp_path / "a.nq").write_text("<p:a> <p:p> <p:b> .\n")
    with pytest.raises(DamagedRelease, match=r"a\.nq"):
        restore(tmp_path / "library", [tmp_path / "a.nq"], settings=ONE)


def test_the_command_says_what_is_current(tmp_path: Path, original: Release) -> None:
    library = tmp_path / "library"
    result = CliRunner().invoke(main, ["restore", str(library), str(original.path / "parts"), "-q"])
    assert result.exit_code == 0, result.output
    current = Library(library).current()
    assert current.id in result.stdout
    assert BASE in result.stdout
    assert msgspec.structs.replace(current.manifest.inputs[0], number=0).source
