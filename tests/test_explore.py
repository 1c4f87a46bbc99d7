"""Any resource as a linked-data browser shows it: both directions, every kind, and never more than is shown."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pyoxigraph as ox
import pytest
from flask.testing import FlaskClient

from quiver.catalogue import evaluate, load_catalogue
from quiver.config import Settings
from quiver.engines import StoreReader
from quiver.namespaces import term
from quiver.releases import Library, Release, build_from_rdf
from quiver.web import SERVED, Served, create_app
from quiver.web.explore import SHOWN
from quiver.web.statements import COUNTED
from tests.browsing import BASE, LONG_BYLINE, make_app, read

CATALOGUE = load_catalogue()
# A property and the kind of thing that stands in its row of the page.
GROUP = re.compile(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", re.DOTALL)


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


@pytest.fixture(scope="module")
def release(web_library: Path) -> Release:
    return Library(web_library).current()


def explore(client: FlaskClient, iri: str, **query: str) -> str:
    response = client.get("/explore?" + urlencode({"iri": iri, **query}))
    read(response)
    return response.get_data(as_text=True)


def groups(html: str) -> dict[str, str]:
    """The rows of the page by the property's prefixed name."""
    return {re.sub(r"<[^>]+>", " ", head).split()[-1]: body for head, body in GROUP.findall(html)}


def ask(release: Release, query: str, **values: str) -> list[dict[str, str]]:
    bound = CATALOGUE.get(query).bind(values, release.base, limit=100_000)
    rows = evaluate(release.open_store(), bound).dicts()
    return [{name: cell.value for name, cell in row.items() if cell} for row in rows]


def test_a_name_is_shown_with_what_is_said_and_what_points_to_it(client: FlaskClient) -> None:
    html = explore(client, "name/andrew_zhao")
    said = groups(html)
    assert "Author name cluster" in said["rdf:type"]
    assert "Andrew Zhao" in said["skos:prefLabel"]
    assert ">9<" in said["q:paperCount"]
    assert "xsd:integer" in said["q:paperCount"]
    assert said["q:inNameCluster"].count("<li>") == 8
    # A byline entry is told apart by its paper, but not on the paper's own page.
    assert "Absolute Zero" in said["q:inNameCluster"]
    entries = groups(explore(client, "paper/arrow/h-1ba9f0f01dbd29dc"))["q:hasSignature"]
    assert "Andrew Zhao" in entries
    assert "Absolute Zero" not in entries
    assert 'href="./name/andrew_zhao"' in html


@pytest.mark.parametrize(
    "iri",
    ["name/andrew_zhao", "venue/big", "q:NameCluster", "source/arrow", "rule/exact-name", "paper/hostile/hostile/0"],
)
def test_the_page_shows_what_the_queries_answer(client: FlaskClient, release: Release, iri: str) -> None:
    """Every statement, or as many as are shown of a longer group, and the figure of each is that of its query."""
    full = iri.replace("q:", term("q:")) if iri.startswith("q:") else release.base + iri
    found = groups(explore(client, iri))
    for query, column in (("explore/outgoing", "value"), ("explore/incoming", "subject")):
        by_property: dict[str, list[str]] = {}
        for row in ask(release, query, resource=full):
            by_property.setdefault(row["property"], []).append(row[column])
        for property_, nodes in by_property.items():
            name = next(name for name in found if property_ in (name, _expand(name)))
            shown = found[name].count("<li>")
            assert shown == min(len(nodes), SHOWN)
            figure = re.search(r"All ([\d,]+)(?: or more)?", found[name])
            if len(nodes) > SHOWN:
                assert figure
                assert int(figure[1].replace(",", "")) == min(len(nodes), COUNTED) or "rdf:type" in name


def _expand(name: str) -> str:
    try:
        return term(name)
    except KeyError:
        return ""


def test_a_long_group_is_paged_to_its_end(client: FlaskClient, release: Release) -> None:
    html = explore(client, "venue/big")
    more = re.search(r'href="([^"]+)"[^>]*>All 120', html)
    assert more
    path: str | None = urljoin("/explore", more[1].replace("&amp;", "&"))
    seen: list[str] = []
    pages = 0
    while path:
        page = read(client.get(path))
        seen += [link for link in page.links if "/paper/many/" in link or link.startswith("./paper/")]
        following = [a["href"] for a in page.all("a") if a.get("rel") == "next"]
        path = urljoin(path, following[0]) if following else None
        pages += 1
    papers = {
        row["subject"] for row in ask(release, "explore/subjects", resource="venue/big", property=term("q:venue"))
    }
    assert len(seen) == len(set(seen)) == len(papers) == 120
    assert pages == 3


def test_a_group_too_long_to_be_sorted_is_in_the_order_of_its_query(client: FlaskClient, release: Release) -> None:
    signatures = ask(release, "explore/values", resource="paper/hostile/long", property=term("q:hasSignature"))
    assert len(signatures) == LONG_BYLINE
    html = explore(client, "paper/hostile/long", show="values", property=term("q:hasSignature"), page="3")
    shown = [BASE + parse_qs(urlsplit(link.replace("&amp;", "&")).query)["iri"][0] for link in _dots(html)]
    assert shown == [row["value"] for row in signatures[100:150]]


def _dots(html: str) -> list[str]:
    return re.findall(r'class="dots" href="([^"]+)"', html)


def test_a_class_says_how_many_instances_it_has(client: FlaskClient, release: Release) -> None:
    count = next(
        row["resources"] for row in ask_all(release, "release/classes") if row["class"] == term("q:AuthorSignature")
    )
    assert int(count) > COUNTED
    html = explore(client, "q:AuthorSignature")
    assert f"All {int(count):,}" in html
    assert "One entry of one byline" in html


def ask_all(release: Release, query: str) -> list[dict[str, str]]:
    rows = evaluate(release.open_store(), CATALOGUE.get(query).bind({}, release.base)).dicts()
    return [{name: cell.value for name, cell in row.items() if cell} for row in rows]


def test_a_property_shows_statements_made_with_it(client: FlaskClient, release: Release) -> None:
    html = explore(client, "q:homonymOf")
    assert "Haipeng Zhang" in html
    count = len(ask(release, "explore/uses", resource=term("q:homonymOf")))
    assert f"{count} in the release" in html
    assert "rdfs:domain" in groups(html)
    listing = read(client.get("/explore?iri=q:year&show=uses&page=2"))
    assert "Statements with this property" in listing.words


def test_properties_classes_and_datatypes_lead_to_each_other(client: FlaskClient) -> None:
    html = explore(client, "name/andrew_zhao")
    assert re.search(r'href="\./explore\?iri=http[^"]+XMLSchema%23integer" rel="nofollow">xsd:integer', html)
    datatype = explore(client, "xsd:gYear")
    assert "dcterms:issued" in datatype
    assert "paper count" in explore(client, "xsd:integer")


def test_a_foreign_iri_is_a_link_out_and_can_be_explored(client: FlaskClient, release: Release) -> None:
    page = read(client.get("/explore?iri=paper/records/conf/one"))
    out = [a for a in page.all("a") if a["href"].startswith("https://doi.org/")]
    assert out
    assert all(a["rel"] == "nofollow noopener" for a in out)
    foreign = read(client.get("/explore?iri=https://doi.org/10.1000/abc"))
    assert any(link.endswith("paper/records/conf/one") for link in foreign.links)
    assert any(a["href"] == "https://doi.org/10.1000/abc" and a["rel"] == "nofollow noopener" for a in foreign.all("a"))


@pytest.mark.parametrize("text", ["name/andrew_zhao", f"{BASE}name/andrew_zhao", "/name/andrew_zhao"])
def test_a_path_and_an_iri_mean_the_same(client: FlaskClient, text: str) -> None:
    assert "Absolute Zero" in explore(client, text)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("https://example.org/nobody", 404),
        ("name/nobody_at_all", 404),
        ("q:NoSuchTerm", 404),
        ("../../../etc/passwd", 404),
        ("http://[", 404),
        ("<script>", 400),
        ("a b", 400),
    ],
)
def test_what_nothing_is_known_of_is_not_found(client: FlaskClient, text: str, status: int) -> None:
    address = "/explore?" + urlencode({"iri": text})
    for accept, kind in (
        ("application/json", "application/problem+json"),
        ("text/html", "text/html"),
        ("text/plain", "text/plain"),
    ):
        response = client.get(address, headers={"Accept": accept})
        assert response.status_code in (400, 404)
        assert response.mimetype == kind
    if text != "http://[":
        assert client.get(address).status_code == status


@pytest.mark.parametrize(
    "query", ["show=nothing", "show=values", "show=values&property=a b", "page=0", "page=9999", "show=uses&page=9999"]
)
def test_wrong_parameters_are_named(client: FlaskClient, query: str) -> None:
    response = client.get(f"/explore?iri=q:year&{query}")
    assert response.status_code == (200 if query == "page=9999" else 400)


def test_hostile_text_is_text(client: FlaskClient) -> None:
    for path in ("paper/hostile/hostile/0", "dcterms:title", "q:Paper"):
        page = read(client.get(f"/explore?iri={path}"))
        assert not page.unbalanced
        assert {"iframe", "img"}.isdisjoint(tag for tag, _ in page.tags)
        assert not page.foreign_scripts
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert not any(link.startswith(("javascript:", "data:")) for link in page.links)


def test_crawlers_are_kept_out(client: FlaskClient) -> None:
    page = read(client.get("/explore?iri=name/andrew_zhao"))
    robots = [a["content"] for a in page.all("meta") if a.get("name") == "robots"]
    assert robots == ["noindex"]
    for attributes in page.all("a"):
        if "explore?" in attributes["href"]:
            assert "nofollow" in attributes.get("rel", "").split()


@pytest.mark.parametrize(
    "path",
    ["/venue/neurips.html", "/venue/neurips/2025.html", "/author/arrow/n-Andrew_Zhao.html", "/source/arrow.html"],
)
def test_every_record_leads_to_its_statements(client: FlaskClient, path: str) -> None:
    page = read(client.get(path))
    link = next(link for link in page.links if "explore?iri=" in link)
    target = urljoin(f"http://host{path}", link)
    assert client.get(target.removeprefix("http://host")).status_code == 200


def test_the_way_in_lists_classes_and_properties(client: FlaskClient, release: Release) -> None:
    page = read(client.get("/explore"))
    for query, column in (("release/classes", "class"), ("release/properties", "property")):
        for row in ask_all(release, query):
            assert any(parse_qs(urlsplit(link).query).get("iri") == [row[column]] for link in page.links)


class CountingStore:
    """A store that counts the quads that are taken from it."""

    def __init__(self, store: ox.Store) -> None:
        self._store = store
        self.taken = 0

    def quads_for_pattern(self, *pattern: object) -> Iterator[ox.Quad]:
        for quad in self._store.quads_for_pattern(*pattern):  # type: ignore[arg-type]
            self.taken += 1
            yield quad


def test_no_more_is_read_than_is_needed(web_library: Path) -> None:
    """Of a class with thousands of instances a thousand are counted, and the rest is left alone."""
    app = create_app(web_library, Settings())
    client = app.test_client()
    served = app.extensions[SERVED]
    assert isinstance(served, Served)
    graph = served.holder.get()
    assert isinstance(graph.reader, StoreReader)
    counting = CountingStore(graph.reader.store)
    graph.reader.store = counting  # type: ignore[assignment]
    for iri in ("q:AuthorSignature", "rdf:type", "q:Complete"):
        counting.taken = 0
        assert client.get(f"/explore?iri={iri}").status_code == 200
        assert 0 < counting.taken < COUNTED + 400, iri


def test_a_release_that_keeps_no_list_of_properties_is_explored_all_the_same(web_library: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(web_library, library, symlinks=True)
    for path in Library(library).current().results_path.glob("release.*"):
        path.unlink()
    client = make_app(library).test_client()
    html = explore(client, "name/andrew_zhao")
    assert "Absolute Zero" in html
    assert "among the first 2,000" in html
    assert f"{COUNTED:,} or more" in explore(client, "q:AuthorSignature")
    assert "keeps no list" in client.get("/explore").get_data(as_text=True)


def test_the_data_of_a_group_is_an_address_away(client: FlaskClient) -> None:
    page = read(client.get("/explore?iri=name/andrew_zhao"))
    (data,) = [link for link in page.links if "explore/incoming.json" in link]
    answer = json.loads(client.get(urljoin("/explore", data)).get_data())
    assert len(answer["results"]["bindings"]) == 9


def test_a_graph_of_others_is_explored_too(tmp_path: Path) -> None:
    """Plain RDF: blank nodes, languages, datatypes of others, no list of properties; and no page of a release fails."""
    (tmp_path / "x.ttl").write_text(
        """@prefix ex: <http://example.org/> . @prefix q: <https://w3id.org/quiver/ontology#> .
        ex:a ex:knows [ ex:label "somebody" ] ; ex:label "hallo"@de , "1"^^ex:unit ; a ex:Thing , q:VenueEdition .
        <http://kg.example/venue/a/b> a q:VenueEdition . <http://kg.example/elsewhere> ex:knows ex:a .""",
        encoding="utf-8",
    )
    build_from_rdf(tmp_path / "library", [tmp_path / "x.ttl"], base="http://kg.example/")
    client = make_app(tmp_path / "library").test_client()
    said = groups(explore(client, "http://example.org/a"))
    assert "@de" in said["http://example.org/label"]
    assert "http://example.org/unit" in said["http://example.org/label"]
    assert "_:" in explore(client, "http://example.org/a")
    assert "elsewhere" in explore(client, "http://example.org/a")
    assert "http://example.org/a" in explore(client, "elsewhere")
    for path in ("/explore", "/statistics", "/quality", "/venue/a/b.html", "/quality?open=quality-duplicate-titles"):
        read(client.get(path))
