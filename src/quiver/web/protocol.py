"""SPARQL 1.1 Protocol, the query operation, at `/sparql`; its Service Description; and a page for readers.

The production server evaluates a query before Flask is reached (`front`), and hands on only what has gone wrong; under
any other WSGI server the view here evaluates it itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, current_app, g, request

from quiver.config import Settings
from quiver.errors import MalformedQuery, NotAcceptable, QuiverError
from quiver.evaluation import Evaluator, QueryRequest
from quiver.negotiation import GRAPHS, HTML, SOLUTIONS, Format, Kind, choose
from quiver.web.answers import evaluate_for_client, open_to_scripts, send_answer
from quiver.web.editor import EXAMPLE, editor_page
from quiver.web.forwarding import client_key
from quiver.web.graph_store import ServedRelease, answer_graph, read_graph_name
from quiver.web.operation import Operation, acceptable, is_for_a_reader, read_operation
from quiver.web.service import describe_service, write_triples

METHODS: Final = "GET, HEAD, POST, OPTIONS"
PATH: Final = "/sparql"
_DESCRIPTIONS: Final = (*GRAPHS, HTML)


def max_body_bytes(settings: Settings) -> int:
    """The longest body of a request: a character of a query may take nine bytes in a form (%F0%9F%...)."""
    return 12 * settings.integer("query_max_length") + 100_000


def as_request(
    operation: Operation, base: str, store_path: Path, formats: Mapping[Kind, Format], client: str
) -> QueryRequest:
    """What the evaluator is asked for *operation*; *client* is who asks, for fairness.

    Raises:
        NotAcceptable: *formats* is empty.
    """
    if not formats:
        raise explain(NotAcceptable("None of the accepted formats is a format of results."), operation)
    return QueryRequest(
        text=operation.query,
        store_path=store_path,
        formats=formats,
        default_graphs=operation.default_graphs,
        named_graphs=operation.named_graphs,
        timeout_s=operation.timeout_s,
        base=base,
        client=client,
        search_path=_search_path(store_path),
    )


@lru_cache(maxsize=8)
def _search_path(store_path: Path) -> Path:
    """A release has its text index beside its store."""
    return store_path.with_name("search")


def explain(error: QuiverError, operation: Operation) -> QuiverError:
    """*error* with what a client can do about it, as far as that takes knowledge of the request."""
    if isinstance(error, NotAcceptable) and not error.hint:
        solutions = ", ".join(form.media_type for form in SOLUTIONS)
        graphs = ", ".join(form.media_type for form in GRAPHS)
        error.hint = f"For solutions there is {solutions}; for graphs {graphs}."
    elif isinstance(error, MalformedQuery):
        error.value = operation.query
    return error


def create_protocol(get_release: Callable[[], ServedRelease], evaluator: Evaluator, settings: Settings) -> Blueprint:
    """The blueprint of the endpoint, which answers from the release that *get_release* gives at each request."""
    blueprint = Blueprint("protocol", __name__, template_folder="templates")
    longest = max_body_bytes(settings)

    @blueprint.route(PATH, methods=["GET", "POST", "OPTIONS"], provide_automatic_options=False)
    def endpoint() -> Response:
        if request.method == "OPTIONS":
            return _options()
        g.negotiated = True
        request.max_content_length = request.max_form_memory_size = longest
        # Before anything looks at a form, which would take the body.
        body = request.get_data(cache=False, parse_form_data=False) if request.method == "POST" else b""
        query_string = request.query_string.decode("latin-1")
        operation = read_operation(request.method, query_string, request.content_type or "", body)
        release = get_release()
        accept = request.headers.get("Accept")
        if operation is None:
            if named := read_graph_name(request.args):
                return answer_graph(named, release, evaluator)
            return _describe(release, choose(accept, _DESCRIPTIONS))
        if is_for_a_reader(operation, request.method, accept):
            return _page(operation.query)
        return _answer(operation, release, acceptable(operation.format, accept))

    def _answer(operation: Operation, release: ServedRelease, formats: Mapping[Kind, Format]) -> Response:
        client = client_key(request.remote_addr or "")
        asked = as_request(operation, release.base, release.store_path, formats, client)
        try:
            answer = evaluate_for_client(evaluator, asked)
        except QuiverError as error:
            raise explain(error, operation) from None
        g.tagged = answer.repeatable
        return send_answer(answer)

    def _describe(release: ServedRelease, chosen: Format | None) -> Response:
        if chosen is HTML:
            return _page(EXAMPLE)
        if chosen is None:
            names = ", ".join(form.media_type for form in _DESCRIPTIONS)
            raise NotAcceptable("The description of the service has no accepted format.", hint=f"There is {names}.")
        data = write_triples(describe_service(release.manifest, settings), chosen.extension)
        return open_to_scripts(Response(data, content_type=chosen.content_type))

    def _page(query: str) -> Response:
        return open_to_scripts(editor_page(query, settings))

    return blueprint


def _options() -> Response:
    response = current_app.response_class(status=204)
    response.headers["Allow"] = METHODS
    response.headers["Access-Control-Allow-Methods"] = METHODS
    response.headers["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "*")
    response.headers["Access-Control-Max-Age"] = "86400"
    response.vary.add("Access-Control-Request-Headers")
    return open_to_scripts(response)
