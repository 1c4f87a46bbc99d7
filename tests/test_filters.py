"""Lists that can be narrowed: what is offered, what is left, the way back; the figures are those of the data."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

from quiver.web.filters import Filter, Filters, FilterValue
from tests.browsing import BASE, Page, make_app, read

NAME = "/name/andrew_zhao.html"
MANY = "/name/pat_many.html"


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


def offers(text: str) -> dict[str, tuple[str, int]]:
    """Label -> address and figure of everything that a list is offered to be narrowed to."""
    box = text[text.index('class="filters"') : text.index("</div>", text.index('class="filters"'))]
    found = re.findall(r'<li><a href="([^"]*)" rel="nofollow">([^<]*)</a> <span class="figure">([\d,]+)</span>', box)
    return {label: (href.replace("&amp;", "&"), int(figure.replace(",", ""))) for href, label, figure in found}


def count(page: Page) -> str:
    found = re.search(r"[\d,]+ of [\d,]+ papers?", page.words)
    return found[0] if found else ""


def test_every_value_offered_leaves_as_many_papers_as_it_says(client: FlaskClient) -> None:
    text = client.get(NAME).get_data(as_text=True)
    found = offers(text)
    assert {"2025", "2024", "NeurIPS", "ICLR"} & set(found)
    assert "Conference Paper" not in found, "what all papers share narrows nothing"
    for label, (link, figure) in found.items():
        page = read(client.get(urljoin(NAME, link)))
        assert len(page.all("article")) == figure, label
        assert count(page) == f"{figure} of 9 papers"
        assert f"take away the {'year' if label.isdigit() else 'venue'}" in page.words


def test_choices_add_up_and_each_can_be_taken_away(client: FlaskClient) -> None:
    page = read(client.get(f"{NAME}?year=2025&venue=venue/neurips"))
    assert count(page) == "3 of 9 papers"
    assert "Year: 2025" in page.words
    assert "Venue: NeurIPS" in page.words
    ways = [link for link in page.links if link.endswith("#name-papers") and link != "#name-papers"]
    queries = {urlsplit(urljoin(NAME, link)).query for link in ways}
    assert {"", "year=2025", "venue=venue%2Fneurips"} <= queries
    nofollow = {a["href"] for a in page.all("a") if a.get("rel") == "nofollow"}
    assert set(ways) <= nofollow


def test_a_filter_starts_from_the_first_page_and_keeps_with_paging(client: FlaskClient) -> None:
    text = client.get(f"{MANY}?page=2").get_data(as_text=True)
    assert all("page=" not in link for link, _ in offers(text).values())
    app = make_app(Path(client.application.extensions["quiver"].holder.library.path), page_size=4)
    page = read(app.test_client().get(f"{MANY}?year=2003"))
    following = [a["href"] for a in page.all("a") if a.get("rel") == "next"]
    assert urlsplit(following[0]).query == "year=2003&page=2"
    second = read(app.test_client().get(urljoin(MANY, following[0])))
    assert count(second) == "6 of 120 papers"
    assert len(second.all("article")) == 2


def test_a_narrowed_list_is_not_for_search_engines(client: FlaskClient) -> None:
    for path, expected in ((NAME, False), (f"{NAME}?year=2025", True)):
        robots = [a["content"] for a in read(client.get(path)).all("meta") if a.get("name") == "robots"]
        assert robots == (["noindex"] if expected else [])


def test_a_list_that_filters_leave_empty_says_why(client: FlaskClient) -> None:
    page = read(client.get(f"{NAME}?year=1999&venue=venue/nowhere"))
    assert "None of these 9 papers is of the year 1999 and at venue/nowhere." in page.words
    assert count(page) == "0 of 9 papers"
    assert "all papers" in page.words


@pytest.mark.parametrize(
    "query, words",
    [
        ("year=abc", "a year of four digits"),
        ("year=20255", "a year of four digits"),
        ("venue=a%20b", "an IRI"),
        ("year=2024&year=2025", "is given 2 times"),
        ("type=a%00b", "is not text"),
    ],
)
def test_a_value_of_another_kind_is_told(client: FlaskClient, query: str, words: str) -> None:
    response = client.get(f"{NAME}?{query}")
    assert response.status_code == 400
    assert words in response.get_data(as_text=True)


def test_a_hostile_value_is_shown_and_never_markup(client: FlaskClient) -> None:
    page = read(client.get(NAME, query_string={"type": '"><script>alert(1)</script>'}))
    assert all("src" in attributes for attributes in page.all("script"))
    assert '"><script>alert(1)</script>' in page.text


def test_query_and_data_of_a_narrowed_list_are_narrowed_too(client: FlaskClient) -> None:
    page = read(client.get(f"{NAME}?year=2025&venue=venue/neurips"))
    tools = [link for link in page.links if "queries/name/papers?" in link or "queries/name/papers." in link]
    assert len(tools) == 3
    for link in tools:
        address = urljoin(NAME, link)
        assert "year=2025" in address
        response = client.get(address)
        assert response.status_code == 200
        if ".csv" in address:
            rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))
            assert len(rows) == 3
            assert {row["year"] for row in rows} == {"2025"}
        elif ".json" in address:
            assert len(response.get_json()["results"]["bindings"]) == 3
        else:
            text = response.get_data(as_text=True)
            assert "VALUES ?wanted_venue { &lt;" + BASE + "venue/neurips&gt; }" in text
            assert "VALUES ?wanted_type { UNDEF }" in text
    assert client.get("/queries/name/papers.csv?cluster=name/andrew_zhao&year=x").status_code == 400


def test_the_form_of_a_query_leaves_optional_parameters_open(client: FlaskClient) -> None:
    page = read(client.get("/queries/name/papers"))
    fields = {a["name"]: a for a in page.all("input") if a.get("class") == "value"}
    assert "required" in fields["cluster"]
    assert "required" not in fields["year"]
    assert fields["year"]["value"] == ""
    assert "or nothing" in page.words
    parameters = client.get("/openapi.json").get_json()["paths"]["/queries/name/papers.{format}"]["get"]["parameters"]
    required = {one["name"]: one["required"] for one in parameters if "required" in one}
    assert required["cluster"]
    assert not required["year"]


def test_counts_in_words() -> None:
    year = Filter("year", "Year", (), chosen="2024")
    open_ = Filter("venue", "Venue", (FilterValue("A", "1", "?"),))
    assert Filters((open_,), 1200, 1200, "", "").count == "1,200 papers"
    assert Filters((year,), 12, 1200, "", "").count == "12 of 1,200 papers"
    assert Filters((year,), 0, 1, "", "").empty == "This one paper is not of the year 2024."
    assert Filters((year, open_), 1, 2, "", "").offered == (open_,)
