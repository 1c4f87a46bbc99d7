"""What crawlers may take: one table, from which come robots.txt and the word `noindex` of pages and data.

A crawler is shown each thing once, by the sitemap and by plain links. What is made for one reader's question (facets,
orders, filters, comparisons, answers of queries) has an address with a query string, and of those there is no end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from quiver.negotiation import CITATIONS

# Paths below the root that no crawler is to ask for; `*` stands for anything, `$` for the end (RFC 9309, 2.2.3).
EXCLUDED: Final = (
    "*?",  # whatever is asked with a query string: facets, orders, filters, panels opened, later pages of lists
    "search",
    "suggest",
    "compare",
    "explore",
    "source/*/rejects",
    "queries/*.",  # answers as data; the pages that say what a query asks are for everybody
    "store",
    # References for managers of them: nothing that the pages do not say, and a venue's file takes seconds.
    *(f"*.{one.extension}$" for one in CITATIONS),
)
# Longer matches win, so these are exempt.
ADMITTED: Final = ("static/", "sitemap.xml")
# What is answered in a moment, or not by Flask, though it is asked with a query string.
_AT_ONCE: Final = ("/suggest", "/static/", "/sparql", "/store")
# Later pages of a list are no crawler's way, since the sitemap has all that they lead to; but who has one may keep it.
_INDEXED_PARAMETERS: Final = frozenset(("page",))
_ROBOTS: Final = "User-agent: *\n{rules}\nSitemap: {sitemap}\n"


def robots_text(root: str, sitemap: str) -> str:
    """The text of robots.txt where paths begin with *root* and the sitemap is at the address *sitemap*.

    Where the service is below a prefix, its rules belong into the robots.txt of the host, and hold there as they are.

    >>> print(robots_text("/graph/", "https://example.org/graph/sitemap.xml").splitlines()[1])
    Disallow: /graph/*?
    """
    rules = [f"Disallow: {root}{path}" for path in EXCLUDED] + [f"Allow: {root}{path}" for path in ADMITTED]
    return _ROBOTS.format(rules="\n".join(rules), sitemap=sitemap)


def may_be_indexed(path: str, parameters: Iterable[str]) -> bool:
    """Whether the page or data at *path* (it begins with a slash), asked for with these parameters, may be indexed.

    >>> may_be_indexed("/name/andrew_zhao.html", ["page"]), may_be_indexed("/name/andrew_zhao.html", ["open"])
    (True, False)
    >>> may_be_indexed("/queries/name/papers", []), may_be_indexed("/queries/name/papers.csv", [])
    (True, False)
    >>> may_be_indexed("/venue/neurips.ttl", []), may_be_indexed("/venue/neurips.csl.json", [])
    (True, False)
    """
    return _INDEXED_PARAMETERS.issuperset(parameters) and not _EXCLUDED_PATH.match(path)


def is_order(path: str, query_string: str) -> bool:
    """Whether what is asked for is made for one question, and takes its time.

    >>> is_order("/search", "q=zhao"), is_order("/queries/name/papers", ""), is_order("/name/andrew_zhao.html", "")
    (True, True, False)
    """
    if path.startswith(_AT_ONCE):
        return False
    return bool(query_string) or path.startswith("/queries/") or bool(_EXCLUDED_PATH.match(path))


def _pattern(path: str) -> str:
    return re.escape(path).replace(r"\*", ".*").replace(r"\$", "$")


_EXCLUDED_PATH: Final = re.compile("/(?:" + "|".join(_pattern(path) for path in EXCLUDED if "?" not in path) + ")")
