"""Readers: what a good file gives, and what a bad one says."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from quiver.errors import InvalidRecord, UnknownFormat
from quiver.readers import open_file, streams
from quiver.records import (
    ClusterPage,
    Located,
    Record,
    RecordError,
    canonical_hash,
    item_from_json,
    item_to_json,
    json_line,
    record_schema,
)

PAGE = """\
Arrow Research search

Author name cluster

Mia Fried

Possible papers associated with this exact author name in Arrow. This page groups case-insensitive exact name matches.

3 papers
1 author row

Possible papers

3

JMLR Journal 2021 Journal Article

On Rows
and Columns

  • Mia Fried
  • Jo Bell 0002

First paragraph.

Second paragraph.

AAAI Conference 2020 Conference Paper

A Paper Without Byline

Its abstract.

TMLR Journal 2023 Journal Article

Without Abstract

• MIA FRIED
"""


def read_text(
    tmp_path: Path, text: str | bytes, name: str = "input.txt", *, format_name: str = "", source: str = ""
) -> list[Located | RecordError]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(open_file(path, format_name=format_name, source=source))


def items(reads: list[Located | RecordError]) -> list[Record | ClusterPage]:
    return [read.item for read in reads if isinstance(read, Located)]


def errors(reads: list[Located | RecordError]) -> list[RecordError]:
    return [read for read in reads if isinstance(read, RecordError)]


# --- the Arrow page


def test_the_real_arrow_page_is_read_whole(shared_data: Path) -> None:
    reads = list(open_file(shared_data / "arrow" / "andrew-zhao.txt"))
    *papers, page = items(reads)
    assert not errors(reads)
    assert isinstance(page, ClusterPage)
    assert (page.name, page.paper_count, page.author_row_count, len(page.lists)) == ("Andrew Zhao", 10, 2, 9)
    assert "is not a full identity disambiguation profile" in page.note
    records = [paper for paper in papers if isinstance(paper, Record)]
    assert [(r.venues, r.venue_kinds, r.year, r.types) for r in records[:3:2]] == [
        (("NeurIPS",), ("Conference",), 2025, ("Conference Paper",)),
        (("AAAI",), ("Conference",), 2025, ("Conference Paper",)),
    ]
    bylines = [[author.name for author in record.authors] for record in records]
    assert sum("Andrew Zhao" in byline for byline in bylines) == 8
    assert bylines[-1] == [
        "Haoqi Yuan",
        "Ruihai Wu",
        "Andrew Zhao",
        "Haipeng Zhang 0006",
        "Zihan Ding",
        "Hao Dong 0003",
    ]
    assert all(record.abstract and record.byline_may_be_cut for record in records)
    assert "https: //github. com/LeapLabTHU/MOSS." in records[6].abstract


def test_another_page_of_the_same_form(tmp_path: Path) -> None:
    reads = read_text(tmp_path, PAGE)
    first, second, third, page = items(reads)
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert isinstance(third, Record)
    assert first.title == "On Rows and Columns"
    assert first.abstract == "First paragraph.\n\nSecond paragraph."
    assert [author.name for author in first.authors] == ["Mia Fried", "Jo Bell 0002"]
    assert (first.types, first.venue_kinds) == (("Journal Article",), ("Journal",))
    assert (second.authors, second.abstract) == ((), "Its abstract.")
    assert (third.abstract, third.year) == ("", 2023)
    assert isinstance(page, ClusterPage)
    assert (page.paper_count, page.author_row_count) == (3, 1)
    assert [read.locator for read in reads if isinstance(read, Located)] == ["16", "28", "34", "5"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("  • ", "* "),
        lambda text: text.replace("\n\n", "\n\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("Possible papers\n\n3\n", "Possible papers\n"),
    ],
)
def test_line_ends_bullets_and_blank_lines_do_not_matter(tmp_path: Path, change: Callable[[str], str]) -> None:
    expected = items(read_text(tmp_path, PAGE))
    assert items(read_text(tmp_path, change(PAGE))) == expected


def test_a_broken_entry_is_an_error_with_its_line_and_the_others_are_read(tmp_path: Path) -> None:
    reads = read_text(tmp_path, PAGE.replace("JMLR Journal 2021 Journal Article", "JMLR 2021"))
    (error,) = errors(reads)
    assert error.locator == "16"
    assert "'JMLR 2021'" in error.reason
    assert b"Mia Fried" in error.raw
    *papers, page = items(reads)
    assert len(papers) == 2
    assert isinstance(page, ClusterPage)
    assert len(page.lists) == 2


ALPHA = "AAAI Conference 2020 Conference Paper\n\nAlpha\n\n• Ann Lee\n\nAlpha's abstract ends here."
GAMMA = "ICML Conference 2022 Conference Paper\n\nGamma\n\n• Cy Wu\n\nGamma's abstract."
BETA = "JMLR Journal 2021 Journal Article\n\nBeta\n\n• Bo Lee\n• Di Wu\n\nBeta's abstract."


def page_of(beta: str) -> str:
    return "Author name cluster\n\nAnn Lee\n\n3 papers\n\nPossible papers\n\n3\n\n" + "\n\n".join((ALPHA, beta, GAMMA))


@pytest.mark.parametrize(
    ("beta", "line", "reason"),
    [
        (BETA.replace("JMLR Journal 2021 Journal Article\n\n", ""), "19", "no line of venue"),
        (BETA.replace("JMLR Journal 2021 Journal Article", "JMLR 2021"), "19", "'JMLR 2021'"),
        (BETA.replace("Beta\n\n•", "•"), "19", "no title"),
        ("JMLR Journal 2021 Journal Article", "19", "no title"),
    ],
)
def test_a_broken_entry_does_not_touch_its_neighbours(tmp_path: Path, beta: str, line: str, reason: str) -> None:
    reads = read_text(tmp_path, page_of(beta))
    papers = {item.title: item for item in items(reads) if isinstance(item, Record)}
    assert set(papers) == {"Alpha", "Gamma"}
    assert papers["Alpha"].abstract == "Alpha's abstract ends here."
    assert [author.name for author in papers["Gamma"].authors] == ["Cy Wu"]
    (error,) = errors(reads)
    assert error.locator == line
    assert reason in error.reason


@pytest.mark.parametrize(
    ("beta", "title", "authors", "abstract"),
    [
        (BETA, "Beta", ["Bo Lee", "Di Wu"], "Beta's abstract."),
        (
            BETA + "\n\n• we propose a first thing that is long enough.\n• and a second.",
            "Beta",
            ["Bo Lee", "Di Wu"],
            None,
        ),
        (BETA + "\n\nA Journal Study\n\nMore of it.", "Beta", ["Bo Lee", "Di Wu"], None),
        (BETA.replace("Beta\n\n•", "The Symposium Effect\n\n•"), "The Symposium Effect", ["Bo Lee", "Di Wu"], None),
        ("UAI Proceedings 2019 Paper\n\nBeta\n\nJust an abstract.", "Beta", [], "Just an abstract."),
        ("UAI Meeting 2019 Extended Something\n\nBeta\n\n• Bo Lee", "Beta", ["Bo Lee"], ""),
        ("JMLR Journal Journal Article\n\nBeta\n\n• Bo Lee", "Beta", ["Bo Lee"], ""),
        (BETA.replace("Beta's abstract.", "- as a list this abstract begins, and is long enough."), "Beta", None, None),
    ],
)
def test_an_unusual_entry_is_one_paper(
    tmp_path: Path, beta: str, title: str, authors: list[str] | None, abstract: str | None
) -> None:
    reads = read_text(tmp_path, page_of(beta))
    assert not errors(reads)
    papers = [item for item in items(reads) if isinstance(item, Record)]
    assert [paper.title for paper in papers] == ["Alpha", title, "Gamma"]
    if authors is not None:
        assert [author.name for author in papers[1].authors] == authors
    if abstract is not None:
        assert papers[1].abstract == abstract


def test_a_page_that_lists_nothing_is_a_page(tmp_path: Path) -> None:
    reads = read_text(tmp_path, "Author name cluster\n\nAnn Lee\n\n0 papers\n\nPossible papers\n\n0\n")
    (page,) = items(reads)
    assert isinstance(page, ClusterPage)
    assert (page.paper_count, page.lists) == (0, ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PAGE.split("Possible papers\n")[0], 'no heading "Possible papers"'),
        ("Author name cluster\n\nPossible papers\n", "gives no name"),
        (PAGE.encode() + b"\xff\xfe", "no valid UTF-8"),
    ],
)
def test_a_page_that_does_not_parse_names_the_line(tmp_path: Path, text: str | bytes, reason: str) -> None:
    reads = read_text(tmp_path, text)
    assert not items(reads)
    (error,) = errors(reads)
    assert reason in error.reason
    assert "line " in error.reason


# --- JSON Lines


def test_authors_are_strings_or_objects_and_parallel_arrays_are_dealt_out(tmp_path: Path) -> None:
    record = {
        "title": "T",
        "authors": ["A B", {"name": "C D", "first": "C", "last": "D", "aff": "X", "variant": ["Ç D"]}],
        "authorids": ["~A_B1", ""],
        "orcid": ["", "0000-0002-1825-0097"],
        "dblp": ["1/2", ""],
        "aff": ["MIT", ""],
        "venue": ["acl", "emnlp"],
        "status": "Poster",
        "something": {"else": 1},
    }
    (paper,) = items(read_text(tmp_path, json.dumps(record), "x.jsonl"))
    assert isinstance(paper, Record)
    first, second = paper.authors
    assert (first.id, first.affiliations, first.identifiers) == ("~A_B1", ("MIT",), (("dblp", "1/2"),))
    assert (second.given, second.family, second.variants, second.orcid) == ("C", "D", ("Ç D",), "0000-0002-1825-0097")
    assert second.affiliations == ("X",)
    assert paper.venues == ("acl", "emnlp")
    assert (paper.statuses, paper.types) == (("Poster",), ())
    assert paper.fields == (("something", '{"else":1}'),)


def test_what_else_an_author_object_holds_is_kept(tmp_path: Path) -> None:
    line = json.dumps({"title": "T", "authors": [{"name": "A", "x": None, "y": 1.5, "z": ["q"], "dblp": "1/2"}]})
    (paper,) = items(read_text(tmp_path, line, "x.jsonl"))
    assert isinstance(paper, Record)
    assert paper.authors[0].identifiers == (("dblp", "1/2"), ("y", "1.5"), ("z", '["q"]'))


def test_parallel_arrays_of_another_length_are_kept_as_they_are(tmp_path: Path) -> None:
    line = json.dumps({"title": "T", "authors": ["A", "B"], "orcid": ["0000-0002-1825-0097"]})
    (paper,) = items(read_text(tmp_path, line, "x.jsonl"))
    assert isinstance(paper, Record)
    assert [author.orcid for author in paper.authors] == ["", ""]
    assert paper.fields == (("orcid", '["0000-0002-1825-0097"]'),)


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2024, (2024, "")),
        ("2024", (2024, "")),
        ("in press", (None, "in press")),
        (0, (None, "0")),
        (20245, (None, "20245")),
        (2024.5, (None, "2024.5")),
        (None, (None, "")),
        ([2020], (None, "[2020]")),
        (True, (None, "true")),
    ],
)
def test_a_year_that_is_none_is_kept_as_stated(year: object, expected: tuple[int | None, str]) -> None:
    record = item_from_json({"title": "T", "year": year})
    assert isinstance(record, Record)
    assert (record.year, record.stated_year) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "no valid JSON"),
        (b"[1]", "not an object"),
        (b'"x"', "not an object"),
        (b'{"authors": []}', "has no title"),
        (b'{"title": ""}', "has no title"),
        (b'{"title": "  "}', "white space alone"),
        (b'{"title": 7}', "a title that is a number"),
        (b'{"title": "T", "authors": "A"}', "authors is a string"),
        (b'{"title": "T", "authors": [[]]}', "author 1 is an array"),
        (b'{"title": "T", "venue": {}}', "venue is an object"),
        (b'{"title": "T", "record": "poem"}', "unknown kind of record"),
        (b'{"title": "\xff"}', "no valid JSON"),
        (b'{"title": "\\ud800"}', "no valid JSON"),
        (b'{"record": "cluster-page"}', "has no name"),
        (b'{"record": "cluster-page", "name": "A", "paper_count": -1}', "no count"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, line: bytes, reason: str) -> None:
    good = b'{"key": "a", "title": "Good"}\n'
    reads = read_text(tmp_path, good + line + b"\n\n" + good, "x.jsonl")
    assert len(items(reads)) == 2
    (error,) = errors(reads)
    assert error.locator == "2"
    assert reason in error.reason
    assert error.raw == line


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "title",
                        "authors",
                        "name",
                        "venue",
                        "year",
                        "orcid",
                        "fields",
                        "identifiers",
                        "url",
                        "record",
                        "x",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_json_comes_is_an_item_or_a_clear_error(value: object) -> None:
    try:
        item = item_from_json(value)
    except InvalidRecord:
        return
    assert item_from_json(item_to_json(item)) == item
    assert item_from_json(json.loads(json_line(item))) == item
    Draft202012Validator(record_schema()).validate(item_to_json(item))


def test_the_schema_is_valid_and_refuses_what_the_reader_refuses() -> None:
    schema = record_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    good = {"title": "T", "authors": ["A", {"name": "B", "id": "1"}], "year": "in press", "extra": 1}
    assert validator.is_valid(good)
    refused: tuple[object, ...] = (
        {},
        {"title": ""},
        {"title": "T", "authors": "A"},
        {"record": "cluster-page"},
        [],
        {"title": 1},
    )
    assert not any(validator.is_valid(bad) for bad in refused)


def test_the_real_sets_follow_the_schema(shared_data: Path) -> None:
    validator = Draft202012Validator(record_schema())
    for name in ("acl-anthology-2016plus.jsonl.gz", "conference-papers-facts.jsonl.gz"):
        with gzip.open(shared_data / "records" / name) as file:
            for number, line in enumerate(file):
                if number % 1000 == 0:
                    validator.validate(json.loads(line))


# --- whatever the format


def lines_of(count: int) -> bytes:
    return b"".join(b'{"key": "%d", "title": "Paper %d"}\n' % (n, n) for n in range(count))


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        (".gz", gzip.compress),
        (".zst", zstandard.ZstdCompressor().compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        ("", lambda data: data),
    ],
)
def test_compression_is_recognised_by_content(tmp_path: Path, ending: str, compress: Callable[[bytes], bytes]) -> None:
    data = lines_of(20_000)
    half = len(data) // 2
    members = compress(data[:half]) + compress(data[half:])  # several members are one file
    assert len(items(read_text(tmp_path, members, "x.jsonl" + ending))) == 20_000
    assert len(items(read_text(tmp_path, members, "misnamed.txt"))) == 20_000


def test_a_disk_that_cannot_be_read_is_no_damage_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(errno.EIO, "Input/output error")
            return super().read(100)

    lines = b"".join(b'{"key": "%d", "title": "Paper"}\n' % number for number in range(2000))
    path = tmp_path / "x.jsonl.bz2"
    path.write_bytes(bz2.compress(lines))
    monkeypatch.setattr(streams, "open_location", lambda path: Failing(path.read_bytes()))
    with pytest.raises(OSError, match="Input/output error") as caught:
        list(open_file(path))
    assert caught.value.errno == errno.EIO
    assert caught.value.filename == "x.jsonl.bz2"


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress, bz2.compress, lzma.compress])
def test_a_truncated_file_gives_its_records_and_one_error(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    import random

    rows = random.Random(1)
    data = b"".join(b'{"key": "%d", "title": "Paper %d"}\n' % (n, rows.getrandbits(64)) for n in range(120_000))
    reads = read_text(tmp_path, compress(data)[:-2000], "x.jsonl.gz")
    assert len(errors(reads)) == 1
    assert "damaged or cut off" in errors(reads)[0].reason
    assert 0 < len(items(reads)) < 120_000
    expected = [item_from_json(json.loads(line)) for line in data.splitlines()[: len(items(reads))]]
    assert items(reads) == expected


def test_garbage_behind_gzip_is_an_error(tmp_path: Path) -> None:
    reads = read_text(tmp_path, gzip.compress(lines_of(3)) + b"garbage", "x.jsonl.gz")
    assert len(items(reads)) == 3
    assert "something else follows" in errors(reads)[0].reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n\n\n", "no format that a reader recognises"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00", "is binary data"),
        (b"<html></html>", "no format that a reader recognises"),
        (gzip.compress(b"", mtime=0), "no format that a reader recognises"),
        (b"\x1f\x8b\x08rubbish", "damaged or cut off"),
    ],
)
def test_a_file_that_is_none_says_why(tmp_path: Path, data: bytes, reason: str) -> None:
    reads = read_text(tmp_path, data, "input.dat")
    assert not items(reads)
    (error,) = errors(reads)
    assert reason in error.reason
    assert error.file == "input.dat"


@pytest.mark.parametrize("first", [b"garbage", b'["x"]', b'"x"', b"\xff\xfe", b'{"title": "raw\x00nul"}'])
def test_a_bad_first_line_does_not_lose_the_file(tmp_path: Path, first: bytes) -> None:
    reads = read_text(tmp_path, first + b"\n" + lines_of(2), "x.jsonl")
    assert len(items(reads)) == 2
    (error,) = errors(reads)
    assert error.locator == "1"


def test_a_flipped_byte_loses_only_what_stands_behind_it(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b"".join(b'{"title": "%d"}\n' % hash(str(n)) for n in range(50_000))))
    data[len(data) * 3 // 4] ^= 0xFF
    reads = read_text(tmp_path, bytes(data), "x.jsonl.gz")
    assert len(items(reads)) > 10_000
    assert "damaged" in errors(reads)[-1].reason


def test_a_named_format_is_used_and_an_unknown_one_refused(tmp_path: Path) -> None:
    assert errors(read_text(tmp_path, "not a page", format_name="arrow"))
    with pytest.raises(UnknownFormat, match="bibtex"):
        read_text(tmp_path, "x", format_name="bibtex")


@pytest.mark.parametrize("slug", ["a b", "../x", ".x", "ü", "a/b", "x."])
def test_a_source_name_that_could_be_a_path_is_refused(tmp_path: Path, slug: str) -> None:
    with pytest.raises(InvalidRecord, match="cannot name a source"):
        read_text(tmp_path, lines_of(1), source=slug)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("acl-anthology-2016plus.jsonl.gz", "acl-anthology-2016plus"),
        ("my library.jsonl", "my-library"),
        ("x.y.jsonl.zst", "x.y"),
        (".jsonl", "jsonl"),
        ("..", "records"),
        ("日本.jsonl", "records"),
    ],
)
def test_a_source_is_named_after_its_file(name: str, slug: str) -> None:
    from quiver.readers import default_source, reader_named

    assert default_source(name, reader_named("jsonl")) == slug
    assert default_source(name, reader_named("arrow")) == "arrow"


def test_the_report_is_that_of_the_file_on_disk(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(lines_of(10)))
    opened = open_file(path)
    list(opened)
    assert opened.report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert opened.report.size == path.stat().st_size


def test_a_line_that_is_too_long_is_an_error_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"title": "' + b"x" * 5_000_000 + b'"}\n' + lines_of(1))
    reads = list(open_file(path, max_record_bytes=100_000))
    assert len(items(reads)) == 1
    (error,) = errors(reads)
    assert error.locator == "1"
    assert "max_record_bytes" in error.hint


def test_equal_records_have_equal_hashes_whatever_their_order_of_fields() -> None:
    one = item_from_json({"title": "T", "year": 2020, "identifiers": {"a": "1", "b": "2"}})
    other = item_from_json({"identifiers": {"b": "2", "a": "1"}, "year": "2020", "title": "T"})
    assert canonical_hash(one) == canonical_hash(other)
