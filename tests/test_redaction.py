"""What is taken out for good is in no file of the library any more, and everything else is as a build would have it."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import lz4.block  # type: ignore[import-untyped]
import msgspec
import pyoxigraph
import pytest
import zstandard
from click.testing import CliRunner

from quiver.cli import main
from quiver.config import Settings
from quiver.errors import (
    DamagedRelease,
    InvalidRecord,
    InvalidRedaction,
    NotFound,
    NothingAccepted,
    TracesFound,
)
from quiver.records import Author, ClusterPage, Record
from quiver.releases import Library, Release, add, build, build_from_rdf, look_for, redact, replace, verify
from quiver.releases.probing import Probe
from quiver.releases.redactions import (
    PaperName,
    RedactionList,
    Redactions,
    StringEntry,
    list_path,
    read_list,
    read_redactions,
)
from quiver.releases.redactor import Redactor
from quiver.releases.sstables import SortedTable, entries
from quiver.releases.wording import expression, words_of
from quiver.search import SearchIndex, stored_documents, unexplained_terms
from quiver.web import create_app
from tests.increments import differences, lines_of, random_file

ONE = Settings(jobs=1, keep_releases=0, release_poll_s=0.0)
SHARED_OUT = Settings(jobs=1, keep_releases=0, release_poll_s=0.0, partition_bytes=400)
BASE = "http://localhost:8000/"

# Ways to write "Zoë Quill": each is found, and read as these two words.
WAYS = (
    "Zoë Quill",
    unicodedata.normalize("NFD", "Zoë Quill"),
    "ZOË QUILL",
    unicodedata.normalize("NFD", "ZOË QUILL"),
    "zoë  quill",
    "Zoë\u00a0Quill",
    "Zoë\nQuill",
    "Zoë-Quill",
    "zoë_quill",
    'Zo\\"{e} Quill',
    'Zo{\\"e} {Q}uill',
    'Zo\\"e Quill',
    "Zo&euml; Quill",
    "Zo&#235; Quill",
    "Zo&#xEB; Quill",
    "zo%C3%AB%20quill",
    "zo~C3~AB_quill",
    "Zo\\u00eb Quill",
    "ZO\\u00CB_QUILL",
    "Zoë\u200b Qu\u00adill",
    "<i>Zoë</i> Quill",
)
NAME = StringEntry("name", ("Zoë Quill",), "Sam Quill", "Sam", "Quill")


def redactor_for(*strings: StringEntry, papers: tuple[PaperName, ...] = ()) -> Redactor:
    return Redactor(RedactionList.empty().plus(Redactions(papers, strings)))


@pytest.mark.parametrize("text", WAYS)
def test_a_name_is_found_in_every_way_of_writing_it(text: str) -> None:
    assert [word.text for word in words_of(text)] == ["zoë", "quill"]
    redactor = redactor_for(NAME)
    assert redactor.text(f"By {text}, 2020").replace("<i>", "") == "By Sam Quill, 2020"
    assert Probe(NAME.expressions).may_hold(text.encode())


@pytest.mark.parametrize(
    "text", ["Zoe Quill", "Zoë Quillfeather", "Zoë, Quill", "Zoë (Quill)", "Quill Zoë", "Z. Quill"]
)
def test_another_name_is_another_name(text: str) -> None:
    assert redactor_for(NAME).text(text) == text


def test_the_other_order_of_a_name_is_found_and_of_a_text_not() -> None:
    assert redactor_for(NAME).text("Quill, Zoë: On Graphs") == "Sam Quill: On Graphs"
    given = StringEntry("name", ("Quill, Zoë",), "Sam Quill")
    assert redactor_for(given).text("by Zoë Quill.") == "by Sam Quill."
    text = StringEntry("text", ("Zoë Quill",), "Sam Quill")
    assert redactor_for(text).text("Quill, Zoë") == "Quill, Zoë"


@pytest.mark.parametrize(
    ("was", "text"),
    [
        ("李伟", "由李伟提出"),
        ("a.lee@example.org", "Write to A.Lee@example.org."),
        ("Strasse 12", "at Straße 12b"),
        ("Straße", "STRASSE"),
        ("+49 (30) 123", "call +49 (30) 123 now"),
        ("Søren Ångström", 'S\\o ren \\AA ngstr\\"om and others'),
    ],
)
def test_texts_of_all_kinds_are_found(was: str, text: str) -> None:
    entry = StringEntry("text", (was,))
    new = redactor_for(entry).text(text)
    assert new != text
    assert expression(words_of(was)) not in expression(words_of(new))
    assert Probe(entry.expressions).may_hold(text.encode())


def test_what_is_put_in_its_place_may_contain_it() -> None:
    redactor = redactor_for(StringEntry("name", ("Ann Lee",), "Ann Lee Smith"))
    once = redactor.text("Ann Lee and Ann Lee Smith")
    assert once == "Ann Lee Smith and Ann Lee Smith"
    assert redactor.text(once) == once


def test_addresses_and_identifiers_go_and_keys_become_digests() -> None:
    record = Record(
        title="On names",
        key="zoe/zoë_quill_2020",
        authors=(
            Author(
                name="Zoë Quill 0002",
                id="~Zoë_Quill1",
                given="Zoë",
                family="Quill",
                variants=("Quill, Zoë", "Z. Q."),
                identifiers=(("homepage", "https://example.org/zoë-quill/"), ("x", "1")),
                affiliations=("Zoë Quill Institute",),
            ),
            Author(name="Mary Zoë Quill"),
        ),
        abstract="See https://example.org/~zo%C3%AB-quill/index.html, by Zoë Quill.",
        urls=("https://example.org/zoë_quill", "https://example.org/"),
        citation_key="zoë-quill-2020",
        fields=(("editors", '[{"name":"Zoë Quill"}]'), ("number", '"7"')),
    )
    redactor = redactor_for(NAME)
    new = redactor.record(record, "one")
    assert new is not None
    first, second = new.authors
    assert (first.name, first.given, first.family) == ("Sam Quill", "Sam", "Quill")
    assert first.variants == ("Z. Q.",)
    assert first.identifiers == (("x", "1"),)
    assert first.affiliations == ("Sam Quill Institute",)
    assert re.fullmatch("r-[0-9a-f]{16}", first.id)
    assert second == record.authors[1]
    assert new.abstract == "See , by Sam Quill."
    assert (new.urls, new.citation_key) == (("https://example.org/",), "")
    assert new.fields == (("editors", '[{"name":"Sam Quill"}]'), ("number", '"7"'))
    assert re.fullmatch("r-[0-9a-f]{16}", new.key)
    page = ClusterPage(name="zoë quill", lists=(record.key, "k/2"))
    assert redactor.page(page, "one") == ClusterPage(name="Sam Quill", lists=(new.key, "k/2"))
    assert redactor.record(new, "one") is new


def test_a_paper_without_a_key_keeps_its_address_when_its_title_changes() -> None:
    record = Record(title="A life of Zoë Quill", year=2020)
    new = redactor_for(StringEntry("text", ("Zoë Quill",), "a person")).record(record, "one")
    assert new is not None
    assert new.title == "A life of a person"
    assert new.local_key() == record.local_key()
    gone = redactor_for(StringEntry("text", ("A life of Zoë Quill",))).record(record, "one")
    assert gone is None


def test_a_name_taken_out_leaves_a_place_on_the_byline() -> None:
    record = Record(title="T", key="k", authors=(Author(name="Zoë Quill"), Author(name="Bo Wu")))
    new = redactor_for(StringEntry("name", ("Zoë Quill",))).record(record, "one")
    assert new is not None
    assert [author.name for author in new.authors] == ["", "Bo Wu"]
    assert redactor_for(StringEntry("name", ("Zoë Quill",))).page(ClusterPage(name="Zoë Quill"), "one") is None


def test_entries_for_some_papers_leave_the_others_alone() -> None:
    entry = StringEntry("name", ("Zoë Quill",), "Sam Quill", papers=(PaperName("one", "k/1"),))
    redactor = redactor_for(entry)
    records = [Record(title="T", key=key, authors=(Author(name="Zoë Quill"),)) for key in ("k/1", "k/2")]
    assert [redactor.record(one, "one") is one for one in records] == [False, True]
    assert redactor.record(records[0], "two") is records[0]
    # A page of the former name would say it all over again.
    page = ClusterPage(name="Zoë Quill", lists=("k/1", "k/2"))
    assert redactor.page(page, "one") == ClusterPage(name="Zoë Quill", lists=("k/2",))
    assert redactor.page(ClusterPage(name="Zoë Quill", lists=("k/1",)), "one") is None
    other = ClusterPage(name="Bo Wu", lists=("k/1",))
    assert redactor.page(other, "one") is other


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "asks for nothing"),
        ("x = 1", "unknown field"),
        ("[[paper]]", "neither"),
        ("[[paper]]\nsource = 'a'", "neither"),
        ("[[paper]]\niri = 'https://elsewhere.example/paper/a/b'", "no paper's IRI"),
        ("[[paper]]\niri = 'http://localhost:8000/name/a'", "no paper's IRI"),
        ("[[paper]]\niri = 'http://localhost:8000/paper/a/b.html'", "no paper's IRI"),
        ("[[name]]\nnow = 'a'", "missing required field"),
        ("[[name]]\nwas = '!?'", "no letter or digit"),
        ("[[name]]\nwas = []", "no letter or digit"),
        ("[[name]]\nwas = 'Ann Lee'\nnow = 'ANN LEE'", "letter case"),
        ("[[name]]\nwas = ", ":"),
    ],
)
def test_a_file_that_asks_for_nothing_sensible_is_refused(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "asked.toml"
    path.write_text(text)
    with pytest.raises(InvalidRedaction, match=what):
        read_redactions(path, BASE)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = asked(
        tmp_path,
        '[[paper]]\niri = "http://localhost:8000/paper/one/k/1"\n[[paper]]\nsource = "one"\nkey = "k 2"\n'
        '[[name]]\nwas = ["A B", "A. B"]\nnow = "C B"\ngiven = "C"\nfamily = "B"\npapers = ["paper/one/k_2"]\n'
        '[[text]]\nwas = "secret"\n',
    )
    assert read_redactions(path, BASE) == Redactions(
        (PaperName("one", "k/1"), PaperName("one", "k 2")),
        (
            StringEntry("name", ("A B", "A. B"), "C B", "C", "B", (PaperName("one", "k 2"),)),
            StringEntry("text", ("secret",)),
        ),
    )


# ---- whole libraries


def asked(folder: Path, text: str) -> Path:
    path = folder / "asked.toml"
    path.write_text(text, encoding="utf-8")
    return path


def papers(path: Path, *records: dict[str, object], raw: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + raw, encoding="utf-8")
    return path


def everything(library: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a library with what is in it, decoded without any of the code that looks for traces."""
    for path in sorted(library.rglob("*")):
        yield f"{path}", str(path.relative_to(library)).encode()
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix not in (".table", ".gz"):
            # Of what is compressed, the words that are no repetition stand side by side as they never did.
            yield f"{path}", data
        if data[:2] == b"\x1f\x8b":
            yield f"{path} unpacked", gzip.decompress(data)
        for start in (found.start() for found in re.finditer(re.escape(zstandard.FRAME_HEADER), data)):
            yield f"{path} block", zstandard.ZstdDecompressor().decompressobj().decompress(data[start:])
        if path.suffix == ".sst":
            yield from ((f"{path} block", block) for block in SortedTable(path).blocks())
    for release_id in Library(library).ids():
        release = Library(library).release(release_id)
        yield f"{release_id} store", "\n".join(map(str, release.open_store())).encode()
        documents = stored_documents(release.search_path)
        yield f"{release_id} index", "\n".join(map(str, documents)).encode()


def naive_traces(library: Path, *texts: str) -> list[str]:
    """Where one of *texts* stands, looked for as bytes in plain and simple ways."""
    ways = set()
    for text in texts:
        for form in (text, text.lower(), text.upper(), text.casefold()):
            for joined in (form, form.replace(" ", "_"), form.replace(" ", "-"), form.replace(" ", "%20")):
                for name in ("NFC", "NFD"):
                    ways.add(unicodedata.normalize(name, joined).encode())
                ways.add(json.dumps(joined)[1:-1].encode())
    lowered = {way.lower() for way in ways}
    return [place for place, data in everything(library) if any(way in data.lower() for way in lowered)]


def left_over(library: Path) -> list[str]:
    """Where the name stands, but for the longer name that stays (of which a packed file may show the end alone)."""
    longer = set(naive_traces(library, "Mary Zoë Quill"))
    return [place for place in naive_traces(library, "Zoë Quill") if place not in longer and not place.endswith(".sst")]


HOLDERS: tuple[dict[str, object], ...] = (
    {
        "key": "k/1",
        "title": "On graphs",
        "authors": [{"name": "Zoë Quill", "id": "~Zoë_Quill1"}],
        "venue": "ICML",
        "year": 2020,
    },
    {"key": "k/2", "title": "By Zoë Quill", "authors": ["ZOË QUILL 0003", "Bo Wu"], "abstract": 'Zo\\"{e} Quill again'},
    {
        "key": "k/3",
        "title": "Three",
        "authors": ["Bo Wu"],
        "url": "https://example.org/zoë_quill",
        "venue": "Zoë Quill Days",
    },
    {"key": "zoë_quill/4", "title": "Four", "authors": ["Mary Zoë Quill"], "track": "Quill, Zoë"},
    {"key": "k/5", "title": "Five", "authors": ["Bo Wu"], "editors": ["Zoë Quill"]},
    {"key": "k/1", "title": "On graphs, again", "authors": ["Zoë Quill"]},
    {"record": "cluster-page", "name": "Zoë Quill", "note": "zoë quill it is", "lists": ["k/1", "zoë_quill/4", "k/9"]},
    # One name after the other is none of them together.
    {"key": "k/10", "title": "Ten", "authors": ["Xu Zoë", "Quill Xu", "Zoë", "Quill"], "keywords": ["Zoë", "Quill"]},
    {"key": "k/6", "title": "Six", "authors": ["Ann Lee"], "year": 2021, "venue": "ICML"},
)
BROKEN = '{"title": "", "by": "Zoë Quill"}\n{"broken": "Zo\\u00eb Quill\n'
NAMED = '[[name]]\nwas = "Zoë Quill"\nnow = "Sam Quill"\ngiven = "Sam"\nfamily = "Quill"\n'
TAKEN = '[[paper]]\niri = "http://localhost:8000/paper/zo-quill/k/6"\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with three releases, a refused build's rejects, and one name in all places that there are."""
    place = tmp_path_factory.mktemp("made")
    folder = place / "library"
    first = papers(place / "in" / "Zoë Quill.jsonl", *HOLDERS, raw=BROKEN)
    build(folder, [first], settings=ONE, source="s")
    add(folder, [papers(place / "in" / "two.jsonl", HOLDERS[0], {"key": "k/7", "title": "Seven"})], settings=ONE)
    add(
        folder,
        [papers(place / "in" / "s.jsonl", {"key": "k/8", "title": "8", "authors": ["zoë quill"]})],
        settings=ONE,
    )
    with pytest.raises(ValueError, match="no record was accepted"):
        build(folder, [papers(place / "in" / "none.jsonl", raw=BROKEN)], settings=ONE)
    return place


@pytest.fixture
def library(tmp_path: Path, made: Path) -> Path:
    """A copy of it, of its hard links, too, and of the files read."""
    subprocess.run(["cp", "-a", f"{made}/.", tmp_path], check=True)
    return tmp_path / "library"


def test_nothing_is_left_anywhere(tmp_path: Path, library: Path) -> None:
    before = Library(library).current()
    assert naive_traces(library, "Zoë Quill")
    report = redact(library, asked(tmp_path, NAMED), settings=ONE)
    assert left_over(library) == []
    assert set(report.findings.longer) == {"Mary Zoë Quill"}
    assert Library(library).ids() == [report.release.id]
    assert len(report.removed) == 3
    assert before.id in report.removed
    assert verify(report.release).faults == ()
    assert [path.stem for path in library.glob("rejected/*/*")] == [report.release.id]
    found = SearchIndex(report.release.search_path).search("zoë quill", limit=100).hits
    assert {hit.label for hit in found if "zoë quill" in hit.label.casefold()} == {"Mary Zoë Quill"}
    assert unexplained_terms(report.release.search_path, ["zoë", "quill"]) == []
    assert unexplained_terms(report.release.search_path, ["more", "words", "than", "a", "pattern", "takes"] * 8) == []
    kept = (list_path(library)).read_bytes()
    assert b"Quill" in kept  # what comes in its place
    assert "Zoë".encode() not in kept
    assert list_path(library).stat().st_mode & 0o077 == 0
    # Nothing at all of the longer name either, once it is named as well.
    second = asked(tmp_path, NAMED + '[[name]]\nwas = "Mary Zoë Quill"\n')
    redact(library, second, settings=ONE)
    assert naive_traces(library, "Zoë Quill") == []
    assert look_for(library, second).findings.traces == {}


def test_it_ends_as_a_build_of_the_same_files_with_the_list_does(tmp_path: Path, library: Path) -> None:
    release = redact(library, asked(tmp_path, NAMED + '[[paper]]\nsource = "two"\nkey = "k/7"\n'), settings=ONE).release
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(list_path(library), list_path(other))
    build(other, [tmp_path / "in" / "Zoë Quill.jsonl"], settings=ONE, source="s")
    add(other, [tmp_path / "in" / "two.jsonl"], settings=ONE)
    expected = add(other, [tmp_path / "in" / "s.jsonl"], settings=ONE).release
    assert differences(expected, release) == []
    assert left_over(other) == []
    reasons = Counter(
        json.loads(line)["reason"].partition(":")[0]
        for path in library.glob("rejected/*/*.jsonl")
        for line in path.read_text().splitlines()
    )
    assert reasons["redacted"] == 1


def renamed(path: Path, target: Path) -> Path:
    """The records of *path* with "Bo Wu" in the bylines and on the pages as "Bea Wu", made by other means."""
    lines = []
    for line in path.read_text().splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            lines.append(line)
            continue
        for author in value.get("authors", []) if value.get("record") != "cluster-page" else [value]:
            if isinstance(author, dict) and re.fullmatch(r"bo wu( \d{4})?", author["name"].casefold()):
                author["name"] = "Bea Wu"
        lines.append(json.dumps(value))
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n")
    return target


def without_files(release: Release) -> Counter[bytes]:
    """The statements of a release, but for which bytes its files were."""
    lines: Counter[bytes] = Counter()
    for line, count in lines_of(release).items():
        if b"#sha256>" not in line and b"byteSize" not in line:
            lines[re.sub(rb"(/source/one)/[0-9a-f]{12}>", rb"\1/FILE>", line)] += count
    return lines


@pytest.mark.parametrize("seed", range(6))
def test_what_is_derived_ends_as_a_build_of_redacted_records(tmp_path: Path, seed: int) -> None:
    rows = random.Random(seed)
    file = random_file(tmp_path / "one.jsonl", rows, 30, 60)
    settings = SHARED_OUT if seed % 2 else ONE
    build(tmp_path / "library", [file], settings=settings)
    release = redact(
        tmp_path / "library", asked(tmp_path, '[[name]]\nwas="Bo Wu"\nnow="Bea Wu"'), settings=settings
    ).release
    expected = build(tmp_path / "whole", [renamed(file, tmp_path / "new" / "one.jsonl")], settings=settings).release
    assert without_files(release) == without_files(expected)
    assert release.manifest.counts == expected.manifest.counts
    assert release.manifest.sources == expected.manifest.sources
    assert naive_traces(tmp_path / "library", "Bo Wu") == []


@pytest.mark.parametrize("seed", range(6))
def test_changes_before_and_after_are_exact(tmp_path: Path, seed: int) -> None:
    rows = random.Random(100 + seed)
    settings = SHARED_OUT if seed % 2 else ONE
    files = []
    for number in range(5):
        path = tmp_path / f"in{number}" / f"{rows.choice(('one', 'two'))}.jsonl"
        path.parent.mkdir()
        files.append(random_file(path, rows, rows.choice((6, 30)), 20))
    newer = tmp_path / "newer" / files[0].name
    newer.parent.mkdir()
    random_file(newer, rows, 30, 20)
    key = f"k/{rows.choice((1, 2, 3, 4, 5, 6))}"
    wanted = '[[name]]\nwas="Bo Wu"\n[[text]]\nwas="graphs of"\nnow="trees of"\n'
    wanted += f'[[paper]]\nsource="{files[0].stem}"\nkey="{key}"'
    folder = tmp_path / "library"
    build(folder, files[:2], settings=settings)
    add(folder, files[2:3], settings=settings)
    try:
        redact(folder, asked(tmp_path, wanted), settings=settings)
    except NotFound:
        redact(folder, asked(tmp_path, wanted.partition("[[paper]]")[0]), settings=settings)
    add(folder, files[3:], settings=settings)
    release = replace(folder, newer.stem, [newer], settings=settings).release
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(list_path(folder), list_path(other))
    left = [file for file in files if file.stem != newer.stem]
    expected = build(other, [*left, newer], settings=settings).release
    assert differences(expected, release) == []
    assert naive_traces(folder, "Bo Wu", "graphs of") == []
    # What the changes deleted was none of it.
    assert look_for(folder, tmp_path / "asked.toml").findings.traces == {}


def test_a_paper_is_taken_out_and_does_not_come_back(tmp_path: Path, library: Path) -> None:
    wanted = asked(tmp_path, '[[paper]]\niri = "http://localhost:8000/paper/s/k/6"\n')
    report = redact(library, wanted, settings=ONE)
    assert naive_traces(library, "paper/s/k/6", '"Six"') == []
    assert (report.refiled.changed, report.refiled.refused) == (1, 1)
    again = build(library, [tmp_path / "in" / "Zoë Quill.jsonl"], source="s", settings=ONE)
    assert naive_traces(library, "paper/s/k/6", '"Six"') == []
    reject = next(
        json.loads(line)
        for line in (library / "rejected" / "s" / f"{again.release.id}.jsonl").read_text().splitlines()
        if "redacted" in line
    )
    assert (reject["line"], reject["key"], "raw" in reject) == ("9", "", False)
    # Asked for again, the list has it already.
    assert redact(library, wanted, settings=ONE).release.id == again.release.id


def test_another_record_of_the_same_paper_is_told(tmp_path: Path, library: Path) -> None:
    report = redact(library, asked(tmp_path, '[[paper]]\nsource = "s"\nkey = "k/1"\n'), settings=ONE)
    assert report.refiled.others == [PaperName("two", "k/1")]


def test_an_entry_for_one_paper_is_proven_for_that_paper(tmp_path: Path, library: Path) -> None:
    wanted = '[[name]]\nwas = "Zoë Quill"\nnow = "Sam Quill"\npapers = ["http://localhost:8000/paper/s/k/1"]\n'
    traces = look_for(library, asked(tmp_path, wanted)).findings.traces
    assert {re.sub(".*/", "", trace.place.partition(": ")[0]) for trace in traces} == {
        *("store", "settled", "search"),
    }
    report = redact(library, asked(tmp_path, wanted), settings=ONE)
    store = report.release.open_store()
    for ordinal, name in (("s/k/1#a1", "Sam Quill"), ("two/k/1#a1", "Zoë Quill")):
        stated = pyoxigraph.NamedNode("https://w3id.org/quiver/ontology#statedName")
        found = store.quads_for_pattern(pyoxigraph.NamedNode(f"{BASE}paper/{ordinal}"), stated, None, None)
        assert [quad.object.value for quad in found] == [name]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "error", "what"),
    [
        ('[[paper]]\nsource = "s"\nkey = "k/none"\n', NotFound, "holds no"),
        ('[[name]]\nwas = "Bo Wu"\npapers = ["paper/s/none"]\n', NotFound, "holds no"),
        ('[[text]]\nwas = "two"\n', InvalidRedaction, "named by what"),
        ('[[text]]\nwas = "localhost"\n', InvalidRedaction, "base"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    tmp_path: Path, library: Path, text: str, error: type[Exception], what: str
) -> None:
    before = Library(library).ids()
    with pytest.raises(error, match=what):
        redact(library, asked(tmp_path, text), settings=ONE)
    assert Library(library).ids() == before
    assert not list_path(library).exists()


def test_a_library_is_not_emptied_nor_plain_rdf_redacted(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    build(folder, [papers(tmp_path / "one.jsonl", {"key": "k", "title": "T"})], settings=ONE)
    with pytest.raises(NothingAccepted):
        redact(folder, asked(tmp_path, '[[paper]]\nsource = "one"\nkey = "k"\n'), settings=ONE)
    assert len(Library(folder).ids()) == 1
    rdf = tmp_path / "a.nt"
    rdf.write_text('<http://a.example/> <http://a.example/p> "x" .\n')
    build_from_rdf(tmp_path / "rdf", [rdf])
    with pytest.raises(InvalidRecord, match="plain RDF"):
        redact(tmp_path / "rdf", asked(tmp_path, NAMED), settings=ONE)


def test_a_file_inside_the_library_is_refused(library: Path) -> None:
    with pytest.raises(InvalidRedaction, match="lies in the library"):
        redact(library, asked(library, NAMED), settings=ONE)


def test_a_source_named_by_it_is_refused_later_too(tmp_path: Path, library: Path) -> None:
    redact(library, asked(tmp_path, '[[text]]\nwas = "Waldo"\n'), settings=ONE)
    more = papers(tmp_path / "in" / "by-waldo.jsonl", {"key": "k", "title": "T"})
    with pytest.raises(InvalidRecord, match="name of a source"):
        add(library, [more], settings=ONE)
    release = add(library, [more], source="other", settings=ONE).release
    assert [known.name for known in release.manifest.inputs if known.source == "other"] == ["by-.jsonl"]


def test_a_damaged_list_stops_whatever_might_bring_things_back(tmp_path: Path, library: Path) -> None:
    redact(library, asked(tmp_path, NAMED), settings=ONE)
    list_path(library).write_bytes(b"{}")
    with pytest.raises(DamagedRelease, match="redactions"):
        add(library, [tmp_path / "in" / "two.jsonl"], settings=ONE)


PLACES = (
    ("notes.txt", "By Zoë Quill".encode()),
    ("notes.txt.gz", gzip.compress(b'By Zo\\"{e} Quill', mtime=0)),
    ("caches/state.json.zst", zstandard.ZstdCompressor().compress(b"zo%C3%AB%20quill")),
    ("zoë_quill.md", b""),
    ("rejected/s/refused-old.txt", "x " * 5000 + "Zo\\u00eb Quill"),
    ("releases/.hidden/file", "\x00\x01zoë\x00\nquill \xff".encode()),
)


@pytest.mark.parametrize(("name", "content"), PLACES)
def test_what_lies_elsewhere_in_the_library_is_told(
    tmp_path: Path, library: Path, name: str, content: bytes | str
) -> None:
    path = library / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TracesFound, match=re.escape(name.partition(".")[0])):
        redact(library, asked(tmp_path, NAMED), settings=ONE)
    kept = read_list(list_path(library))
    assert kept is not None
    assert kept.pending
    path.unlink(missing_ok=True)
    redact(library, asked(tmp_path, NAMED), settings=ONE)
    kept = read_list(list_path(library))
    assert kept is not None
    assert not kept.pending


def test_every_place_in_a_release_is_looked_at(tmp_path: Path, library: Path) -> None:
    places = {
        re.sub(r"releases/[^/]*/", "", trace.place)
        for trace in look_for(library, asked(tmp_path, NAMED)).findings.traces
    }
    for wanted in (
        r"parts/source/s/papers-\d+\.nq\.gz",
        r"parts/derived/\d+\.nq\.gz",
        r"settled/source/s/papers/.*\.table",
        r"settled/source/s/pages/.*\.table",
        r"settled/derived/.*\.table",
        r"store/\d+\.sst",
        r"store: its dump",
        r"search: a document",
        r"results/release\.most-frequent-names\.json",
        r"release\.json",
        r"rejected/s/.*\.jsonl",
        r"rejected/none/refused.*\.jsonl",
    ):
        assert any(re.fullmatch(wanted, place) for place in places), wanted


def test_what_a_changed_store_has_deleted_is_still_in_its_files(tmp_path: Path) -> None:
    """Why the redacted release is loaded anew: a store that was changed keeps what it no longer says."""
    path = tmp_path / "store"
    store = pyoxigraph.Store(str(path))
    quad = pyoxigraph.Quad(
        pyoxigraph.NamedNode("http://a.example/"),
        pyoxigraph.NamedNode("http://a.example/p"),
        pyoxigraph.Literal("A life of Zoë Quill, a long one at that, told by herself"),
    )
    store.bulk_extend([quad])
    store.remove(quad)
    store.optimize()
    store.flush()
    del store
    assert list(pyoxigraph.Store.read_only(str(path))) == []
    blocks = [block for file in path.glob("*.sst") for block in SortedTable(file).blocks()]
    assert any("Zoë Quill".encode() in block for block in blocks)


def test_sorted_tables_give_all_their_entries(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = pyoxigraph.Store(str(path))
    texts = [f"A text of some length, number {number}, " + "and more " * (number % 9) for number in range(5000)]
    store.bulk_load(
        "".join(f'<http://a.example/{n}> <http://a.example/p> "{text}" .\n' for n, text in enumerate(texts)).encode(),
        pyoxigraph.RdfFormat.N_QUADS,
    )
    store.optimize()
    del store
    values = {
        entry.value
        for file in path.glob("*.sst")
        for number, block in enumerate(SortedTable(file).blocks())
        if number
        for entry in entries(block)
    }
    assert {text.encode() for text in texts} <= values
    broken = tmp_path / "broken.sst"
    broken.write_bytes(b"x" * 100)
    with pytest.raises(DamagedRelease):
        SortedTable(broken)
    assert lz4.block  # what unpacks them


def test_old_addresses_answer_410_without_a_successor(tmp_path: Path, library: Path) -> None:
    redact(library, asked(tmp_path, NAMED + '[[paper]]\nsource = "two"\nkey = "k/7"\n'), settings=ONE)
    client = create_app(library, ONE).test_client()
    for path in (
        "name/zoë_quill",
        "author/two/~7EZoë~5FQuill1",
        "page/s/zoë_quill",
        "paper/s/zoë~5Fquill/4",
        "paper/two/k/7",
    ):
        for headers in ({"Accept": "text/html"}, {"Accept": "text/turtle"}, {"Accept": "application/json"}):
            answer = client.get("/" + path, headers=headers)
            assert answer.status_code == 410, path
            assert "Location" not in answer.headers
            assert "Link" not in answer.headers
            text = answer.get_data(as_text=True)
            assert "Sam" not in text
            assert "r-" not in re.findall(r"paper/s/[^ \"<]*", text)
    assert client.get("/paper/s/k/1.ttl").status_code == 200
    assert client.get("/name/zoë_nobody").status_code == 404


KILLED = """
import os, signal, sys
from pathlib import Path
from quiver.config import Settings
from quiver.releases import redact
events = 0
def progress(step, done, total):
    global events
    events += 1
    if events == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    redact(Path(sys.argv[1]), Path(sys.argv[3]), settings=Settings(jobs=1, release_poll_s=0.0), progress=progress)
    print(events)
"""


def run_killed(script: Path, library: Path, event: int, file: Path) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(script), str(library), str(event), str(file)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(arguments, env=environment, check=False, capture_output=True, text=True)


def test_killed_at_any_step_it_can_be_run_again(tmp_path: Path, library: Path) -> None:
    script, file = tmp_path / "killed.py", asked(tmp_path, NAMED)
    script.write_text(KILLED)
    shutil.copytree(library, tmp_path / "copy", symlinks=True)
    whole = run_killed(script, tmp_path / "copy", 0, file)
    assert whole.returncode == 0, whole.stderr
    events = int(whole.stdout)
    published = 0
    for event in sorted({*range(1, events, max(1, events // 4)), *range(events - 4, events + 1)}):
        folder = tmp_path / f"at{event}"
        shutil.copytree(library, folder, symlinks=True)
        before = Library(folder).current()
        assert run_killed(script, folder, event, file).returncode == -signal.SIGKILL
        current = Library(folder).current()
        published += current.id != before.id
        assert verify(current).faults == ()
        release = redact(folder, file, settings=ONE).release
        assert verify(release).faults == ()
        assert Library(folder).ids() == [release.id]
        assert left_over(folder) == []
        assert [entry.name for entry in (folder / "releases").iterdir()] == [release.id]
        shutil.rmtree(folder)
    assert published


def test_the_command_says_what_it_did_and_what_stays(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUIVER_RELEASE_POLL_S", "0")
    file = asked(tmp_path, NAMED)
    run = CliRunner()
    found = run.invoke(main, ["redact", str(library), str(file), "--check", "--quiet"])
    assert found.exit_code == 1
    assert "its dump: name 1" in found.output
    done = run.invoke(main, ["redact", str(library), str(file), "--quiet"])
    assert done.exit_code == 0, done.output
    assert "Mary Zoë Quill" in done.output
    assert "nothing is left" in done.output
    checked = run.invoke(main, ["redact", str(library), str(file), "--check", "--quiet"])
    assert checked.exit_code == 0
    kept = read_list(list_path(library))
    assert kept is not None
    list_path(library).write_bytes(msgspec.json.encode(msgspec.structs.replace(kept, pending=True)))
    verified = run.invoke(main, ["verify", str(library), "--quiet"])
    assert verified.exit_code == 1
    assert "not ended" in verified.output


def test_a_release_that_is_still_read_is_told_of(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quiver.releases.redaction._READERS_S", 0.0)
    file = asked(tmp_path, NAMED)
    old = Library(library).current()
    with old.hold(), pytest.raises(TracesFound, match="are still being read") as refused:
        redact(library, file, settings=ONE)
    assert refused.value.value == (old.id,)
    assert look_for(library, file).findings.traces != {}
    redact(library, file, settings=ONE)
    assert look_for(library, file).findings.traces == {}
    assert old.id not in Library(library).ids()
