"""Papers as files for reference managers: what readers of other hands make of them, and what a file never holds."""

from __future__ import annotations

import gzip
import json
import re
import time
from functools import partial
from pathlib import Path

import jsonschema
import pybtex.database
import pytest
import rispy
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from quiver.config import Settings
from quiver.releases import Library, build
from quiver.web import reference_files, resources
from quiver.web.citations import Citation, CitedName, to_bibtex, to_csl, to_ris
from quiver.web.exports import EXPORTS, Keys, export_papers
from quiver.web.graph import Graph
from quiver.web.reference_files import content_disposition, file_name
from tests.browsing import BASE, HOSTILE, make_app, path_of_title
from tests.serving import fetch, serving

DMOTION = "DMotion: Robotic Visuomotor Control with Unsupervised Forward Model Learned from Videos"
BEYOND = "Beyond the 80/20 Rule: High-Entropy Minority Tokens Drive Effective Reinforcement Learning for LLM Reasoning"
MANY = [f"{BASE}paper/hostile/many/{n:03}" for n in range(120)]

# What csl-data.json (Citation Style Language 1.0.2) says of the fields that we write; it allows no others.
CSL_DATA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["type", "id"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": ["article-journal", "paper-conference", "chapter", "book", "thesis", "document"]},
            "author": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {part: {"type": "string"} for part in ("family", "given", "literal")},
                },
            },
            "issued": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "date-parts": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 2,
                        "items": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "integer"}},
                    },
                    "literal": {"type": "string"},
                },
            },
            **{
                name: {"type": "string"}
                for name in (
                    "id", "title", "container-title", "event-title", "page", "DOI", "ISBN", "ISSN", "archive",
                    "archive_location", "URL", "abstract", "note",
                )
            },
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def graph(web_library: Path) -> Graph:
    return Graph(Library(web_library).current())


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


@pytest.fixture(scope="module")
def papers(graph: Graph, web_library: Path) -> list[str]:
    """Papers of every kind, hostile ones and one of 3,000 names among them."""
    hostile = [f"{BASE}paper/hostile/hostile/{number}" for number in range(len(HOSTILE))]
    records = [f"{BASE}paper/records/conf/{key}" for key in ("one", "two", "three")]
    arrow = [BASE + path_of_title(web_library, title) for title in (DMOTION, BEYOND)]
    return [*hostile, *records, *arrow, f"{BASE}paper/hostile/long", *MANY[:3]]


def write(graph: Graph, iris: list[str], extension: str, note: str = "") -> str:
    return "".join(export_papers(graph, iris, extension, note))


def read_bibtex(text: str) -> dict[str, pybtex.database.Entry]:
    """The entries by key; a key given twice is an error of pybtex."""
    return dict(pybtex.database.parse_string(text, "bibtex").entries)


def read_ris(text: str) -> list[dict[str, object]]:
    references: list[dict[str, object]] = rispy.loads(text)
    return references


def read_csl(text: str) -> list[dict[str, object]]:
    items: list[dict[str, object]] = json.loads(text)
    jsonschema.validate(items, CSL_DATA)
    return items


READERS = {"bib": read_bibtex, "ris": read_ris, "csl.json": read_csl}


@pytest.mark.parametrize("extension", EXPORTS)
def test_a_list_is_written_whole_and_in_pieces(graph: Graph, extension: str) -> None:
    pieces = list(export_papers(graph, MANY * 20, extension))
    assert len(pieces) > 5
    assert max(map(len, pieces)) < 40_000
    assert len(READERS[extension]("".join(pieces))) == 2400


@pytest.mark.parametrize("extension", EXPORTS)
def test_every_paper_is_read_by_others(graph: Graph, papers: list[str], extension: str) -> None:
    found = READERS[extension](write(graph, papers, extension))
    assert len(found) == len(papers)


def test_names_and_titles_arrive_as_stated(graph: Graph, papers: list[str]) -> None:
    by_title = {
        item["title"]: (item, reference)
        for item, reference in zip(
            read_csl(write(graph, papers, "csl.json")), read_ris(write(graph, papers, "ris")), strict=True
        )
    }
    item, reference = by_title[DMOTION]
    assert item["author"][3] == {"literal": "Haipeng Zhang"}  # type: ignore[index]
    assert reference["authors"][3] == "Haipeng Zhang"  # type: ignore[index]
    assert (item["issued"], reference["year"]) == ({"date-parts": [[2021]]}, "2021")
    assert (item["type"], reference["type_of_reference"]) == ("paper-conference", "CPAPER")
    item, reference = by_title["One <script>alert(1)</script>"]
    assert item["author"][0] == {"family": "Fried", "given": "Mia"}  # type: ignore[index]
    assert reference["authors"][0] == "Fried, Mia"  # type: ignore[index]
    assert (reference["start_page"], reference["end_page"], item["page"]) == ("1", "9", "1-9")
    assert item["DOI"] == reference["doi"] == "10.1000/abc"
    item, reference = by_title["Three"]
    assert item["issued"] == {"literal": "in press"}
    assert reference["notes"] == ["Year as stated: in press"]
    item, _ = by_title["A byline of many names"]
    assert len(item["author"]) == 3000  # type: ignore[arg-type]


def test_bibtex_takes_names_apart_where_it_should(graph: Graph, papers: list[str]) -> None:
    entries = read_bibtex(write(graph, papers, "bib"))
    (entry,) = [one for one in entries.values() if one.fields["title"].startswith("{DMotion}")]
    assert [" ".join(person.last_names) for person in entry.persons["author"]][:2] == ["Yuan", "Wu"]
    stated = entries["fried-2020-one"].persons["author"]
    assert [str(person) for person in stated] == ["Fried, Mia", "Fried, Mia", "others"]


@pytest.mark.parametrize("extension", EXPORTS)
def test_the_file_of_no_paper_is_valid(graph: Graph, extension: str) -> None:
    assert not READERS[extension](write(graph, [], extension))


@pytest.mark.parametrize("extension", EXPORTS)
def test_no_homonym_number_reaches_a_file(graph: Graph, web_library: Path, extension: str) -> None:
    text = write(graph, [BASE + path_of_title(web_library, DMOTION)], extension)
    assert "Haipeng Zhang" in text
    assert "0006" not in text


@pytest.mark.parametrize("extension", EXPORTS)
def test_a_cut_byline_says_so_and_a_whole_one_does_not(graph: Graph, web_library: Path, extension: str) -> None:
    cut = write(graph, [BASE + path_of_title(web_library, BEYOND)], extension)
    assert re.search(r"and\s+others[})]", cut)
    assert not re.search(r"and\s+others[})]", write(graph, MANY[:3], extension))


@pytest.mark.parametrize("extension", EXPORTS)
def test_a_note_is_said_once_with_the_last_paper(graph: Graph, extension: str) -> None:
    text = write(graph, MANY[:3], extension, "The list goes on.")
    assert text.count("The list goes on.") == 1
    assert text.index("The list goes on.") > text.index("Paper 002")
    assert len(READERS[extension](text)) == 3


@given(st.text(), st.text(min_size=1), st.text(), st.text())
def test_no_text_can_add_a_tag_to_ris(title: str, name: str, venue: str, pages: str) -> None:
    hostile = f"{title}\r\nER  - \u2028TY  - BOOK\x85AU  - Mallory"
    citation = Citation(title=hostile, names=(CitedName(name + hostile),), venue=venue + hostile, pages=pages + hostile)
    text = to_ris(citation)
    lines = text.split("\r\n")
    assert lines[0] == "TY  - GEN"
    assert lines[-2:] == ["ER  - ", ""]
    assert all(re.match(r"[A-Z][A-Z0-9]  - ", line) for line in lines[:-1])
    assert not set(re.findall(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text)) - {"\r", "\n"}
    (reference,) = rispy.loads(text)
    assert set(reference) <= {
        "type_of_reference", "id", "title", "authors", "secondary_title", "start_page", "end_page",
    }  # fmt: skip
    assert len(reference.get("authors", [])) == 1


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.sampled_from(["", "2020", "in press"]))
def test_any_text_makes_valid_csl(title: str, name: str, family: str, year: str) -> None:
    citation = Citation(title=title, names=(CitedName(name, name, family),), year=year, venue=name, doi=name)
    (item,) = read_csl(f"[{to_csl(citation)}]")
    assert item["id"]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.text(min_size=1))
def test_any_text_makes_bibtex_that_others_read(title: str, name: str) -> None:
    entry = to_bibtex(Citation(title=title, names=(CitedName(name),), venue=title, url=name), "key")
    assert list(read_bibtex(entry)) == ["key"]


def test_keys_are_unique_in_a_file_whatever_their_case() -> None:
    keys = Keys()
    cited = [Citation(title="T", stated_key=key) for key in ("a", "A", "a", "ab", "a")]
    given = [keys.key(citation) for citation in cited]
    assert given[0] == "a"
    assert len({key.casefold() for key in given}) == 5


def test_many_papers_of_one_name_and_year_get_suffixes() -> None:
    keys = Keys()
    citation = Citation(title="Zero", names=(CitedName("Ann Lee"),), year="2025")
    given = [keys.key(citation) for _ in range(30)]
    assert given[:3] == ["lee2025zero", "lee2025zerob", "lee2025zeroc"]
    assert given[25:28] == ["lee2025zeroz", "lee2025zeroaa", "lee2025zeroab"]


def test_keys_of_many_papers_that_look_the_same_take_no_time() -> None:
    keys = Keys()
    started = time.process_time()
    given = {keys.key(Citation(title="Preface", year="2025")) for _ in range(20_000)}
    assert len(given) == 20_000
    assert time.process_time() - started < 10  # trying all suffixes for each took a minute


# Over HTTP


@pytest.mark.parametrize("extension", EXPORTS)
@pytest.mark.parametrize(
    ("path", "query", "count"),
    [
        ("/name/pat_many", "name/papers.json?cluster=name/pat_many", 120),
        ("/name/andrew_zhao", "name/papers.json?cluster=name/andrew_zhao", 9),
        ("/author/hostile/n-Pat_Many", "author/papers.json?row=author/hostile/n-Pat_Many", 120),
        ("/venue/big", "venue/papers.json?venue=venue/big", 120),
        ("/venue/big/2003", "edition/papers.json?edition=venue/big/2003", 6),
    ],
)
def test_a_list_has_the_papers_of_its_page_in_their_order(
    client: FlaskClient, extension: str, path: str, query: str, count: int
) -> None:
    rows = json.loads(client.get(f"/queries/{query}&limit=1000").data)["results"]["bindings"]
    assert len(rows) == count
    response = client.get(f"{path}.{extension}")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == EXPORTS[extension].format.content_type
    text = response.get_data(as_text=True)
    assert len(READERS[extension](text)) == count
    if extension == "csl.json":
        assert [item["title"] for item in read_csl(text)] == [row["title"]["value"] for row in rows]


def test_a_file_that_ends_before_its_list_says_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "list_file", partial(reference_files.list_file, limit=50))
    seen: list[object] = []
    path: str | None = "/name/pat_many.csl.json"
    while path:
        response = client.get(path)
        following = re.search(r'<[^>]*/name/pat_many\.csl\.json(\?[^>]*)>; rel="next"', response.headers["Link"])
        items = read_csl(response.get_data(as_text=True))
        assert ("the list goes on" in str(items[-1].get("note", ""))) == (following is not None)
        seen += [item["title"] for item in items]
        path = f"/name/pat_many.csl.json{following[1]}" if following else None
    assert len(seen) == len(set(seen)) == 120
    assert client.get("/name/pat_many.csl.json?page=9").status_code == 404
    assert client.get("/name/pat_many.bib?page=0").status_code == 400


def test_a_long_list_is_streamed_the_same_in_every_coding(web_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_files, "_PIECES_AT_ONCE", 0)
    client = make_app(web_library).test_client()
    plain = client.get("/venue/big.ris")
    packed = client.get("/venue/big.ris", headers={"Accept-Encoding": "gzip"})
    assert "Content-Length" not in plain.headers
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for response in (plain, packed):
        headers = {"If-None-Match": response.headers["ETag"], "Accept-Encoding": "gzip"}
        assert client.get("/venue/big.ris", headers=headers).status_code == 304
    assert client.head("/venue/big.ris").data == b""


def test_a_long_list_arrives_whole_from_the_real_server(tmp_path: Path) -> None:
    records = [
        {"key": f"{n}", "title": f"Paper {n}", "authors": ["Pat Long"], "venue": "Long", "abstract": f"{n} " * 200}
        for n in range(1500)
    ]
    file = tmp_path / "long.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    build(tmp_path / "library", [file], settings=Settings(jobs=1))
    with serving(tmp_path / "library", tmp_path / "server") as server:
        status, headers, body = fetch(server.port, "/venue/long.ris")
        assert status == 200
        assert "content-length" not in headers
        assert {f"{n}" for n in range(1500)} == {str(one["title"]).split()[1] for one in read_ris(body.decode())}
        _, headers, packed = fetch(server.port, "/venue/long.ris", {"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed) == body
        assert fetch(server.port, "/venue/long.ris", method="HEAD")[2] == b""


def test_a_paper_names_its_formats_and_itself(client: FlaskClient) -> None:
    response = client.get("/paper/records/conf/one.ris")
    for extension, export in EXPORTS.items():
        if extension != "ris":
            assert (
                f'/paper/records/conf/one.{extension}>; rel="alternate"; type="{export.media_type}"'
                in (response.headers["Link"])
            )
    assert f'<{BASE}paper/records/conf/one>; rel="cite-as"' in response.headers["Link"]
    assert response.headers["Content-Disposition"] == 'inline; filename="records-conf-one.ris"'
    assert response.headers["ETag"]
    assert response.headers["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("name", ["a.bib", "..bib", '"; x="y.bib', "a\r\nX: y.bib", "../../etc/passwd.bib", "李伟.bib"])
def test_names_of_files_are_plain(name: str) -> None:
    field = content_disposition(name)
    assert re.fullmatch(
        r'inline; filename="[A-Za-z0-9_-][A-Za-z0-9._-]*"(; filename\*=UTF-8\'\'[A-Za-z0-9~%_-][A-Za-z0-9~%._-]*)?',
        field,
    )


def test_a_file_is_named_after_what_it_is_about() -> None:
    assert file_name("paper/acl/2020.acl-main.1") == "acl-2020.acl-main.1"
    assert len(file_name("name/" + "x" * 500)) == 100
