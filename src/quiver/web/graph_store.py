"""SPARQL 1.1 Graph Store HTTP Protocol, its reading half, at `/store`: the graphs of the release as documents.

A graph is named by `?default`, by `?graph=IRI`, or by the request's own path: `/store/x` is the graph `{base}store/x`
(sections 4.1 and 4.2 of the standard). Each is evaluated as a CONSTRUCT by a query worker, under the same limits as any
query. Writing is the command line's: PUT, POST, DELETE and PATCH are refused with 405.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

import pyoxigraph
from flask import Blueprint, Response, current_app, g, request
from werkzeug.datastructures import MultiDict

from quiver.config import Settings
from quiver.errors import BadRequest, NotAcceptable, NotFound, UnknownFormat, WriteRefused
from quiver.evaluation import Evaluator, QueryAnswer, QueryRequest
from quiver.manifest import Manifest
from quiver.namespaces import sparql_prologue
from quiver.negotiation import GRAPHS, JSON, JSONLD, RDFXML, XML, Format, by_name, choose
from quiver.web.answers import evaluate_for_client, open_to_scripts, send_answer
from quiver.web.forwarding import client_key
from quiver.web.problems import problem_of, problem_response
from quiver.web.responses import not_modified
from quiver.web.service import describe_service, write_triples

PATH: Final = "/store"
READING: Final = "GET, HEAD, OPTIONS"
_WRITING: Final = ("PUT", "POST", "DELETE", "PATCH")
_DRAINED_BYTES: Final = 1 << 16
_METHODS: Final = ("GET", "HEAD", "OPTIONS", *_WRITING)
# The data set of the request makes any graph the default one, so that no name is ever pasted into a query.
_EVERYTHING: Final = f"{sparql_prologue()}CONSTRUCT WHERE {{ ?s ?p ?o }}"
# format=json and format=xml say what they say for a graph too.
_TWINS: Final = {JSON: JSONLD, XML: RDFXML}
# RFC 3987, 2.2: what an IRI holds only percent-encoded; a server decodes it from the path.
_NOT_IN_PATH: Final = re.compile(r'[\x00-\x20\x7f<>"{}|^`\\%]')


class ServedRelease(Protocol):
    """What the SPARQL protocols need of a release."""

    @property
    def base(self) -> str: ...

    @property
    def store_path(self) -> Path: ...

    @property
    def manifest(self) -> Manifest: ...


@dataclass(frozen=True, slots=True)
class GraphName:
    """Which graph is meant: the named one with this IRI, or the default graph where it is None."""

    iri: str | None


def read_graph_name(arguments: MultiDict[str, str]) -> GraphName | None:
    """The graph that `default` or `graph=` names; None where there is neither.

    Raises:
        BadRequest: both are given, or one twice, or the IRI is none or a relative one.
    Source: SPARQL 1.1 Graph Store HTTP Protocol, section 4.2.

    >>> read_graph_name(MultiDict({"default": ""})), read_graph_name(MultiDict({"graph": "http://e/g"}))
    (GraphName(iri=None), GraphName(iri='http://e/g'))
    """
    given = [*(("default", value) for value in arguments.getlist("default"))]
    given += [("graph", value) for value in arguments.getlist("graph")]
    if not given:
        return None
    if len(given) > 1:
        raise BadRequest("One graph at a time: either default or graph=, and only once.", value=len(given))
    name, value = given[0]
    return GraphName(None) if name == "default" else GraphName(_absolute(value))


def graph_at_path(path: str, base: str) -> GraphName:
    """The graph that the request path `/store/{path}` names in a release with this *base*.

    >>> graph_at_path("person/1 é.ttl", "http://e/")
    GraphName(iri='http://e/store/person/1%20é.ttl')
    """
    return GraphName(_absolute(f"{base}store/" + _NOT_IN_PATH.sub(lambda match: quote(match.group(), safe=""), path)))


def wanted_graph(path: str, arguments: MultiDict[str, str], base: str) -> GraphName | None:
    """The graph that a GET of *path* asks for, at the graph store or at the endpoint for queries; None for none.

    Raises:
        BadRequest: as `read_graph_name`, or the path names a graph and the arguments another.
    """
    named = read_graph_name(arguments)
    if not path.startswith(f"{PATH}/"):
        return named
    if named is not None:
        raise BadRequest("The path names a graph already; default and graph= go with /store alone.")
    return graph_at_path(path.removeprefix(f"{PATH}/"), base)


def as_graph_request(named: GraphName, base: str, store_path: Path, form: Format, client: str) -> QueryRequest:
    """What the evaluator is asked for the graph *named*; *client* is who asks, for fairness."""
    return QueryRequest(
        text=_EVERYTHING,
        store_path=store_path,
        formats={"graph": form},
        default_graphs=(named.iri,) if named.iri is not None else (),
        base=base,
        client=client,
    )


def must_exist(named: GraphName, answer: QueryAnswer) -> QueryAnswer:
    """*answer*, which holds the graph *named*: a release is loaded from quads and knows no empty named graphs.

    Raises:
        NotFound: there is nothing in it; it is closed then.
    """
    if named.iri is None or answer.rows != 0:
        return answer
    answer.close()
    raise NotFound(
        f"The release has no graph <{named.iri}>.",
        value=named.iri,
        hint="Facts stand in the default graph, ?default; SELECT DISTINCT ?g { GRAPH ?g {} } lists the others.",
    )


def answer_graph(named: GraphName, release: ServedRelease, evaluator: Evaluator) -> Response:
    """The graph *named* in the format that the present GET or HEAD accepts.

    Raises:
        NotFound: the release has no such named graph.
        NotAcceptable, UnknownFormat: none of the formats wanted is a format of graphs.
        QuiverError: as `Evaluator.evaluate`; a graph over the caps is `ResultTooLarge`.
    """
    g.negotiated = g.tagged = True
    chosen = graph_format(request.args.get("format"), request.headers.get("Accept"))
    if unchanged := not_modified(chosen.media_type):
        return open_to_scripts(unchanged)
    client = client_key(request.remote_addr or "")
    asked = as_graph_request(named, release.base, release.store_path, chosen, client)
    return send_answer(must_exist(named, evaluate_for_client(evaluator, asked)))


def create_graph_store(get_release: Callable[[], ServedRelease], evaluator: Evaluator, settings: Settings) -> Blueprint:
    """The blueprint of the graph store, which answers from the release that *get_release* gives at each request."""
    blueprint = Blueprint("graph_store", __name__)

    @blueprint.route(PATH, methods=_METHODS, provide_automatic_options=False)
    @blueprint.route(f"{PATH}/<path:rest>", methods=_METHODS, provide_automatic_options=False)
    def graph_store(rest: str = "") -> Response:
        if request.method not in ("GET", "HEAD"):
            return _options() if request.method == "OPTIONS" else refuse_writing()
        release = get_release()
        named = wanted_graph(request.path, request.args, release.base)
        return _describe(release) if named is None else answer_graph(named, release, evaluator)

    def _describe(release: ServedRelease) -> Response:
        """The graph store itself is no graph; what it holds stands in the description of the service."""
        g.negotiated = True
        chosen = graph_format(request.args.get("format"), request.headers.get("Accept"))
        data = write_triples(describe_service(release.manifest, settings), chosen.extension)
        return open_to_scripts(Response(data, content_type=chosen.content_type))

    return blueprint


def refuse_writing() -> Response:
    """The 405 for every method that would change a graph, which says where writing is done."""
    # A short body is read all the same: with one unread, the server has to close the connection after the answer.
    if 0 < (request.content_length or 0) <= _DRAINED_BYTES:
        request.get_data(cache=False)
    response = problem_response(
        problem_of(
            WriteRefused(
                f"{request.method} would change a graph; over HTTP graphs are only read.",
                value=request.method,
                hint="Writing is done on the server's command line: quiver build, add, replace or remove.",
            )
        )
    )
    response.headers["Allow"] = READING
    return response


def _options() -> Response:
    response = current_app.response_class(status=204)
    response.headers["Allow"] = READING
    response.headers["Access-Control-Allow-Methods"] = READING
    return open_to_scripts(response)


def graph_format(name: str | None, accept: str | None) -> Format:
    """The format of graphs that a request wants: by *name*, which is `format=`, else by Accept.

    Raises:
        NotAcceptable, UnknownFormat: it is no format of graphs.
    """
    names = ", ".join(one.media_type for one in GRAPHS)
    if not name:
        chosen = choose(accept, GRAPHS)
        if chosen is None:
            raise NotAcceptable("None of the accepted formats is a format of graphs.", hint=f"There is {names}.")
        return chosen
    wanted = by_name(name)
    wanted = _TWINS.get(wanted, wanted) if wanted is not None else None
    if wanted not in GRAPHS:
        raise UnknownFormat(f"There is no format {name!r} for graphs.", value=name, hint=f"There is {names}.")
    return wanted


def _absolute(iri: str) -> str:
    try:
        return pyoxigraph.NamedNode(iri).value
    except ValueError as error:
        raise BadRequest(
            f"<{iri[:200]}> is no absolute IRI: {error}.", value=iri, hint="graph= takes a whole IRI, percent-encoded."
        ) from None
