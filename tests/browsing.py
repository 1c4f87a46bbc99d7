"""Records for the tests of pages and documents: the real page's quirks, hostile text, and a byline of 3,000 names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pyoxigraph as ox
from flask import Flask
from werkzeug.test import TestResponse

import quiver.web
from quiver.config import Settings, bundled
from quiver.evaluation import start_broker
from quiver.namespaces import term
from quiver.releases import Library, build
from quiver.web import create_app
from tests.sample import write_sample

BASE = "https://kg.example.org/graph/"
LONG_BYLINE = 3000
HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(2)">',
    '"><svg onload=alert(3)>{{ 7 * 7 }}</title></textarea>',
    "]]>--><iframe srcdoc='<script>parent.alert(4)</script>'>",
)

_RECORDS: list[dict[str, object]] = [
    {
        "key": f"hostile/{number}",
        "title": text,
        "authors": [text, f"Name {text}"],
        "venue": text,
        "year": 2024,
        "abstract": f"$x^2$ {text} \\href{{javascript:alert(5)}}{{press}} https://example.org/ok",
        "url": "javascript:alert(6)",
        "status": text,
        "bibkey": text,
    }
    for number, text in enumerate(HOSTILE)
] + [
    {
        "key": "long",
        "title": "A byline of many names",
        "authors": [f"Person Number{n}" for n in range(LONG_BYLINE)],
        "venue": "CERN",
        "year": 2019,
    },
    *(
        {
            "key": f"many/{n:03}",
            "title": f"Paper {n:03} of many",
            "authors": ["Pat Many"],
            "venue": "Big",
            "year": 2000 + n % 20,
        }
        for n in range(120)
    ),
]


def make_library(folder: Path) -> Path:
    """A library of the sample, the bundled page, and the records above."""
    hostile = folder / "hostile.jsonl"
    hostile.write_text("".join(json.dumps(record) + "\n" for record in _RECORDS), encoding="utf-8")
    files = [*write_sample(folder), bundled("data") / "andrew-zhao.txt", hostile]
    build(folder / "library", files, base=BASE, settings=Settings(jobs=1))
    return folder / "library"


# Why a test of the editor is skipped; the build hook brings the bundle.
NO_BUNDLE = "the editor is not built in: run `python hatch_build.py`, or install without QUIVER_WITHOUT_EDITOR"
STATIC = Path(quiver.web.__file__).parent / "static"


def has_bundle() -> bool:
    return (STATIC / "yasgui/yasgui.min.js").is_file()


def make_app(library: Path, **settings: object) -> Flask:
    """The application without a SPARQL service."""
    return create_app(library, Settings(**settings))


@contextmanager
def app_with_sparql(library: Path) -> Iterator[Flask]:
    """The application with its SPARQL service."""
    settings = Settings(log_level="ERROR")
    with start_broker(settings) as broker, broker.evaluator() as evaluator:
        yield create_app(library, settings, evaluator)


def path_of_title(library: Path, title: str) -> str:
    """The path of the paper with this label."""
    store = Library(library).current().open_store()
    label = ox.NamedNode(term("rdfs:label"))
    for quad in store.quads_for_pattern(None, label, ox.Literal(title)):
        assert isinstance(quad.subject, ox.NamedNode)
        path = quad.subject.value.removeprefix(BASE)
        if path.startswith("paper/"):
            return path
    raise AssertionError(f"no paper {title!r}")


class Page(HTMLParser):
    """A page taken apart: tags with attributes, links, text of each element of interest."""

    VOID = frozenset(("meta", "link", "input", "br", "img", "hr", "circle", "path", "rect", "line"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def foreign_scripts(self) -> list[dict[str, str]]:
        """Scripts that are neither modules of our own nor blocks of data for search engines."""
        return [
            attributes
            for attributes in self.all("script")
            if attributes != {"type": "application/ld+json"}
            and not (set(attributes) == {"type", "src"} and "static/pages/" in attributes["src"])
        ]

    @property
    def links(self) -> list[str]:
        return [attributes["href"] for attributes in self.all("a") if "href" in attributes]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", self.text)


class Tree:
    """A well-formed page as a tree, with the ways down and up that the standard library's trees lack."""

    def __init__(self, text: str) -> None:
        builder = _Builder()
        builder.feed(text)
        builder.close()
        self.root = builder.tree.close()
        self._parents = {child: parent for parent in self.root.iter() for child in parent}

    def ancestors(self, element: ElementTree.Element) -> Iterator[ElementTree.Element]:
        """The elements that hold *element*, the nearest first."""
        while (parent := self._parents.get(element)) is not None:
            yield parent
            element = parent


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tree = ElementTree.TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs) if tag in Page.VOID else self._start(tag, attrs)

    def _start(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tree.start(tag, {name: value or "" for name, value in attrs})

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._start(tag, attrs)
        self.tree.end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tree.end(tag)

    def handle_data(self, data: str) -> None:
        self.tree.data(data)


def has_class(element: ElementTree.Element, name: str) -> bool:
    return name in element.get("class", "").split()


def words_of(element: ElementTree.Element) -> str:
    """The text of an element and of all in it, on one line."""
    return " ".join("".join(element.itertext()).split())


def read(response: TestResponse) -> Page:
    """The page in a response, which must be a good one."""
    assert response.status_code == 200, response.get_data(as_text=True)[:500]
    assert response.mimetype == "text/html"
    return Page(response.get_data(as_text=True))
