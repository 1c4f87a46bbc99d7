"""Every type of page as one table, for the tests of what holds for all of them: a new type is one row.

The paths are those of the library that `tests.browsing.make_library` builds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from flask.testing import FlaskClient

BROWSER: Final = {"Accept": "text/html"}
_ANDREW: Final = "/name/andrew_zhao.html"
_BEYOND: Final = "/paper/arrow/h-779d59a1c83a4091.html"


@dataclass(frozen=True, slots=True)
class PageType:
    """One page of a type: its path, and where that is not known beforehand, a pattern for a link on that page.

    `indexed` says whether search engines may show it, `status` what it is answered with.
    """

    path: str
    link: str = ""
    indexed: bool = True
    status: int = 200

    def find(self, client: FlaskClient) -> str:
        """The path of the page."""
        if not self.link:
            return self.path
        text = client.get(self.path, headers=BROWSER).get_data(as_text=True)
        found = re.search(rf'href="([^"]*{self.link}[^"]*)"', text)
        assert found is not None, f"{self.path} has no link to {self.link}"
        return _document_of(client, urljoin(self.path, found[1]))


def _document_of(client: FlaskClient, path: str) -> str:
    """The path of the page about the thing at *path*; it stays, where that is no redirect."""
    response = client.get(path, headers=BROWSER)
    return urljoin(path, response.headers["Location"]) if response.status_code == 303 else path


PAGE_TYPES: Final[dict[str, PageType]] = {
    "home": PageType("/"),
    "search": PageType("/search?q=learning", indexed=False),
    "search, nothing asked": PageType("/search", indexed=False),
    "search, narrowed": PageType("/search?q=paper&kind=paper&year=2005", indexed=False),
    "search, later page": PageType("/search?q=many&page=2", indexed=False),
    "search, nothing found": PageType("/search?q=zzzzzz&year=1999", indexed=False),
    "paper": PageType(_BEYOND),
    "paper with maths": PageType("/paper/arrow/h-fedead097e274f52.html"),
    "paper of little": PageType("/paper/records/conf/three.html"),
    "paper of many names": PageType("/paper/hostile/long.html"),
    "paper of many names, all": PageType("/paper/hostile/long.html?names=all", indexed=False),
    "hostile paper": PageType("/paper/hostile/hostile/0.html"),
    "name": PageType(_ANDREW),
    "name with a number": PageType("/name/haipeng_zhang_0006.html"),
    "name of many papers": PageType("/name/pat_many.html"),
    "name, later page": PageType("/name/pat_many.html?page=2"),
    "name, narrowed": PageType("/name/pat_many.html?year=2003", indexed=False),
    "name, panels opened": PageType(f"{_ANDREW}?open=name-network+name-author-rows", indexed=False),
    "name, one panel": PageType(f"{_ANDREW}?open=name-network&only=name-network", indexed=False),
    "two names": PageType("/compare?a=name/andrew_zhao&b=name/gao_huang", indexed=False),
    "two names, nothing asked": PageType("/compare", indexed=False),
    "two names, one unknown": PageType("/compare?a=name/andrew_zhao&b=nobody+at+all", indexed=False, status=404),
    "author row": PageType("/author/arrow/n-Andrew_Zhao.html"),
    "venue": PageType("/venue/neurips.html"),
    "venue of many papers": PageType("/venue/big.html"),
    "edition": PageType("/venue/neurips/2025.html"),
    "source": PageType("/source/arrow.html"),
    "source file": PageType("/source/arrow.html", link="source/arrow/"),
    "page of a source": PageType("/page/arrow/andrew_zhao.html"),
    "rule": PageType("/rule/exact-name.html"),
    "statistics": PageType("/statistics"),
    "quality": PageType("/quality"),
    "quality, a list": PageType("/quality?open=quality-papers-without-year", indexed=False),
    "explore": PageType("/explore", indexed=False),
    "explore a name": PageType("/explore?iri=name/andrew_zhao", indexed=False),
    "explore a class": PageType("/explore?iri=q:Paper", indexed=False),
    "explore a property": PageType("/explore?iri=q:venue", indexed=False),
    "explore one group": PageType("/explore?iri=q:year&show=uses&page=2", indexed=False),
    "rejects": PageType("/source/records/rejects", indexed=False),
    "queries": PageType("/queries"),
    "query": PageType("/queries/name/papers"),
    "query, answered": PageType("/queries/name/papers?cluster=name/andrew_zhao", indexed=False),
    "query with a chart": PageType("/queries/release/papers-by-year"),
    "query for a graph": PageType("/queries/example/paper-graph"),
    "vocabulary": PageType("/ontology"),
    "shapes": PageType("/shapes"),
    "dumps": PageType("/dumps/"),
    "release": PageType("/", link="releases/"),
    "error": PageType("/name/nobody_at_all.html", indexed=False, status=404),
    "wrong request": PageType("/search?q=a&sort=x", indexed=False, status=400),
}


def fetch_all(client: FlaskClient) -> dict[str, tuple[str, str]]:
    """Path and HTML of the page of each type."""
    found = {}
    for kind, page in PAGE_TYPES.items():
        path = page.find(client)
        response = client.get(path, headers=BROWSER)
        assert (response.status_code, response.mimetype) == (page.status, "text/html"), (kind, path)
        found[kind] = (path, response.get_data(as_text=True))
    return found
