"""The search page: one box for papers, names and venues; facets, filters, and what to do where nothing is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from flask import Blueprint, Response, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from quiver import feeds
from quiver.config import Settings
from quiver.errors import InvalidParameter, InvalidSearch
from quiver.names import name_key, split_homonym
from quiver.negotiation import CSV
from quiver.search import KINDS, Facets, SearchAnswer, SearchHit, split_at
from quiver.web import search_feed
from quiver.web.bylines import Byline, byline_of
from quiver.web.cut_names import cut_names
from quiver.web.exports import EXPORTS
from quiver.web.graph import Graph, current_graph
from quiver.web.links import links, location
from quiver.web.panels import Paging
from quiver.web.problems import problem_of
from quiver.web.resources import wanted_page
from quiver.web.responses import not_modified
from quiver.web.search_data import YEARS_SHOWN, earlier_years, search_csv, search_json, search_references
from quiver.web.search_request import KIND_WORDS, SORT_WORDS, SearchRequest, ascii_link, read_request
from quiver.web.straight import names_with_orcid, straight_to

_NAMES_SHOWN: Final = 12
_FACET_WORDS: Final = {"kind": "Kind", "venue": "Venue", "year": "Year"}
_NOTHING: Final = SearchAnswer(0, (), Facets())


@dataclass(frozen=True, slots=True)
class FacetValue:
    label: str
    figure: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that is set: what it is of, its value in words, and the link that takes it away."""

    facet: str
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Result:
    """One hit with its way and its byline; `pieces` are the snippet's pieces of text, and whether each matched.

    `venues` are labels and ways. `at_least`: the count of its papers rests on bylines that may be cut.
    """

    hit: SearchHit
    href: str
    byline: Byline | None
    number: str
    name: str
    pieces: tuple[tuple[str, bool], ...]
    venues: tuple[tuple[str, str], ...]
    at_least: bool

    @property
    def matched(self) -> bool:
        """Whether something in the snippet matched."""
        return any(matched for _, matched in self.pieces)


def create_search(settings: Settings) -> Blueprint:
    """The blueprint of search: the page, and its results as data, as files of references and as a feed."""
    blueprint = Blueprint("search", __name__)

    @blueprint.get("/search")
    def search() -> AnyResponse | str:
        g.tagged = True
        return not_modified("text/html") or _search(settings)

    @blueprint.get("/search.json")
    def search_as_json() -> Response:
        g.tagged = True
        return not_modified("application/json") or search_json(settings)

    @blueprint.get("/search.csv")
    def search_as_csv() -> Response:
        g.tagged = True
        return not_modified(CSV.media_type) or search_csv(settings)

    @blueprint.get("/search.atom")
    def search_as_feed() -> Response:
        g.tagged = True
        return not_modified(feeds.MEDIA_TYPE) or search_feed.search_atom(settings)

    @blueprint.get(f"/search.<any({', '.join(map(repr, EXPORTS))}):extension>")
    def search_as_references(extension: str) -> Response:
        g.tagged = True
        return not_modified(EXPORTS[extension].media_type) or search_references(settings, extension)

    return blueprint


def _search(settings: Settings) -> AnyResponse | str:
    graph, asked = current_graph(), read_request()
    if asked.q and not asked.filters and not asked.go and "page" not in request.args:
        path = straight_to(graph, asked.q)
        if path is not None:
            return redirect(location(path), 303)
    if "from" in request.args or "to" in request.args:
        # The form has two fields where the address has one.
        return redirect(ascii_link(asked.href()), 303)
    page, size = wanted_page(), settings.integer("page_size")
    offset = (page - 1) * size
    shown, answer, fault = asked, _NOTHING, None
    try:
        shown, answer = asked.search_or_nearest(graph, size, offset, snippets=True)
    except (InvalidSearch, InvalidParameter) as error:
        fault = error
    html = render_template(
        "search.html",
        asked=asked.given(),
        shown=shown,
        instead=shown.q if shown is not asked else "",
        answer=answer,
        results=_results(graph, answer),
        beside=_beside(graph, asked.q) if not answer.total else [],
        filters=_filters(shown),
        unfiltered=_unfiltered(graph, asked) if not answer.total and not fault else 0,
        facets=_facets(shown, answer),
        years=_year_fields(asked),
        sorts=[(name, words, (shown.sort or "relevance") == name) for name, words in SORT_WORDS.items()],
        paging=_paging(shown, answer, page, size),
        formats=_formats(shown) if answer.total else [],
        most_in_file=settings.integer("search_limit_max"),
        **({"problem": problem_of(fault)} if fault else {}),
    )
    return Response(html, status=fault.status if fault else 200, mimetype="text/html")


def _paging(asked: SearchRequest, answer: SearchAnswer, page: int, size: int) -> Paging:
    first = (page - 1) * size + 1
    return Paging(
        what="results",
        range=f"{first:,} to {first - 1 + len(answer.hits):,} of {answer.total:,}",
        previous=asked.href(page=page - 1 if page > 2 else None) if page > 1 else "",
        next=asked.href(page=page + 1) if page * size < answer.total else "",
    )


def _formats(asked: SearchRequest) -> list[dict[str, str]]:
    """The results in other formats; the files of references where there may be papers among them."""
    formats = [("search.json", "application/json", "JSON"), ("search.csv", CSV.media_type, CSV.label)]
    if asked.kind in ("", "paper"):
        formats += [(f"search.{extension}", one.media_type, one.label) for extension, one in EXPORTS.items()]
    shown = [
        {"href": asked.href(path, go=None), "media_type": media_type, "label": label}
        for path, media_type, label in formats
    ]
    feed = {"href": asked.href("search.atom", go=None), "media_type": feeds.MEDIA_TYPE, "label": "Atom feed"}
    return [*shown, {**feed, "title": f"{asked.words or 'Everything'}, newest first"}]


def _filters(asked: SearchRequest) -> list[Filter]:
    """The filters that are set, each with the way to be without it."""
    return [
        Filter(
            _FACET_WORDS[name], KIND_WORDS.get(value, value) if name == "kind" else value, asked.href(**{name: None})
        )
        for name, value in asked.filters.items()
    ]


def _unfiltered(graph: Graph, asked: SearchRequest) -> int:
    """How many results there would be without the filters, if there are any."""
    return replace(asked, kind="", venue="", year="").search(graph, 0).total if asked.filters else 0


def _facets(asked: SearchRequest, answer: SearchAnswer) -> list[tuple[str, list[FacetValue]]]:
    """The facets by their headings; of the years the newest, and one value for all before them."""
    facets = answer.facets
    kinds = [(kind, count) for kind in KINDS for found, count in facets.kinds if found == kind]
    recent = [(str(year), count) for year, count in facets.years[:YEARS_SHOWN]]
    recent += earlier_years(facets).items()
    values = {"kind": kinds, "venue": facets.venues, "year": recent}
    return [(_FACET_WORDS[name], _facet(asked, name, values[name], answer.total)) for name in values]


def _facet(asked: SearchRequest, name: str, values: Sequence[tuple[str, int]], total: int) -> list[FacetValue]:
    chosen = asked.filters.get(name, "")
    if chosen and all(value != chosen for value, _ in values):
        # A filter must be seen to be taken away again, also where it leaves nothing.
        values = [(chosen, total), *values]
    return [
        FacetValue(
            _value_words(name, value),
            f"{count:,}",
            asked.href(**{name: None if value == chosen else value}),
            value == chosen,
        )
        for value, count in values
    ]


def _value_words(name: str, value: str) -> str:
    if name == "kind":
        return KIND_WORDS.get(value, value)
    return f"{value[1:]} and before" if name == "year" and value.startswith("-") else value


def _year_fields(asked: SearchRequest) -> tuple[str, str]:
    """What stands in the fields of the form for years."""
    first, dash, last = asked.year.replace("–", "-").partition("-")
    return first, last if dash else first


def _beside(graph: Graph, text: str) -> list[tuple[str, str]]:
    """IRI and label of the names beside which the ORCID iD *text* is stated, if it is one."""
    return sorted(graph.labels(names_with_orcid(graph, text)).items())


def _results(graph: Graph, answer: SearchAnswer) -> list[Result]:
    statuses = graph.texts((graph.base + hit.path for hit in answer.hits if hit.kind == "paper"), "q:bylineStatus")
    cut, way = cut_names(graph), links().href
    results = []
    for hit in answer.hits:
        iri = graph.base + hit.path
        name, number = split_homonym(hit.label) if hit.kind == "name" else (hit.label, None)
        byline = byline_of(graph, hit.names, statuses.get(iri, ""), _NAMES_SHOWN) if hit.kind == "paper" else None
        results.append(
            Result(
                hit=hit,
                href=way(hit.path),
                byline=byline,
                number=number or "",
                name=name,
                pieces=tuple(split_at(hit.snippet.text, hit.snippet.ranges)),
                venues=tuple((label, way(graph.minter.venue_series(name_key(label)))) for label in hit.venues),
                at_least=hit.kind == "name" and iri in cut,
            )
        )
    return results
