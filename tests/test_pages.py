"""What a reader sees: each page type, its panels and figures; hostile text stays text; links stay inside."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

from quiver.web.charts import bar_chart, fill_years
from quiver.web.name_page import PageAccount
from quiver.web.responses import CONTENT_SECURITY_POLICY
from tests.browsing import BASE, HOSTILE, LONG_BYLINE, Page, make_app, path_of_title, read
from tests.page_types import BROWSER, PAGE_TYPES

MOST_QUERIES = 8
# All that are answered with a page; what errors look like is tested in test_bad_input.py.
TYPES = [kind for kind, page in PAGE_TYPES.items() if page.status == 200]
NAME = "/name/andrew_zhao.html"


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


@pytest.fixture(scope="module")
def paths(client: FlaskClient) -> dict[str, str]:
    """A page of each type."""
    return {kind: PAGE_TYPES[kind].find(client) for kind in TYPES}


@pytest.mark.parametrize("kind", TYPES)
def test_every_page_is_well_formed_and_guarded(client: FlaskClient, paths: dict[str, str], kind: str) -> None:
    response = client.get(paths[kind], headers=BROWSER)
    page = read(response)
    assert not page.unbalanced
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert len(page.all("h1")) == 1
    assert [attributes["lang"] for attributes in page.all("html")] == ["en"]
    assert {"main", "header", "footer", "nav"} <= {tag for tag, _ in page.tags}
    assert not page.foreign_scripts
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.tags for name in attributes)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes["for"] for attributes in page.all("label") if "for" in attributes}
    assert all(a.get("id") in named for a in page.all("input") if a.get("type") != "hidden")


def queries_of(client: FlaskClient, path: str) -> int:
    """How many named queries a page ran; where it ran none, it does not say so."""
    timing = client.get(path, headers=BROWSER).headers.get("Server-Timing", 'queries;desc="0"')
    match = re.search(r'desc="(\d+)"', timing)
    assert match is not None
    return int(match[1])


@pytest.mark.parametrize("kind", TYPES)
def test_no_page_runs_more_queries_than_it_may(client: FlaskClient, paths: dict[str, str], kind: str) -> None:
    # A panel that a reader opened comes on top.
    opened = len(parse_qs(urlsplit(paths[kind]).query).get("open", [""])[0].split())
    assert queries_of(client, paths[kind]) <= MOST_QUERIES + opened


def test_queries_of_pages_are_counted(client: FlaskClient) -> None:
    """So that the limit above is one that could be passed."""
    assert queries_of(client, NAME) > 5
    assert queries_of(client, PAGE_TYPES["paper"].path) > 3


@pytest.mark.parametrize("kind", TYPES)
def test_links_are_relative_and_lead_somewhere(client: FlaskClient, paths: dict[str, str], kind: str) -> None:
    page = read(client.get(paths[kind], headers=BROWSER))
    assets = [a["href"] for a in page.all("link") if a.get("rel") not in ("canonical", "license")]
    inside = {link for link in (*page.links, *assets) if not urlsplit(link).scheme}
    assert not any(link.startswith("/") for link in inside)
    assert not any(link.startswith(BASE) for link in page.links)
    assert not any(urlsplit(link).scheme not in ("", "http", "https") for link in page.links)
    for link in sorted(inside)[:60]:
        target = urljoin(f"http://host/deep/prefix{paths[kind]}", link)
        assert target.startswith("http://host/deep/prefix/")
        path = target.removeprefix("http://host/deep/prefix").partition("#")[0]
        if path.startswith(("/sparql", "/queries")):
            continue  # served by other blueprints, with their own tests
        with client.get(path) as response:
            assert response.status_code in (200, 303), path


@pytest.mark.parametrize("kind", TYPES)
def test_fragments_point_at_something(client: FlaskClient, paths: dict[str, str], kind: str) -> None:
    page = read(client.get(paths[kind], headers=BROWSER))
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {link[1:] for link in page.links if link.startswith("#")} <= ids


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_is_shown_and_never_markup(client: FlaskClient, number: int) -> None:
    for path in (f"/paper/hostile/hostile/{number}.html", "/search?q=alert", "/quality", "/"):
        page = read(client.get(path))
        assert not page.foreign_scripts
        assert not page.all("iframe")
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert not any(link.startswith(("javascript:", "data:")) for link in page.links)
    paper = read(client.get(f"/paper/hostile/hostile/{number}.html"))
    assert "alert" in paper.text
    assert "49" not in paper.text.split("alert(3)")[-1][:12]


def test_the_name_page_says_what_the_source_says_and_what_was_found(client: FlaskClient) -> None:
    page = read(client.get(NAME))
    words = page.words
    assert "Author name cluster" in words
    # Those are not our words, and they are about the papers of one source of several.
    assert (
        "is not a full identity disambiguation profile. The words of the page of Arrow, about the papers that it lists."
        in words
    )
    assert "Arrow states 10 papers and lists 9: 8 with the name on the byline, 1 by the page's listing alone." in words
    assert "at least 9 papers" in words
    years = [int(y) for y in re.findall(r"(?<=\s)(20\d\d)(?=\s)", page.text[page.text.index("Possible papers", 600) :])]
    assert years[:1] == [2025]
    for title in (
        "Absolute Zero: Reinforced Self-play Reasoning with Zero Data",
        "ExpeL: LLM Agents Are Experiential Learners",
    ):
        assert title in words


@pytest.mark.parametrize("path", ["/statistics/", "/nowhere", "/name/"])
def test_an_address_of_nothing_is_told_in_our_words(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Accept": "text/html"})
    assert response.status_code == 404
    words = " ".join(re.sub(r"<[^>]*>", " ", response.get_data(as_text=True)).split())
    assert f"There is no {path} here." in words
    assert "/search finds papers, names and venues." in words
    assert ("Try it without the slash at its end." in words) == path.endswith("/")
    problem = client.get(path, headers={"Accept": "application/problem+json"}).get_json()
    assert (problem["title"], problem["code"]) == ("Not found", "not-found")


def test_the_page_of_a_source_leads_to_what_it_lists(client: FlaskClient) -> None:
    page = read(client.get("/page/arrow/andrew_zhao.html"))
    assert "The papers that it lists stand on the page of the name." in page.words
    assert "../../name/andrew_zhao" in page.links
    assert "Place in the file" in page.words


def test_an_author_row_of_bylines_that_may_be_cut_has_at_least_its_papers(client: FlaskClient) -> None:
    """The rows of a source whose bylines are complete have just theirs."""
    cut = read(client.get("/author/arrow/n-Andrew_Zhao.html")).words
    assert "at least 8 papers" in cut
    assert cut.count("Of at least 8 papers.") == 3
    assert cut.count("At least: some bylines may be cut.") == 2
    assert "at least" not in read(client.get("/author/hostile/n-Pat_Many.html")).words.lower()


def test_the_listed_paper_without_the_name_is_there_with_its_evidence(client: FlaskClient) -> None:
    page = read(client.get(NAME))
    place = page.words.index("Beyond the 80/20 Rule")
    assert "listed under this name by a source" in page.words[place : place + 400]
    assert page.words.count("listed under this name by a source") == 1


def test_a_homonym_number_is_a_mark_and_no_part_of_the_name(client: FlaskClient) -> None:
    response = client.get("/name/haipeng_zhang_0006.html")
    page = read(response)
    assert '<span class="homonym"' in response.get_data(as_text=True)
    heading = re.search(r"<h1>(.*?)</h1>", response.get_data(as_text=True), re.DOTALL)
    assert heading is not None
    assert heading[1].startswith("Haipeng Zhang<")
    assert any(link.endswith("name/haipeng_zhang") for link in page.links)
    paper = client.get("/name/andrew_zhao.html").get_data(as_text=True)
    assert "Haipeng Zhang 0006" not in re.sub(
        r"<[^>]+>",
        "",
        re.sub(r'<span class="homonym".*?</span></span>|<span class="homonym".*?</span>[^<]*</span>', "", paper),
    )


def test_a_cluster_without_a_page_has_our_own_note(client: FlaskClient) -> None:
    assert "no identity profile" in read(client.get("/name/gao_huang.html")).words


def test_every_name_on_a_byline_leads_to_its_cluster(client: FlaskClient, paths: dict[str, str]) -> None:
    page = read(client.get(paths["paper"]))
    for key in ("shenzhi_wang", "le_yu", "chang_gao", "chujie_zheng", "shixuan_liu", "rui_lu", "kai_dang"):
        assert any(link.endswith(f"name/{key}") for link in page.links)
    assert "byline abridged" in page.words


def test_the_paper_page_feeds_reference_managers(client: FlaskClient, paths: dict[str, str]) -> None:
    page = read(client.get(paths["paper"]))
    authors = [a["content"] for a in page.all("meta") if a.get("name") == "citation_author"]
    assert authors[0] == "Shenzhi Wang"
    assert len(authors) == 8
    assert any(a.get("name") == "citation_title" for a in page.all("meta"))
    entry = client.get(paths["paper"].replace(".html", ".bib")).get_data(as_text=True)
    assert "others}" in entry
    assert entry.strip() in page.text


def test_no_homonym_number_reaches_an_export(client: FlaskClient, web_library: Path) -> None:
    path = path_of_title(
        web_library, "DMotion: Robotic Visuomotor Control with Unsupervised Forward Model Learned from Videos"
    )
    page = client.get(f"/{path}.html")
    for attributes in read(page).all("meta"):
        assert not re.search(r" \d{4}$", attributes.get("content", "")) or attributes.get("name") != "citation_author"
    entry = client.get(f"/{path}.bib").get_data(as_text=True)
    assert "Haipeng Zhang and" in entry
    assert "0006" not in entry


def test_abstracts_are_set_with_maths_and_mended_links(client: FlaskClient, web_library: Path) -> None:
    path = path_of_title(web_library, "A Mixture Of Surprises for Unsupervised Reinforcement Learning")
    page = read(client.get(f"/{path}.html"))
    assert "https://github.com/LeapLabTHU/MOSS" in page.links
    maths = path_of_title(
        web_library, "Provable General Function Class Representation Learning in Multitask Bandits and MDP"
    )
    assert read(client.get(f"/{maths}.html")).all("math")


def test_a_byline_of_thousands_shows_fifty_and_the_way_to_all(client: FlaskClient) -> None:
    page = read(client.get("/paper/hostile/long.html"))
    assert f"… and {LONG_BYLINE - 50:,} more" in page.words
    more = next(link for link in page.links if "names=all" in link)
    whole = (
        read(client.get(urljoin("/paper/hostile/long.html", more), follow_redirects=False)) if ".html" in more else None
    )
    assert whole is None or f"Person Number{LONG_BYLINE - 1}" in whole.text
    assert f"Person Number{LONG_BYLINE - 1}" in read(client.get("/paper/hostile/long.html?names=all")).text


def test_long_lists_are_paged_without_gaps(client: FlaskClient) -> None:
    seen: list[str] = []
    path: str | None = "/name/pat_many.html"
    while path:
        page = read(client.get(path))
        seen += re.findall(r"Paper \d{3} of many", page.text)
        following = [a["href"] for a in page.all("a") if a.get("rel") == "next"]
        path = urljoin(path, following[0]) if following else None
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize("page_size", [1, 7])
def test_the_page_size_is_a_setting(web_library: Path, page_size: int) -> None:
    page = read(make_app(web_library, page_size=page_size).test_client().get("/name/pat_many.html"))
    assert len(re.findall(r"Paper \d{3} of many", page.text)) == page_size


def test_papers_without_anything_have_pages(client: FlaskClient) -> None:
    page = read(client.get("/paper/records/conf/three.html"))
    assert "No author is stated." in page.words
    assert "The source gives no abstract." in page.words
    assert "https: //broken. example/x" in page.text


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        (
            PageAccount("", "Arrow", "", 9, None, 9, 9),
            "Arrow states and lists 9 papers, each with the name on the byline.",
        ),
        (PageAccount("", "Arrow", "", None, None, 1, 1), "Arrow lists 1 paper, this one with the name on the byline."),
        (
            PageAccount("", "Arrow", "", 4, 2, 3, 1),
            "Arrow states 4 papers and lists 3: 1 with the name on the byline, 2 by the page's listing alone.",
        ),
    ],
)
def test_the_difference_between_stated_and_found_is_explained(account: PageAccount, sentence: str) -> None:
    assert account.explanation == sentence


def test_a_chart_has_words_for_those_who_do_not_see_it() -> None:
    chart = Page(str(bar_chart([("2020", 3), ("<2021>", 0)], chart_id="c", title="A & B", description="2020: 3")))
    assert chart.all("svg")[0]["aria-labelledby"] == "c-title c-desc"
    assert "A & B" in chart.text
    assert "<2021>" in chart.text
    assert len(chart.all("rect")) == 1


def test_years_without_papers_leave_a_gap_but_not_for_centuries() -> None:
    assert fill_years([(2022, 1), (2020, 4)]) == [(2020, 4), (2021, 0), (2022, 1)]
    assert fill_years([(1500, 1), (2020, 4)]) == [(1500, 1), (2020, 4)]
