"""Releases: built beside, verified, swapped; the same from any order; nothing lost, nothing changed."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph
import pytest

from quiver.config import Settings
from quiver.dumps import read_lines
from quiver.errors import (
    DamagedRelease,
    InvalidIdentifier,
    InvalidRecord,
    LibraryBusy,
    NoRelease,
    NotFound,
    NothingAccepted,
    RejectedRecords,
    UnsupportedRelease,
)
from quiver.manifest import CHECKSUM_NAME, FILE_NAME
from quiver.releases import Library, Pruned, RdfFile, Release, build, build_from_rdf, rebase, verify
from tests.sample import RECORDS, write_sample

BASE = "http://localhost:8000/"
ONE_PROCESS = Settings(jobs=1)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("sample")
    return build(folder / "library", write_sample(folder), settings=ONE_PROCESS).release


def one(release: Release, query: str) -> list[tuple[str, ...]]:
    prologue = (
        "PREFIX q: <https://w3id.org/quiver/ontology#> PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
        "PREFIX skos: <http://www.w3.org/2004/02/skos/core#> PREFIX prov: <http://www.w3.org/ns/prov#> "
        f"BASE <{release.base}> "
    )
    solutions = release.open_store().query(prologue + query)
    assert isinstance(solutions, pyoxigraph.QuerySolutions)
    return sorted(tuple("" if value is None else value.value for value in solution) for solution in solutions)


def many(folder: Path, count: int = 300) -> list[Path]:
    """Several files with duplicates, conflicts and bad lines among them."""
    rows = random.Random(7)
    names = [f"{first} {last}" for first in ("Ann", "ann", "Bo", "Cy", "Di") for last in ("Lee", "Wu", "Zhou 0001")]
    lines = []
    for number in range(count):
        record = {
            "key": f"k{number}",
            "title": f"Title {number}",
            "authors": rows.sample(names, rows.randint(0, 4)),
            "year": 2000 + number % 25,
            "venue": rows.choice(["NeurIPS", "neurips", "ICML", "ACL"]),
        }
        lines.append(json.dumps(record))
        if number % 10 == 0:
            lines.append(json.dumps(record))
        if number % 15 == 0:
            lines.append(json.dumps({**record, "title": f"Other {number}"}))
        if number % 50 == 0:
            lines.append("{broken")
    rows.shuffle(lines)
    paths = []
    for part in range(3):
        path = folder / f"file{part}.jsonl"
        path.write_text("\n".join(lines[part::3]) + "\n")
        paths.append(path)
    return paths


def test_a_release_holds_what_its_manifest_says(sample: Release) -> None:
    assert verify(sample).faults == ()
    manifest = sample.manifest
    assert manifest.quads == len(sample.open_store()) == sum(1 for path in sample.part_paths for _ in read_lines(path))
    assert manifest.counts["papers"] == 3 + len(RECORDS)
    assert manifest.counts["cluster_pages"] == 1
    dump = b"".join(path.read_bytes() for path in sample.part_paths)
    quads = set(pyoxigraph.parse(gzip.decompress(dump), format=pyoxigraph.RdfFormat.N_QUADS))
    assert quads == set(sample.open_store())


def test_literals_are_in_the_form_that_the_engine_gives_back(sample: Release) -> None:
    lines = {line.decode().rstrip(" .\n") for path in sample.part_paths for line in read_lines(path)}
    stored = {str(quad) for quad in sample.open_store()}
    assert lines == stored


def test_read_is_accepted_plus_duplicate_plus_rejected(tmp_path: Path) -> None:
    report = build(tmp_path / "library", many(tmp_path), source="set", settings=ONE_PROCESS)
    counts = report.counts
    assert counts.read == counts.accepted + counts.duplicate + counts.rejected
    assert (counts.accepted, counts.duplicate) == (300, 30) or counts.duplicate < 30
    assert counts.rejected >= 20 + 6
    (listing,) = report.rejects
    rejects = [json.loads(line) for line in listing.read_text().splitlines()]
    assert len(rejects) == counts.rejected
    assert all(reject["file"] and reject["line"] and reject["reason"] for reject in rejects)
    assert {reject["raw"] for reject in rejects if reject["reason"].startswith("no valid JSON")} == {"{broken"}
    # What was rejected for a conflict can be read again: nothing is lost.
    assert all("title" in json.loads(reject["raw"]) for reject in rejects if reject["key"])
    conflict = next(message for message in report.messages if "same key" in message)
    assert re.match(r"file\d\.jsonl:\d+: another record of this source .* was kept \(file\d\.jsonl:\d+\)", conflict)


def test_order_processes_and_shares_do_not_change_the_content(tmp_path: Path) -> None:
    paths = many(tmp_path, 200)
    hashes = set()
    for number, (order, settings) in enumerate(
        [
            (paths, ONE_PROCESS),
            (paths[::-1], ONE_PROCESS),
            ([paths[1], paths[2], paths[0]], Settings(jobs=1, partition_bytes=1_000)),
        ]
    ):
        release = build(tmp_path / str(number), order, source="set", settings=settings).release
        hashes.add(release.manifest.content_hash)
        assert verify(release).sound
    assert len(hashes) == 1


def test_four_processes_give_what_one_gives(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    rows = random.Random(3)
    with path.open("w") as file:
        for number in range(2_500):
            authors = [f"Name {rows.randint(0, 500)} Family" for _ in range(4)]
            file.write(json.dumps({"key": str(number), "title": "T " * 400, "authors": authors, "venue": "V"}) + "\n")
    assert path.stat().st_size > 2_000_000
    four = build(tmp_path / "four", [path], settings=Settings(jobs=4, partition_bytes=300_000)).release
    single = build(tmp_path / "one", [path], settings=ONE_PROCESS).release
    assert four.manifest.content_hash == single.manifest.content_hash
    assert four.manifest.quads == single.manifest.quads
    assert len(four.part_paths) > len(single.part_paths)


def test_a_change_in_one_letter_changes_the_hash(tmp_path: Path, sample: Release) -> None:
    page, records = write_sample(tmp_path)
    records.write_text(records.read_text().replace("Three", "Thref"))
    assert build(tmp_path / "x", [page, records]).release.manifest.content_hash != sample.manifest.content_hash


def test_equal_records_of_two_files_have_both_as_sources(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"title": "T{name}"}}\n{{"title": "Same"}}\n')
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    report = build(tmp_path / "library", paths, source="s")
    assert (report.counts.read, report.counts.accepted, report.counts.duplicate) == (4, 3, 1)
    rows = one(report.release, 'SELECT ?f ?l { ?p rdfs:label "Same" ; prov:hadPrimarySource ?f ; q:recordLocator ?l }')
    assert len(rows) == 2
    assert {row[1] for row in rows} == {"2"}


def test_of_two_records_with_one_key_the_same_one_stays_whatever_the_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"key": "k", "title": "Title {name}"}}\n')
    kept = set()
    for number, names in enumerate(("ab", "ba")):
        report = build(tmp_path / str(number), [tmp_path / f"{name}.jsonl" for name in names], source="s")
        assert (report.counts.accepted, report.counts.rejected) == (1, 1)
        kept.update(one(report.release, "SELECT ?t { <paper/s/k> rdfs:label ?t }"))
    assert len(kept) == 1


def test_a_page_and_the_paper_without_the_name(sample: Release) -> None:
    status = """SELECT ?t ?s { ?p a q:Paper ; rdfs:label ?t ; q:bylineStatus ?s .
        FILTER(STRSTARTS(STR(?p), '%spaper/arrow')) }"""
    assert {(row[0], row[1].rpartition("#")[2]) for row in one(sample, status % BASE)} == {
        ("Learning k Things", "PossiblyAbridged"),
        ("A Paper That Lost a Name", "Abridged"),
        ("Third", "PossiblyAbridged"),
    }
    page = """SELECT ?stated ?found ?rows { <page/arrow/mia_fried> q:statedPaperCount ?stated ;
        q:foundPaperCount ?found ; q:statedAuthorRowCount ?rows }"""
    assert one(sample, page) == [("4", "3", "2")]


def test_the_cluster_counts_papers_by_signature_or_by_listing(sample: Release) -> None:
    query = "SELECT ?n ?rows { <name/mia_fried> q:paperCount ?n ; q:authorRowCount ?rows }"
    # Two arrow papers with the name, one by listing, and two of the records (one of them names her twice).
    # Rows: "Mia Fried" and "MIA FRIED" of arrow, ~Mia_Fried1, ~Mia_Fried2 and "mia fried" of the records.
    assert one(sample, query) == [("5", "5")]
    labels = "SELECT ?p ?a { <name/mia_fried> skos:prefLabel ?p . OPTIONAL { <name/mia_fried> skos:altLabel ?a } }"
    assert one(sample, labels) == [("Mia Fried", "MIA FRIED"), ("Mia Fried", "mia fried")]


def test_a_homonym_number_makes_a_cluster_of_its_own_linked_to_the_bare_one(sample: Release) -> None:
    query = """SELECT ?n ?bare ?count { <name/jo_bell_0002> q:homonymNumber ?n ; q:homonymOf ?bare .
        ?bare q:paperCount ?count }"""
    assert one(sample, query) == [("0002", f"{BASE}name/jo_bell", "0")]
    shown = one(
        sample, "SELECT DISTINCT ?d ?s { ?x q:inNameCluster <name/jo_bell_0002> ; q:displayName ?d ; q:statedName ?s }"
    )
    assert shown == [("Jo Bell", "Jo Bell 0002")]


def test_one_author_id_with_several_names_is_one_row(sample: Release) -> None:
    query = "SELECT DISTINCT ?name { ?x q:authorRow <author/records/~7EMia~5FFried1> ; q:statedName ?name }"
    assert one(sample, query) == [("M. Fried",), ("Mia Fried",)]
    assert one(sample, "SELECT ?l { <author/records/~7EMia~5FFried1> rdfs:label ?l }") == [("M. Fried",)]


def test_an_empty_name_keeps_its_place(sample: Release) -> None:
    assert one(sample, "SELECT ?s { ?s q:inNameCluster <name/~> }") == [(f"{BASE}paper/records/conf/one#a3",)]


def test_venues_are_grouped_by_stated_name_and_year(sample: Release) -> None:
    assert one(sample, "SELECT ?p ?e { <venue/acl> q:paperCount ?p . ?e q:ofSeries <venue/acl> }") == [
        ("2", f"{BASE}venue/acl/2020")
    ]
    assert one(sample, "SELECT ?v { <paper/records/conf/one> q:venue ?v }") == [
        (f"{BASE}venue/acl",),
        (f"{BASE}venue/ws",),
    ]


def test_what_a_source_stated_is_kept_beside_what_was_normalised(sample: Release) -> None:
    stated = "SELECT ?p ?o { <paper/records/conf/%s> ?p ?o FILTER(STRSTARTS(STR(?p), STR(q:stated))) }"
    rows = {(row[0].rpartition("#")[2], row[1]) for row in one(sample, stated % "three")}
    assert rows == {
        ("statedYear", "in press"),
        ("statedLink", "https: //broken. example/x"),
        ("statedField", "extra=[1,2]"),
    }
    pages = "SELECT ?o { <paper/records/conf/%s> <http://xmlns.com/foaf/0.1/page> ?o }"
    assert one(sample, pages % "three") == [("https://broken.example/x",)]
    assert one(sample, pages % "one") == [("https://aclanthology.org/2020.acl-main.1",)]
    doi = "SELECT ?d ?i { <paper/records/conf/one> <http://purl.org/ontology/bibo/doi> ?d ; q:statedIdentifier ?i }"
    assert one(sample, doi) == [("10.1000/abc", "doi:10.1000/ABC")]
    assert one(sample, "SELECT ?x { ?x q:pdf ?pdf }") == []


def test_an_abstract_is_kept_as_given_and_cleaned_beside_it(sample: Release) -> None:
    query = """SELECT ?a ?c ?l { ?p rdfs:label 'Learning k Things' ; <http://purl.org/dc/terms/abstract> ?a ;
        q:abstractText ?c ; q:link ?l }"""
    assert one(sample, query) == [
        (
            "We set $k$=1 and score 11. 04 points. Code: https: //example. org/moss.",
            "We set k=1 and score 11.04 points. Code: https://example.org/moss.",
            "https://example.org/moss",
        )
    ]


def test_every_node_has_a_label_and_none_is_blank(sample: Release) -> None:
    assert one(sample, "SELECT DISTINCT ?s { ?s ?p ?o FILTER NOT EXISTS { ?s rdfs:label ?l } }") == []
    assert one(sample, "SELECT ?s { ?s ?p ?o FILTER(ISBLANK(?s) || ISBLANK(?o)) }") == []


def test_every_link_to_one_of_our_nodes_leads_to_one(sample: Release) -> None:
    query = (
        "SELECT DISTINCT ?o { ?s ?p ?o FILTER(ISIRI(?o) && STRSTARTS(STR(?o), '%s')) FILTER NOT EXISTS { ?o ?q ?r } }"
    )
    assert one(sample, query % BASE) == []


def test_reading_a_release_changes_nothing_in_it(sample: Release) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample.path.rglob("*")}
    store = sample.open_store()
    assert len(list(store.quads_for_pattern(None, None, None))) == sample.manifest.quads
    del store
    assert {path: path.stat().st_mtime_ns for path in sample.path.rglob("*")} == before


# --- refusing


def test_nothing_is_published_where_nothing_can_be_taken(tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.jsonl", tmp_path / "broken.jsonl"
    empty.write_bytes(b"")
    broken.write_bytes(b'{"title": ""}\n{\n')
    with pytest.raises(NothingAccepted, match=r"empty\.jsonl: the file is empty") as caught:
        build(tmp_path / "library", [empty, broken])
    assert "broken.jsonl:2" in caught.value.message
    assert list((tmp_path / "library" / "releases").iterdir()) == []
    with pytest.raises(NoRelease):
        Library(tmp_path / "library").current()
    assert len(list((tmp_path / "library" / "rejected").rglob("*.jsonl"))) == 2


def test_strict_publishes_nothing_if_a_record_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"title": "Good"}\n{}\n')
    with pytest.raises(RejectedRecords, match="1 of 2 records"):
        build(tmp_path / "library", [path], strict=True)
    assert Library(tmp_path / "library").ids() == []
    assert build(tmp_path / "library", [path]).counts.rejected == 1


@contextlib.contextmanager
def held(library: Path) -> Iterator[None]:
    library.mkdir()
    with (library / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_two_writers_at_once_are_told(tmp_path: Path) -> None:
    with held(tmp_path / "library"), pytest.raises(LibraryBusy):
        build(tmp_path / "library", write_sample(tmp_path))


# --- going back, keeping, checking


def test_releases_can_be_rolled_back_and_pruned(tmp_path: Path) -> None:
    files = write_sample(tmp_path)
    keep_all = Settings(keep_releases=0)
    ids = [build(tmp_path / "library", files, settings=keep_all).release.id for _ in range(3)]
    shelf = Library(tmp_path / "library")
    assert shelf.ids() == sorted(ids)
    assert len(set(ids)) == 3
    assert shelf.roll_back(ids[0]).id == shelf.current().id == ids[0]
    with pytest.raises(NotFound):
        shelf.roll_back("20000101T000000Z-x")
    assert shelf.prune(2) == Pruned(removed=tuple(sorted(ids)[1:2]))
    assert shelf.current().id == ids[0]
    assert verify(shelf.current()).sound


@pytest.mark.parametrize("what", ["parts/source/records/papers-000000.nq.gz", "search", "store"])
def test_damage_is_found(tmp_path: Path, sample: Release, what: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.path, copy)
    target = copy / what
    if target.is_dir():
        target = max((path for path in target.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 0xFF
    target.write_bytes(data)
    faults = verify(Release(copy, sample.manifest)).faults
    assert any(str(target.relative_to(copy)) in fault for fault in faults)


def test_a_store_without_one_of_its_files_is_a_fault_and_no_crash(tmp_path: Path) -> None:
    files = write_sample(tmp_path)
    broken = build(tmp_path / "library", files).release
    sound = build(tmp_path / "library", files).release
    next(broken.store_path.glob("*.sst")).unlink()
    assert any(fault.startswith("store: ") for fault in verify(broken).faults)
    with pytest.raises(DamagedRelease):
        Library(tmp_path / "library").roll_back(broken.id)
    assert Library(tmp_path / "library").current_id() == sound.id


def test_a_missing_and_a_foreign_file_are_found(tmp_path: Path, sample: Release) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.path, copy)
    (copy / "parts" / "derived" / "rules.nq.gz").unlink()
    (copy / "store" / "foreign").touch()
    faults = verify(Release(copy, sample.manifest)).faults
    assert "parts/derived/rules.nq.gz: missing" in faults
    assert "store/foreign: not in the manifest" in faults


def test_a_release_of_another_format_is_refused_with_the_remedy(tmp_path: Path) -> None:
    release = build(tmp_path / "library", write_sample(tmp_path)).release
    path = release.path / FILE_NAME
    path.write_text(path.read_text().replace('"format": 2', '"format": 99'))
    (release.path / CHECKSUM_NAME).unlink()
    with pytest.raises(UnsupportedRelease, match="release format 99") as caught:
        Library(tmp_path / "library").current()
    assert caught.value.hint == "Install a newer quiver."


# --- other bases, plain RDF


def test_rebase_changes_the_base_of_iris_and_nothing_else(tmp_path: Path) -> None:
    page, records = write_sample(tmp_path)
    odd = {"title": f"On <{BASE}name/x> as text", "pdf": f"{BASE}p.pdf", "url": f"{BASE}name/x", "links": [BASE]}
    records.write_text(records.read_text() + json.dumps(odd) + "\n")
    old = build(tmp_path / "library", [page, records]).release
    new = rebase(tmp_path / "library", "https://kg.example.org/dept/")
    assert verify(new).sound
    assert new.base == "https://kg.example.org/dept/"
    assert Library(tmp_path / "library").current_id() == new.id
    expected = build(tmp_path / "other", [page, records], base="https://kg.example.org/dept/").release
    assert expected.manifest.content_hash == new.manifest.content_hash
    assert new.manifest.content_hash != old.manifest.content_hash
    with pytest.raises(InvalidRecord, match="already"):
        rebase(tmp_path / "library", "https://kg.example.org/dept")
    with pytest.raises(InvalidIdentifier):
        rebase(tmp_path / "library", "nonsense")


def test_plain_rdf_becomes_a_release_quad_for_quad(tmp_path: Path) -> None:
    turtle, trig = tmp_path / "a.ttl", tmp_path / "b.trig"
    turtle.write_text(
        '@prefix : <http://e/> . :a :p [ :q "x\\ty"@en , 1.0 , "01"^^<http://www.w3.org/2001/XMLSchema#integer> ] .'
    )
    trig.write_text("@prefix : <http://e/> . :g { :a :p _:b0 . _:b0 :p <rel> }")
    release = build_from_rdf(tmp_path / "library", [turtle, trig, (turtle, "http://e/named")], base="http://base/")
    store = release.open_store()
    assert len(store) == release.manifest.quads == 4 + 2 + 4
    assert verify(release).sound
    assert {str(name) for name in store.named_graphs()} == {"<http://e/g>", "<http://e/named>"}
    assert any(quad.object == pyoxigraph.NamedNode("http://base/rel") for quad in store)
    # The engine's form of "01"^^xsd:integer, in the store as in the parts.
    numbers = {quad.object.value for quad in store if isinstance(quad.object, pyoxigraph.Literal)}
    assert numbers == {"1", "x\ty"}
    assert b'"01"' not in b"".join(line for path in release.part_paths for line in read_lines(path))
    again = build_from_rdf(tmp_path / "again", [turtle, trig, (turtle, "http://e/named")], base="http://base/")
    assert again.manifest.content_hash == release.manifest.content_hash
    assert len(build_from_rdf(tmp_path / "empty", []).open_store()) == 0


def test_each_file_of_plain_rdf_may_have_its_own_base(tmp_path: Path) -> None:
    path = tmp_path / "a.ttl"
    path.write_text("<> <p> <#x> .")
    one, two = RdfFile(path, base="http://e/one"), RdfFile(path, "http://e/g", "http://e/two")
    store = build_from_rdf(tmp_path / "library", [one, two, path], base="http://base/").open_store()
    assert sorted(f"{quad.subject} {quad.object} {quad.graph_name}" for quad in store) == [
        "<http://base/> <http://base/#x> DEFAULT",
        "<http://e/one> <http://e/one#x> DEFAULT",
        "<http://e/two> <http://e/two#x> <http://e/g>",
    ]


def test_plain_rdf_that_does_not_parse_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.ttl"
    path.write_text("<a> <b> .")
    with pytest.raises(InvalidRecord, match=r"bad\.ttl"):
        build_from_rdf(tmp_path / "library", [path])
    assert Library(tmp_path / "library").ids() == []


# --- killed


KILLED_BUILD = """
import os, signal, sys
from pathlib import Path
from quiver.releases import build
events = 0
def progress(step, done, total):
    global events
    events += 1
    if events == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    build(Path(sys.argv[1]), [Path(path) for path in sys.argv[4:]], progress=progress)
    Path(sys.argv[2]).write_text(str(events))
"""


def test_a_build_killed_at_any_step_leaves_the_old_release_and_no_debris(tmp_path: Path) -> None:
    """SIGKILL at every progress event of a build; the event after the last lets it end."""
    script, ended = tmp_path / "build.py", tmp_path / "ended"
    script.write_text(KILLED_BUILD)
    files = write_sample(tmp_path)
    library = tmp_path / "library"
    first = build(library, files[:1]).release
    shelf = Library(library)
    points = 0
    for event in [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 1_000_000]:
        arguments = [sys.executable, str(script), str(library), str(ended), str(event), *map(str, files)]
        result = subprocess.run(arguments, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
        if result.returncode == 0:
            break
        points += 1
        assert result.returncode == -signal.SIGKILL
        # Killed behind the swap, the new release is the current one; in both cases a whole one is.
        assert shelf.current_id() == first.id or verify(shelf.current()).sound
        if shelf.current_id() == first.id:
            assert one(shelf.current(), "SELECT ?p { <name/mia_fried> q:paperCount ?p }") == [("3",)]
        shelf.roll_back(first.id)
        assert [entry.name for entry in shelf.releases_path.iterdir() if entry.name.startswith(".")] == []
    assert points >= 10
    assert shelf.current().manifest.counts["papers"] == 3 + len(RECORDS)
    assert int(ended.read_text()) > points
