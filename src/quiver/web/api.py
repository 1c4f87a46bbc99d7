"""The catalogue over HTTP: every named query as a page, as data in the standard result formats, and in OpenAPI."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from flask import Blueprint, Response, g, render_template, request

from quiver.catalogue import BoundQuery, Catalogue, NamedQuery, serialise, serialise_materialised
from quiver.catalogue.collection import AREAS
from quiver.config import Settings
from quiver.errors import InvalidParameter, NotAcceptable
from quiver.negotiation import HTML, JSON, JSONLD, NTRIPLES, RDFXML, SOLUTIONS, TURTLE, Format, choose, split_extension
from quiver.web.graph import Graph
from quiver.web.links import href
from quiver.web.openapi import openapi_document
from quiver.web.panels import Panel, Panels, PanelSpec
from quiver.web.resources import wanted_page
from quiver.web.responses import not_modified

GRAPHS: Final = (TURTLE, NTRIPLES, RDFXML, JSONLD)
_JSON: Final = "application/json"
_PAGING: Final = ("limit", "offset")


def formats_of(query: NamedQuery) -> tuple[Format, ...]:
    """The formats in which a query is answered, the page for readers first."""
    return (HTML, *(GRAPHS if query.form in ("construct", "describe") else SOLUTIONS))


def create_api(get_release: Callable[[], Graph], catalogue: Catalogue, settings: Settings) -> Blueprint:
    """The blueprint of `/queries` and `/openapi.json`; answers come from the release that *get_release* gives."""
    blueprint = Blueprint("api", __name__)
    panels = Panels(catalogue, settings)
    most = settings.integer("page_size_max")

    @blueprint.get("/queries")
    def index() -> Response:
        g.negotiated = g.tagged = True
        chosen = _choose((HTML, JSON))
        if chosen is JSON:
            return index_as_json()
        return not_modified(HTML.media_type) or _index_page(catalogue)

    @blueprint.get("/queries.json")
    def index_as_json() -> Response:
        g.tagged = True
        return not_modified(_JSON) or _json({"queries": [_entry(query) for query in catalogue]})

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        g.tagged = True
        document = openapi_document(
            catalogue, formats_of, title=settings.text("title"), licence=settings.text("licence"), most=most
        )
        return not_modified(_JSON) or _json(document)

    @blueprint.get("/queries/<area>/<path:rest>")
    def named(area: str, rest: str) -> Response:
        name, chosen = split_extension(f"{area}/{rest}", (HTML, *SOLUTIONS, *GRAPHS))
        query = catalogue.get(name)
        offered = formats_of(query)
        if chosen is None:
            g.negotiated = True
            chosen = _choose(offered)
        elif chosen not in offered:
            raise NotAcceptable(f"{name} is not answered in {chosen.label}", value=rest, hint=_there_are(offered))
        g.tagged = True
        graph = get_release()
        if chosen is HTML:
            values = _values(query, ("page", "limit") if query.paging else ())
            limit = _paging(query, most).get("limit", 0)
            return not_modified(HTML.media_type) or _query_page(graph, panels, query, values, limit)
        values = _values(query, _PAGING if query.paging else ())
        bound = query.bind(values, graph.base, **_paging(query, most))
        return not_modified(chosen.media_type) or _data(graph, query, bound, chosen)

    return blueprint


def _choose(offered: Sequence[Format]) -> Format:
    chosen = choose(request.headers.get("Accept"), offered)
    if chosen is None:
        raise NotAcceptable(
            "none of the formats accepted is one of this answer",
            value=request.headers.get("Accept"),
            hint=_there_are(offered),
        )
    return chosen


def _there_are(offered: Sequence[Format]) -> str:
    return "There are " + ", ".join(f"{one.media_type} (.{one.extension})" for one in offered) + "."


def _values(query: NamedQuery, others: Sequence[str]) -> dict[str, str]:
    """The values of the query's parameters in the URL; an empty one, as forms send it, is none.

    Raises:
        InvalidParameter: one that the query does not have, or one given twice.
    """
    known = [parameter.name for parameter in query.parameters]
    for name, given in request.args.lists():
        if name not in known and name not in others:
            raise InvalidParameter(
                f"{query.name} has no parameter {name}",
                value=name,
                hint=f"Its parameters: {', '.join([*known, *others]) or 'none'}.",
            )
        if len(given) > 1:
            raise InvalidParameter(f"parameter {name} is given {len(given)} times", value=given)
    return {name: value for name in known if (value := request.args.get(name))}


def _paging(query: NamedQuery, most: int) -> dict[str, int]:
    """`limit=` and `offset=` of the URL, as far as given."""
    if not query.paging:
        return {}
    found = {name: _count(name, text) for name in _PAGING if (text := request.args.get(name))}
    if found.get("limit", 0) > most:
        raise InvalidParameter(
            f"limit={found['limit']} is too much at once",
            value=found["limit"],
            hint=f"At most {most:,} rows are answered at once; offset= goes on from there.",
        )
    if "offset" in found:
        found.setdefault("limit", most)
    return found


def _count(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidParameter(f"{name}={text!r} is not a count", value=text, hint="It is an integer from 0.")
    return int(text)


def _data(graph: Graph, query: NamedQuery, bound: BoundQuery, chosen: Format) -> Response:
    data = serialise_materialised(graph.results_path, query, chosen.extension) if query.materialise else None
    if data is None:
        data = serialise(graph.run(bound), chosen.extension)
    response = Response(data, content_type=chosen.content_type)
    path = f"queries/{query.name}"
    response.headers["Link"] = f'<{href(path)}>; rel="describedby"; type="text/html"'
    file_name = f"{query.name.replace('/', '-')}.{chosen.extension}"
    response.headers["Content-Disposition"] = f'inline; filename="{file_name}"'
    return response


def _query_page(graph: Graph, panels: Panels, query: NamedQuery, values: Mapping[str, str], limit: int) -> Response:
    missing = [parameter.name for parameter in query.parameters if parameter.required and parameter.name not in values]
    text = query.bind({**query.examples, **values}, graph.base).text
    parameters = query.examples if missing else values
    return Response(
        render_template(
            "query.html",
            query=query,
            values={**query.examples, **values} if missing else values,
            asked=not missing,
            parameters=parameters,
            area_label=AREAS.get(query.area, query.area),
            text=text,
            editor_text=f"# {query.title}\n{text}",
            panel=None if missing else _panel(graph, panels, query, values, limit),
            formats=[]
            if missing
            else [
                {
                    "href": href(f"queries/{query.name}.{one.extension}", **parameters),
                    "label": one.label,
                    "media_type": one.media_type,
                }
                for one in formats_of(query)
                if one is not HTML
            ],
        )
    )


def _panel(graph: Graph, panels: Panels, query: NamedQuery, values: Mapping[str, str], limit: int) -> Panel:
    spec = PanelSpec(
        query.name,
        "Answer",
        "chart" if query.chart else "table",
        empty="The answer has no rows.",
        limit=limit,
        paged=query.paging,
    )
    return panels.open(graph, spec, "", wanted_page(), values)


def _index_page(catalogue: Catalogue) -> Response:
    areas = [(area, AREAS.get(area, area), queries) for area, queries in catalogue.areas().items()]
    formats = [{"href": href("queries.json"), "label": JSON.label, "media_type": _JSON}]
    return Response(render_template("queries.html", areas=areas, count=len(catalogue), formats=formats))


def _entry(query: NamedQuery) -> dict[str, object]:
    """What the catalogue says of one query, as JSON."""
    return {
        "name": query.name,
        "title": query.title,
        "summary": query.summary,
        "form": query.form,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type,
                "class": parameter.class_ or None,
                "example": parameter.example,
                "default": parameter.default,
                "optional": parameter.optional,
            }
            for parameter in query.parameters
        ],
        "columns": [{"name": column.name, "kind": column.kind} for column in query.columns],
        "paging": query.paging,
        "count": query.count or None,
        "facets": query.facets or None,
        "materialised": query.materialise,
        "uses": list(query.uses),
        "href": href(f"queries/{query.name}"),
        "formats": [one.extension for one in formats_of(query)],
        "sparql": query.executable_text(),
    }


def _json(value: object) -> Response:
    return Response(json.dumps(value, ensure_ascii=False, indent=1) + "\n", mimetype=_JSON)
