"""Data quality and statistics: each check finds what is wrong in a small library made for it, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from quiver.catalogue import evaluate, load_catalogue
from quiver.config import Settings
from quiver.releases import Library, Release, build
from quiver.web.quality_page import CHECKS
from tests.browsing import Page, make_app, read

ORCID = "0000-0002-1825-0097"


def _author(name: str, key: str, orcid: str) -> dict[str, str]:
    return {"name": name, "id": key, "orcid": orcid}


FIRST: tuple[dict[str, object], ...] = (
    {"key": "1", "title": "Alone", "authors": ["Ann Lee"], "venue": "V", "year": 2020}
    | {"abstract": "x", "doi": "10.1000/a"},
    {"key": "2", "title": "Twin", "authors": ["Ann Lee", "Ann Lee"], "venue": "V", "year": 2020},
    {"key": "3", "title": "Twin", "authors": ["ann lee"], "venue": "V", "year": 2021, "url": "https://example.org/3"},
    {
        "key": "4",
        "title": "TWIN",
        "authors": ["Bo Ek 0002"],
        "venue": "V",
        "year": 2021,
        "pdf": "https://example.org/p",
    },
    {"key": "5", "title": "Nobody", "venue": "V", "year": 2022},
    {"key": "6", "title": "No year", "authors": ["Cy Orr"], "venue": "V", "year": "in press"},
    {"key": "7", "title": "Nowhere", "authors": [{"name": "", "id": ""}, "Cy Orr"], "year": 2022},
    {"key": "8", "title": "Id", "authors": [_author("Di Ash", "~D1", ORCID)], "venue": "V", "year": 2022},
    {"key": "9", "title": "Id too", "authors": [_author("D. Ash", "~D1", ORCID)], "venue": "V", "year": 2022},
    {"key": "10", "title": "One", "authors": [_author("Eve", "~E", "0000-0001-5109-3700")], "venue": "V", "year": 2022},
)
SECOND: tuple[dict[str, object], ...] = (
    {"title": "Alone", "authors": ["Ann Lee"], "venue": "V", "year": 2020},
    {"title": "Apart", "authors": ["Ann Lee"], "venue": "V", "year": 2020},
)
PAGE = """\
Author name cluster

Ann Lee

5 papers

Possible papers

2

V Conference 2024 Conference Paper

Shown

  • Ann Lee

Text.

V Conference 2024 Conference Paper

Hidden

  • Gus Hay

Text.
"""
# Check -> how many it finds, and the labels in the rows of its list.
FINDINGS: dict[str, tuple[int | None, list[str]]] = {
    "bylines-abridged": (1, ["Hidden"]),
    "bylines-possibly-abridged": (1, ["Shown"]),
    "repeated-name-on-byline": (1, ["Twin"]),
    "entries-without-name": (1, ["Nowhere"]),
    "duplicate-titles": (1, ["Twin", "Twin"]),
    "titles-in-several-sources": (1, ["Alone", "Alone"]),
    "titles-in-several-letter-cases": (None, ["TWIN", "Twin", "Twin"]),
    "letter-cases": (1, ["Ann Lee"]),
    "numbered-names": (1, ["Bo Ek 0002"]),
    "orcids-with-several-names": (1, ["D. Ash", "Di Ash"]),
    "rows-with-several-names": (1, ["D. Ash"]),
    "stated-counts-differ": (1, ["Author name cluster: Ann Lee"]),
    "papers-without-authors": (1, ["Nobody"]),
    "papers-without-year": (1, ["No year"]),
    "papers-without-venue": (1, ["Nowhere"]),
    "papers-without-abstract": (
        11,
        ["Alone", "Apart", "Id", "Id too", "No year", "Nobody", "Nowhere", "One", "TWIN", "Twin", "Twin"],
    ),
    "papers-without-address": (
        11,
        ["Alone", "Apart", "Hidden", "Id", "Id too", "No year", "Nobody", "Nowhere", "One", "Shown", "Twin"],
    ),
}
LABELS = ("title", "cluster_label", "page_label", "row_label")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quality")
    for name, records in (("first", FIRST), ("second", SECOND)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    (folder / "ann-lee.txt").write_text(PAGE, encoding="utf-8")
    files = [folder / "first.jsonl", folder / "second.jsonl", folder / "ann-lee.txt"]
    build(folder / "library", files, settings=Settings(jobs=1))
    return folder / "library"


@pytest.fixture(scope="module")
def release(library: Path) -> Release:
    return Library(library).current()


@pytest.fixture(scope="module")
def client(library: Path) -> FlaskClient:
    return make_app(library).test_client()


def rows(release: Release, name: str) -> list[dict[str, str]]:
    query = load_catalogue().get(name)
    bound = query.bind({}, release.base, **({"limit": 1000} if query.paging else {}))
    answer = evaluate(release.open_store(), bound).dicts()
    return [{column: cell.value for column, cell in row.items() if cell} for row in answer]


def test_every_check_is_tried_here() -> None:
    assert {check.query for checks in CHECKS.values() for check in checks} == set(FINDINGS)


@pytest.mark.parametrize("check", FINDINGS)
def test_a_check_finds_what_is_there_and_nothing_else(release: Release, check: str) -> None:
    found, labels = FINDINGS[check]
    listed = rows(release, f"quality/{check}")
    assert sorted(next(row[name] for name in LABELS if name in row) for row in listed) == labels
    if found is not None:
        lacks = next(one.lacks for checks in CHECKS.values() for one in checks if one.query == check)
        counted = {row["check"]: row["found"] for row in rows(release, "quality/overview")}
        lacking = {row["what"]: row["lacking"] for row in rows(release, "release/coverage")}
        assert (lacking[lacks] if lacks else counted[check]) == str(found)


def table(client: FlaskClient, path: str = "/quality") -> dict[str, list[str]]:
    """The cells of each row of the table of checks, by its first."""
    html = client.get(path).get_data(as_text=True)
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL):
        cells = [
            re.sub(r"\s+", " ", Page(cell).text).strip()
            for cell in re.findall(r"<t[hd][^>]*>.*?</t[hd]>", row, re.DOTALL)
        ]
        found[cells[0]] = cells[1:]
    return found


def test_the_page_says_how_many_of_how_many(client: FlaskClient) -> None:
    said = table(client)
    assert said["Known to be cut"] == ["1", "14 papers", "7.1 %"]
    assert said["The same title twice in one source"] == ["1 title", "14 papers", ""]
    assert said["Titles that differ in letter case alone"] == ["not counted", "14 papers", ""]
    assert said["ORCIDs with different names"] == ["1", "2 ORCID iDs", "50 %"]
    assert said["Counts that do not add up"] == ["1", "1 page about a name", "100 %"]
    assert said["An abstract"] == ["11", "14 papers", "78.6 %"]


@pytest.mark.parametrize("check", FINDINGS)
def test_each_check_leads_to_its_list_and_each_row_to_a_page(client: FlaskClient, check: str) -> None:
    page = read(client.get("/quality"))
    link = next(link for link in page.links if link.endswith(f"open=quality-{check}#quality-{check}"))
    path = urljoin("/quality", link).partition("#")[0]
    html = client.get(path).get_data(as_text=True)
    panel = re.search(rf'<section class="panel" id="quality-{check}".*?\n</section>', html, re.DOTALL)
    assert panel
    body = Page(panel[0])
    found, labels = FINDINGS[check]
    for label in labels:
        # A homonym number is a mark behind the name.
        assert label.removesuffix(" 0002") in body.text
    assert len(body.all("tr")) == len(labels) + 1
    for row in re.findall(r"<tbody>(.*?)</tbody>", panel[0], re.DOTALL)[0].split("</tr>")[:-1]:
        targets = [link for link in Page(row + "</tr>").links if not link.startswith("https://")]
        assert targets
        assert all(client.get(urljoin("/quality", target)).status_code == 303 for target in targets)
    if found is not None:
        assert re.search(rf"{found} (titles? among|of) ", body.words)
        assert any("queries/quality/overview" in link or "queries/release/coverage" in link for link in body.links)
    timing = client.get(path).headers["Server-Timing"]
    assert int(re.findall(r'desc="(\d+)"', timing)[0]) <= 3


def test_what_is_not_found_is_none_and_no_link(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(json.dumps(FIRST[0]) + "\n", encoding="utf-8")
    build(tmp_path / "library", [tmp_path / "one.jsonl"], settings=Settings(jobs=1))
    client = make_app(tmp_path / "library").test_client()
    said = table(client)
    assert said["The same title twice in one source"][0] == "none"
    assert said["Author rows with different names"] == ["none", "1 author row", ""]
    page = read(client.get("/quality"))
    assert [link.rpartition("#quality-")[2] for link in page.links if "open=quality" in link] == [
        "titles-in-several-letter-cases"
    ]
    assert (
        "No two titles differ in letter case alone."
        in read(client.get("/quality?open=quality-titles-in-several-letter-cases")).words
    )
    assert "Every paper has a year." in read(client.get("/quality?open=quality-papers-without-year")).words


def test_long_lists_are_paged_kept_ones_too(tmp_path: Path) -> None:
    records = [{"key": str(n), "title": f"Pair {n // 2}", "authors": ["A", "A"]} for n in range(14)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    build(tmp_path / "library", [tmp_path / "pairs.jsonl"], settings=Settings(jobs=1))
    client = make_app(tmp_path / "library", page_size=6).test_client()
    for check in ("duplicate-titles", "papers-without-year", "repeated-name-on-byline"):
        seen: list[str] = []
        path: str | None = f"/quality?open=quality-{check}"
        while path:
            page = read(client.get(path))
            seen += [link for link in page.links if "/paper/" in link or link.startswith("./paper/")]
            following = [a["href"] for a in page.all("a") if a.get("rel") == "next"]
            path = urljoin("/quality", following[0]).partition("#")[0] if following else None
        assert len(seen) == len(set(seen)) == 14


def test_statistics_give_growth_by_year_and_together(client: FlaskClient, release: Release) -> None:
    found = [(row["year"], row["papers"], row["papers_by_then"]) for row in rows(release, "release/papers-by-year")]
    assert found == [("2020", "4", "4"), ("2021", "2", "6"), ("2022", "5", "11"), ("2024", "2", "13")]
    page = read(client.get("/statistics"))
    ids = {a.get("id") for a in page.all("section")}
    assert {"release-counts", "release-papers-by-year", "release-coverage", "release-byline-lengths"} <= ids
    assert {a["aria-labelledby"].partition("-title")[0] for a in page.all("svg") if "aria-labelledby" in a} >= {
        "release-papers-by-year-papers",
        "release-papers-by-year-papers_by_then",
    }


def test_names_are_counted_by_their_papers(release: Release) -> None:
    found = {row["papers_each"]: row["names"] for row in rows(release, "release/names-by-papers")}
    # Ann Lee has seven; Cy Orr two; the empty name, Bo Ek 0002, Di Ash, D. Ash, Eve and Gus Hay one; Bo Ek none.
    assert found == {"0": "1", "1": "6", "2": "1", "6–10": "1"}
    assert sum(int(count) for count in found.values()) == release.manifest.counts["name_clusters"]


def test_coverage_adds_up(release: Release) -> None:
    for row in rows(release, "release/coverage"):
        assert int(row["papers"]) + int(row["lacking"]) == release.manifest.counts["papers"]


def test_shares_of_statistics_open_on_demand(client: FlaskClient) -> None:
    page = read(client.get("/statistics"))
    link = next(link for link in page.links if "open=release-byline-statuses" in link)
    opened = read(client.get(urljoin("/statistics", link)))
    assert "Possibly abridged" in opened.words or "q:PossiblyAbridged" in opened.words
