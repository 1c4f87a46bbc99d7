"""Venues, editions, sources, author rows: who is new, which edition is next, what was read and what was not taken."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from quiver.config import Settings, bundled
from quiver.releases import Library, build
from quiver.web import rejects
from quiver.web.rejects import read_rejects
from tests.browsing import Page, make_app, read
from tests.sample import write_sample

MOST_QUERIES = 8


def _paper(key: str, year: int | None, *authors: str, **more: object) -> dict[str, object]:
    record: dict[str, object] = {"key": key, "title": f"Title of {key}", "authors": list(authors), "venue": "Ring"}
    return record | ({"year": year} if year else {}) | more


RECORDS: tuple[dict[str, object], ...] = (
    _paper("a1", 2019, "Ann Lee", "Bo Ek", status="Poster"),
    _paper("a2", 2019, "Ann Lee", status="Oral"),
    _paper("b1", 2021, "Ann Lee", "Cy Orr", status="Poster", booktitle="Main volume", title="Alpha"),
    _paper("b2", 2021, "Cy Orr", "Di Ash", status="Poster", booktitle="Main volume", title="Beta"),
    _paper("b3", 2021, "bo ek", "Eve Fox", status="Oral", booktitle="Late papers", title="Aardvark"),
    _paper("c1", 2024, "Ann Lee", "Eve Fox", status="Poster"),
    # Another venue does not make a name old, and a paper without a year is in no edition.
    _paper("d1", 2018, "Di Ash", venue="Other"),
    _paper("e1", None, "Gus Hay"),
    *(_paper(f"big/{n:04}", 2020 + n % 2, f"Name {n // 2}", f"Other {n}", venue="Big") for n in range(1010)),
)
BROKEN = (
    '{"title": 5}\n'
    "no json <script>alert(1)</script>\n"
    '{"key": "twice", "title": "One"}\n'
    '{"key": "twice", "title": "Another <b>title</b>"}\n'
    '{"key": "fine", "title": "Fine", "venue": "Ring", "year": 2024}\n'
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("venues")
    (folder / "ring.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    (folder / "broken files.jsonl").write_text(BROKEN, encoding="utf-8")
    files = [
        folder / "ring.jsonl", folder / "broken files.jsonl", bundled("data") / "andrew-zhao.txt", *write_sample(folder)
    ]  # fmt: skip
    build(folder / "library", files, settings=Settings(jobs=1))
    return folder / "library"


@pytest.fixture(scope="module")
def client(library: Path) -> FlaskClient:
    return make_app(library).test_client()


def panel(client: FlaskClient, path: str, name: str) -> Page:
    """The panel called *name* of the page at *path*."""
    html = client.get(path).get_data(as_text=True)
    found = re.search(rf'<section class="panel[^"]*" id="{name}".*?\n</section>', html, re.DOTALL)
    assert found, f"{path} has no panel {name}"
    return Page(re.sub(r"(</t[dh]>|</span>)", r" \1", found[0]))


@pytest.mark.parametrize(
    ("edition", "new", "claim"),
    [
        ("2019", {"Ann Lee", "Bo Ek"}, "All 2: the first edition known here."),
        ("2021", {"Cy Orr", "Di Ash", "Eve Fox"}, "3 of 5 names."),
        ("2024", set(), "0 of 2 names."),
    ],
)
def test_an_edition_says_which_names_are_new(client: FlaskClient, edition: str, new: set[str], claim: str) -> None:
    """New is a name without a paper in an earlier edition of the venue, in whatever letter case."""
    page = panel(client, f"/venue/ring/{edition}.html", "edition-new-names")
    assert claim in page.words
    names = {"Ann Lee", "Bo Ek", "Cy Orr", "Di Ash", "Eve Fox", "Gus Hay"}
    assert {name for name in names if name in page.text} == new
    assert any("queries/edition/names-count?" in link for link in page.links)


def test_a_venue_counts_the_new_names_of_each_edition(client: FlaskClient) -> None:
    page = panel(client, "/venue/ring.html", "venue-names-by-edition")
    assert re.findall(r"Ring (\d{4})\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)", page.text) == [
        ("2024", "2", "2", "0", "0"),
        ("2021", "3", "5", "3", "60"),
        ("2019", "2", "2", "2", "100"),
    ]


def test_editions_lead_to_the_one_before_and_the_one_after(client: FlaskClient) -> None:
    for edition, before, after in (("2019", None, "2021"), ("2021", "2019", "2024"), ("2024", "2021", None)):
        page = read(client.get(f"/venue/ring/{edition}.html"))
        found = {a["rel"]: a["href"].rpartition("/")[2] for a in page.all("a") if a.get("rel") in ("prev", "next")}
        assert found == {rel: key for rel, key in (("prev", before), ("next", after)) if key}


def test_an_edition_can_be_narrowed(client: FlaskClient) -> None:
    for query, titles in (
        ("", {"Alpha", "Beta", "Aardvark"}),
        ("?letter=A", {"Alpha", "Aardvark"}),
        ("?type=Poster", {"Alpha", "Beta"}),
        ("?type=Poster&letter=A", {"Alpha"}),
        ("?volume=Late+papers", {"Aardvark"}),
        ("?volume=Nowhere", set()),
    ):
        page = panel(client, f"/venue/ring/2021.html{query}", "edition-papers")
        assert {title for title in ("Alpha", "Beta", "Aardvark") if title in page.text} == titles, query
    offered = panel(client, "/venue/ring/2021.html", "edition-papers")
    letters = [link for link in offered.links if "letter=" in link]
    assert [link.partition("letter=")[2][0] for link in letters] == ["A", "B"]
    assert any("volume=Late" in link for link in offered.links)


def test_types_have_shares_of_all_papers(client: FlaskClient) -> None:
    page = panel(client, "/venue/ring.html", "venue-stated-types")
    assert "Of 8 papers." in page.words
    assert re.search(r"Poster\s+status\s+4\s+50 %", page.text)
    assert re.search(r"Oral\s+status\s+2\s+25 %", page.text)


def test_figures_of_names_are_lower_bounds_where_bylines_may_be_cut(client: FlaskClient) -> None:
    assert "may be cut" not in panel(client, "/venue/ring.html", "venue-top-names").words
    assert re.search(r"At least: \d bylines may be cut", panel(client, "/venue/neurips.html", "venue-top-names").words)
    edition = panel(client, "/venue/neurips/2025.html", "edition-new-names").words
    assert "At least: 3 bylines may be cut" in edition


def test_a_big_venue_opens_without_reading_its_bylines(client: FlaskClient) -> None:
    response = client.get("/venue/big.html")
    assert int(re.findall(r'desc="(\d+)"', response.headers["Server-Timing"])[0]) <= 3
    closed = panel(client, "/venue/big.html", "venue-top-names")
    assert "Name 7" not in closed.text
    (link,) = [link for link in closed.links if "open=" in link]
    opened = panel(client, urljoin("/venue/big.html", link).partition("#")[0], "venue-top-names")
    assert re.search(r"Name 0\s+2", opened.text)
    edition = panel(client, "/venue/big/2021.html", "edition-new-names")
    assert any("open=" in link for link in edition.links)


@pytest.mark.parametrize(
    "path", ["/venue/ring.html", "/venue/ring/2021.html", "/venue/neurips.html", "/source/ring.html"]
)
def test_pages_stay_within_their_queries(client: FlaskClient, path: str) -> None:
    timing = client.get(path).headers["Server-Timing"]
    assert int(re.findall(r'desc="(\d+)"', timing)[0]) <= MOST_QUERIES


def test_a_search_stays_within_the_edition(client: FlaskClient) -> None:
    page = read(client.get("/venue/ring/2021.html"))
    hidden = {a["name"]: a["value"] for a in page.all("input") if a.get("type") == "hidden"}
    assert hidden == {"type": "paper", "venue": "Ring", "year": "2021"}
    found = client.get("/search.json", query_string={"q": "", **hidden}).get_json()
    assert found["total"] == 3


def test_a_source_accounts_for_every_record(client: FlaskClient) -> None:
    page = read(client.get("/source/broken-files.html"))
    said = re.sub(r"\s+", "", page.text[page.text.index("What was read") :])
    assert "read5accepted2duplicate0rejected3" in said
    assert any(link.endswith("source/broken-files/rejects") for link in page.links)
    assert any("/releases/" in link and link.endswith(".json") for link in page.links)
    assert "From the release's manifest" in page.words
    assert "quiver 0." in page.words


def test_records_stand_with_their_keys_and_places(client: FlaskClient) -> None:
    for path in ("/source/broken-files.html", _file_path(client)):
        query = "source-records" if path.startswith("/source/broken-files.html") else "source-file-records"
        page = panel(client, path, query)
        assert re.search(r"(One|Another title)\s+twice\s", page.text)
        assert re.search(r"Fine\s+fine\s.*5\s", page.text, re.DOTALL)


def _file_path(client: FlaskClient) -> str:
    page = read(client.get("/source/broken-files.html"))
    link = next(link for link in page.links if re.search(r"source/broken-files/[0-9a-f]{12}$", link))
    return urljoin("/source/", link) + ".html"


def test_a_file_says_what_was_read_of_it(client: FlaskClient) -> None:
    words = read(client.get(_file_path(client))).words
    assert "5 records read, 2 of them unreadable." in words


def test_rejects_have_place_key_reason_and_text(client: FlaskClient) -> None:
    page = read(client.get("/source/broken-files/rejects"))
    assert "3 of 5 records" in page.words
    assert "broken files.jsonl:1 the record has a title that is a number" in page.words
    assert "no json <script>alert(1)</script>" in page.words
    assert "broken files.jsonl:2" in page.words
    assert re.search(r"broken files\.jsonl:[34] twice another record of this source has the same key", page.words)
    assert not page.unbalanced
    assert not page.all("b")
    assert not page.foreign_scripts


def test_the_list_of_rejects_can_be_taken_away(client: FlaskClient, library: Path) -> None:
    response = client.get("/source/broken-files/rejects.jsonl")
    (path,) = (library / "rejected" / "broken-files").glob("*.jsonl")
    assert response.get_data() == path.read_bytes()
    assert response.mimetype == "application/jsonl"


def test_rejects_are_paged(library: Path) -> None:
    client = make_app(library, page_size=2).test_client()
    first, second = (read(client.get(f"/source/broken-files/rejects?page={page}")) for page in (1, 2))
    assert (first.text.count("As the source has it"), second.text.count("As the source has it")) == (2, 1)
    assert [a["rel"] for a in first.all("a") if a.get("rel") in ("prev", "next")] == ["next"]
    assert [a["rel"] for a in second.all("a") if a.get("rel") in ("prev", "next")] == ["prev"]
    assert client.get("/source/broken-files/rejects?page=99999").status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/source/none/rejects", "/source/../rejects", "/source/..%2f..%2fetc/rejects", "/source/broken%20files/rejects"],
)
def test_an_address_is_never_a_path(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_source_without_rejects_says_so(client: FlaskClient) -> None:
    assert "Every record of this source was taken" in read(client.get("/source/ring/rejects")).words


def test_a_giant_reject_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says of itself is known though its own text is longer than what is ever read of a line."""
    monkeypatch.setattr(rejects, "_LINE_BYTES", 200)
    path = tmp_path / "list.jsonl"
    giant = {"file": "f", "line": "1", "key": 'a ","raw":" b', "reason": "too long", "raw": "x" * 1000}
    binary = {"file": "f", "line": "2", "key": "", "reason": "no UTF-8", "raw_base64": "/w=="}
    endless = {"file": "f" * 500, "line": "3", "key": "", "reason": "r", "raw": ""}
    path.write_bytes(
        b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in (giant, binary, endless, binary))
    )
    one, two, three, four = read_rejects([path])
    assert (one.line, one.key, one.reason, one.shown, one.is_cut) == ("1", 'a ","raw":" b', "too long", "", True)
    assert (two.line, two.shown, two.is_cut) == ("2", "\ufffd", False)
    assert (three.file, three.is_cut) == ("", True)
    assert four == two


def test_rejects_of_the_releases_before_are_listed_too(library: Path) -> None:
    """A release made on top of another holds what that had read."""
    shelf = Library(library)
    manifest = shelf.current().manifest
    (own,) = rejects.reject_files(shelf, manifest, "broken-files")
    assert own.stem == manifest.id
    assert rejects.reject_files(shelf, manifest, "ring") == []


def test_an_author_row_shows_what_the_source_states(client: FlaskClient) -> None:
    page = read(client.get("/author/records/~7EMia~5FFried2.html"))
    assert any(a["href"] == "https://orcid.org/0000-0002-1825-0097" and "nofollow" in a["rel"] for a in page.all("a"))
    assert "~Mia_Fried2" in page.text
    other = panel(client, "/author/records/~7EMia~5FFried1.html", "author-affiliations")
    assert re.search(r"ETH\s+2020\s+2020\s+1", other.text)
    names = panel(client, "/author/records/~7EMia~5FFried1.html", "author-names")
    assert {"M. Fried", "Mia Fried"} == {name for name in ("M. Fried", "Mia Fried") if name in names.text}


def test_papers_of_an_edition_do_not_repeat_its_name(client: FlaskClient) -> None:
    page = panel(client, "/venue/ring/2021.html", "edition-papers")
    assert "Ring 2021" not in page.text
