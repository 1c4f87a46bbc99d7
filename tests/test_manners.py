"""What holds for every page: what it says of itself, what crawlers may take of it, HTML that validates."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import pyoxigraph as ox
import pytest
from flask.testing import FlaskClient
from protego import Protego
from werkzeug.test import TestResponse

import quiver.web
from quiver.namespaces import term
from quiver.releases import Library
from quiver.web import service
from quiver.web.heads import DESCRIPTION_LENGTH
from quiver.web.panels import PanelSpec
from tests.browsing import BASE, Page, make_app
from tests.npm_packages import node, node_modules
from tests.page_types import BROWSER, PAGE_TYPES, fetch_all

HOST: Final = "http://localhost"
CRAWLER: Final = "Somebot"
# Links with these relations lead to later pages of a list: robots.txt keeps crawlers from them, they say nothing more.
_PAGING: Final = frozenset(("prev", "next"))
# How many links of a kind are followed.
_MOST_OF_A_KIND: Final = 2


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


@pytest.fixture(scope="module")
def pages(client: FlaskClient) -> dict[str, tuple[str, Page]]:
    return {kind: (path, Page(text)) for kind, (path, text) in fetch_all(client).items()}


@pytest.fixture(scope="module")
def robots(client: FlaskClient) -> Protego:
    return Protego.parse(client.get("/robots.txt").get_data(as_text=True))


def metadata(page: Page) -> dict[str, list[str]]:
    """Names and properties of the page's metadata, with their values."""
    found: dict[str, list[str]] = {}
    for one in page.all("meta"):
        if name := one.get("name") or one.get("property"):
            found.setdefault(name, []).append(one["content"])
    return found


# -- what a page says of itself


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_a_page_says_what_it_is(pages: Mapping[str, tuple[str, Page]], kind: str) -> None:
    path, page = pages[kind]
    meta = metadata(page)
    for name in ("description", "og:title", "og:type", "og:description", "og:site_name"):
        assert len(meta[name]) == 1, name
        assert meta[name][0].strip() == meta[name][0] != "", name
    (description,) = meta["description"]
    assert 30 <= len(description) <= DESCRIPTION_LENGTH
    assert meta["og:description"] == [description]
    assert meta["og:site_name"] == ["Quiver"]
    icons = [link["href"] for link in page.all("link") if link.get("rel") == "icon"]
    assert [urljoin(f"{HOST}{path}", icon) for icon in icons] == [f"{HOST}/static/favicon.svg"]


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_a_page_has_one_canonical_address_below_the_base(
    pages: Mapping[str, tuple[str, Page]], client: FlaskClient, kind: str
) -> None:
    path, page = pages[kind]
    canonical = [link["href"] for link in page.all("link") if link.get("rel") == "canonical"]
    assert metadata(page).get("og:url", []) == canonical
    if PAGE_TYPES[kind].status != 200:
        assert canonical == []
        return
    assert len(canonical) == 1
    assert canonical[0].startswith(BASE)
    # It leads to the same page; what the address asks for may be more than the canonical one does.
    reached = f"/{canonical[0].removeprefix(BASE)}"
    response = client.get(reached, headers=BROWSER)
    if response.status_code == 303:
        reached = urljoin(reached, response.headers["Location"])
        response = client.get(reached, headers=BROWSER)
    assert response.status_code == 200
    title = next(iter(metadata(Page(response.get_data(as_text=True)))["og:title"]))
    assert title == metadata(page)["og:title"][0]
    # The whole list stands for what filters leave of it.
    if not any(shown in path for shown in ("open=", "names=", ".html?year=")):
        wanted, found = dict(parse_qsl(urlsplit(path).query)), dict(parse_qsl(urlsplit(reached).query))
        assert wanted == found


def test_titles_and_descriptions_tell_pages_apart(pages: Mapping[str, tuple[str, Page]]) -> None:
    shown = {kind: page for kind, (_, page) in pages.items() if PAGE_TYPES[kind].indexed and "later" not in kind}
    for name in ("og:title", "description"):
        values = [metadata(page)[name][0] for page in shown.values()]
        assert {value for value in values if values.count(value) > 1} == set(), name


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_a_page_names_its_formats_in_head_foot_and_header(
    pages: Mapping[str, tuple[str, Page]], client: FlaskClient, kind: str
) -> None:
    path, page = pages[kind]
    here = f"{HOST}{path}"
    said = client.get(path, headers=BROWSER).headers.get("Link", "")
    by_field = {
        (urljoin(here, target), media_type)
        for target, media_type in re.findall(r'<([^>]*)>; rel="alternate"; type="([^"]*)"', said)
    }
    in_head = _alternates(page, "link", here)
    # On every page for readers of feeds; it is no format of the page.
    feed = (f"{HOST}/releases.atom", "application/atom+xml")
    assert feed in in_head
    assert _alternates(page, "a", here) == in_head - {feed} == by_field
    for address, media_type in in_head:
        answer = client.get(address.removeprefix(HOST))
        assert (answer.status_code, answer.mimetype) == (200, media_type), address


def _alternates(page: Page, tag: str, here: str) -> set[tuple[str, str]]:
    return {
        (urljoin(here, one["href"]), one["type"]) for one in page.all(tag) if "alternate" in one.get("rel", "").split()
    }


# -- crawlers


def links(page: Page, path: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The addresses of ours that a page links to, without fragments and itself, and the relations of each link."""
    for one in page.all("a"):
        target = one.get("href", "")
        address = urldefrag(urljoin(f"{HOST}{path}", target))[0]
        if address.startswith(f"{HOST}/") and not target.startswith("#"):
            yield address, frozenset(one.get("rel", "").split())


def kind_of(address: str) -> str:
    """What links are of one kind: first segment, extension, names of parameters."""
    parts = urlsplit(address)
    names = ",".join(sorted({name for name, _ in parse_qsl(parts.query)}))
    extension = re.search(r"\.[a-z]+$", parts.path)
    depth = min(parts.path.count("/"), 3)
    return f"{parts.path.split('/')[1]} {depth} {extension[0] if extension else ''}?{names}"


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_what_crawlers_are_kept_from_is_linked_with_nofollow(
    pages: Mapping[str, tuple[str, Page]], robots: Protego, kind: str
) -> None:
    path, page = pages[kind]
    for address, relations in links(page, path):
        if not robots.can_fetch(address, CRAWLER) and not relations & _PAGING:
            assert "nofollow" in relations, address


def test_what_crawlers_are_kept_from_is_what_says_noindex(
    pages: Mapping[str, tuple[str, Page]], client: FlaskClient, robots: Protego
) -> None:
    """A walk over every kind of link of every type of page."""
    by_kind: dict[str, dict[str, frozenset[str]]] = {}
    for path, page in pages.values():
        for address, relations in links(page, path):
            by_kind.setdefault(kind_of(address), {})[address] = relations
    assert len(by_kind) > 40
    for some in by_kind.values():
        for address, relations in islice(some.items(), _MOST_OF_A_KIND):
            if urlsplit(address).path == "/sparql":
                continue  # answered by the broker, with tests of its own
            response = client.get(address.removeprefix(HOST), headers=BROWSER)
            if response.status_code == 303:
                response = client.get(urljoin(address, response.headers["Location"]).removeprefix(HOST))
            if response.status_code == 200 and not relations & _PAGING:
                assert _says_noindex(response) is not robots.can_fetch(address, CRAWLER), address


def _says_noindex(response: TestResponse) -> bool:
    """Whether data says so in its header field, and a page there and in its head."""
    by_field = response.headers.get("X-Robots-Tag") == "noindex"
    if response.mimetype == "text/html":
        said = metadata(Page(response.get_data(as_text=True))).get("robots", [])
        assert said == (["noindex"] if by_field else [])
    return by_field


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_only_what_is_the_same_for_everybody_may_be_indexed(pages: Mapping[str, tuple[str, Page]], kind: str) -> None:
    assert metadata(pages[kind][1]).get("robots", []) == ([] if PAGE_TYPES[kind].indexed else ["noindex"])


# Path -> whether a crawler may ask for it.
_RULES: Final = {
    "": True,
    "name/andrew_zhao": True,
    "name/andrew_zhao.html": True,
    "name/andrew_zhao.ttl": True,
    "name/search": True,
    "name/andrew_zhao.html?page=2": False,
    "name/andrew_zhao.html?open=name-coauthors": False,
    "venue/acl.html?year=2020&sort=title": False,
    "paper/arrow/h-1?names=all": False,
    "search": False,
    "search?q=zhao": False,
    "search.json?q=zhao": False,
    "suggest?q=zhao": False,
    "compare?a=name/a&b=name/b": False,
    "explore?iri=x": False,
    "queries": True,
    "queries.json": True,
    "queries/name/papers": True,
    "queries/name/papers?cluster=name/andrew_zhao": False,
    "queries/name/papers.csv": False,
    "queries/name/papers.json?cluster=name/andrew_zhao": False,
    "sparql": True,
    "sparql?query=ASK%7B%7D": False,
    "store?default": False,
    "statistics": True,
    "ontology": True,
    "static/quiver.css?v=0123456789ab": True,
    "sitemap.xml": True,
    "sitemap.xml?part=Paper-0": True,
    "robots.txt": True,
    "dumps/": True,
}


@pytest.mark.parametrize("prefix", ["", "/graph"])
def test_robots_txt_says_what_may_be_asked_for(web_library: Path, prefix: str) -> None:
    text = make_app(web_library, path_prefix=prefix).test_client().get("/robots.txt").get_data(as_text=True)
    rules = Protego.parse(text)
    assert {path: rules.can_fetch(f"{HOST}{prefix}/{path}", CRAWLER) for path in _RULES} == _RULES
    assert list(rules.sitemaps) == [f"{HOST}{prefix}/sitemap.xml"]
    if prefix:
        # What else the host serves is not ours to close.
        assert rules.can_fetch(f"{HOST}/search?q=a", CRAWLER)


def test_the_sitemap_has_every_thing_once(
    client: FlaskClient, web_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SITEMAP_SIZE", 37)
    parts = _locations(client.get("/sitemap.xml").get_data(as_text=True))
    found = [one for part in parts for one in _locations(client.get(part.removeprefix(HOST)).get_data(as_text=True))]
    store = Library(web_library).current().open_store()
    rdf_type = ox.NamedNode(term("rdf:type"))
    expected = {
        quad.subject.value.replace(BASE, f"{HOST}/")
        for curie in ("q:Paper", "q:NameCluster", "q:VenueSeries", "q:VenueEdition", "q:Source")
        for quad in store.quads_for_pattern(None, rdf_type, ox.NamedNode(term(curie)))
        if isinstance(quad.subject, ox.NamedNode)
    }
    assert len(found) == len(set(found)) == len(expected)
    ascii_only = {one for one in expected if one.isascii()}
    assert ascii_only <= set(found)


def _locations(text: str) -> list[str]:
    return re.findall(r"<loc>([^<]*)</loc>", text)


# -- panels

# Panels without words of their own for an empty answer -> why they need none.
_COUNTS_SAY: Final = "whatever holds a paper has some; a release without any says so in its counts"
NEVER_EMPTY: Final = {
    "release/counts": "there are counts of nothing, too",
    "release/latest-papers": _COUNTS_SAY,
    "release/biggest-venues": _COUNTS_SAY,
    "release/papers-by-year": _COUNTS_SAY,
    "release/byline-lengths": _COUNTS_SAY,
    "release/most-frequent-names": _COUNTS_SAY,
    "release/byline-statuses": _COUNTS_SAY,
    "release/names-by-papers": _COUNTS_SAY,
    "release/sources": _COUNTS_SAY,
    "release/coverage": "there are counts of nothing, too",
    "quality/overview": "there are counts of nothing, too",
    "author/papers-count": "not shown: a count in the margin",
    "venue/byline-statuses": "not shown: it says whether figures are lower bounds",
    "edition/byline-statuses": "not shown: it says whether figures are lower bounds",
    "edition/names-count": "not shown: a sentence above the list of new names",
    "edition/neighbours": "shown only where there are other editions",
    "source/counts": "there are counts of nothing, too",
    "source/files": "a source is known by its files",
    "author/names": "a row is known by the names under it",
    "name/spellings": "a cluster is known by its spellings",
    "paper/sources": "a paper is known by the record that it comes from",
    "paper/byline": "the page says that no author is stated",
    "paper/same-identifier": "shown only where there are other records",
    "paper/listed-by": "shown only where a page lists the paper",
    "name/homonyms": "shown only where there are any",
    "name/page-statements": "shown only where a page of a source is about the name",
}


def specs() -> Iterator[PanelSpec]:
    """Every panel that a module of the web declares."""
    for found in pkgutil.iter_modules(quiver.web.__path__):
        module = importlib.import_module(f"quiver.web.{found.name}")
        yield from _specs_in(list(vars(module).values()))


def _specs_in(value: object) -> Iterator[PanelSpec]:
    if isinstance(value, PanelSpec):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _specs_in(one)
    elif isinstance(value, dict):
        yield from _specs_in(list(value.values()))


def test_an_empty_panel_says_why() -> None:
    silent = {spec.query for spec in specs() if not spec.empty and spec.query not in NEVER_EMPTY}
    assert silent == set()


# -- HTML


def test_every_page_validates(client: FlaskClient, tmp_path: Path) -> None:
    """By html-validate: the standard's content models, and what it knows of accessibility."""
    modules = node_modules()
    names = {}
    for number, (kind, (_, text)) in enumerate(fetch_all(client).items()):
        (tmp_path / f"{number}.html").write_text(text, encoding="utf-8")
        names[f"{number}.html"] = kind
    # One that does not, so that it is known to look.
    (tmp_path / "wrong.html").write_text("<!doctype html><html><title>x</title><p><div></div></p></html>")
    extended = ["html-validate:standard", "html-validate:a11y"]
    (tmp_path / "rules.json").write_text(
        json.dumps({"root": True, "extends": extended, "rules": {"no-implicit-button-type": "off"}})
    )
    command = [str(modules / "html-validate/bin/html-validate.mjs"), "--config", "rules.json"]
    ended = node([*command, "--formatter", "json=found.json", *names, "wrong.html"], tmp_path)
    assert ended.returncode in (0, 1), ended.stderr
    found = {
        f"{names.get(Path(file['filePath']).name, 'wrong')}: line {one['line']}: {one['ruleId']}: {one['message']}"
        for file in json.loads((tmp_path / "found.json").read_text())
        for one in file["messages"]
    }
    assert {line for line in found if not line.startswith("wrong:")} == set()
    assert found
