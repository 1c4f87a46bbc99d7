"""Patches, the feed of releases and descriptions: what a copy is kept up to date by, over HTTP."""

from __future__ import annotations

import gzip
import hashlib
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import pyoxigraph
import pytest
from flask.testing import FlaskClient

from quiver.config import Settings
from quiver.dumps import read_lines
from quiver.namespaces import PREFIXES
from quiver.releases import Library, Release, add, build, remove
from quiver.web import create_app
from tests.patching import Patch
from tests.test_gone import papers

ATOM = "{http://www.w3.org/2005/Atom}"
BASE = "https://kg.example.org/"
SETTINGS = Settings(jobs=1, base=BASE, keep_releases=3)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("downloads")
    many: list[dict[str, object]] = [{"key": f"k{n}", "title": f"T {n}", "authors": [f"A {n}"]} for n in range(30)]
    build(folder / "library", [papers(folder / "one.jsonl", *many)], settings=SETTINGS)
    for name in ("two", "three"):
        add(folder / "library", [papers(folder / f"{name}.jsonl", {"title": name})], settings=SETTINGS)
    remove(folder / "library", "two", settings=SETTINGS)
    return folder / "library"


@pytest.fixture(scope="module")
def client(library: Path) -> FlaskClient:
    return create_app(library, SETTINGS).test_client()


@pytest.fixture(scope="module")
def releases(library: Path) -> list[Release]:
    return [Library(library).release(release_id) for release_id in Library(library).ids()]


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("a", "link"):
            self.found.append(dict(attributes))


def test_a_copy_follows_the_dumps_page_from_release_to_release(client: FlaskClient, releases: list[Release]) -> None:
    page = client.get("/dumps/").text
    lines = {line.decode().rstrip("\n") for part in releases[0].part_paths for line in read_lines(part)}
    for release in releases[1:]:
        links = [urljoin("/dumps/", str(one["href"])) for one in Links(page).found if release.id in str(one["href"])]
        for form, ending in (("patch", "rdfp"), ("added", "added.nq"), ("removed", "removed.nq")):
            address = f"/dumps/{release.id}/patch-{release.id}.{ending}.gz"
            assert address in links
            response = client.get(address)
            assert (response.status_code, response.mimetype) == (200, "application/gzip")
            assert "Content-Encoding" not in response.headers
            digest = hashlib.sha256(response.data).hexdigest()
            assert digest in page
            assert f"{len(response.data):,} bytes" in page
            assert response.get_etag() == (digest, False)
            assert "immutable" in response.headers["Cache-Control"]
            assert client.head(address).content_length == len(response.data)
            assert client.get(address, headers={"If-None-Match": f'"{digest}"'}).status_code == 304
            if form == "patch":
                patch = Patch.parse(gzip.decompress(response.data))
                assert patch.now == f"{BASE}releases/{release.id}"
                patch.apply_to_lines(lines)
        assert lines == {line.decode().rstrip("\n") for part in release.part_paths for line in read_lines(part)}


@pytest.mark.parametrize(
    "path",
    [
        "/dumps/{0}/patch-{1}.rdfp.gz",
        "/dumps/{0}/patch-{0}.nq.gz",
        "/dumps/never/patch-never.rdfp.gz",
        "/dumps/{0}/patch-{0}.rdfp",
    ],
)
def test_a_patch_that_is_none_answers_404(client: FlaskClient, releases: list[Release], path: str) -> None:
    assert client.get(path.format(*(release.id for release in releases[1:]))).status_code == 404


def test_the_first_release_of_a_library_has_no_patch(tmp_path: Path) -> None:
    release = build(tmp_path / "library", [papers(tmp_path / "one.jsonl", {"title": "A"})], settings=SETTINGS).release
    client = create_app(tmp_path / "library", SETTINGS).test_client()
    assert client.get(f"/dumps/{release.id}/patch-{release.id}.rdfp.gz").status_code == 404
    assert "Changes since" not in client.get("/dumps/").text
    assert len(ET.fromstring(client.get("/releases.atom").data).findall(f"{ATOM}entry")) == 1


# RFC 4287: what a feed and an entry must have once, 4.1.1 and 4.1.2; elements that we use, and may not repeat.
_ONCE = {"id", "title", "updated"}
_ATTRIBUTES = {"link": {"rel", "type", "href", "title", "length"}, "generator": {"version"}}
# RFC 3339, as 3.3 of RFC 4287 narrows it.
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})")


def check_feed(feed: ET.Element) -> None:
    """What RFC 4287 asks of a feed."""
    assert feed.tag == f"{ATOM}feed"
    assert feed.find(f"{ATOM}author/{ATOM}name") is not None
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        names = [child.tag.removeprefix(ATOM) for child in element]
        for name in _ONCE | {"published", "summary", "generator"}:
            assert names.count(name) <= 1, name
        assert set(names) >= _ONCE
        for child in element:
            name = child.tag.removeprefix(ATOM)
            assert set(child.attrib) <= _ATTRIBUTES.get(name, set()), name
            if name in ("updated", "published"):
                assert _MOMENT.fullmatch(child.text or "")
                assert datetime.fromisoformat(child.text or "").tzinfo is not None
            elif name == "id":
                assert (child.text or "").startswith(BASE)
            elif name != "link" and name not in ("author", "entry"):
                assert child.text
        alternates = [
            (link.get("type"), link.get("hreflang"))
            for link in element.findall(f"{ATOM}link")
            if link.get("rel") == "alternate"
        ]
        assert len(set(alternates)) == len(alternates) == 1
    ids = [element.findtext(f"{ATOM}id") for element in (feed, *feed.findall(f"{ATOM}entry"))]
    assert len(set(ids)) == len(ids)
    assert sum(link.get("rel") == "self" for link in feed.findall(f"{ATOM}link")) == 1


def test_the_feed_tells_of_every_kept_release_the_newest_first(client: FlaskClient, releases: list[Release]) -> None:
    response = client.get("/releases.atom")
    assert response.mimetype == "application/atom+xml"
    feed = ET.fromstring(response.data)
    check_feed(feed)
    newest = list(reversed(releases))
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}id") for entry in entries] == [f"{BASE}releases/{one.id}" for one in newest]
    assert [entry.findtext(f"{ATOM}updated") for entry in entries] == [one.manifest.created for one in newest]
    assert feed.findtext(f"{ATOM}updated") == newest[0].manifest.created
    assert "removed since release" in (entries[0].findtext(f"{ATOM}summary") or "")
    for entry in entries:
        for link in entry.findall(f"{ATOM}link"):
            answer = client.get(link.get("href"))
            assert answer.status_code == 200
            if link.get("rel") == "enclosure":
                assert (answer.mimetype, str(len(answer.data))) == (link.get("type"), link.get("length"))
    etag = response.headers["ETag"]
    assert client.get("/releases.atom", headers={"If-None-Match": etag}).status_code == 304


def test_pages_and_dumps_lead_to_the_feed(client: FlaskClient) -> None:
    for path in ("/", "/dumps/", "/paper/one/k1.html", "/statistics"):
        found = [one for one in Links(client.get(path).text).found if one.get("type") == "application/atom+xml"]
        heads = [one for one in found if one.get("rel") == "alternate"]
        assert [urljoin(path, str(one["href"])) for one in heads] == ["/releases.atom"]
        assert len(found) - len(heads) == (path == "/dumps/")


def test_the_description_says_version_previous_version_and_checksums(
    client: FlaskClient, releases: list[Release]
) -> None:
    for release in releases:
        answer = client.get(f"/releases/{release.id}.ttl")
        store = pyoxigraph.Store()
        store.load(input=answer.data, format=pyoxigraph.RdfFormat.TURTLE)
        found = store.query(
            """
            SELECT ?version ?before ?dataset ?dump ?sum {
              ?release dcat:version ?version ; dcat:previousVersion ?before ; dcat:isVersionOf ?dataset ;
                dcat:distribution [ dcat:downloadURL ?dump ; spdx:checksum [ spdx:checksumValue ?sum ] ] }
            """,
            prefixes=PREFIXES,
        )
        assert isinstance(found, pyoxigraph.QuerySolutions)
        (row,) = found
        assert release.manifest.dump
        assert [str(term.value) for term in row] == [
            release.id,
            f"{BASE}releases/{release.manifest.parent}",
            f"{BASE}.well-known/void#dataset",
            f"{BASE}dumps/{release.id}/quiver-{release.id}.nq.gz",
            release.manifest.dump.sha256,
        ]
        found = store.query(
            "SELECT ?url ?sum ?size { ?release dcterms:relation [ dcat:distribution ?file ] . "
            "?file dcat:downloadURL ?url ; q:sha256 ?sum ; dcat:byteSize ?size }",
            prefixes=PREFIXES,
        )
        assert isinstance(found, pyoxigraph.QuerySolutions)
        files = {row["url"].value: (row["sum"].value, int(row["size"].value)) for row in found}
        assert len(files) == len(release.manifest.patches) == 3
        for url, (sha256, size) in files.items():
            data = client.get("/" + url.removeprefix(BASE)).data
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (sha256, size)


def test_a_kept_release_has_its_page_and_one_that_was_removed_has_none(
    client: FlaskClient, releases: list[Release]
) -> None:
    first, second = releases[:2]
    assert f'href="../releases/{first.id}"' in client.get(f"/releases/{second.id}").text
    # The one before the first was removed: it is named, and no link leads nowhere.
    text = client.get(f"/releases/{first.id}").text
    assert str(first.manifest.parent) in text
    assert f'/{first.manifest.parent}"' not in text
    assert client.get(f"/releases/{first.manifest.parent}").status_code == 404
