"""The difference between releases: applied to the one it gives the other, in every form, however it was made."""

from __future__ import annotations

import gzip
import hashlib
import random
from pathlib import Path

import pyoxigraph
import pytest
import rdflib
import zstandard
from click.testing import CliRunner

from quiver.cli import main
from quiver.config import Settings
from quiver.dumps import comparing, patches, read_lines
from quiver.errors import DamagedRelease, InvalidRecord
from quiver.releases import (
    GoneTable,
    Library,
    Release,
    add,
    build,
    build_from_rdf,
    history,
    rebase,
    remove,
    replace,
    verify,
)
from tests.increments import random_file
from tests.patching import Patch, difference
from tests.test_gone import papers

ONE = Settings(jobs=1, keep_releases=0)


def lines_of(release: Release) -> set[str]:
    lines = [line.decode().rstrip("\n") for part in release.part_paths for line in read_lines(part)]
    assert len(set(lines)) == len(lines) == release.manifest.quads
    return set(lines)


def change(library: Path, folder: Path, rows: random.Random) -> Release:
    """The release after a change of some kind."""
    settings = Settings(jobs=1, keep_releases=0, compact_changes=4, partition_bytes=3000)
    sources = sorted(Library(library).current().manifest.sources)
    file = folder / f"{rows.choice(('one', 'two', 'three'))}.jsonl"
    file.parent.mkdir()
    random_file(file, rows, 20, rows.randint(1, 12))
    step = rows.choice(("add", "add", "replace", "remove"))
    if step == "remove" and len(sources) > 1:
        return remove(library, rows.choice(sources), settings=settings).release
    if step == "replace" and file.stem in sources:
        return replace(library, file.stem, [file], settings=settings).release
    return add(library, [file], settings=settings).release


@pytest.mark.parametrize("seed", range(3))
def test_twenty_patches_in_a_row_lead_from_the_first_dump_to_the_last(tmp_path: Path, seed: int) -> None:
    rows = random.Random(seed)
    library = tmp_path / "library"
    first = build(library, [random_file(tmp_path / "one.jsonl", rows, 30, 40)], settings=ONE).release
    lines, store = lines_of(first), first.open_store()
    copy = pyoxigraph.Store()
    copy.extend(store)
    before, ids = first, []
    for number in range(20):
        release = change(library, tmp_path / f"in{number}", rows)
        patch = Patch.parse(difference(before, release, tmp_path))
        assert (patch.before, patch.now) == tuple(f"{one.base}releases/{one.id}" for one in (before, release))
        patch.apply_to_lines(lines)
        patch.apply_to_store(copy)
        ids.append(release.id)
        before = release
    assert lines == lines_of(before)
    assert set(copy) == set(before.open_store())
    assert len(set(ids)) == 20
    # And from any of them to any other, without what was kept on the way.
    for _ in range(6):
        one, other = (Library(library).release(rows.choice([first.id, *ids])) for _ in range(2))
        lines = lines_of(one)
        Patch.parse(difference(one, other, tmp_path)).apply_to_lines(lines)
        assert lines == lines_of(other)


@pytest.mark.filterwarnings("ignore:Dataset.default_context is deprecated:DeprecationWarning")  # its own parser's
def test_rdflib_reads_and_applies_a_patch(tmp_path: Path) -> None:
    """Its parser of RDF Patch is not ours."""
    rows = random.Random(5)
    library = tmp_path / "library"
    first = build(library, [random_file(tmp_path / "one.jsonl", rows, 30, 20)], settings=ONE).release
    middle = change(library, tmp_path / "in1", rows)
    last = change(library, tmp_path / "in2", rows)
    copies = []
    for release in (first, last):
        copies.append(rdflib.Dataset())
        for path in release.part_paths:
            copies[-1].default_graph.parse(data=gzip.decompress(path.read_bytes()), format="nt")
    for one, other in ((first, middle), (middle, last)):
        copies[0].parse(data=difference(one, other, tmp_path), format="patch")
    assert set(copies[0].quads()) == set(copies[1].quads())
    assert len(set(copies[0].quads())) == last.manifest.quads


def test_the_patch_kept_is_the_one_found_by_comparing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random.Random(7)
    library = tmp_path / "library"
    before = build(library, [random_file(tmp_path / "one.jsonl", rows, 60, 80)], settings=ONE).release
    for number in range(5):
        release = change(library, tmp_path / f"in{number}", rows)
        kept = {form: difference(before, release, tmp_path, form) for form in ("patch", "added", "removed")}
        for form, file in release.manifest.patches.items():
            data = (release.path / file.path).read_bytes()
            assert gzip.decompress(data) == kept[form]
            assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
            assert file.quads == kept[form].count(b"\n") - (4 if form == "patch" else 0)
        with monkeypatch.context() as patched:
            patched.setattr("quiver.manifest.Manifest.patches", {})
            patched.setattr(comparing, "_PARTITION_BYTES", 3000)
            patched.setattr(comparing, "_BUFFER_BYTES", 700)
            assert {form: difference(before, release, tmp_path, form) for form in kept} == kept
        added, removed = ({*kept[form].decode().splitlines()} for form in ("added", "removed"))
        assert (lines_of(before) - removed) | added == lines_of(release)
        assert removed <= lines_of(before)
        assert not added & lines_of(before)
        before = release


def test_a_build_on_top_of_a_library_has_a_patch_as_well(tmp_path: Path) -> None:
    library = tmp_path / "library"
    many: list[dict[str, object]] = [{"key": f"k{n}", "title": f"T {n}", "authors": [f"A {n}"]} for n in range(40)]
    file, other = papers(tmp_path / "one.jsonl", *many), papers(tmp_path / "two.jsonl", {"title": "X"})
    first = build(library, [file, other], settings=ONE).release
    assert first.manifest.patches == {}
    second = build(library, [papers(tmp_path / "two.jsonl", {"title": "Y"}), file], settings=ONE).release
    assert set(second.manifest.patches) == {"patch", "added", "removed"}
    lines = lines_of(first)
    patch = Patch.parse(gzip.decompress((second.path / "patch/patch.rdfp.gz").read_bytes()))
    patch.apply_to_lines(lines)
    assert lines == lines_of(second)
    assert 0 < len(patch.changes) < 100
    # Nothing at all is a patch, too.
    third = build(library, [file, tmp_path / "two.jsonl"], settings=ONE).release
    assert Patch.parse(difference(second, third, tmp_path)).changes == ()
    assert [file.quads for file in third.manifest.patches.values()] == [0, 0, 0]
    assert gzip.decompress((third.path / "patch/added.nq.gz").read_bytes()) == b""
    assert verify(third).faults == ()


def test_where_more_changes_than_there_is_the_dump_is_shorter_and_no_patch_is_kept(tmp_path: Path) -> None:
    library = tmp_path / "library"
    older, new = ([dict[str, object](title=f"{word} {n}") for n in range(9)] for word in "AB")
    first = build(library, [papers(tmp_path / "one.jsonl", *older)], settings=ONE).release
    second = replace(library, "one", [papers(tmp_path / "x" / "one.jsonl", *new)], settings=ONE).release
    moved = rebase(library, "https://kg.example.org/")
    for one, other in ((first, second), (second, moved), (moved, first)):
        assert other.manifest.patches == {} or other is first
        lines = lines_of(one)
        Patch.parse(difference(one, other, tmp_path)).apply_to_lines(lines)
        assert lines == lines_of(other)
    assert not (second.path / history.PATCH_FOLDER).exists()


@pytest.mark.parametrize(("changed", "kept"), [(90, True), (400, False)])
def test_whether_there_will_be_a_patch_is_seen_early_and_rightly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: int, kept: bool
) -> None:
    written: list[str] = []

    def note(removed: list[bytes], added: list[bytes], form: str) -> bytes:
        written.append(form)
        return b""

    monkeypatch.setattr(patches, "_SAMPLE", 500)
    monkeypatch.setattr(patches, "_text", note)
    library = tmp_path / "library"
    older: list[dict[str, object]] = [{"key": f"k{n}", "title": f"T {n}"} for n in range(400)]
    newer: list[dict[str, object]] = [{"key": f"{'kn'[n < changed]}{n}", "title": f"T {n}"} for n in range(400)]
    build(library, [papers(tmp_path / "one.jsonl", *older)], settings=ONE)
    release = build(library, [papers(tmp_path / "one.jsonl", *newer)], settings=ONE).release
    assert bool(release.manifest.patches) == kept
    assert kept or len(written) < 3 * changed // 2


def test_blank_nodes_are_refused_where_they_differ(tmp_path: Path) -> None:
    file = tmp_path / "a.ttl"
    releases = []
    for text in ("[] <p:p> '_:x' .", "[] <p:p> '_:x' . <p:s> <p:p> '_:y' .", "<p:s> <p:p> '_:y', [ <p:q> 1 ] ."):
        file.write_text("\n".join(f"<p:{n}> <p:p> {n} ." for n in range(20)) + text)
        releases.append(build_from_rdf(tmp_path / "library", [file]))
    first, second, third = releases
    assert len(Patch.parse(difference(first, second, tmp_path)).changes) == 1
    assert second.manifest.patches
    assert not third.manifest.patches
    with pytest.raises(InvalidRecord, match="blank nodes") as caught:
        difference(second, third, tmp_path)
    assert caught.value.hint


def test_named_graphs_are_part_of_a_statement(tmp_path: Path) -> None:
    file = tmp_path / "a.nq"
    releases = []
    for graph in ("<g:a>", "<g:b>"):
        file.write_text(f'<p:s> <p:p> "x y" {graph} .\n<p:s> <p:p> "x y" .\n')
        releases.append(build_from_rdf(tmp_path / "library", [file]))
    patch = Patch.parse(difference(releases[0], releases[1], tmp_path))
    assert patch.changes == ((False, '<p:s> <p:p> "x y" <g:a> .'), (True, '<p:s> <p:p> "x y" <g:b> .'))


def test_a_damaged_part_is_an_error_with_its_path_and_no_hindrance_to_building_anew(tmp_path: Path) -> None:
    library = tmp_path / "library"
    one, other = (papers(tmp_path / name / "one.jsonl", {"key": name, "title": name * 500}) for name in "ab")
    build(library, [other], settings=ONE)
    first = build(library, [one], settings=ONE).release
    second = build(library, [other], settings=ONE).release
    third = build(library, [one], settings=ONE).release
    for release in (first, third):
        (path,) = (release.path / "parts/source/one").glob("papers*")
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedRelease, match=path.name):
        difference(second, first, tmp_path)
    mended = build(library, [papers(tmp_path / "one.jsonl", {"key": "c", "title": "C"})], settings=ONE).release
    assert mended.manifest.patches == {}
    assert GoneTable(mended.path).went_in("paper/one/b") == third.id
    assert verify(mended).faults == ()


def test_the_command_writes_what_leads_from_one_release_to_the_other(tmp_path: Path) -> None:
    library = tmp_path / "library"
    first = build(library, [papers(tmp_path / "one.jsonl", {"key": "a", "title": "A"})], settings=ONE).release
    last = add(library, [papers(tmp_path / "two.jsonl", {"title": "B"})], settings=ONE).release

    def run(*words: str) -> bytes:
        result = CliRunner().invoke(main, ["diff", str(library), *words])
        assert result.exit_code == 0, result.output
        return result.stdout_bytes

    text = run(first.id, last.id)
    lines = lines_of(first)
    Patch.parse(text).apply_to_lines(lines)
    assert lines == lines_of(last)
    added = run(first.id, last.id, "--format", "added")
    assert run(last.id, first.id, "--format", "removed") == added
    for ending, unpack in ((".gz", gzip.decompress), (".zst", zstandard.ZstdDecompressor().decompressobj().decompress)):
        target = tmp_path / f"patch.rdfp{ending}"
        assert run(first.id, last.id, "--output", str(target)) == b""
        assert unpack(target.read_bytes()) == text
    wrong = CliRunner().invoke(main, ["diff", str(library), first.id, "never", "--output", str(tmp_path / "x")])
    assert (wrong.exit_code, "no release 'never'" in wrong.stderr) == (1, True)
    assert not (tmp_path / "x").exists()
