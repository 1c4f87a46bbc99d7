"""What every page says of itself to machines: description, canonical address, Open Graph, whether it may be indexed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode, urljoin

from flask import g, request
from jinja2 import pass_context
from jinja2.runtime import Context

from quiver.search import SearchAnswer
from quiver.web.crawlers import may_be_indexed
from quiver.web.graph import Graph

# What search engines show of a description is about so long.
DESCRIPTION_LENGTH: Final = 200
# Parameters by which a page shows more of the same; without them it is the same page.
_SAME_PAGE: Final = frozenset(("open", "only", "names", "sort"))
_GENERAL: Final = (
    "Research papers as their sources describe them, names as they stand on bylines, venues: as pages, data and SPARQL."
)
_SAFE: Final = "/~._-"
_SAFE_LINK: Final = "/-._~#:@!$&'()*+,;=?%"


@dataclass(frozen=True, slots=True)
class Alternate:
    """Another format of a page; `rel` is that of a link to it, `title` what a feed is called."""

    href: str
    media_type: str
    label: str
    rel: str
    title: str


@dataclass(frozen=True, slots=True)
class Head:
    """What `base.html` puts into the head of a page, besides its title; `canonical` is empty for an error."""

    description: str
    canonical: str
    type: str
    indexed: bool
    formats: Sequence[Alternate]


@pass_context
def head_of(context: Context) -> Head:
    """The head of the page that is being made in *context*; the formats of the page go into its Link field as well."""
    values: Mapping[str, object] = context.get_all()
    template = context.name or ""
    formats = _alternates(values.get("formats"))
    g.alternates = ", ".join(
        f'<{quote(one.href, safe=_SAFE_LINK)}>; rel="alternate"; type="{one.media_type}"' for one in formats
    )
    return Head(
        description=_shortened(_described(template, values)),
        canonical=_canonical(values),
        type=_TYPES.get(template, "website"),
        indexed=may_be_indexed(request.path, request.args) and "problem" not in values,
        formats=formats,
    )


def _name(context: Mapping[str, object]) -> str:
    count = context.get("paper_count")
    papers = f"{'at least ' if context.get('at_least') else ''}{count:,} paper{'s' if count != 1 else ''}"
    return (
        f"{context.get('name')}: {papers} under exactly this name. {context.get('note') or context.get('no_profile')}"
    )


def _search(context: Mapping[str, object]) -> str:
    asked, answer = context.get("asked"), context.get("answer")
    words = context.get("instead") or (asked.get("q", "") if isinstance(asked, dict) else "")
    total = answer.total if isinstance(answer, SearchAnswer) else 0
    found = f"{total:,} result{'s' if total != 1 else ''}"
    return f"{found} among papers, names and venues{f' for “{words}”' if words else ''}."


def _query(context: Mapping[str, object]) -> str:
    return str(getattr(context.get("query"), "summary", ""))


def _by_lede(context: Mapping[str, object]) -> str:
    """The heading, and what stands below it."""
    label, lede = context.get("label") or context.get("title"), context.get("lede")
    return f"{label}: {lede}" if label and lede else str(lede or "")


# Template -> how its pages are described, where the page brings no `description` and no `lede`.
_DESCRIPTIONS: Final[dict[str, Callable[[Mapping[str, object]], str]]] = {
    "paper.html": lambda context: f"{context.get('title')}: a paper as its source describes it.",
    "name.html": _name,
    "search.html": _search,
    "query.html": _query,
    "queries.html": lambda context: f"The {context.get('count')} documented SPARQL queries behind these pages.",
    "sparql.html": lambda context: "A SPARQL 1.1 editor over the whole graph, read-only.",
    "dumps.html": lambda context: "The whole graph as N-Quads, N-Triples or Turtle, with sizes and checksums.",
    "release.html": lambda context: "What one release of the graph was made of, and the files that it consists of.",
}
# Template -> the kind of thing that Open Graph has for it.
_TYPES: Final = {"paper.html": "article"}


def _described(template: str, context: Mapping[str, object]) -> str:
    return str(context.get("description") or _DESCRIPTIONS.get(template, _by_lede)(context) or _GENERAL)


def _shortened(text: str) -> str:
    """*text* on one line, cut at a word where it is long.

    >>> _shortened("a  b"), len(_shortened("word " * 100)) <= DESCRIPTION_LENGTH
    ('a b', True)
    """
    line = " ".join(text.split())
    if len(line) <= DESCRIPTION_LENGTH:
        return line
    cut = line[: DESCRIPTION_LENGTH - 2]
    return (cut.rpartition(" ")[0] or cut) + " …"


def _canonical(context: Mapping[str, object]) -> str:
    """The one address of what the page shows: the IRI of the thing that it is about, else its own below the base."""
    graph = g.get("graph")
    if not isinstance(graph, Graph) or "problem" in context:
        return ""
    iri = context.get("iri")
    if isinstance(iri, str):
        address, kept = iri, {"page"}
    else:
        path = request.path.lstrip("/").removesuffix(".html")
        address, kept = graph.base + quote(path, safe=_SAFE), set(request.args) - _SAME_PAGE
    given = {name: value for name, value in request.args.items() if value and name in kept}
    if given.get("page") == "1":
        del given["page"]
    return address + ("?" + urlencode(given) if given else "")


def _alternates(formats: object) -> list[Alternate]:
    return [
        Alternate(one["href"], one["media_type"], one["label"], _rel(one["href"]), one.get("title", ""))
        for one in (formats if isinstance(formats, Sequence) else ())
    ]


def _rel(href: str) -> str:
    target, _, query = href.removeprefix(request.script_root).partition("?")
    names = [part.partition("=")[0] for part in query.split("&") if part]
    return "alternate" if may_be_indexed(urljoin(request.path, target), names) else "alternate nofollow"
