"""A query operation of the SPARQL 1.1 Protocol, read from a request; free of any web framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from quiver.errors import BadRequest, UnknownFormat, UnsupportedMediaType
from quiver.evaluation import update_refused
from quiver.negotiation import GRAPHS, HTML, JSON, JSONLD, RDFXML, SOLUTIONS, XML, Format, Kind, by_name, choose
from quiver.web.codings import LONGEST_REMEMBERED

FORM: Final = "application/x-www-form-urlencoded"
DIRECT: Final = "application/sparql-query"
UPDATE: Final = "application/sparql-update"
OFFERED: Final[Mapping[Kind, Sequence[Format]]] = {"solutions": SOLUTIONS, "boolean": SOLUTIONS, "graph": GRAPHS}
# format=json and format=xml say what they say for a graph too.
_GRAPH_TWINS: Final = {JSON: JSONLD, XML: RDFXML}
_PARAMETERS: Final = ("query", "default-graph-uri", "named-graph-uri", "format", "timeout")
# With one of these and no query, a GET is of the Graph Store Protocol (`graph_store`).
_GRAPH_NAMES: Final = ("default", "graph")
_MAX_FIELDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Operation:
    """One query operation as the client sent it."""

    query: str
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    format: Format | None = None
    timeout_s: float | None = None


def read_operation(method: str, query_string: str, content_type: str, body: bytes) -> Operation | None:
    """The query operation in a request; None for a GET that asks for nothing, or for a graph.

    Raises:
        BadRequest: the query is missing, or given twice; a parameter has no valid value, or is not UTF-8.
        UnsupportedMediaType: a POST whose body is neither a form nor a query.
        UpdateRefused: an update.
    Source: SPARQL 1.1 Protocol, sections 2.1.1 to 2.1.4.
    """
    given = _fields(query_string)
    if method == "POST":
        media_type, _, parameters = content_type.partition(";")
        media_type = media_type.strip().lower()
        if media_type == FORM:
            for name, values in _fields(_decode(body)).items():
                given.setdefault(name, []).extend(values)
        elif media_type == DIRECT:
            given.setdefault("query", []).append(_direct_query(parameters, body))
        elif media_type == UPDATE:
            raise update_refused()
        else:
            raise UnsupportedMediaType(
                f"POST takes {FORM} or {DIRECT}, not {media_type or 'a body without Content-Type'}.", value=media_type
            )
    if "update" in given:
        raise update_refused()
    queries = given.get("query", [])
    if not queries and method != "POST":
        names = {*given} & {*_GRAPH_NAMES, *_PARAMETERS}
        if not names or not names.isdisjoint(_GRAPH_NAMES):
            return None
    if len(queries) != 1:
        raise BadRequest(
            "There is no query: the parameter query= is missing." if not queries else "There is more than one query."
        )
    return Operation(
        query=queries[0],
        default_graphs=tuple(given.get("default-graph-uri", ())),
        named_graphs=tuple(given.get("named-graph-uri", ())),
        format=_format(_once("format", given)),
        timeout_s=_timeout(_once("timeout", given)),
    )


def acceptable(wanted: Format | None, accept: str | None) -> Mapping[Kind, Format]:
    """For each kind of result the format to answer in, where there is one: *wanted* (by `format=`), else by Accept."""
    # What is very long is nobody's usual header, and not worth remembering.
    choose_for = _acceptable if len(accept or "") <= LONGEST_REMEMBERED else _acceptable.__wrapped__
    return choose_for(wanted, accept)


@lru_cache(maxsize=512)
def _acceptable(wanted: Format | None, accept: str | None) -> Mapping[Kind, Format]:
    found: dict[Kind, Format] = {}
    for kind, offered in OFFERED.items():
        if wanted is None:
            chosen = choose(accept, offered)
        else:
            twin = _GRAPH_TWINS.get(wanted, wanted) if kind == "graph" else wanted
            chosen = twin if twin in offered else None
        if chosen is not None:
            found[kind] = chosen
    return found


def is_for_a_reader(operation: Operation, method: str, accept: str | None) -> bool:
    """Whether the request is a link to a query opened in a browser, which is answered by a page."""
    if operation.format is not None or method == "POST" or "text/html" not in (accept or ""):
        return False
    return choose(accept, (JSON, *SOLUTIONS, *GRAPHS, HTML)) is HTML


def _fields(text: str) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except UnicodeDecodeError as error:
        raise BadRequest(f"A parameter is not UTF-8: byte {error.start + 1} of its value is wrong.") from None
    except ValueError:
        raise BadRequest(f"There are more than {_MAX_FIELDS:,} parameters.", value=_MAX_FIELDS) from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _once(name: str, given: Mapping[str, list[str]]) -> str:
    values = given.get(name, [])
    if len(values) > 1:
        raise BadRequest(f"{name}= is given {len(values)} times.", value=values)
    return values[0] if values else ""


def _direct_query(parameters: str, body: bytes) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("A query is sent in UTF-8 (SPARQL 1.1 Protocol, 2.1.3).")
    return _decode(body)


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The query is not UTF-8: byte {error.start + 1} is wrong.", value=error.start) from None


def _format(name: str) -> Format | None:
    if not name:
        return None
    chosen = by_name(name)
    if chosen is None or (chosen not in SOLUTIONS and chosen not in GRAPHS):
        names = ", ".join(form.name for form in (*SOLUTIONS, *GRAPHS))
        raise UnknownFormat(f"There is no format {name!r} for results.", value=name, hint=f"There is {names}.")
    return chosen


def _timeout(text: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise BadRequest(f"timeout={text} is no number of seconds.", value=text, hint="Write timeout=10, for example.")
    return seconds
