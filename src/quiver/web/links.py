"""Links: every one inside the pages works under any host and any path prefix.

They are relative, so that the prefix need not be known. Where it is, they begin with it: no server is told whether a
slash in the path was sent as `%2F`, and a browser, which does know, counts only the plain ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, quote_plus, urlencode

from flask import g, request

from quiver.namespaces import PREFIXES
from quiver.web.graph import Graph

_VOCABULARY = PREFIXES["q"]
_WEB = ("http://", "https://", "ftp://")
# What a path of ours holds besides letters and digits, and what RFC 3986 allows raw in a path or fragment.
_SAFE = "/-._~#:@!$&'()*+,;="


def to_root() -> str:
    """The way from the page asked for to the root of the service: `./`, `../`, `../../` ..., or a known prefix."""
    if request.script_root:
        return f"{request.script_root}/"
    # Without a prefix one step too many does no harm: above the root there is nothing (RFC 3986, 5.2.4).
    return "../" * (request.path.count("/") - 1) or "./"


@dataclass(frozen=True, slots=True)
class Links:
    """The links of one page: the way to the root, and the base of IRIs, empty before a release is open.

    A page has hundreds; asking the request and the release for each took a quarter of the time of a search page.
    """

    root: str
    base: str

    def path_of(self, iri_or_path: str) -> str | None:
        """As the function of this name."""
        if self.base and iri_or_path.startswith(self.base):
            return iri_or_path[len(self.base) :]
        if iri_or_path.startswith(_VOCABULARY):
            return "ontology#" + iri_or_path[len(_VOCABULARY) :]
        return None if ":" in iri_or_path.partition("/")[0] else iri_or_path.lstrip("/")

    def href(self, target: str, /, **query: str | int | None) -> str:
        """As the function of this name."""
        path = self.path_of(target)
        if path is None:
            return target if target.startswith(_WEB) else "#"
        # Without the root's own dots an empty path would mean the present page.
        if not query:
            return self.root + path
        # As urlencode, which takes twice as long; the names are our own and need no encoding.
        given = [
            f"{name.rstrip('_')}={quote_plus(str(value))}" for name, value in query.items() if value not in (None, "")
        ]
        return self.root + path + ("?" + "&".join(given) if given else "")


def links() -> Links:
    """The links of the page that is asked for."""
    made = g.get("links")
    if not isinstance(made, Links):
        graph = g.get("graph")
        made = g.links = Links(to_root(), graph.base if isinstance(graph, Graph) else "")
    return made


def path_of(iri_or_path: str) -> str | None:
    """The path, with its fragment, of an IRI of ours or of our vocabulary; a path stays; None for IRIs of others."""
    return links().path_of(iri_or_path)


def href(target: str, /, **query: str | int | None) -> str:
    """A link from the page asked for to an IRI or a path of ours; a web address of others stays; anything else is `#`.

    *query* is appended, without what is empty.
    """
    return links().href(target, **query)


def location(path: str) -> str:
    """As `href`, in the ASCII form that a header field needs."""
    return quote(href(path), safe=_SAFE + "?%")


def this_page(**changes: str | int | None) -> str:
    """A link to the present page with some of its query changed; None or empty takes a parameter away."""
    # A script that asks for one panel alone puts it into the whole page.
    query = {name: value for name, value in request.args.items() if value and name != "only"}
    for name, value in changes.items():
        if value in (None, ""):
            query.pop(name, None)
        else:
            query[name] = str(value)
    return "?" + urlencode(query) if query else to_root() + quote(request.path.lstrip("/"), safe=_SAFE)
