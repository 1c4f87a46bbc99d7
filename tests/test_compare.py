"""Two names beside each other: how they are found, what they share, and what is said where there is nothing."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.browsing import BASE, HOSTILE, make_app, read

A, B = "name/andrew_zhao", "name/gao_huang"
BOTH = f"/compare?a={A}&b={B}"


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


def rows(client: FlaskClient, query: str, one: str = A, other: str = B) -> list[dict[str, str]]:
    text = client.get(
        f"/queries/name/{query}.csv?one={one}&other={other}&limit=1000".replace(
            "&limit=1000", "" if query in ("side-by-side", "years-of-two", "papers-in-common-count") else "&limit=1000"
        )
    ).get_data(as_text=True)
    return list(csv.DictReader(io.StringIO(text)))


def test_what_two_names_have_in_common(client: FlaskClient) -> None:
    response = client.get(BOTH)
    page = read(response)
    assert "Andrew Zhao and Gao Huang" in page.words
    assert "Both are names and not people" in page.words
    text = " ".join(re.sub(r"<[^>]*>", " ", response.get_data(as_text=True)).split())
    papers = rows(client, "papers-in-common")
    assert len(papers) == len(page.all("article")) == 6
    assert all(paper["title"] in page.text for paper in papers)
    fewer = min(rows(client, "side-by-side"), key=lambda row: int(row["papers"]))
    share = f"{600 / int(fewer['papers']):.0f}"
    assert f"6 papers: {share} % of those of {fewer['name_label']}. At least: some bylines may be cut." in text
    for other in rows(client, "coauthors-in-common"):
        assert f"{other['coauthor_label']} {other['with_one']} {other['with_other']}" in text
    assert "with Andrew Zhao" in page.words
    assert "of Gao Huang" in page.words
    found = re.search(r'queries;desc="(\d+)"', response.headers["Server-Timing"])
    assert found is not None
    assert int(found[1]) <= 8


def test_figures_of_two_names_are_at_least_where_bylines_may_be_cut(client: FlaskClient) -> None:
    """In every panel, and of each name for itself: that of Pat Many stands on complete bylines alone."""
    page = read(client.get(BOTH))
    assert page.words.count("Of at least 9 papers of Andrew Zhao and at least ") == 4
    assert page.words.count("At least: some bylines may be cut.") == 5
    assert (
        "Of at least 9 papers of Andrew Zhao and 120 papers of Pat Many."
        in read(client.get(f"/compare?a={A}&b=name/pat_many")).words
    )
    assert "at least" not in read(client.get("/compare?a=name/pat_many&b=name/person_number1")).words.lower()


def test_in_common_is_the_same_from_either_side(client: FlaskClient) -> None:
    for query, key in (
        ("papers-in-common", "paper"),
        ("coauthors-in-common", "coauthor"),
        ("venues-in-common", "venue"),
    ):
        there = {row[key] for row in rows(client, query)}
        back = {row[key] for row in rows(client, query, B, A)}
        assert there == back != set(), query
    count = rows(client, "papers-in-common-count")
    assert int(count[0]["papers"]) == len(rows(client, "papers-in-common"))


def test_papers_in_common_are_those_on_both_lists(client: FlaskClient) -> None:
    def papers(cluster: str) -> set[str]:
        text = client.get(f"/queries/name/papers.csv?cluster={cluster}&limit=1000").get_data(as_text=True)
        return {row["paper"] for row in csv.DictReader(io.StringIO(text))}

    for one, other in ((A, B), (A, "name/rui_lu"), ("name/mia_fried", "name/ann_lee"), (A, "name/mia_fried")):
        assert {row["paper"] for row in rows(client, "papers-in-common", one, other)} == papers(one) & papers(other)


def test_years_of_both_are_drawn_and_told(client: FlaskClient) -> None:
    page = read(client.get(BOTH))
    years = rows(client, "years-of-two")
    (chart,) = [a for a in page.all("svg") if a.get("class") == "chart"]
    assert chart["role"] == "img"
    text = client.get(BOTH).get_data(as_text=True)
    titles = re.findall(r"<title>(\d{4}), (Andrew Zhao|Gao Huang): (\d+)</title>", text)
    drawn = {(year, name): count for year, name, count in titles}
    for row in years:
        for name, column in (("Andrew Zhao", "of_one"), ("Gao Huang", "of_other")):
            assert drawn.get((row["year"], name), "0") == row[column]


@pytest.mark.parametrize(
    "typed",
    [
        "Andrew Zhao",
        "andrew  ZHAO ",
        "/name/andrew_zhao",
        "name/andrew_zhao.html",
        "name/Andrew Zhao",
        f"{BASE}name/andrew_zhao",
    ],
)
def test_names_may_be_typed_as_anybody_would(client: FlaskClient, typed: str) -> None:
    response = client.get("/compare", query_string={"a": typed, "b": "Gao Huang"})
    assert response.status_code == 302
    assert urljoin("http://h/compare", response.headers["Location"]) == (
        "http://h/compare?a=name%2Fandrew_zhao&b=name%2Fgao_huang"
    )
    assert client.get(urljoin("/compare", response.headers["Location"])).status_code == 200


@pytest.mark.parametrize("name", ["li wei", "李伟", "Łukasz Żak", "haipeng zhang 0006", HOSTILE[0], HOSTILE[2]])
def test_names_with_anything_in_them_are_found(client: FlaskClient, name: str) -> None:
    response = client.get("/compare", query_string={"a": name, "b": A})
    if name == "li wei":
        assert response.status_code == 404
        return
    assert response.status_code == 302
    page = read(client.get(urljoin("/compare", response.headers["Location"])))
    assert name.removesuffix(" 0006").casefold() in page.text.casefold()
    assert all("src" in attributes for attributes in page.all("script"))


@pytest.mark.parametrize(
    "name", ["Andrew Zhaoo", '"><script>alert(1)</script>', "name/", "~", "%00", "name/~zz", "a" * 300]
)
def test_an_unknown_name_is_told_with_a_way_to_search(client: FlaskClient, name: str) -> None:
    response = client.get("/compare", query_string={"a": A, "b": name}, headers={"Accept": "text/html"})
    assert response.status_code == 404
    text = response.get_data(as_text=True)
    assert "No byline of this release holds exactly" in text
    assert "<script>alert" not in text
    searches = re.findall(r'href="([^"]*search\?q=[^"]*)"', text)
    assert searches
    assert client.get(urljoin("/compare", searches[0].replace("&amp;", "&"))).status_code == 200
    # The other name is still in the form.
    assert 'value="Andrew Zhao"' in text


def test_one_name_twice_is_told(client: FlaskClient) -> None:
    page = read(client.get(f"/compare?a={A}&b={A}"))
    assert "Both are the same name: Andrew Zhao." in page.words
    assert not page.all("article")


def test_without_names_there_is_a_form(client: FlaskClient) -> None:
    for path, value in (("/compare", ""), (f"/compare?a={A}", "Andrew Zhao"), ("/compare?a=&b=", "")):
        page = read(client.get(path))
        fields = {a["name"]: a for a in page.all("input") if a.get("name") in ("a", "b")}
        assert fields["a"]["value"] == value
        assert fields["b"]["value"] == ""
        assert "required" in fields["b"]


def test_names_with_nothing_in_common_say_so(client: FlaskClient) -> None:
    page = read(client.get("/compare?a=name/pat_many&b=name/andrew_zhao"))
    assert "No paper of this release is a possible paper of both names." in page.words
    assert "No third name shares papers with both." in page.words
    assert "No venue has papers of both." in page.words
    assert "120" in page.words


def test_a_comparison_is_not_for_search_engines(client: FlaskClient) -> None:
    for path in (BOTH, "/compare"):
        assert [a["content"] for a in read(client.get(path)).all("meta") if a.get("name") == "robots"] == ["noindex"]


@pytest.mark.parametrize("query", [f"a={A}&a={B}", "a=" + "x" * 500, f"a={A}&b={B}&page=x"])
def test_wrong_requests_are_told(client: FlaskClient, query: str) -> None:
    assert client.get(f"/compare?{query}").status_code == 400


def test_papers_in_common_are_paged(web_library: Path) -> None:
    client = make_app(web_library, page_size=4).test_client()
    first = read(client.get(BOTH))
    (following,) = [a["href"] for a in first.all("a") if a.get("rel") == "next"]
    second = read(client.get(urljoin("/compare", following)))
    assert len(first.all("article")) == 4
    assert len(second.all("article")) == 2
    assert urlsplit(following).fragment == "name-papers-in-common"
