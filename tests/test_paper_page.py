"""The page of a paper: what differs between records, what is like it, metadata; many names, hostile text."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from quiver.config import Settings, bundled
from quiver.releases import build
from tests.browsing import BASE, HOSTILE, LONG_BYLINE, Page, make_app, path_of_title, read

LARGEST_PAGE = 100_000
DEEP = {
    "key": "deep",
    "title": "Deep Zebra Finches Sing</script><script>alert(9)</script>",
    "authors": ["Ann Lee", "Jo Bell 0002"],
    "venue": "ACL",
    "year": 2020,
    "doi": "10.1000/zebra",
    "identifiers": {"arxiv": "2001.00001", "isbn": "978-3-16-148410-0"},
    "abstract": "Zebra finches sing at dawn, and their songs are deep. We measure it. See </script><b>this</b>.",
    "url": "2020.acl-main.7",
    "booktitle": "Proceedings of ACL",
    "pages": "1-9",
    "shelf": {"row": 3},
}
SOURCES = {
    "first": [
        DEEP,
        {"key": "alone", "title": "Quokkas", "authors": ["Ann Lee"], "year": 2020, "doi": "10.1000/quokka"},
        {"key": "song", "title": "Songs of Zebra Finches", "authors": ["Kim Roe"], "venue": "Bird", "year": 2018},
        {"key": "other", "title": "Compilers", "authors": ["Kim Roe"], "abstract": "On register allocation."},
        {"key": "digits", "title": "1984", "authors": ["Kim Roe"]},
        {"key": "preface", "title": "Preface", "authors": ["Kim Roe"], "year": 2001},
        {"key": "preface2", "title": "Preface", "authors": ["Ann Lee"], "year": 2002},
    ],
    # The same DOI under another title; and the same title and a name, but another year and one name more.
    "second": [
        {"key": "d", "title": "Deep Zebra Finches", "authors": ["A. Lee"], "venue": "acl", "doi": "10.1000/ZEBRA"},
        {"key": "q", "title": "Quokkas", "authors": ["Max Po", "Ann Lee"], "year": 2021, "venue": "Marsupials"},
    ],
}


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


def make_zoo(folder: Path) -> Path:
    """A library of two sources that describe the same papers differently."""
    draw = random.Random(5)
    syllables = ["ka", "lo", "mi", "ru", "se", "tan", "vor", "wes", "zil", "bra"]
    names = [
        "".join(draw.choices(syllables, k=3)).title() + " " + "".join(draw.choices(syllables, k=4)).title()
        for _ in range(LONG_BYLINE)
    ]
    long = {"title": "A Collaboration of Many", "authors": names, "year": 2019}
    files = []
    for source, records in SOURCES.items():
        files.append(folder / f"{source}.jsonl")
        rows = [*records, {"key": "long", **long}]
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    build(folder / "library", [*files, bundled("data") / "andrew-zhao.txt"], base=BASE, settings=Settings(jobs=1))
    return folder / "library"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    return make_app(make_zoo(tmp_path_factory.mktemp("zoo"))).test_client()


def compared(page: str) -> list[list[str]]:
    """The rows of the table of other records, as text."""
    table = re.search(r'<table class="compared">(.*?)</table>', page, re.DOTALL)
    if table is None:
        return []
    rows = re.findall(r"<tr>(.*?)</tr>", table[1].partition("<tbody>")[2], re.DOTALL)
    return [
        [
            " ".join(re.sub(r"<[^>]+>", "", cell).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def test_what_differs_between_records_is_marked(zoo: FlaskClient) -> None:
    page = zoo.get("/paper/first/alone.html").get_data(as_text=True)
    assert compared(page) == [
        ["This record", "Quokkas", "2020", "not stated", "1"],
        ["second shares the title and a name", "same", "differs: 2021", "differs: Marsupials", "differs: 2"],
    ]
    assert any(link.endswith("paper/second/q") for link in Page(page).links)
    assert "Nothing is merged" in Page(page).words


def test_a_shared_identifier_is_enough_and_letter_case_of_a_venue_is_no_difference(zoo: FlaskClient) -> None:
    rows = compared(zoo.get("/paper/second/d.html").get_data(as_text=True))
    assert rows[1][0] == "first shares the DOI"
    assert rows[1][1].startswith("differs: Deep Zebra Finches Sing")
    assert rows[1][2:] == ["differs: 2020", "ACL", "differs: 2"]


@pytest.mark.parametrize("key", ["song", "preface", "preface2"])
def test_a_title_alone_makes_no_two_records_one_paper(zoo: FlaskClient, key: str) -> None:
    page = read(zoo.get(f"/paper/first/{key}.html"))
    assert "Other records" not in page.words


def test_the_differences_are_a_query_that_can_be_opened(zoo: FlaskClient) -> None:
    page = read(zoo.get("/paper/first/alone.html"))
    (link,) = [link for link in page.links if "queries/paper/same-identifier.json" in link]
    rows = json.loads(zoo.get(urljoin("/paper/first/alone.html", link)).data)["results"]["bindings"]
    assert [row["other"]["value"] for row in rows] == [f"{BASE}paper/second/q"]


def test_related_papers_are_found_by_words_and_the_words_are_said(zoo: FlaskClient) -> None:
    page = read(zoo.get("/paper/first/deep.html"))
    part = page.words[page.words.index("Related by their words") :]
    part = part[: part.index("The record as stated")]
    assert "Songs of Zebra Finches" in part
    assert "Compilers" not in part
    assert re.search(r"By the telling words of its title and abstract: [a-z, ]*\bzebra\b", part)
    (link,) = [link for link in page.links if "queries/paper/related.json" in link]
    rows = json.loads(zoo.get(urljoin("/paper/first/deep.html", link)).data)["results"]["bindings"]
    assert rows[0]["title"]["value"] == "Songs of Zebra Finches"
    # Another record of the same paper is like it, but that is said elsewhere.
    assert "Deep Zebra Finches" not in [row["title"]["value"] for row in rows]
    assert [row["title"]["value"] in part for row in rows[:6]] == [True] * min(6, len(rows))
    assert f"{BASE}paper/first/deep" not in [row["paper"]["value"] for row in rows]


def test_a_list_of_related_papers_that_goes_on_says_so(client: FlaskClient, web_library: Path) -> None:
    path = path_of_title(web_library, "Absolute Zero: Reinforced Self-play Reasoning with Zero Data")
    page = read(client.get(f"/{path}.html"))
    (link,) = [link for link in page.links if "queries/paper/related.json" in link]
    rows = json.loads(client.get(urljoin(f"/{path}.html", link)).data)["results"]["bindings"]
    assert len(rows) > 6
    assert "Nobody said that they belong together. The first 6." in page.words


def test_a_title_without_words_has_no_related_papers(zoo: FlaskClient) -> None:
    assert "Related by their words" not in read(zoo.get("/paper/first/digits.html")).words


def test_identifiers_lead_to_their_registries(zoo: FlaskClient) -> None:
    links = read(zoo.get("/paper/first/deep.html")).links
    for address in (
        "https://doi.org/10.1000/zebra",
        "https://arxiv.org/abs/2001.00001",
        "https://openlibrary.org/isbn/9783161484100",
        "https://aclanthology.org/2020.acl-main.7",
    ):
        assert address in links


def test_fields_that_no_term_was_found_for_are_shown_as_kept(zoo: FlaskClient) -> None:
    page = zoo.get("/paper/first/deep.html").get_data(as_text=True)
    assert re.search(r"<dt><code>shelf</code></dt><dd><code>\{&#34;row&#34;: ?3\}</code></dd>", page)


def data_block(page: str) -> dict[str, object]:
    blocks = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert len(blocks) == 1
    data: dict[str, object] = json.loads(blocks[0])
    return data


def test_data_for_search_engines_cannot_be_left(zoo: FlaskClient) -> None:
    page = zoo.get("/paper/first/deep.html").get_data(as_text=True)
    data = data_block(page)
    assert data["name"] == DEEP["title"]
    assert data["author"] == ["Ann Lee", "Jo Bell"]
    assert data["@id"] == f"{BASE}paper/first/deep"
    assert "name/" not in json.dumps(data)
    assert not Page(page).foreign_scripts
    assert len(Page(page).all("script")) == 1 + page.count('type="module"')


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_stays_data(client: FlaskClient, number: int) -> None:
    page = client.get(f"/paper/hostile/hostile/{number}.html").get_data(as_text=True)
    assert data_block(page)["@type"] == "ScholarlyArticle"
    assert not Page(page).foreign_scripts
    assert len(Page(page).all("h1")) == 1


def test_a_cut_byline_is_said_in_every_reference(client: FlaskClient, web_library: Path) -> None:
    path = path_of_title(
        web_library,
        "Beyond the 80/20 Rule: High-Entropy Minority Tokens Drive Effective Reinforcement Learning for LLM Reasoning",
    )
    page = client.get(f"/{path}.html").get_data(as_text=True)
    for style in ("apa", "chicago", "acm"):
        reference = re.search(rf'<dd id="cite-{style}">(.*?)</dd>', page, re.DOTALL)
        assert reference
        assert "et al." in reference[1]
    assert str(data_block(page)["creditText"]).endswith(" and others")
    assert "may have shortened the byline" in Page(page).words


def test_a_whole_byline_ends_with_its_last_name(zoo: FlaskClient) -> None:
    page = zoo.get("/paper/first/deep.html").get_data(as_text=True)
    assert "et al." not in page
    assert data_block(page)["creditText"] == "Ann Lee, Jo Bell"
    cite = page.partition('id="cite"')[2].partition('id="paper-related"')[0]
    assert "Jo Bell" in cite
    assert "0002" not in cite


def test_every_name_reaches_reference_managers_and_the_page_stays_small(zoo: FlaskClient) -> None:
    response = zoo.get("/paper/first/long.html")
    page = read(response)
    authors = [a["content"] for a in page.all("meta") if a.get("name") == "citation_author"]
    assert len(authors) == LONG_BYLINE
    assert f"… and {LONG_BYLINE - 50:,} more" in page.words
    assert compared(response.get_data(as_text=True))[0][-1] == f"{LONG_BYLINE:,}"
    assert f"The first 50 of {LONG_BYLINE:,} names; the files have them all." in page.words
    assert len(gzip.compress(response.data)) < LARGEST_PAGE
    assert zoo.get("/paper/first/long.bib").get_data(as_text=True).count(" and\n") == LONG_BYLINE - 1


def test_the_page_describes_itself_by_the_beginning_of_its_abstract(zoo: FlaskClient) -> None:
    from flask import template_rendered

    described: list[object] = []

    def note(sender: object, template: object, context: dict[str, object]) -> None:
        described.append(context["description"])

    with template_rendered.connected_to(note, zoo.application):
        for key in ("deep", "song"):
            zoo.get(f"/paper/first/{key}.html")
    assert described == ["Zebra finches sing at dawn, and their songs are deep.", "Kim Roe. Bird. 2018"]


def test_no_button_is_shown_before_it_can_do_something(zoo: FlaskClient) -> None:
    buttons = [a for a in read(zoo.get("/paper/first/deep.html")).all("button") if "data-copy" in a]
    assert len(buttons) == 4
    assert all("hidden" in attributes for attributes in buttons)
