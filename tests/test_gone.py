"""What a release no longer has: noted by every kind of change, carried forward, and answered with 410."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from quiver.config import Settings
from quiver.dumps import comparing, read_lines
from quiver.releases import GoneTable, Library, Release, add, build, build_from_rdf, rebase, remove, replace, verify
from quiver.releases.gone import FOLDER, gone_key, write_gone
from quiver.web import create_app
from tests.increments import random_file

ONE = Settings(jobs=1, keep_releases=0)
BASE = "http://localhost:8000/"


def papers(path: Path, *records: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def paths_of(release: Release) -> set[str]:
    """The paths below the base of all documents."""
    base = f"<{release.base}".encode()
    subjects = {line.split(b" ")[0] for part in release.part_paths for line in read_lines(part)}
    return {one[len(base) : -1].partition(b"#")[0].decode() for one in subjects if one.startswith(base)}


@pytest.mark.parametrize("seed", range(6))
def test_what_went_is_known_with_its_release_after_any_changes(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:
        monkeypatch.setattr(comparing, "_PARTITION_BYTES", 2000)
        monkeypatch.setattr(comparing, "_BUFFER_BYTES", 500)
    rows = random.Random(seed)
    settings = Settings(jobs=1, keep_releases=0, compact_changes=3, partition_bytes=2000)
    library = tmp_path / "library"
    expected: dict[str, str] = {}
    before: set[str] = set()
    for number in range(9):
        file = tmp_path / f"in{number}" / f"{rows.choice(('one', 'two'))}.jsonl"
        file.parent.mkdir()
        random_file(file, rows, 12, 12)
        sources = Library(library).current().manifest.sources if number else {}
        step = rows.choice(("build", "add", "replace", "remove")) if number else "build"
        if step == "build":
            release = build(library, [file], settings=settings).release
        elif step == "replace" and file.stem in sources:
            release = replace(library, file.stem, [file], settings=settings).release
        elif step == "remove" and len(sources) == 2:
            release = remove(library, rows.choice(sorted(sources)), settings=settings).release
        else:
            release = add(library, [file], settings=settings).release
        now = paths_of(release)
        expected.update(dict.fromkeys(before - now, release.id))
        expected = {path: went for path, went in expected.items() if path not in now}
        before = now
        table = GoneTable(release.path)
        known = {path: table.went_in(path) for path in expected.keys() | now | {"paper/one/never"}}
        assert {path: went for path, went in known.items() if went} == expected
        assert verify(release).faults == ()
        assert not [path for path in release.path.rglob("*") if "comparing" in path.parts]
    assert len(expected) > 5
    # A change of base moves nothing.
    table = GoneTable(rebase(library, "https://kg.example.org/").path)
    assert {path: table.went_in(path) for path in expected} == expected


def test_the_table_holds_no_path_and_most_releases_have_none(tmp_path: Path) -> None:
    library = tmp_path / "library"
    first = build(library, [papers(tmp_path / "one.jsonl", {"key": "a", "title": "A"})], settings=ONE).release
    assert not (first.path / FOLDER).exists()
    more = add(library, [papers(tmp_path / "x" / "one.jsonl", {"key": "b", "title": "B"})], settings=ONE).release
    assert not (more.path / FOLDER).exists()
    newer = papers(tmp_path / "y" / "one.jsonl", {"key": "b", "title": "B"})
    release = replace(library, "one", [newer], settings=ONE).release
    assert GoneTable(release.path).went_in("paper/one/a") == release.id
    assert [path.name for path in (release.path / FOLDER).iterdir()] == ["000000-000000-000001.table"]
    # The next release has the same file under its own name.
    after = add(library, [papers(tmp_path / "two.jsonl", {"title": "C"})], settings=ONE).release
    shared = after.path / FOLDER / "000000-000000-000001.table"
    assert shared.samefile(release.path / FOLDER / shared.name)
    assert GoneTable(after.path).went_in("paper/one/a") == release.id


def test_a_path_can_be_noted_by_its_digest_alone(tmp_path: Path) -> None:
    write_gone(tmp_path, [gone_key("paper/x/1"), gone_key("name/李伟")], "R1")
    write_gone(tmp_path, [gone_key("name/andrew_zhao")], "R2")
    table = GoneTable(tmp_path)
    assert [table.went_in(path) for path in ("paper/x/1", "name/李伟", "name/andrew_zhao", "name/x")] == [
        *("R1", "R1", "R2"),
        None,
    ]
    shutil.rmtree(tmp_path / FOLDER)
    assert table.went_in("paper/x/1") is None


@pytest.mark.parametrize("step", ["add", "build"])
def test_what_only_a_release_had_that_was_rolled_back_is_gone(tmp_path: Path, step: str) -> None:
    library = tmp_path / "library"
    one = papers(tmp_path / "one.jsonl", {"key": "a", "title": "A"}, {"key": "z", "title": "Z"})
    first = build(library, [one], settings=ONE).release
    wrong = papers(tmp_path / "two.jsonl", {"key": "b", "title": "B", "authors": ["Bo"]}, {"key": "c", "title": "C"})
    add(library, [wrong], settings=ONE)
    shelf = Library(library)
    shelf.roll_back(first.id)
    right = papers(tmp_path / "x" / "two.jsonl", {"key": "c", "title": "C"})
    release = (
        add(library, [right], settings=ONE) if step == "add" else build(library, [one, right], settings=ONE)
    ).release
    table = GoneTable(release.path)
    assert [table.went_in(path) for path in ("paper/two/b", "name/bo")] == [release.id, release.id]
    assert [table.went_in(path) for path in ("paper/two/c", "paper/one/a", "paper/two/d")] == [None] * 3
    assert release.manifest.parent == first.id
    assert verify(release).faults == ()


def test_plain_rdf_has_documents_too(tmp_path: Path) -> None:
    file = tmp_path / "a.ttl"
    # By code points a fragment of b, then b-c, then b itself: one document in two places.
    file.write_text('<name/b#x> <p:p> 1 . <name/b-c> <p:p> 1 . <name/b> <p:p> 1 . <name/c> <p:p> [ <p:q> "é" ] .')
    build_from_rdf(tmp_path / "library", [file], base=BASE)
    file.write_text("<name/b#x> <p:p> 1 .")
    table = GoneTable(build_from_rdf(tmp_path / "library", [file], base=BASE).path)
    assert table.went_in("name/b") is None
    assert None not in (table.went_in("name/b-c"), table.went_in("name/c"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[FlaskClient, str]:
    folder = tmp_path_factory.mktemp("gone")
    page: dict[str, object] = {"record": "cluster-page", "name": "李伟", "lists": ["k"]}
    one = papers(
        folder / "one.jsonl", page, {"key": "c/k.ttl", "title": "T", "authors": ["李伟"], "venue": "X/Y", "year": 2020}
    )
    library = folder / "library"
    build(library, [one, papers(folder / "two.jsonl", {"key": "t", "title": "Stays"})], settings=ONE)
    release = remove(library, "one", settings=ONE).release
    # Whatever is added later, and however few releases are kept, it is known.
    add(library, [papers(folder / "three.jsonl", {"title": "More"})], settings=Settings(jobs=1, keep_releases=1))
    assert len(Library(library).ids()) == 1
    return create_app(library, Settings()).test_client(), release.id


WENT = (
    "paper/one/c/k~2Ettl",
    "name/李伟",
    "author/one/n-李伟",
    "venue/x~2Fy",
    "venue/x~2Fy/2020",
    "source/one",
    "page/one/李伟",
)


@pytest.mark.parametrize("path", WENT)
def test_what_went_answers_410_with_the_release_in_the_format_asked_for(
    served: tuple[FlaskClient, str], path: str
) -> None:
    client, release_id = served
    for suffix in ("", ".html", ".ttl", ".jsonld"):
        for accept, kind in (("text/html", "text/html"), ("text/turtle", "application/problem+json")):
            response = client.get(f"/{path}{suffix}", headers={"Accept": accept})
            assert (response.status_code, response.mimetype) == (410, kind), path
            assert release_id in response.text
            assert "ETag" not in response.headers
            assert "Accept" in response.vary
            assert "Location" not in response.headers
    problem = client.get(f"/{path}").get_json()
    assert (problem["status"], problem["code"]) == (410, "gone")
    assert client.head(f"/{path}").status_code == 410


@pytest.mark.parametrize(
    "path", ["paper/one/never", "name/bo_wu", "venue/z", "source/nine", "page/one/x", "author/a/b"]
)
def test_what_never_was_answers_404(served: tuple[FlaskClient, str], path: str) -> None:
    client, release_id = served
    response = client.get(f"/{path}")
    assert response.status_code == 404
    assert release_id not in response.text
    assert client.get("/paper/two/t.html").status_code == 200
