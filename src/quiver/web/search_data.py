"""Results of a search as data: JSON, CSV, and the papers among them for reference managers."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Final

from flask import Response, request

from quiver.config import Settings
from quiver.errors import InvalidParameter
from quiver.negotiation import CSV
from quiver.search import Facets, SearchAnswer, SearchHit
from quiver.web.cut_names import cut_names
from quiver.web.graph import Graph, current_graph
from quiver.web.reference_files import content_disposition, papers_file
from quiver.web.resources import wanted_page
from quiver.web.search_request import SearchRequest, ascii_link, read_request

_JSON: Final = "application/json"
_COLUMNS: Final = ("iri", "kind", "label", "names", "venues", "year", "papers")
# Years that are a value of the facet each; those before them are one together.
YEARS_SHOWN: Final = 15
_NAME_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class Stretch:
    """A page of results as data: `offset` and `limit` of the hits, and links to the pages around it."""

    page: int
    limit: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit

    def link(self, asked: SearchRequest, path: str, page: int) -> str:
        """The link to a page of *asked* at *path* that is as long as this one."""
        return asked.href(path, limit=request.args.get("limit"), page=page if page > 1 else None)

    def links(self, asked: SearchRequest, path: str, total: int) -> dict[str, str]:
        """Relation -> link, for the first, the previous, the next and the last page, where there are such."""
        last = max(-(-total // self.limit), 1)
        pages = {"first": 1, "previous": self.page - 1, "next": self.page + 1, "last": last}
        return {relation: self.link(asked, path, page) for relation, page in pages.items() if 1 <= page <= last}


def wanted_stretch(default: int, most: int) -> Stretch:
    """The stretch that `page=` and `limit=` ask for.

    Raises:
        InvalidParameter: one of them is no number from 1, or more than *most* are asked for.
    """
    text = request.args.get("limit") or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and 1 <= int(text) <= most):
        raise InvalidParameter(f"limit={text[:40]!r} is no number of results", value=text, hint=f"From 1 to {most:,}.")
    return Stretch(wanted_page(), int(text))


def search_json(settings: Settings) -> Response:
    """The results as JSON, with facets; `instead` is the text that was searched for where nothing matched `q`."""
    graph, asked = current_graph(), read_request()
    stretch = wanted_stretch(settings.integer("page_size"), settings.integer("page_size_max"))
    shown, answer = asked.search_or_nearest(graph, stretch.limit, stretch.offset)
    said: dict[str, object] = {"q": asked.q}
    if shown is not asked:
        said["instead"] = shown.q
    said |= {
        "total": answer.total,
        "page": stretch.page,
        "hits": [_hit(graph, hit) for hit in answer.hits],
        "facets": {
            "kind": dict(answer.facets.kinds),
            "year": {str(year): count for year, count in answer.facets.years},
            "earlier": earlier_years(answer.facets),
            "venue": dict(answer.facets.venues),
        },
    }
    response = Response(json.dumps(said, ensure_ascii=False) + "\n", mimetype=_JSON)
    return _with_links(response, shown, stretch, answer, "search.json")


def earlier_years(facets: Facets) -> dict[str, int]:
    """The span of all years before the newest, as `year=` takes it, and how many results it has; empty for none."""
    earlier = facets.years[YEARS_SHOWN:]
    return {f"-{earlier[0][0]}": sum(count for _, count in earlier)} if earlier else {}


def search_csv(settings: Settings) -> Response:
    """The results as CSV (RFC 4180), as many as one file may hold."""
    graph, asked = current_graph(), read_request()
    most = settings.integer("search_limit_max")
    stretch = wanted_stretch(most, most)
    answer = asked.search(graph, stretch.limit, stretch.offset)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for hit in answer.hits:
        names, venues = "; ".join(hit.names), "; ".join(hit.venues)
        writer.writerow([graph.base + hit.path, hit.kind, hit.label, names, venues, hit.year, _papers(hit)])
    response = Response(text.getvalue(), content_type=CSV.content_type)
    response.headers["Content-Disposition"] = content_disposition(f"{_file_name(asked)}.csv")
    return _with_links(response, asked, stretch, answer, "search.csv")


def search_references(settings: Settings, extension: str) -> Response:
    """The papers among the results as a file for reference managers, as many as one may hold.

    Raises:
        InvalidParameter: only names or venues are asked for.
    """
    graph, asked = current_graph(), read_request()
    if asked.kind not in ("", "paper"):
        raise InvalidParameter(
            f"kind={asked.kind}: only papers are references", value=asked.kind, hint="Leave kind out, or ask for CSV."
        )
    most = settings.integer("search_limit_max")
    stretch = wanted_stretch(most, most)
    papers = asked.of_kind("paper").search(graph, stretch.limit, stretch.offset)
    more = stretch.offset + len(papers.hits) < papers.total
    iris = [graph.base + hit.path for hit in papers.hits]
    response = papers_file(graph, iris, extension, _file_name(asked), stretch.offset, more=more)
    response.headers["X-Total-Count"] = str(papers.total)
    return response


def _hit(graph: Graph, hit: SearchHit) -> dict[str, object]:
    iri = graph.base + hit.path
    said: dict[str, object] = {"iri": iri, "kind": hit.kind, "label": hit.label, "year": hit.year}
    said |= {"papers": _papers(hit), "names": hit.names, "venues": hit.venues}
    if hit.kind == "name" and iri in cut_names(graph):
        said["at_least"] = True
    return said


def _papers(hit: SearchHit) -> int | None:
    return None if hit.kind == "paper" else hit.weight


def _with_links(
    response: Response, asked: SearchRequest, stretch: Stretch, answer: SearchAnswer, path: str
) -> Response:
    links = stretch.links(asked, path, answer.total)
    shown = {"previous": "prev", "next": "next"}
    fields = [f'<{ascii_link(links[name])}>; rel="{relation}"' for name, relation in shown.items() if name in links]
    if fields:
        response.headers["Link"] = ", ".join(fields)
    response.headers["X-Total-Count"] = str(answer.total)
    return response


def _file_name(asked: SearchRequest) -> str:
    return "-".join(filter(None, ["search", *asked.q.split()]))[:_NAME_LENGTH]
