"""Things and their documents: 303 from the thing to the document that Accept asks for, and documents by extension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from quiver.config import Settings
from quiver.errors import Gone, InvalidIdentifier, InvalidParameter, NotAcceptable, NotFound
from quiver.identifiers import decode_segment, encode_segment
from quiver.names import name_key
from quiver.negotiation import CITATIONS, HTML, JSONLD, NTRIPLES, RDFXML, TURTLE, Format, choose, split_extension
from quiver.web.documents import NEIGHBOURHOODS, describe_document, gather, serialise
from quiver.web.graph import Facts, Graph, current_graph
from quiver.web.links import href, location
from quiver.web.panels import Panels
from quiver.web.records import render_record
from quiver.web.reference_files import file_name, list_file, papers_file
from quiver.web.responses import not_modified

DOCUMENT_FORMATS: Final = (HTML, TURTLE, NTRIPLES, JSONLD, RDFXML)
# Of a paper, and of what has a list of papers.
REFERENCE_FORMATS: Final = (*DOCUMENT_FORMATS, *CITATIONS)
_REFERENCED: Final = ("paper", "name", "author", "venue")


@dataclass(frozen=True, slots=True)
class Thing:
    """What a URL names: the path without extension, the IRI, the statements about it, the formats of its documents."""

    kind: str
    path: str
    iri: str
    facts: Facts
    formats: tuple[Format, ...]


def formats_of(kind: str) -> tuple[Format, ...]:
    """The formats of documents about one kind of thing, the preferred one first."""
    return REFERENCE_FORMATS if kind in _REFERENCED else DOCUMENT_FORMATS


def wanted_page() -> int:
    """The number in `page=`, from 1.

    Raises:
        InvalidParameter: it is none.
    """
    text = request.args.get("page") or "1"
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and int(text) >= 1):
        raise InvalidParameter(f"page={text[:40]!r} is no page number", value=text, hint="Pages count from 1.")
    return int(text)


def create_resources(panels: Panels, settings: Settings) -> Blueprint:
    """The blueprint of all things and their documents."""
    blueprint = Blueprint("resources", __name__)

    @blueprint.get(f"/<any({', '.join(NEIGHBOURHOODS)}):kind>/<path:rest>")
    def resource(kind: str, rest: str) -> AnyResponse:
        graph = current_graph()
        path, extension = split_extension(f"{kind}/{rest}", formats_of(kind))
        facts = _facts(graph, path)
        if facts is None:
            return _elsewhere(graph, kind, path, request.path[1:].removeprefix(path))
        thing = Thing(kind, path, graph.base + path, facts, formats_of(kind))
        return _document(graph, panels, settings, thing, extension) if extension else _see_other(thing)

    return blueprint


def _facts(graph: Graph, path: str) -> Facts | None:
    return graph.about(graph.base + path) if graph.holds(graph.base + path) else None


def _see_other(thing: Thing) -> AnyResponse:
    g.negotiated = True
    chosen = choose(request.headers.get("Accept"), thing.formats)
    if chosen is None:
        raise NotAcceptable(
            "none of the formats accepted is one of this document",
            value=request.headers.get("Accept"),
            hint="There are " + ", ".join(f"{one.media_type} (.{one.extension})" for one in thing.formats) + ".",
        )
    query = request.query_string.decode("latin-1")
    response = redirect(location(f"{thing.path}.{chosen.extension}") + (f"?{query}" if query else ""), 303)
    response.headers["Link"] = _link_field(thing, None)
    response.content_type = "text/plain; charset=utf-8"
    response.set_data("The document about this is at the address in the Location field.\n")
    return response


def _link_field(thing: Thing, served: Format | None) -> str:
    relation = "alternate" if served else "describedby"
    links = [
        f'<{location(f"{thing.path}.{one.extension}")}>; rel="{relation}"; type="{one.media_type}"'
        for one in thing.formats
        if one is not served
    ]
    if served:
        links.append(f'<{location(f"{thing.path}.ttl")}>; rel="describedby"; type="text/turtle"')
    links.append(f'<{quote(thing.iri, safe=":/?#@~._-")}>; rel="cite-as"')
    return ", ".join(links)


def _document(graph: Graph, panels: Panels, settings: Settings, thing: Thing, chosen: Format) -> AnyResponse:
    g.tagged = True
    page = wanted_page()
    unchanged = not_modified(chosen.media_type)
    if unchanged is not None:
        return unchanged
    if chosen is HTML:
        response = Response(render_record(graph, panels, settings, thing.iri, thing.facts, _alternates(thing), page))
    elif chosen in CITATIONS and thing.kind == "paper":
        response = papers_file(graph, [thing.iri], chosen.extension, file_name(thing.path))
    elif chosen in CITATIONS:
        response = list_file(graph, panels.catalogue, thing.path, thing.facts, chosen.extension, page)
    else:
        document = gather(graph, thing.iri, thing.kind, page=page, page_size=settings.integer("page_size_max"))
        url = f"{graph.base}{thing.path}.{chosen.extension}" + (f"?page={page}" if page > 1 else "")
        description = describe_document(graph, document, url, settings.text("licence"))
        response = Response(serialise(document, description, chosen.extension), content_type=chosen.content_type)
    following = response.headers.get("Link")
    response.headers["Link"] = ", ".join(filter(None, [following, _link_field(thing, chosen)]))
    return response


def _alternates(thing: Thing) -> Sequence[Mapping[str, str]]:
    return [
        {"href": href(f"{thing.path}.{one.extension}"), "label": one.label, "media_type": one.media_type}
        for one in thing.formats
        if one is not HTML
    ]


def _elsewhere(graph: Graph, kind: str, path: str, extension: str) -> AnyResponse:
    """A redirect to the canonical address of a name or venue; else the error that says that it is gone or never was."""
    canonical = _canonical(kind, path)
    if canonical != path and _facts(graph, canonical):
        return redirect(location(canonical + extension), 308)
    g.negotiated = True
    hint = "Search for the title or the name."
    if release_id := graph.went_in(path):
        raise Gone(
            f"{path} was in earlier releases; release {release_id} was the first without it", value=path, hint=hint
        )
    raise NotFound(f"the release holds no {path}", value=path, hint=hint)


def _canonical(kind: str, path: str) -> str:
    """The path of a name or venue whose key was written as a person would: with spaces, or in capitals."""
    if kind not in ("name", "venue"):
        return path
    keys = path.partition("/")[2].split("/")
    try:
        texts = [decode_segment(key) if "~" in key else key.replace("_", " ") for key in keys]
    except InvalidIdentifier:
        return path
    return "/".join([kind, *(encode_segment(name_key(text)) for text in texts)])
