"""The page of a name: its panels, what they rest on, what waits until it is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pyoxigraph as ox
import pytest
from flask.testing import FlaskClient

from quiver.catalogue import evaluate, load_catalogue
from quiver.namespaces import term
from quiver.web import panels as panels_module
from quiver.web.name_page import _PANELS
from tests.browsing import BASE, Page, Tree, has_class, make_app, read, words_of

NAME = "/name/andrew_zhao.html"
MANY = "/name/pat_many.html"


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


def panel(client: FlaskClient, path: str, panel_id: str) -> str:
    """The words of one panel of a page."""
    tree = Tree(client.get(path).get_data(as_text=True))
    return next(words_of(one) for one in tree.root.iter("section") if one.get("id") == panel_id)


def ids(page: Page) -> list[str]:
    return [attributes["id"] for attributes in page.all("section") if "id" in attributes]


def asked(client: FlaskClient, path: str) -> int:
    """How many queries a page ran."""
    found = re.search(r'queries;desc="(\d+)"', client.get(path).headers.get("Server-Timing", ""))
    return int(found[1]) if found else 0


def test_the_panels_of_a_name_in_their_order(client: FlaskClient) -> None:
    assert ids(read(client.get(NAME))) == [
        "account",
        "name-papers-by-year-and-venue",
        "name-papers",
        "name-coauthors",
        "name-network",
        "name-venues",
        "name-positions",
        "name-author-rows",
        "compare",
    ]


@pytest.mark.parametrize("path", [NAME, MANY, "/name/haipeng_zhang.html", "/name/mia_fried.html", f"{NAME}?year=2025"])
def test_a_page_asks_no_more_than_eight_queries(client: FlaskClient, path: str) -> None:
    assert 0 < asked(client, path) <= 8


def test_what_is_not_there_is_not_asked_about(client: FlaskClient) -> None:
    """No page of a source and no similar name: two queries fewer."""
    assert asked(client, "/name/gao_huang.html") == asked(client, NAME) - 1
    page = read(client.get("/name/gao_huang.html"))
    assert not {"account", "name-similar"} & set(ids(page))


def test_each_year_has_its_bar_which_narrows_the_list(client: FlaskClient) -> None:
    text = client.get(NAME).get_data(as_text=True)
    bars = re.findall(r'<a href="([^"]*)" rel="nofollow"><title>(\d{4}): (\d+)</title>', text)
    assert [(year, figure) for _, year, figure in bars] == [("2021", "1"), ("2022", "2"), ("2024", "2"), ("2025", "4")]
    for link, year, figure in bars:
        narrowed = read(client.get(urljoin(NAME, link)))
        assert f"{figure} of 9 papers" in narrowed.words
        assert f"Year: {year}" in narrowed.words
        assert len(narrowed.all("article")) == int(figure)


def test_coauthors_have_years_and_lead_to_a_comparison(client: FlaskClient) -> None:
    tree = Tree(client.get(NAME).get_data(as_text=True))
    (section,) = [one for one in tree.root.iter("section") if one.get("id") == "name-coauthors"]
    table = [[words_of(cell) for cell in row] for row in section.iter("tr")]
    assert table[0] == ["co-author", "papers", "first year", "last year", "both names"]
    assert table[1] == ["Gao Huang", "6", "2022", "2025", "compare"]
    page = read(client.get(NAME))
    links = [a for a in page.all("a") if "/compare?" in a.get("href", "")]
    assert len(links) == 30
    assert all(a["rel"] == "nofollow" for a in links)
    assert parse_qs(urlsplit(links[0]["href"]).query) == {"a": ["name/andrew_zhao"], "b": ["name/gao_huang"]}
    assert client.get(urljoin(NAME, links[0]["href"])).status_code == 200


def test_a_homonym_number_in_a_table_is_a_mark(client: FlaskClient) -> None:
    text = client.get("/name/haipeng_zhang.html").get_data(as_text=True)
    table = text[text.index('id="name-similar"') :]
    assert re.search(r'haipeng_zhang_0006">Haipeng Zhang</a><span class="homonym"', table)


def test_positions_are_counted_on_complete_bylines_alone(client: FlaskClient) -> None:
    """All bylines of the Arrow page may be cut, and that of the record set of Mia Fried is complete."""
    assert "No byline with this name is known to be complete." in panel(client, NAME, "name-positions")
    words = panel(client, "/name/mia_fried.html", "name-positions")
    assert "Of 2 papers whose byline is complete." in words
    assert "Counted on complete bylines only; 3 of 5 papers may be cut." in words
    # Once it is first and in the middle of one byline, and once last.
    assert "first: 1 of 2 papers" in words
    assert "in the middle: 1 of 2 papers" in words
    assert "last: 1 of 2 papers" in words
    assert words.index("first:") < words.index("in the middle:") < words.index("last:")
    assert "single author: 120 of 120 papers" in panel(client, MANY, "name-positions")


def test_figures_are_at_least_where_a_byline_may_be_cut_anywhere(client: FlaskClient) -> None:
    """Not only on the page of the list that is shown."""
    for path in (NAME, f"{NAME}?year=1999", f"{NAME}?page=9"):
        page = read(client.get(path))
        assert "at least 9 papers" in page.words
        assert "Of at least 9 papers." in page.words
    assert "at least" not in read(client.get(MANY)).words.lower().replace("of at least 1 paper.", "")


@pytest.mark.parametrize("asked", ["open=name-network", "open=name-network&only=name-network", "open=name-author-rows"])
def test_figures_of_panels_opened_later_are_at_least_too(client: FlaskClient, asked: str) -> None:
    """Also of one that comes alone, where nothing else of the page tells that bylines may be cut."""
    panel_id = asked.partition("&")[0].removeprefix("open=")
    words = panel(client, f"{NAME}?{asked}", panel_id)
    assert re.search(r"Of at least \d+ (co-authors|papers)\.", words)
    assert not re.search(r"Of \d", words)
    assert "At least: some bylines may be cut." in words
    assert "at least" not in panel(client, f"{MANY}?open={panel_id}", panel_id).lower()


@pytest.mark.parametrize("panel_id", ["name-network", "name-author-rows"])
def test_what_waits_is_opened_by_a_link(client: FlaskClient, panel_id: str) -> None:
    page = read(client.get(NAME))
    (link,) = [a for a in page.all("a") if a.get("data-panel") == panel_id]
    assert link["rel"] == "nofollow"
    assert link["href"].endswith(f"#{panel_id}")
    opened = read(client.get(urljoin(NAME, link["href"])))
    assert panel_id not in {a.get("data-panel") for a in opened.all("a")}
    assert ids(opened) == ids(page)


def test_what_is_open_stays_open_when_more_is_opened(client: FlaskClient) -> None:
    page = read(client.get(f"{NAME}?open=name-network&year=2025"))
    (link,) = [a["href"] for a in page.all("a") if a.get("data-panel") == "name-author-rows"]
    assert parse_qs(urlsplit(link).query) == {"open": ["name-network name-author-rows"], "year": ["2025"]}
    opened = read(client.get(urljoin(NAME, link)))
    assert not [a for a in opened.all("a") if "data-panel" in a]


def test_one_panel_alone_is_made_without_the_others(client: FlaskClient) -> None:
    path = f"{NAME}?open=name-network&only=name-network"
    assert asked(client, path) == 2  # it, and what the source's page states
    page = read(client.get(path))
    assert [one for one in ids(page) if one.startswith("name-")] == ["name-network"]
    # Links in it are those of the whole page, into which a script puts it.
    assert not [link for link in page.links if "only=" in link]
    # A panel that there is not is no reason to show nothing.
    assert ids(read(client.get(f"{NAME}?only=name-nothing"))) == ids(read(client.get(NAME)))


def test_the_network_says_what_it_draws_and_leads_to_names(client: FlaskClient) -> None:
    path = f"{NAME}?open=name-network"
    words = panel(client, path, "name-network")
    found = re.search(r"Of at least (\d+) co-authors\.The 30 with most papers in common\.", words)
    assert found is not None
    rows = client.get("/queries/name/coauthors-count.json?cluster=name/andrew_zhao").get_json()["results"]["bindings"]
    assert found[1] == rows[0]["coauthors"]["value"]
    page = read(client.get(path))
    nodes = [a for a in page.all("a") if "data-node" in a]
    assert len(nodes) == 30
    assert all(client.get(urljoin(path, node["href"])).status_code == 303 for node in nodes[:5])
    assert "Gao Huang and Matthieu Lin: 4" in page.text


def test_author_rows_are_told_by_source_with_their_ids(client: FlaskClient) -> None:
    words = panel(client, "/name/mia_fried.html?open=name-author-rows", "name-author-rows")
    assert "~Mia_Fried1" in words
    assert "~Mia_Fried2" in words
    assert "records" in words
    assert "arrow" in words.lower()


def test_the_form_compares_with_this_name(client: FlaskClient) -> None:
    page = read(client.get(NAME))
    fields = {a.get("name"): a for a in page.all("input")}
    assert fields["a"]["value"] == "name/andrew_zhao"
    assert fields["a"]["type"] == "hidden"
    assert any(a.get("for") == fields["b"]["id"] for a in page.all("label"))
    (form,) = [a for a in page.all("form") if "compare" in a.get("class", "")]
    assert urljoin(NAME, form["action"]) == "/compare"


def test_of_many_papers_what_takes_time_waits(web_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with 2,000: here with a hundred."""
    monkeypatch.setattr(panels_module, "FILTERS_ON_DEMAND_ABOVE", 100)
    client = make_app(web_library).test_client()
    page = read(client.get(MANY))
    assert "narrow by year, venue or type" in page.words
    (link,) = [link for link in page.links if "open=name-papers-facets" in link]
    opened = read(client.get(urljoin(MANY, link)))
    assert any("year=2003" in found for found in opened.links)
    # Who has narrowed sees the filters anyway.
    assert "take away the year" in read(client.get(f"{MANY}?year=2003")).words
    many = {spec.query for spec in _PANELS if spec.on_demand_above}
    assert many == {"name/coauthors", "name/venues", "name/positions"}


def test_resembling_names_are_found_from_either_side() -> None:
    """No derivation writes them yet, so that the store is one of our own."""
    store = ox.Store()
    names = {key: ox.NamedNode(f"{BASE}name/{key}") for key in ("joao", "joão", "other")}
    for node in names.values():
        store.add(ox.Quad(node, ox.NamedNode(term("rdfs:label")), ox.Literal(node.value.rpartition("/")[2])))
        store.add(ox.Quad(node, ox.NamedNode(term("q:paperCount")), ox.Literal(3)))
    store.add(ox.Quad(names["joao"], ox.NamedNode(term("q:resembles")), names["joão"]))
    query = load_catalogue().get("name/similar")
    for one, other in (("joao", "joão"), ("joão", "joao")):
        (row,) = evaluate(store, query.bind({"cluster": f"name/{one}"}, BASE)).dicts()
        assert row["similar"] is not None
        assert row["difference"] is not None
        assert row["similar"].value == f"{BASE}name/{other}"
        assert row["difference"].value == "resembles it"


def test_nothing_calls_a_name_a_person(client: FlaskClient) -> None:
    for path in (NAME, MANY, f"{NAME}?open=name-network+name-author-rows", "/compare?a=name/andrew_zhao&b=name/rui_lu"):
        tree = Tree(client.get(path).get_data(as_text=True))
        main = next(one for one in tree.root.iter("main"))
        words = words_of(main).lower()
        assert "author profile" not in words
        assert not re.search(r"\b(researcher|scholar|his|her)\b", words)
        assert not [one for one in main.iter() if has_class(one, "person")]
