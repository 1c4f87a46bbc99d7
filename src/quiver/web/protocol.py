"""SPARQL 1.1 Protocol, the query operation, at `/sparql`; its Service Description; and a page for readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from flask import Blueprint, Response, current_app, g, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request

from quiver.config import Settings
from quiver.descriptions import service_description
from quiver.errors import BadRequest, NotAcceptable, UnknownFormat, UnsupportedMediaType
from quiver.evaluation import Evaluator, QueryAnswer, QueryRequest, update_refused
from quiver.evaluation.results import INLINE_BYTES
from quiver.manifest import Manifest
from quiver.negotiation import (
    GRAPHS,
    HTML,
    JSON,
    JSONLD,
    NTRIPLES,
    RDFXML,
    SOLUTIONS,
    TURTLE,
    XML,
    Format,
    Kind,
    by_name,
    choose,
)
from quiver.web.editor import EXAMPLE, editor_page
from quiver.web.service import write_triples

FORM: Final = "application/x-www-form-urlencoded"
DIRECT: Final = "application/sparql-query"
UPDATE: Final = "application/sparql-update"
METHODS: Final = "GET, HEAD, POST, OPTIONS"
# Under this key a server that is told when a client leaves puts a function that takes what is to be called then.
ON_CLIENT_GONE: Final = "quiver.on_client_gone"
OFFERED: Final[Mapping[Kind, Sequence[Format]]] = {"solutions": SOLUTIONS, "boolean": SOLUTIONS, "graph": GRAPHS}
_DESCRIPTIONS: Final = (TURTLE, NTRIPLES, JSONLD, RDFXML, HTML)
# format=json and format=xml say what they say for a graph too.
_GRAPH_TWINS: Final = {JSON: JSONLD, XML: RDFXML}
_PARAMETERS: Final = ("query", "default-graph-uri", "named-graph-uri", "format", "timeout")


class ServedRelease(Protocol):
    """What the protocol needs of a release."""

    @property
    def base(self) -> str: ...

    @property
    def store_path(self) -> Path: ...

    @property
    def manifest(self) -> Manifest: ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One query operation as the client sent it."""

    query: str
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    format: Format | None = None
    timeout_s: float | None = None


def read_operation(http: Request) -> Operation | None:
    """The query operation in *http*; None for a GET that asks for nothing.

    Raises:
        BadRequest: the query is missing, or given twice; a parameter has no valid value.
        UnsupportedMediaType: a POST whose body is neither a form nor a query.
        UpdateRefused: an update.
    Source: SPARQL 1.1 Protocol, sections 2.1.1 to 2.1.4.
    """
    given: MultiDict[str, str] = MultiDict(http.args)
    if http.method == "POST":
        if http.mimetype == FORM:
            given.update(http.form)
        elif http.mimetype == DIRECT:
            given.add("query", _direct_query(http))
        elif http.mimetype == UPDATE:
            raise update_refused()
        else:
            raise UnsupportedMediaType(
                f"POST takes {FORM} or {DIRECT}, not {http.mimetype or 'a body without Content-Type'}.",
                value=http.mimetype,
            )
    if "update" in given:
        raise update_refused()
    queries = given.getlist("query")
    if not queries and http.method != "POST" and not any(name in given for name in _PARAMETERS):
        return None
    if len(queries) != 1:
        raise BadRequest(
            "There is no query: the parameter query= is missing." if not queries else "There is more than one query."
        )
    return Operation(
        query=queries[0],
        default_graphs=tuple(given.getlist("default-graph-uri")),
        named_graphs=tuple(given.getlist("named-graph-uri")),
        format=_format(given),
        timeout_s=_timeout(given),
    )


def acceptable(operation: Operation, accept: str | None) -> dict[Kind, Format]:
    """For each kind of result the format to answer in, where there is one: by `format=`, else by Accept."""
    found: dict[Kind, Format] = {}
    for kind, offered in OFFERED.items():
        if operation.format is None:
            chosen = choose(accept, offered)
        else:
            wanted = _GRAPH_TWINS.get(operation.format, operation.format) if kind == "graph" else operation.format
            chosen = wanted if wanted in offered else None
        if chosen is not None:
            found[kind] = chosen
    return found


def create_protocol(get_release: Callable[[], ServedRelease], evaluator: Evaluator, settings: Settings) -> Blueprint:
    """The blueprint of the endpoint, which answers from the release that *get_release* gives at each request."""
    blueprint = Blueprint("protocol", __name__, template_folder="templates")
    # A character may take nine bytes in a form: %F0%9F%...
    max_body_bytes = 12 * settings.integer("query_max_length") + 100_000

    @blueprint.route("/sparql", methods=["GET", "POST", "OPTIONS"], provide_automatic_options=False)
    def endpoint() -> Response:
        if request.method == "OPTIONS":
            return _options()
        g.negotiated = True
        request.max_content_length = request.max_form_memory_size = max_body_bytes
        operation = read_operation(request)
        release = get_release()
        accept = request.headers.get("Accept")
        if operation is None:
            return _describe(release, choose(accept, _DESCRIPTIONS))
        # A link to a query, opened in a browser, is for a reader.
        if operation.format is None and request.method != "POST" and "text/html" in (accept or ""):
            wanted = choose(accept, (JSON, *SOLUTIONS, *GRAPHS, HTML))
            if wanted is HTML:
                return _page(operation.query)
        return _answer(operation, release, acceptable(operation, accept))

    def _answer(operation: Operation, release: ServedRelease, formats: dict[Kind, Format]) -> Response:
        if not formats:
            raise _not_acceptable("None of the accepted formats is a format of results.")
        pending = evaluator.submit(
            QueryRequest(
                text=operation.query,
                store_path=release.store_path,
                formats=formats,
                default_graphs=operation.default_graphs,
                named_graphs=operation.named_graphs,
                timeout_s=operation.timeout_s,
                base=release.base,
                client=request.remote_addr or "",
            )
        )
        if on_client_gone := request.environ.get(ON_CLIENT_GONE):
            on_client_gone(pending.cancel)
        try:
            return _result(pending.result())
        except NotAcceptable as error:
            raise _not_acceptable(error.message) from None

    def _describe(release: ServedRelease, chosen: Format | None) -> Response:
        if chosen is HTML:
            return _page(EXAMPLE)
        if chosen is None:
            names = ", ".join(form.media_type for form in _DESCRIPTIONS)
            raise NotAcceptable("The description of the service has no accepted format.", hint=f"There is {names}.")
        triples = service_description(
            release.manifest,
            f"{release.base}sparql",
            title=settings.text("title"),
            licence=settings.text("licence"),
        )
        return _open(Response(write_triples(triples, chosen.extension), content_type=chosen.content_type))

    def _page(query: str) -> Response:
        return _open(editor_page(query, settings))

    return blueprint


def _result(answer: QueryAnswer) -> Response:
    """The complete result: a short one as it is, a long one as a stream of the file that holds it."""
    if answer.size <= INLINE_BYTES:
        return _open(Response(answer.read(), content_type=answer.format.content_type))
    if request.method == "HEAD":
        answer.close()
        response = Response(content_type=answer.format.content_type)
    else:
        response = Response(answer.chunks(), content_type=answer.format.content_type)
        response.call_on_close(answer.close)
    response.content_length = answer.size
    return _open(response)


def _open(response: Response) -> Response:
    """*response*, readable by scripts of any site, and not confused with other forms of itself."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.vary.add("Accept")
    return response


def _options() -> Response:
    response = current_app.response_class(status=204)
    response.headers["Allow"] = METHODS
    response.headers["Access-Control-Allow-Methods"] = METHODS
    response.headers["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "*")
    response.headers["Access-Control-Max-Age"] = "86400"
    response.vary.add("Access-Control-Request-Headers")
    return _open(response)


def _direct_query(http: Request) -> str:
    if http.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("A query is sent in UTF-8 (SPARQL 1.1 Protocol, 2.1.3).")
    try:
        return http.get_data().decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The query is not UTF-8: byte {error.start + 1} is wrong.", value=error.start) from None


def _format(given: Mapping[str, str]) -> Format | None:
    name = given.get("format")
    if not name:
        return None
    chosen = by_name(name)
    if chosen is None or (chosen not in SOLUTIONS and chosen not in GRAPHS):
        names = ", ".join(form.name for form in (*SOLUTIONS, *GRAPHS))
        raise UnknownFormat(f"There is no format {name!r} for results.", value=name, hint=f"There is {names}.")
    return chosen


def _timeout(given: Mapping[str, str]) -> float | None:
    text = given.get("timeout")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise BadRequest(f"timeout={text} is no number of seconds.", value=text)
    return seconds


def _not_acceptable(message: str) -> NotAcceptable:
    solutions = ", ".join(form.media_type for form in SOLUTIONS)
    graphs = ", ".join(form.media_type for form in GRAPHS)
    return NotAcceptable(message, hint=f"For solutions there is {solutions}; for graphs {graphs}.")
