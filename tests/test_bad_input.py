"""The worst files in one build: clear messages with file, line and reason, the rest still read, nothing lost."""

from __future__ import annotations

import gzip
import json
import random

import pyoxigraph
import pytest

from quiver.config import Settings
from quiver.namespaces import sparql_prologue
from quiver.releases import BuildReport, build, verify

HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script> "quoted" & \\back'
RIGHT_TO_LEFT = "\u202eמחקר על \u202cשפה"

GOOD: list[dict[str, object]] = [
    {"key": "crowd", "title": "Crowd", "authors": [f"Author Number{n}" for n in range(3000)], "year": 2020},
    {"key": "long", "title": "Long", "abstract": "word " * 200_000},
    {"key": "html", "title": HOSTILE, "authors": [HOSTILE], "venue": HOSTILE, "abstract": HOSTILE},
    {"key": "nul", "title": "nul\u0000 bell\u0007 esc\u001b[31m del\u007f tab\t line\nfeed", "authors": ["A\u0000B"]},
    {"key": "rtl", "title": RIGHT_TO_LEFT, "authors": ["דוד כהן", "محمد علي"]},
    {
        "key": "iri with spaces <> %41 /../..",
        "title": "Odd key",
        "url": "http://exa mple.org/a b",
        "pdf": "http://[::1",
    },
    {"key": "year", "title": "No year", "year": "MMXX"},
    {"key": "empty names", "title": "Empty names", "authors": ["", "  ", "\u200b"]},
    {"key": "\u0000", "title": "Key of one control character"},
    {"key": ".", "title": "Key of one dot"},
    {"key": "x.ttl", "title": "Key with an extension"},
    {"title": "\ufffe not a character \U0001f600"},
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> BuildReport:
    folder = tmp_path_factory.mktemp("bad")
    lines = [json.dumps(record).encode() for record in GOOD]
    lines[3:3] = [
        b'{"title": "invalid \xff utf-8"}',
        b'{"authors": ["No Title"]}',
        b"not json at all",
        b'{"key": "twice", "title": "One of two"}',
        b'{"key": "twice", "title": "Two of two"}',
        b'{"title": "lone \\ud800 surrogate"}',
        b"[" * 100_000,
    ]
    (folder / "bad.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "empty.jsonl").touch()
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    (folder / "page.html").write_text("<!doctype html><p>hello")
    rows = random.Random(5)
    many = b"".join(b'{"key": "t%d", "title": "T %d"}\n' % (n, rows.getrandbits(60)) for n in range(20_000))
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(many)[:-1000])
    return build(folder / "library", sorted(folder.glob("*.*")), source="bad", settings=Settings(jobs=1))


def ask(report: BuildReport, query: str) -> set[str]:
    prologue = sparql_prologue() + f"BASE <{report.release.base}> "
    solutions = report.release.open_store().query(prologue + query)
    assert isinstance(solutions, pyoxigraph.QuerySolutions)
    return {solution[0].value for solution in solutions}


def test_every_fault_is_named_with_file_line_and_reason(report: BuildReport) -> None:
    text = "\n".join(report.messages)
    for expected in (
        "bad.jsonl:4: no valid JSON",
        "bad.jsonl:5: the record has no title",
        "bad.jsonl:6: no valid JSON",
        "bad.jsonl:9: no valid JSON",
        "bad.jsonl:10: no valid JSON",
        "empty.jsonl: the file is empty",
        "picture.png:1: the file is binary data",
        "page.html:1: the file is in no format",
        "the compressed data is damaged or cut off",
    ):
        assert expected in text


def test_the_rest_is_read_and_the_sum_is_right(report: BuildReport) -> None:
    counts = report.counts
    assert counts.read == counts.accepted + counts.duplicate + counts.rejected
    stored = ask(report, "SELECT ?k { ?p a q:Paper ; q:sourceKey ?k }")
    assert {record["key"] for record in GOOD if "key" in record and record["key"] != "\u0000"} < stored
    assert len([key for key in stored if key.startswith("t")]) > 5_000
    assert verify(report.release).sound


def test_what_was_rejected_is_written_out_as_it_came(report: BuildReport) -> None:
    (listing,) = report.rejects
    rejects = [json.loads(line) for line in listing.read_text().splitlines()]
    assert len(rejects) == report.counts.rejected
    assert {reject.get("raw") for reject in rejects} >= {"not json at all", '{"authors": ["No Title"]}'}
    encoded = [reject["raw_base64"] for reject in rejects if "raw_base64" in reject]
    assert len(encoded) == 1
    conflict = next(reject for reject in rejects if reject["key"] == "twice")
    assert json.loads(conflict["raw"])["title"] in ("One of two", "Two of two")


def test_titles_are_kept_verbatim_but_for_what_xml_cannot_carry(report: BuildReport) -> None:
    titles = ask(report, "SELECT ?t { ?p dcterms:title ?t }")
    assert {HOSTILE, RIGHT_TO_LEFT} < titles
    assert "nul\ufffd bell\ufffd esc\ufffd[31m del\u007f tab\t line\nfeed" in titles
    assert "\ufffd not a character \U0001f600" in titles


def test_three_thousand_authors_are_three_thousand_signatures(report: BuildReport) -> None:
    assert ask(report, "SELECT (COUNT(?s) AS ?n) { <paper/bad/crowd> q:hasSignature ?s }") == {"3000"}
    assert ask(report, "SELECT ?n { <paper/bad/crowd> q:authorCount ?n }") == {"3000"}


def test_names_without_a_character_share_the_cluster_that_warns(report: BuildReport) -> None:
    assert ask(report, "SELECT (COUNT(?s) AS ?n) { ?s q:inNameCluster <name/~> }") == {"3"}


def test_odd_keys_make_sound_iris(report: BuildReport) -> None:
    papers = ask(report, "SELECT ?p { ?p a q:Paper }")
    assert not any("%" in paper or paper.endswith((".ttl", "/.", "/..")) or "/../" in paper for paper in papers)
    assert f"{report.release.base}paper/bad/~2E" in papers
    assert f"{report.release.base}paper/bad/x~2Ettl" in papers
    assert f"{report.release.base}paper/bad/~00" in papers


def test_a_link_that_is_none_is_kept_as_stated(report: BuildReport) -> None:
    odd = "{ ?p rdfs:label 'Odd key' ; %s ?o }"
    assert ask(report, "SELECT ?o " + odd % "q:statedLink") == {"http://exa mple.org/a b", "http://[::1"}
    assert ask(report, "SELECT ?o " + odd % "foaf:page") == {"http://example.org/ab"}
    assert ask(report, "SELECT ?o " + odd % "q:pdf") == set()
