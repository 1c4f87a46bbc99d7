"""The catalogue over HTTP: pages, data, formats, paging, faults, OpenAPI."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pyoxigraph as ox
import pytest
from flask.testing import FlaskClient

from quiver.catalogue import load_catalogue
from quiver.releases import Library
from tests.browsing import BASE, HOSTILE, make_app, read

PAPERS = "/queries/name/papers"
ANDREW = "?cluster=name/andrew_zhao"
CATALOGUE = load_catalogue()


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library, page_size=4, page_size_max=6).test_client()


def problem(client: FlaskClient, url: str, accept: str = "application/json") -> dict[str, object]:
    response = client.get(url, headers={"Accept": accept})
    assert response.mimetype == "application/problem+json", response.get_data(as_text=True)[:300]
    assert "ETag" not in response.headers
    body = response.get_json()
    assert body["status"] == response.status_code
    return dict(body)


def test_the_catalogue_lists_every_query_by_area(client: FlaskClient) -> None:
    page = read(client.get("/queries"))
    for query in CATALOGUE:
        assert f"./queries/{query.name}" in page.links
        assert query.title in page.words
    assert not page.unbalanced


def test_the_catalogue_as_json_by_extension_and_by_accept(client: FlaskClient) -> None:
    response = client.get("/queries.json")
    assert response.mimetype == "application/json"
    entries = response.get_json()["queries"]
    assert [entry["name"] for entry in entries] == [query.name for query in CATALOGUE]
    ox.Store().query(entries[0]["sparql"])
    negotiated = client.get("/queries", headers={"Accept": "application/json"})
    assert negotiated.get_json() == response.get_json()
    assert "Accept" in negotiated.headers["Vary"]


def test_the_page_of_a_query_shows_answer_text_and_ways_on(client: FlaskClient) -> None:
    page = read(client.get(PAPERS + ANDREW))
    assert "Absolute Zero: Reinforced Self-play Reasoning with Zero Data" in page.words
    assert f"VALUES (?cluster) {{ (<{BASE}name/andrew_zhao>) }}" in page.words
    fields = {attributes["name"]: attributes["value"] for attributes in page.all("input") if "value" in attributes}
    assert fields == {"cluster": "name/andrew_zhao", "year": "", "venue": "", "type": ""}
    root = "http://h" + PAPERS
    data = [urlsplit(urljoin(root, link)) for link in page.links]
    csv_links = [link for link in data if link.path == PAPERS + ".csv"]
    assert csv_links
    assert parse_qs(csv_links[0].query) == {"cluster": ["name/andrew_zhao"]}
    (editor,) = [link for link in data if link.path == "/sparql" and link.query]
    assert f"<{BASE}name/andrew_zhao>" in parse_qs(editor.query)["query"][0]


def test_what_the_editor_is_given_answers_as_the_data_does(client: FlaskClient, web_library: Path) -> None:
    page = read(client.get(PAPERS + ANDREW))
    (link,) = [link for link in page.links if "sparql?query=" in link]
    text = parse_qs(urlsplit(link).query)["query"][0]
    solutions = Library(web_library).current().open_store().query(text)
    assert isinstance(solutions, ox.QuerySolutions)
    found = [row["paper"].value for row in solutions]
    bindings = client.get(PAPERS + ".json" + ANDREW).get_json()["results"]["bindings"]
    assert found == [row["paper"]["value"] for row in bindings]
    assert len(found) == 9


def test_without_its_parameters_a_page_asks_nothing_and_shows_the_example(client: FlaskClient) -> None:
    page = read(client.get(PAPERS))
    assert "name/andrew_zhao" in [field.get("value") for field in page.all("input")]
    assert not page.all("table")
    assert problem(client, PAPERS + ".json")["code"] == "invalid-parameter"


def test_pages_of_an_answer_follow_each_other(client: FlaskClient) -> None:
    titles: list[str] = []
    url = PAPERS + ANDREW
    for _ in range(3):
        text = client.get(url).get_data(as_text=True)
        titles += re.findall(r'<tr><td><a href="[^"]*/paper/[^"]*">(.*?)</a>', text)
        following = re.search(r'<a href="([^"]*)" rel="next">', text)
        url = urljoin(url, following[1].replace("&amp;", "&")) if following else ""
    assert url == ""
    assert len(titles) == len(set(titles)) == 9


@pytest.mark.parametrize(
    "extension, media_type",
    [
        ("json", "application/sparql-results+json"),
        ("xml", "application/sparql-results+xml"),
        ("csv", "text/csv"),
        ("tsv", "text/tab-separated-values"),
    ],
)
def test_data_by_extension_and_by_accept(client: FlaskClient, extension: str, media_type: str) -> None:
    by_extension = client.get(f"{PAPERS}.{extension}{ANDREW}", headers={"Accept": "text/html"})
    assert by_extension.mimetype == media_type
    assert by_extension.headers["Access-Control-Allow-Origin"] == "*"
    assert "Accept" not in re.split(r",\s*", by_extension.headers["Vary"])
    by_accept = client.get(PAPERS + ANDREW, headers={"Accept": media_type})
    assert by_accept.mimetype == media_type
    assert by_accept.get_data() == by_extension.get_data()
    assert "Accept" in re.split(r",\s*", by_accept.headers["Vary"])


def test_limit_and_offset_take_a_slice(client: FlaskClient) -> None:
    def papers(**more: int) -> list[str]:
        query = urlencode({"cluster": "name/andrew_zhao", **more})
        rows = csv.DictReader(io.StringIO(client.get(f"{PAPERS}.csv?{query}").get_data(as_text=True)))
        return [row["paper"] for row in rows]

    whole = papers()
    assert len(whole) == 9
    assert papers(limit=3) == whole[:3]
    assert papers(limit=3, offset=2) == whole[2:5]
    assert papers(offset=5) == whole[5:]
    assert papers(limit=0) == []


@pytest.mark.parametrize(
    "path, code, words",
    [
        (PAPERS + ".csv" + ANDREW + "&limit=7", "invalid-parameter", "at once"),
        (PAPERS + ".csv" + ANDREW + "&limit=-1", "invalid-parameter", "not a count"),
        (PAPERS + ".csv" + ANDREW + "&offset=1;DROP", "invalid-parameter", "not a count"),
        (PAPERS + ".csv" + ANDREW + "&cluster=name/x", "invalid-parameter", "2 times"),
        (PAPERS + ".csv" + ANDREW + "&colour=red", "invalid-parameter", "colour"),
        (PAPERS + ".csv?cluster=a%20b", "invalid-parameter", "cluster"),
        (PAPERS + ".csv?cluster=", "invalid-parameter", "needs the parameter cluster"),
        ("/queries/name/facts.csv" + ANDREW + "&limit=1", "invalid-parameter", "limit"),
        (PAPERS + ANDREW + "&page=0x2", "invalid-parameter", "no page number"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(client: FlaskClient, path: str, code: str, words: str) -> None:
    accept = "text/html;q=0.1, application/problem+json" if "page" in path else "application/json"
    body = problem(client, path, accept)
    assert (body["status"], body["code"]) == (400, code)
    assert words in str(body["detail"])


def test_unknown_names_and_formats(client: FlaskClient) -> None:
    unknown = problem(client, "/queries/name/paperz.json")
    assert (unknown["status"], unknown["code"]) == (404, "unknown-query")
    assert "name/papers" in str(unknown["hint"])
    assert problem(client, "/queries/name/papers/more")["status"] == 404
    turtle = problem(client, PAPERS + ".ttl" + ANDREW)
    assert (turtle["status"], turtle["code"]) == (406, "not-acceptable")
    refused = client.get(PAPERS + ANDREW, headers={"Accept": "image/png"})
    assert refused.status_code == 406


def test_a_construct_query_answers_as_a_graph(client: FlaskClient) -> None:
    url = "/queries/example/paper-graph.ttl?paper=paper/arrow/h-1ba9f0f01dbd29dc"
    response = client.get(url)
    assert response.mimetype == "text/turtle"
    subjects = {str(quad.subject) for quad in ox.parse(response.get_data(), format=ox.RdfFormat.TURTLE)}
    assert f"<{BASE}paper/arrow/h-1ba9f0f01dbd29dc>" in subjects
    assert client.get(url.replace(".ttl", ".csv")).status_code == 406
    assert "NeurIPS 2025" in read(client.get(url.replace(".ttl", ""))).words


def test_materialised_answers_come_from_the_release(client: FlaskClient, web_library: Path) -> None:
    kept = Library(web_library).current().results_path / "release.papers-by-year.json"
    response = client.get("/queries/release/papers-by-year.json")
    assert response.get_json() == json.loads(kept.read_text())
    rows = list(csv.DictReader(io.StringIO(client.get("/queries/release/counts.csv").get_data(as_text=True))))
    assert [row["what"] for row in rows][:2] == ["papers", "name clusters"]


def test_an_answer_has_a_tag_that_saves_asking_again(client: FlaskClient) -> None:
    first = client.get(PAPERS + ".json" + ANDREW)
    again = client.get(PAPERS + ".json" + ANDREW, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    other = client.get(PAPERS + ".json?cluster=name/gao_huang")
    assert other.headers["ETag"] != first.headers["ETag"]


def test_head_tells_what_get_would(client: FlaskClient) -> None:
    head, get = (getattr(client, method)(PAPERS + ".csv" + ANDREW) for method in ("head", "get"))
    assert head.status_code == 200
    assert head.get_data() == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_and_titles_stay_text(client: FlaskClient, text: str) -> None:
    for url in (
        "/queries/example/papers-with-title?" + urlencode({"title": text}),
        "/queries/release/latest-papers",
    ):
        page = read(client.get(url))
        assert not page.unbalanced
        assert not page.foreign_scripts
        assert not page.all("iframe")
        assert not [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)]


def test_openapi_describes_requests_that_work(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    assert len(document["paths"]) == len(CATALOGUE)
    identifiers = [path["get"]["operationId"] for path in document["paths"].values()]
    assert len(set(identifiers)) == len(identifiers)
    for template, path in document["paths"].items():
        operation = path["get"]
        values = {p["name"]: p["example"] for p in operation["parameters"] if "example" in p}
        (formats,) = [p["schema"]["enum"] for p in operation["parameters"] if p["in"] == "path"]
        for extension, media_type in zip(formats, operation["responses"]["200"]["content"], strict=True):
            url = template.format(format=extension)
            query = urlencode({name: value for name, value in values.items() if name != "format"})
            response = client.get(f"{url}?{query}")
            assert response.status_code == 200, (url, response.get_data(as_text=True)[:300])
            assert response.mimetype == media_type
    for reference in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)):
        assert reference in document["components"]["schemas"]
