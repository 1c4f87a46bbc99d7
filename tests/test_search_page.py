"""Search as a reader and a program meet it: results, facets, filters, slips, identifiers, completion, data, feed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urljoin, urlsplit
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from quiver.releases import Library
from quiver.web.bylines import byline_of, read_bylines
from quiver.web.graph import Graph
from tests.browsing import BASE, Page, make_app, read
from tests.searching import ORCID, SHARED_ORCID, TWICE, make_search_library

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_search_library(tmp_path_factory.mktemp("searched"))


@pytest.fixture(scope="module")
def client(library: Path) -> FlaskClient:
    return make_app(library).test_client()


def get_json(client: FlaskClient, path: str) -> dict[str, object]:
    response = client.get(path)
    assert response.status_code == 200, response.get_data(as_text=True)
    value = json.loads(response.get_data())
    assert isinstance(value, dict)
    return value


def titles(page: Page, response: TestResponse) -> list[str]:
    found = re.findall(r'<h3 class="title"><a [^>]*>([^<]*)</a>', response.get_data(as_text=True))
    assert page.all("ol") or not found
    return found


def search(client: FlaskClient, query: str) -> list[str]:
    response = client.get(f"/search?{query}")
    return titles(read(response), response)


# -- the page


def test_names_papers_and_venues_are_found(client: FlaskClient) -> None:
    assert set(search(client, "q=bernhard")[:2]) == {"Bernhard Schölkopf", "Bernhard Scholkopf"}
    assert search(client, "q=kernels") == ["Kernels for attention"]
    assert search(client, "q=neurips&kind=venue") == search(client, "q=neurips&type=venue") == ["NeurIPS"]


def test_input_without_accents_finds_names_that_have_them_and_accents_rank_first(client: FlaskClient) -> None:
    assert set(search(client, "q=scholkopf&kind=name")) == {"Bernhard Schölkopf", "Bernhard Scholkopf"}
    assert search(client, "q=Schölkopf&kind=name") == ["Bernhard Schölkopf", "Bernhard Scholkopf"]
    assert search(client, "q=zoe&kind=name") == ["Zoë Example"]


def test_the_help_says_what_does_not_count(client: FlaskClient) -> None:
    """Nothing is promised for a word without accents, or for a plural: neither is put before the other spelling."""
    said = read(client.get("/search")).words
    assert "Letter case, accents and an English plural’s ending do not count" in said
    assert "what has the accents that you typed comes first" in said
    assert "exactly as asked" not in said
    assert search(client, "q=KERNEL") == search(client, "q=kernels") == ["Kernels for attention"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('"two sources"', ["In two sources", "In two sources"]),
        ("kern*", ["Kernels for attention"]),
        ("author:many year:2001-2003", ["Report of 2003", "Report of 2002", "Report of 2001"]),
        ("venue:acl attention -learning", ["Zero attention"]),
    ],
)
def test_the_language_of_the_box(client: FlaskClient, query: str, found: list[str]) -> None:
    assert search(client, f"q={quote(query)}&kind=paper&sort=newest") == found


def test_what_matched_in_the_abstract_is_marked_and_the_abstract_is_text(client: FlaskClient) -> None:
    html = client.get("/search?q=reinforcement").get_data(as_text=True)
    assert "what &lt;attention&gt; &amp; kernels have to do with <mark>reinforcement</mark> learning" in html


def test_the_heading_and_the_title_say_how_many(client: FlaskClient) -> None:
    page = read(client.get("/search?q=report&kind=paper"))
    assert "Results 1 to 34 of 34 for “report”" in page.words
    assert "report: 34 results" in page.words
    assert "1 result for “zebras”" in read(client.get("/search?q=zebras")).words


def test_orders(client: FlaskClient) -> None:
    newest = search(client, "q=attention&kind=paper&sort=newest")
    assert newest == ["Zero attention", "Kernels for attention", "Learning of attention from zero"]
    assert search(client, "q=attention&kind=paper&sort=oldest") == newest[::-1]
    assert search(client, "q=attention&kind=paper&sort=title") == sorted(newest)


def test_a_hostile_search_is_shown_as_typed(client: FlaskClient) -> None:
    page = read(client.get('/search?q="><script>alert(1)</script>'))
    assert not page.foreign_scripts
    assert any(a.get("value") == '"><script>alert(1)</script>' for a in page.all("input"))


def links_of(page: Page, label: str) -> list[str]:
    """The links in the section with this label."""
    at = next(place for place, (tag, a) in enumerate(page.tags) if tag == "section" and a.get("aria-label") == label)
    links = []
    for tag, attributes in page.tags[at + 1 :]:
        if tag in ("section", "ol"):
            break
        if tag == "a":
            assert "nofollow" in attributes["rel"].split()
            links.append(attributes["href"])
    return links


def test_facets_have_counts_and_narrow(client: FlaskClient) -> None:
    page = read(client.get("/search?q=attention"))
    kinds, venues, years = (links_of(page, label) for label in ("Kind", "Venue", "Year"))
    assert [parse_qs(urlsplit(link).query)["kind"] for link in kinds] == [["paper"]]
    assert [parse_qs(urlsplit(link).query)["venue"] for link in venues] == [["ACL"], ["NeurIPS"]]
    assert [parse_qs(urlsplit(link).query)["year"] for link in years] == [["2022"], ["2020"], ["2019"]]
    assert re.search(r"Venue\s+ACL\s*2\s+NeurIPS\s*1", page.text)
    assert len(search(client, urlsplit(venues[0]).query)) == 2


def test_the_years_behind_the_newest_are_one_value(client: FlaskClient) -> None:
    page = read(client.get("/search?q=report&kind=paper"))
    assert "2008 and before" in page.words
    last = links_of(page, "Year")[-1]
    assert parse_qs(urlsplit(last).query)["year"] == ["-2008"]
    assert len(search(client, urlsplit(last).query)) == 2008 - 1990 + 1
    facets = get_json(client, "/search.json?q=report&kind=paper")["facets"]
    assert isinstance(facets, dict)
    assert facets["earlier"] == {"-2008": 2008 - 1990 + 1}


@pytest.mark.parametrize(
    ("year", "count"), [("2001", 1), ("2001-2003", 3), ("2020-", 4), ("-1992", 3), ("1800-1900", 0), ("", 34)]
)
def test_spans_of_years(client: FlaskClient, year: str, count: int) -> None:
    assert get_json(client, f"/search.json?q=report&kind=paper&year={year}")["total"] == count


@pytest.mark.parametrize(
    ("sent", "year"),
    [("from=2001&to=2003", "2001-2003"), ("from=2001&to=", "2001-"), ("to=1992", "-1992"), ("from=7&to=7", "7")],
)
def test_the_form_for_years_leads_to_one_address(client: FlaskClient, sent: str, year: str) -> None:
    response = client.get(f"/search?q=report&kind=paper&{sent}")
    assert response.status_code == 303
    given = parse_qs(urlsplit(response.headers["Location"]).query)
    assert given == {"q": ["report"], "kind": ["paper"], "year": [year]}
    assert "year" not in client.get("/search?q=report&from=&to=").headers["Location"]


def test_every_filter_can_be_taken_away(client: FlaskClient) -> None:
    page = read(client.get("/search?q=report&kind=paper&venue=Runs&year=2001-2003"))
    assert page.words.count(": take away") == 3
    assert "Narrowed to Kind Papers ×" in page.words
    chosen = [a["href"] for a in page.all("a") if a.get("aria-current") == "true" and "sort=" not in a["href"]]
    assert len(chosen) == 3
    for link, gone in zip(chosen, ("kind", "venue", "year"), strict=True):
        assert set(parse_qs(urlsplit(link).query)) == {"q", "kind", "venue", "year"} - {gone}


def test_filters_that_leave_nothing_are_still_there_to_be_taken_away(client: FlaskClient) -> None:
    page = read(client.get("/search?q=kernels&year=1999&venue=Nowhere"))
    assert "Narrowed to Venue Nowhere" in page.words
    assert "Nothing matches “kernels” with these filters; without them there is 1 result." in page.words
    page = read(client.get("/search?q=zzzzzzzz&kind=paper"))
    assert "Nothing matches “zzzzzzzz”, with these filters or without." in page.words


def test_nothing_says_why_and_what_to_do(client: FlaskClient) -> None:
    page = read(client.get("/search?q=zzzzzzzz"))
    assert "Nothing matches “zzzzzzzz”." in page.words
    assert "All words must be found" in page.words


def test_a_page_behind_the_last_says_so(client: FlaskClient) -> None:
    page = read(client.get("/search?q=report&page=9"))
    assert "No results on this page There are 34" in page.words.replace("35", "34")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("q=year:someday", "Year:someday is no year"),
        ("q=a&year=abc", "'abc' is no year"),
        ("q=a&year=2020-2010", "2020-2010 ends before it begins"),
        ("q=a&kind=person", "No kind 'person'"),
        ("q=a&sort=best", "No order 'best'"),
        (f"q={'x' * 5000}", "the search text has 5,000 characters"),
    ],
)
def test_what_does_not_read_is_said_on_the_page(client: FlaskClient, query: str, words: str) -> None:
    response = client.get(f"/search?{query}")
    assert response.status_code == 400
    page = Page(response.get_data(as_text=True))
    assert words.lower() in page.words.lower()
    assert any(a.get("name") == "q" for a in page.all("input"))
    assert not page.unbalanced
    assert client.get(f"/search.json?{query}").mimetype == "application/problem+json"


def test_pages_of_results_are_not_for_crawlers(client: FlaskClient) -> None:
    page = read(client.get("/search?q=report"))
    assert any(a.get("name") == "robots" and "noindex" in a["content"] for a in page.all("meta"))


def test_counts_that_rest_on_cut_bylines_say_at_least(client: FlaskClient, web_library: Path) -> None:
    cut = make_app(web_library).test_client()
    words = read(cut.get("/search?q=andrew+zhao&kind=name")).words
    assert "at least 9 papers" in words
    groups = get_json(cut, "/suggest.json?q=andrew+zh")["groups"]
    assert isinstance(groups, list)
    assert (groups[0]["suggestions"][0]["papers"], groups[0]["suggestions"][0]["at_least"]) == (9, True)
    assert "at least" not in read(cut.get("/search?q=pat+many&kind=name")).words
    assert "at least" not in read(client.get("/search?q=scholkopf&kind=name")).words


def test_bylines_of_results_are_those_of_the_papers(web_library: Path) -> None:
    graph = Graph(Library(web_library).current())
    papers = {graph.base + hit.path: hit for hit in graph.search.search("", kind="paper", limit=1000).hits}
    for iri, byline in read_bylines(graph, papers).items():
        status = graph.about(iri).one("q:bylineStatus")
        assert byline_of(graph, papers[iri].names, status) == byline


# -- slips


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("kernles", "kernels"),
        ("Kernles attentoin", "Kernels attention"),
        ("author:scholkpf", "author:scholkopf"),
        ('"lerning of attention"', '"learning of attention"'),
        ("reinforcmentt", "reinforcement"),
        ("zebrsa -report", "zebras -report"),
        ("xqxqxqxq", None),
        ("10.1000/non", None),
    ],
)
def test_a_slip_is_mended_and_said(client: FlaskClient, typed: str, meant: str | None) -> None:
    response = client.get(f"/search?q={quote(typed)}")
    words = read(response).words
    data = get_json(client, f"/search.json?q={quote(typed)}")
    assert data["q"] == typed
    assert f"Nothing matches “{typed}”." in words
    if meant is None:
        assert "instead" not in data
        assert "Showing results for" not in words
        assert data["total"] == 0
    else:
        assert data["instead"] == meant
        assert f"Nothing matches “{typed}”. Showing results for {meant} instead." in words
        assert data["total"]
        assert "0 results" not in words


def test_the_title_and_the_description_count_what_was_searched_for(client: FlaskClient) -> None:
    """Of a slip there are none."""
    text = client.get("/search?q=attentoin").get_data(as_text=True)
    assert re.search(r"<title>attention: [1-9]\d* results", text)
    assert re.search(
        r'name="description" content="[1-9]\d* results among papers, names and venues for “attention”', text
    )
    assert "<title>zzzzzz: 0 results" in client.get("/search?q=zzzzzz").get_data(as_text=True)


def test_facets_of_mended_results_lead_to_them(client: FlaskClient) -> None:
    page = read(client.get("/search?q=attentoin"))
    for link in links_of(page, "Year"):
        assert parse_qs(urlsplit(link).query)["q"] == ["attention"]
    assert any(a.get("name") == "q" and a.get("value") == "attentoin" for a in page.all("input"))


def test_what_is_found_is_never_mended(client: FlaskClient) -> None:
    assert "instead" not in get_json(client, "/search.json?q=zero")
    assert "instead" not in get_json(client, "/search.json?q=zero&year=1990"), "found without the filter"


def test_files_and_feeds_hold_what_was_asked_for_and_nothing_else(client: FlaskClient) -> None:
    assert client.get("/search.csv?q=kernles").get_data(as_text=True).count("\n") == 1
    assert client.get("/search.atom?q=kernles").headers["X-Total-Count"] == "0"


# -- going straight


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("10.1000/one", "paper/left/P20-1001"),
        ("doi:10.1000/ONE", "paper/left/P20-1001"),
        ("doi: 10.1000/one", "paper/left/P20-1001"),
        (" https://doi.org/10.1000/One ", "paper/left/P20-1001"),
        ("http://dx.doi.org/10.1000/one", "paper/left/P20-1001"),
        ("2001.01234", "paper/left/P20-1001"),
        ("arXiv:2001.01234v3", "paper/left/P20-1001"),
        ("https://arxiv.org/pdf/2001.01234v1.pdf", "paper/left/P20-1001"),
        ("10.48550/arXiv.2001.01234", "paper/left/P20-1001"),
        ("ISBN 978-0-306-40615-7", "paper/left/P20-1001"),
        ("P20-1001", "paper/left/P20-1001"),
        ("acl:p20-1001", "paper/left/P20-1001"),
        ("https://aclanthology.org/P20-1001/", "paper/left/P20-1001"),
        ("https://aclanthology.org/P20-1001.pdf", "paper/left/P20-1001"),
        ("http://papers.example.org/P20-1001", "paper/left/P20-1001"),
        ("https://files.example.org/p20.pdf", "paper/left/P20-1001"),
        ("run/1999", "paper/left/run/1999"),
        (f"https://orcid.org/{ORCID}", "name/bernhard_sch%C3%B6lkopf"),
        (ORCID, "name/bernhard_sch%C3%B6lkopf"),
        (f"{BASE}paper/left/P20-1001", "paper/left/P20-1001"),
        (f"{BASE}paper/left/P20-1001.ttl", "paper/left/P20-1001"),
        (f"{BASE}paper/left/P20-1001#a1", "paper/left/P20-1001"),
        ("http://localhost/name/bernhard_sch%C3%B6lkopf.html?page=2", "name/bernhard_sch%C3%B6lkopf"),
        (f"{BASE}name/bernhard_schölkopf".replace("https", "http"), "name/bernhard_sch%C3%B6lkopf"),
        (f"{BASE}venue/acl/2021", "venue/acl/2021"),
        ("https://w3id.org/quiver/ontology#Paper", "ontology#Paper"),
    ],
)
def test_an_identifier_goes_straight_to_its_page(client: FlaskClient, text: str, path: str) -> None:
    response = client.get("/search", query_string={"q": text})
    assert response.status_code == 303
    assert urljoin("http://host/deep/search", response.headers["Location"]) == f"http://host/deep/{path}"
    target = urlsplit(urljoin("/search", response.headers["Location"])).path
    assert client.get(target).status_code in (200, 303)


@pytest.mark.parametrize(
    "text", ["attention", "two sources", "2021", "https://elsewhere.example/x", "10.1000/", "0000-0002-1825-0098", BASE]
)
def test_what_is_no_identifier_is_searched(client: FlaskClient, text: str) -> None:
    assert client.get("/search", query_string={"q": text}).status_code == 200


def test_a_key_that_is_a_word_is_a_word_where_others_have_it(client: FlaskClient) -> None:
    assert len(search(client, "q=zero")) == 2, "the key of one paper, and a word of two titles"
    assert client.get("/search?q=alone").status_code == 303, "a key that is no other's word"


@pytest.mark.parametrize("text", [TWICE, f"doi: {TWICE}", f"https://doi.org/{TWICE}"])
def test_one_doi_in_two_sources_shows_both(client: FlaskClient, text: str) -> None:
    response = client.get("/search", query_string={"q": text})
    assert titles(read(response), response) == ["In two sources", "In two sources"]


def test_there_is_a_way_round(client: FlaskClient) -> None:
    assert search(client, "q=10.1000/one&go=no") == ["Kernels for attention"]
    assert search(client, "q=10.1000/one&kind=paper") == ["Kernels for attention"]
    assert get_json(client, "/search.json?q=10.1000/one")["total"] == 1


def test_an_orcid_beside_several_names_shows_them(client: FlaskClient) -> None:
    page = read(client.get(f"/search?q={SHARED_ORCID}"))
    assert "is stated beside these names" in page.words
    assert {"../name/a._lee", "../name/ann_lee_0002"} <= {f"../{link.lstrip('./')}" for link in page.links}


# -- completion


def test_open_search_suggestions(client: FlaskClient) -> None:
    response = client.get("/suggest?q=bernhard+scho")
    assert response.mimetype == "application/x-suggestions+json"
    text, labels, kinds, addresses = json.loads(response.get_data())
    assert text == "bernhard scho"
    assert labels == ["Bernhard Scholkopf", "Bernhard Schölkopf"]
    assert kinds == ["Names", "Names"]
    assert addresses[1] == f"{BASE}name/bernhard_schölkopf"


def test_suggestions_of_our_own_boxes_work_on_any_host(client: FlaskClient) -> None:
    data = get_json(client, "/suggest.json?q=a")
    groups = data["groups"]
    assert isinstance(groups, list)
    assert [group["label"] for group in groups][:2] == ["Names", "Venues"]
    for group in groups:
        for one in group["suggestions"]:
            assert client.get(f"/{one['path']}").status_code == 303
            assert (
                "".join(text for text, _ in one["pieces"]) + (f" {one['number']}" if "number" in one else "")
                == one["label"]
            )
    numbered = [one for group in groups for one in group["suggestions"] if "number" in one]
    assert [(one["label"], one["number"]) for one in numbered] == [("Ann Lee 0002", "0002")]


def test_the_typed_part_is_marked_accents_or_not(client: FlaskClient) -> None:
    groups = get_json(client, "/suggest.json?q=bernhard+scholk")["groups"]
    assert isinstance(groups, list)
    pieces = [one["pieces"] for one in groups[0]["suggestions"]]
    assert [["Bernhard", True], [" ", False], ["Schölk", True], ["opf", False]] in pieces


def test_titles_are_completed_beside_names(client: FlaskClient) -> None:
    labels = json.loads(client.get("/suggest?q=att").get_data())[1]
    assert set(labels) == {"Kernels for attention", "Zero attention", "Learning of attention from zero"}


# -- data


def test_pages_of_json_are_the_whole(client: FlaskClient) -> None:
    seen: list[str] = []
    path = "/search.json?q=report&kind=paper&limit=10"
    while path:
        response = client.get(path)
        seen += [hit["iri"] for hit in json.loads(response.get_data())["hits"]]
        following = re.search(r'<([^>]*)>; rel="next"', response.headers.get("Link", ""))
        path = urljoin("/search.json", following[1]) if following else ""
        assert response.headers["X-Total-Count"] == "34"
    assert len(seen) == len(set(seen)) == 34


def test_csv_holds_every_result(client: FlaskClient) -> None:
    response = client.get("/search.csv?q=attention")
    assert response.mimetype == "text/csv"
    assert 'filename="search-attention.csv"' in response.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))
    assert len(rows) == int(response.headers["X-Total-Count"]) == 3
    row = next(row for row in rows if row["iri"] == f"{BASE}paper/left/P20-1001")
    assert (row["kind"], row["year"], row["names"]) == ("paper", "2020", "Bernhard Schölkopf; Ann Lee 0002")


@pytest.mark.parametrize(
    ("extension", "media_type", "mark"),
    [
        ("bib", "application/x-bibtex", r"@\w+\{"),
        ("ris", "application/x-research-info-systems", r"(?m)^TY  - "),
        ("csl.json", "application/vnd.citationstyles.csl+json", r'"type"'),
    ],
)
def test_files_of_references_hold_the_papers_and_say_of_how_many(
    library: Path, client: FlaskClient, extension: str, media_type: str, mark: str
) -> None:
    response = client.get(f"/search.{extension}?q=report")
    assert response.mimetype == media_type
    assert len(re.findall(mark, response.get_data(as_text=True))) == 34
    assert response.headers["X-Total-Count"] == "34"
    capped = make_app(library, search_limit_max=30).test_client().get(f"/search.{extension}?q=report")
    assert len(re.findall(mark, capped.get_data(as_text=True))) == 30
    assert capped.headers["X-Total-Count"] == "34"
    assert 'page=2>; rel="next"' in capped.headers["Link"]
    assert client.get(f"/search.{extension}?q=report&kind=name").status_code == 400


def test_the_page_says_where_a_file_does_not_hold_all(library: Path, client: FlaskClient) -> None:
    said = "A file holds the first"
    capped = make_app(library, search_limit_max=30).test_client()
    assert f"{said} 30; JSON and the feed have pages." in read(capped.get("/search?q=report")).words
    assert said not in read(capped.get("/search?q=attention")).words
    assert said not in read(client.get("/search?q=report")).words


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "page=0"])
def test_a_stretch_that_is_none_is_refused(client: FlaskClient, query: str) -> None:
    assert client.get(f"/search.json?q=a&{query}").status_code == 400


def test_the_page_leads_to_every_format(client: FlaskClient) -> None:
    page = read(client.get("/search?q=attention"))
    links = links_of(page, "These results as")
    assert [urlsplit(link).path.rpartition("/")[2] for link in links] == [
        "search.json", "search.csv", "search.bib", "search.ris", "search.csl.json", "search.atom",
    ]  # fmt: skip
    for link in links:
        assert client.get(urljoin("/search", link)).status_code == 200
    names = read(client.get("/search?q=lee&kind=name"))
    assert not any("search.bib" in link for link in names.links)


# -- the feed


def entries(feed: ET.Element) -> Iterator[tuple[str, str]]:
    for entry in feed.iter(f"{ATOM}entry"):
        yield entry.findtext(f"{ATOM}id", ""), entry.findtext(f"{ATOM}title", "")


def relations(feed: ET.Element) -> dict[str, str]:
    return {link.get("rel", ""): link.get("href", "") for link in feed.findall(f"{ATOM}link")}


def test_the_feed_has_the_newest_first_and_what_rfc_4287_asks_for(client: FlaskClient, library: Path) -> None:
    response = client.get("/search.atom?q=attention&sort=title")
    assert response.mimetype == "application/atom+xml"
    feed = ET.fromstring(response.get_data())
    created = Library(library).current().manifest.created
    assert feed.findtext(f"{ATOM}updated") == created
    assert feed.findtext(f"{ATOM}id") == f"{BASE}search.atom?q=attention&sort=newest"
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    assert [title for _, title in entries(feed)] == [
        "Zero attention",
        "Kernels for attention",
        "Learning of attention from zero",
    ]
    second = feed.findall(f"{ATOM}entry")[1]
    assert second.findtext(f"{ATOM}id") == f"{BASE}paper/left/P20-1001"
    assert second.findtext(f"{ATOM}updated") == created
    assert [name.text for name in second.iter(f"{ATOM}name")] == ["Bernhard Schölkopf", "Ann Lee"]
    link = second.find(f"{ATOM}link")
    assert link is not None
    assert link.get("href") == "http://localhost/paper/left/P20-1001"
    assert relations(feed)["alternate"].startswith("http://localhost/search?")


def test_the_feed_is_paged_as_rfc_5005_says(client: FlaskClient) -> None:
    first = ET.fromstring(client.get("/search.atom?q=report&kind=paper&limit=10").get_data())
    assert set(relations(first)) == {"license", "alternate", "self", "first", "next", "last"}
    seen, page = list(entries(first)), first
    while following := relations(page).get("next"):
        page = ET.fromstring(client.get(following).get_data())
        assert page.findtext(f"{ATOM}id") == first.findtext(f"{ATOM}id")
        seen += entries(page)
    assert len(seen) == len(set(seen)) == 34
    assert "previous" in relations(page)
    assert relations(first)["last"] == relations(page)["self"]


def test_readers_of_feeds_find_it(client: FlaskClient) -> None:
    page = read(client.get("/search?q=attention&venue=ACL"))
    feed = next(a for a in page.all("link") if a.get("type") == "application/atom+xml")
    assert feed["rel"] == "alternate"
    assert len(list(entries(ET.fromstring(client.get(urljoin("/search", feed["href"])).get_data())))) == 2


def test_hostile_text_leaves_the_feed_well_formed(client: FlaskClient) -> None:
    text = "a\x00\x08<b>&\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    feed = ET.fromstring(client.get("/search.atom", query_string={"q": text}).get_data())
    assert "<b>&" in feed.findtext(f"{ATOM}title", "")


@pytest.mark.parametrize(
    "path", ["/search", "/search.json", "/search.csv", "/search.atom", "/search.bib", "/suggest", "/suggest.json"]
)
def test_what_is_held_is_not_sent_again(client: FlaskClient, path: str) -> None:
    etag = client.get(f"{path}?q=attention").headers["ETag"]
    assert client.get(f"{path}?q=attention", headers={"If-None-Match": etag}).status_code == 304
