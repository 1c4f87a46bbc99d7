"""Responses that are files of references: a paper's own, and those of whole lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final
from urllib.parse import quote

import pyoxigraph as ox
from flask import Response, request

from quiver.catalogue import Catalogue
from quiver.errors import NotFound
from quiver.web.codings import choose_coding, compress_pieces
from quiver.web.exports import EXPORT_LIMIT, EXPORTS, export_papers
from quiver.web.graph import Facts, Graph
from quiver.web.links import location

# Class of a thing -> the query for its list of papers; the thing is the query's first IRI.
LISTS: Final[dict[str, str]] = {
    "AuthorRow": "author/papers",
    "NameCluster": "name/papers",
    "VenueEdition": "edition/papers",
    "VenueSeries": "venue/papers",
}
# A file of so few pieces is sent, and kept, in one.
_PIECES_AT_ONCE: Final = 8
_LONGEST_NAME: Final = 100
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")


def list_file(
    graph: Graph, catalogue: Catalogue, path: str, facts: Facts, extension: str, page: int, limit: int = EXPORT_LIMIT
) -> Response:
    """The papers of the list that the thing at *path* has, in the order of its page.

    A list longer than *limit* goes on at the next page, as the file itself and its Link field say.

    Raises:
        InvalidParameter: the query's other parameters, which filter the list, are none.
        NotFound: the thing has no list of papers, or none on this page.
    """
    classes = {iri.rpartition("#")[2] for iri in facts.all("rdf:type")}
    name = next((query for class_, query in LISTS.items() if class_ in classes), None)
    if name is None:
        raise NotFound(f"{path} has no list of papers", value=path, hint="Names, author rows and venues have one.")
    query = catalogue.get(name)
    first = next(parameter.name for parameter in query.parameters if parameter.type == "iri")
    given = {one.name: text for one in query.parameters if (text := request.args.get(one.name))}
    offset = (page - 1) * limit
    found = graph.run(query.bind({**given, first: path}, graph.base, limit=limit + 1, offset=offset))
    assert isinstance(found, ox.QuerySolutions)
    # All are read here: what the engine answers cannot go on in another thread.
    iris = [paper.value for solution in found if isinstance(paper := solution["paper"], ox.NamedNode)]
    if not iris and page > 1:
        raise NotFound(f"the list has no page {page}", value=page, hint=f"A page holds {limit:,} papers.")
    return papers_file(graph, iris[:limit], extension, file_name(path), offset, more=len(iris) > limit)


def papers_file(
    graph: Graph, iris: Sequence[str], extension: str, name: str, offset: int = 0, *, more: bool = False
) -> Response:
    """The file of these papers, those of a list from *offset*; *more* follow at its next page."""
    note = ""
    links = []
    if more:
        page = int(request.args.get("page") or "1") + 1
        following = "&".join(
            [*(f"{key}={quote(value)}" for key, value in request.args.items() if key != "page"), f"page={page}"]
        )
        links.append(f'<{location(request.path.lstrip("/"))}?{following}>; rel="next"')
        note = (
            f"This file ends here, but the list goes on: it holds papers {offset + 1:,} to {offset + len(iris):,}. "
            f"The next are at the same address with ?{following}"
        )
    pieces = (piece.encode() for piece in export_papers(graph, iris, extension, note))
    beginning = list(islice(pieces, _PIECES_AT_ONCE + 1))
    if len(beginning) <= _PIECES_AT_ONCE:
        response = Response(b"".join(beginning))
    else:
        response = _streamed(chain(beginning, pieces))
    response.content_type = EXPORTS[extension].format.content_type
    response.headers["Content-Disposition"] = content_disposition(f"{name}.{extension}")
    if links:
        response.headers["Link"] = ", ".join(links)
    return response


def _streamed(pieces: Iterator[bytes]) -> Response:
    coding = choose_coding(request.headers.get("Accept-Encoding"))
    response = Response(compress_pieces(pieces, coding))
    if coding != "identity":
        response.headers["Content-Encoding"] = coding
    return response


def file_name(path: str) -> str:
    """The name of a file about the thing at *path*, without extension.

    >>> file_name("paper/dblp/conf/nips/ZhaoWu25"), file_name("venue/neurips/2025")
    ('dblp-conf-nips-ZhaoWu25', 'neurips-2025')
    """
    return "-".join(path.split("/")[1:])[:_LONGEST_NAME]


def content_disposition(name: str) -> str:
    """The field that names a file: in ASCII for all, in full for those who read RFC 8187.

    >>> content_disposition("andrew_zhao.bib")
    'inline; filename="andrew_zhao.bib"'
    """
    plain = _PLAIN.sub("_", name).lstrip(".") or "papers"
    full = quote(name.lstrip("."), safe="~.-_")
    return f'inline; filename="{plain}"' + (f"; filename*=UTF-8''{full}" if plain != name else "")
