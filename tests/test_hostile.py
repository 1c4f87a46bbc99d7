"""Records that mean no good, without a browser: what becomes of them, and that every format of every page parses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote, urljoin
from xml.etree import ElementTree

import pyoxigraph as ox
import pytest
from flask.testing import FlaskClient

from quiver.releases import Library
from tests.browsing import Page, make_app
from tests.hostile import EVIL, REJECTED, SOURCE, TEXTS, make_hostile_library, paths_of

# The ends of media types -> what reads them, to the end.
_PARSERS: Final[dict[str, Callable[[bytes], object]]] = {
    "json": json.loads,
    "turtle": lambda data: list(ox.parse(input=data, format=ox.RdfFormat.TURTLE)),
    "n-triples": lambda data: list(ox.parse(input=data, format=ox.RdfFormat.N_TRIPLES)),
    "xml": ElementTree.fromstring,
    "csv": lambda data: list(csv.reader(io.StringIO(data.decode()), strict=True)),
    "tab-separated-values": lambda data: [line.split("\t") for line in data.decode().splitlines()],
    "x-bibtex": lambda data: _balanced(data.decode()),
    "x-research-info-systems": lambda data: _lines_of_ris(data.decode()),
}


def _balanced(text: str) -> None:
    """Braces close what they opened, and no entry begins but the first."""
    depth = 0
    for place, character in enumerate(text):
        if character in "{}" and text[place - 1 : place] != "\\":
            depth += 1 if character == "{" else -1
            assert depth >= 0
    assert depth == 0
    assert sum(line.startswith("@") for line in text.splitlines()) <= text.count("@inproceedings{") + text.count(
        "@misc{"
    )


def _lines_of_ris(text: str) -> None:
    """Each line is a field or a blank between records, and a record ends once."""
    lines = [line for line in text.split("\n") if line.strip()]
    assert all(len(line) >= 5 and line[2:5] == "  -" for line in lines)
    assert sum(line.startswith("TY  -") for line in lines) == sum(line.startswith("ER  -") for line in lines)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hostile_library(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def client(library: Path) -> FlaskClient:
    return make_app(library).test_client()


def test_what_is_no_record_is_rejected_with_its_reason_and_the_rest_is_taken(library: Path) -> None:
    counts = Library(library).current().manifest.sources[SOURCE]
    assert counts.rejected == len(REJECTED)
    assert counts.accepted == counts.read - counts.rejected == len(TEXTS) - len(REJECTED) + 1


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in REJECTED])
def test_every_format_of_every_page_parses_and_names_no_script(library: Path, client: FlaskClient, name: str) -> None:
    for kind, path in paths_of(library, name).items():
        response = client.get(path, headers={"Accept": "text/html"})
        assert response.status_code == 200, (kind, path)
        page = Page(response.get_data(as_text=True))
        assert not page.unbalanced, kind
        for attributes in (attributes for _, attributes in page.tags):
            assert not any(key.startswith("on") or key in ("style", "srcdoc", "http-equiv") for key in attributes), kind
            for key in ("href", "src", "action", "formaction"):
                address = attributes.get(key, "").strip().lower()
                assert not address.startswith(("javascript:", "data:", "vbscript:", "//")), (kind, address)
            assert EVIL not in attributes.get("src", "")
        for one in page.all("a"):
            if "alternate" not in one.get("rel", "").split():
                continue
            target = urljoin(f"http://localhost{path}", one["href"]).removeprefix("http://localhost")
            data = client.get(quote(target, safe="/~._-%?&=+"))
            assert data.status_code == 200, (kind, target)
            assert data.headers["X-Content-Type-Options"] == "nosniff"
            parse = next(parse for end, parse in _PARSERS.items() if data.mimetype and data.mimetype.endswith(end))
            parse(data.get_data())


def test_a_line_break_in_a_record_reaches_no_header(library: Path, client: FlaskClient) -> None:
    for path in paths_of(library, "lines of a header").values():
        for accept in ("text/html", "text/turtle", "application/x-bibtex"):
            headers = client.get(path.removesuffix(".html"), headers={"Accept": accept}).headers
            assert "Set-Cookie" not in headers
            assert urljoin(f"http://localhost{path}", headers.get("Location", "")).startswith("http://localhost/")


def test_the_way_up_leads_nowhere(library: Path, client: FlaskClient) -> None:
    for name in ("ways up", "ways up, encoded", "ways elsewhere"):
        for path in paths_of(library, name).values():
            thing = client.get(path.removesuffix(".html"), headers={"Accept": "text/html"})
            assert urljoin(f"http://localhost{path}", thing.headers.get("Location", "")).startswith("http://localhost/")
    assert client.get("/static/../../../../etc/passwd").status_code == 404


def test_no_path_has_an_empty_segment_or_leads_up(library: Path) -> None:
    for name in TEXTS.keys() - REJECTED:
        for path in paths_of(library, name).values():
            assert not {"", ".", ".."} & set(path.partition("?")[0].strip("/").split("/"))
