"""Search: one box for papers, names and venues; facets, completion, results as data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, g, render_template, request

from quiver.config import Settings
from quiver.errors import InvalidParameter
from quiver.identifiers import Minter
from quiver.names import name_key
from quiver.negotiation import JSON
from quiver.search import KINDS, SearchAnswer, SearchHit, Snippet
from quiver.web.bylines import Byline, read_bylines
from quiver.web.graph import Graph, current_graph
from quiver.web.links import href, this_page
from quiver.web.panels import Paging
from quiver.web.resources import wanted_page
from quiver.web.responses import not_modified

_KIND_WORDS: Final = {"paper": "Papers", "name": "Names", "venue": "Venues"}
_SORT_WORDS: Final = {
    "relevance": "by relevance",
    "newest": "newest first",
    "oldest": "oldest first",
    "title": "by title",
}
_YEARS_SHOWN: Final = 15


@dataclass(frozen=True, slots=True)
class FacetValue:
    label: str
    count: int
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Result:
    """One hit with its byline; `pieces` are the snippet's pieces of text, and whether each matched."""

    hit: SearchHit
    byline: Byline | None
    number: str
    name: str
    pieces: tuple[tuple[str, bool], ...]
    venues: tuple[tuple[str, str], ...]


def create_search(settings: Settings) -> Blueprint:
    """The blueprint of search and completion."""
    blueprint = Blueprint("search", __name__)

    @blueprint.get("/search")
    def search() -> Response | str:
        g.tagged = True
        return not_modified("text/html") or _search_page(settings)

    @blueprint.get("/search.json")
    def search_data() -> Response:
        g.tagged = True
        graph = current_graph()
        answer = _ask(graph, settings.integer("page_size"), (wanted_page() - 1) * settings.integer("page_size"))
        return _json(
            {
                "total": answer.total,
                "hits": [
                    {"iri": graph.base + hit.path, "kind": hit.kind, "label": hit.label, "year": hit.year,
                     "papers": hit.weight or None}
                    for hit in answer.hits
                ],
                "facets": {
                    "kind": dict(answer.facets.kinds),
                    "year": {str(year): count for year, count in answer.facets.years},
                    "venue": dict(answer.facets.venues),
                },
            }
        )  # fmt: skip

    @blueprint.get("/suggest")
    def suggest() -> Response:
        g.tagged = True
        graph = current_graph()
        text = request.args.get("q", "")
        hits = graph.search.suggest(text)
        # OpenSearch Suggestions 1.0: the text, completions, descriptions, addresses.
        response = _json(
            [text, [h.label for h in hits], [_KIND_WORDS[h.kind] for h in hits], [graph.base + h.path for h in hits]]
        )
        response.mimetype = "application/x-suggestions+json"
        return response

    return blueprint


def _json(value: object) -> Response:
    return Response(json.dumps(value, ensure_ascii=False) + "\n", mimetype="application/json")


def _year(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise InvalidParameter(f"{text!r} is no year", value=text, hint="Give four digits.")
    return int(text)


def _ask(graph: Graph, limit: int, offset: int) -> SearchAnswer:
    """The answer to the present request's `q`, `kind` (or `type`), `venue`, `year` and `sort`."""
    asked = request.args
    first, _, last = asked.get("year", "").partition("-")
    return graph.search.search(
        asked.get("q", ""),
        kind=asked.get("kind") or asked.get("type") or None,
        venue=asked.get("venue") or None,
        year_from=_year(first),
        year_to=_year(last or first),
        offset=offset,
        limit=limit,
        sort=asked.get("sort") or "relevance",
    )


def _search_page(settings: Settings) -> str:
    graph = current_graph()
    page = wanted_page()
    size = settings.integer("page_size")
    offset = (page - 1) * size
    answer = _ask(graph, size, offset)
    asked = {name: request.args.get(name, "") for name in ("q", "kind", "venue", "year", "sort")}
    asked["kind"] = asked["kind"] or request.args.get("type", "")
    paging = Paging(
        what="results",
        range=f"{offset + 1:,} to {offset + len(answer.hits):,} of {answer.total:,}",
        previous=this_page(page=page - 1 if page > 2 else None) if page > 1 else "",
        next=this_page(page=page + 1) if offset + size < answer.total else "",
    )
    return render_template(
        "search.html",
        asked=asked,
        answer=answer,
        results=_results(graph, answer),
        kinds=_facet([(kind, n) for kind in KINDS for k, n in answer.facets.kinds if k == kind], "kind", asked["kind"]),
        years=_facet([(str(year), n) for year, n in answer.facets.years[:_YEARS_SHOWN]], "year", asked["year"]),
        venues=_facet(answer.facets.venues, "venue", asked["venue"]),
        sorts=[(name, words, (asked["sort"] or "relevance") == name) for name, words in _SORT_WORDS.items()],
        paging=paging,
        formats=[
            {
                "href": href("search.json", **{name: value for name, value in asked.items() if value}),
                "label": JSON.label,
                "media_type": "application/json",
            }
        ],
    )


def _facet(values: Sequence[tuple[str, int]], name: str, chosen: str) -> list[FacetValue]:
    shown = [
        FacetValue(
            _KIND_WORDS.get(value, value) if name == "kind" else value,
            count,
            this_page(**{name: None if value == chosen else value, "page": None, "type": None}),
            value == chosen,
        )
        for value, count in values
    ]
    if chosen and not any(value.current for value in shown):
        # A filter must be seen to be taken away again, also where it leaves nothing.
        shown.insert(0, FacetValue(chosen, 0, this_page(**{name: None, "page": None, "type": None}), True))
    return shown


def _results(graph: Graph, answer: SearchAnswer) -> list[Result]:
    papers = [graph.base + hit.path for hit in answer.hits if hit.kind == "paper"]
    bylines = read_bylines(graph, papers, 12)
    names = [graph.base + hit.path for hit in answer.hits if hit.kind == "name"]
    numbers = graph.texts(names, "q:homonymNumber")
    mint = Minter(graph.base)
    return [
        Result(
            hit=hit,
            byline=bylines.get(graph.base + hit.path),
            number=(number := numbers.get(graph.base + hit.path, "")),
            name=hit.label.removesuffix(f" {number}") if number else hit.label,
            pieces=tuple(_pieces(hit.snippet)),
            venues=tuple((label, mint.venue_series(name_key(label))) for label in hit.venues),
        )
        for hit in answer.hits
    ]


def _pieces(snippet: Snippet) -> list[tuple[str, bool]]:
    pieces, end = [], 0
    for start, stop in snippet.ranges:
        pieces += [(snippet.text[end:start], False), (snippet.text[start:stop], True)]
        end = stop
    return [*pieces, (snippet.text[end:], False)]
