"""A query sent to an endpoint, and its answer as the embedded engine would give it: parsed, whole, of its kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final, Literal, cast
from urllib.parse import urlencode

import msgspec
import pyoxigraph as ox

from quiver.engines.client import EndpointClient, Reply, first_words
from quiver.engines.differences import Engine
from quiver.errors import EndpointFailed, MalformedQuery, QueryTimeout, QuiverError, ResultTooLarge
from quiver.namespaces import term
from quiver.telemetry import logger

Form = Literal["solutions", "boolean", "graph"]
Solutions = ox.QuerySolutions | ox.QueryBoolean

_LOG = logger("quiver.engines")
_TABLE: Final = "application/sparql-results+json"
_ACCEPTED: Final[dict[Form, str]] = {
    "solutions": _TABLE,
    "boolean": _TABLE,
    "graph": "application/n-triples, text/turtle;q=0.5",
}
_SYNTAXES: Final = {
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "text/plain": ox.RdfFormat.N_TRIPLES,
    "text/turtle": ox.RdfFormat.TURTLE,
}
_TRUE: Final = ("1", "true")
# Words in an engine's message -> what they mean (Virtuoso's codes; what Oxigraph and Fuseki say).
_LATE: Final = ("S1T00", "S42000 Error SQ", "timeout", "timed out")
_TOO_MUCH: Final = ("SR353",)


@dataclass(frozen=True, slots=True)
class DataSet:
    """The graphs of a query: none at all leaves them to the engine (SPARQL 1.1 Protocol, 2.1.4)."""

    default: Sequence[str] = ()
    named: Sequence[str] = ()


@contextlib.contextmanager
def asking(
    client: EndpointClient,
    text: str,
    form: Form,
    graphs: DataSet,
    *,
    timeout_s: float | None = None,
    max_bytes: int | None = None,
) -> Iterator[Reply]:
    """The engine's answer to the query *text*, whose status is one of success; its body has not been read.

    Raises:
        MalformedQuery: the engine does not take the query.
        QueryTimeout, ResultTooLarge: it reached a limit of its own, or ours.
        EndpointFailed: it gave no answer, or is not to be asked.
    """
    fields = [("query", text), *(("default-graph-uri", graph) for graph in graphs.default)]
    fields += [("named-graph-uri", graph) for graph in graphs.named]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": _ACCEPTED[form]}
    body = urlencode(fields).encode("ascii")
    with client.send("POST", client.address, body, headers, timeout_s=timeout_s, max_bytes=max_bytes) as reply:
        if reply.status != 200:
            raise failure_of(reply, client.address)
        yield reply


def engine_behind(client: EndpointClient, timeout_s: float | None = None) -> Engine:
    """The engine that answers *client*, by the response to a question that costs it nothing.

    Raises:
        QueryTimeout, EndpointFailed: as for `asking`.
    """
    with asking(client, "ASK {}", "boolean", DataSet(), timeout_s=timeout_s) as reply:
        reply.read_all()
        return reply.engine


def failure_of(reply: Reply, address: str, *, openly: bool = False) -> QuiverError:
    """What a status other than success means; *openly*, with the address and all that was said, for its operator."""
    words = first_words(reply)
    place = address if openly else "The SPARQL engine"
    said = f": {words}" if words else "."
    if 300 <= reply.status < 400:
        return EndpointFailed(
            f"{place} sends to another address, which is not followed.",
            value=reply.status,
            hint="Give the address to which it leads, if that is the endpoint.",
        )
    if reply.status in (401, 403):
        return EndpointFailed(
            f"{place} refuses us (status {reply.status}).",
            value=reply.status,
            hint="Credentials are given by QUIVER_ENDPOINT_CREDENTIALS, as user:password or as a token.",
        )
    if reply.status in (408, 504) or (reply.status >= 500 and any(word in words for word in _LATE)):
        return QueryTimeout(f"The SPARQL engine reached its own time limit{said}", value=reply.status)
    if any(word in words for word in _TOO_MUCH):
        return ResultTooLarge(
            f"The SPARQL engine sorts no more rows{said}",
            value=reply.status,
            hint="Its operator can raise that (Virtuoso: MaxSortedTopRows and ResultSetMaxRows).",
        )
    if reply.status == 400:
        return MalformedQuery(f"The SPARQL engine does not take the query{said}", value=words)
    if not openly:
        _LOG.warning("%s answers with status %s%s", address, reply.status, said)
        said = "."
    return EndpointFailed(f"{place} answers with status {reply.status}{said}", value=reply.status)


def cut_off(reply: Reply) -> ResultTooLarge:
    """The error for an answer that the engine did not give to its end."""
    return ResultTooLarge(
        f"The SPARQL engine cut its answer off ({reply.is_cut}).",
        value=reply.is_cut,
        hint="Ask for less, or take the dump at /dumps/.",
    )


def read_table(reply: Reply, form: Form, data: bytes | None = None) -> Solutions:
    """The table or the boolean in *reply*; solutions are parsed as they are asked for.

    *data* is the body, where it has been read already.

    Raises:
        EndpointFailed: it is none.
    """
    if reply.media_type not in (_TABLE, "application/json"):
        raise EndpointFailed(f"The SPARQL engine answers in {reply.media_type or 'no format'}, not in {_TABLE}.")
    with parsing(reply):
        body = cast(IO[bytes], reply) if data is None else data
        result = ox.parse_query_results(body, format=ox.QueryResultsFormat.JSON)
        if form == "boolean" and isinstance(result, ox.QuerySolutions):
            # Virtuoso's way of saying yes: one row, whose one value is 1.
            row = next(iter(result), None)
            value = row[0] if row is not None else None
            return _boolean(isinstance(value, ox.Literal) and value.value in _TRUE)
    return result


def read_triples(reply: Reply) -> Iterator[ox.Triple]:
    """The triples of the graph in *reply*, as they come.

    Raises:
        EndpointFailed: it is none.
    """
    syntax = _SYNTAXES.get(reply.media_type)
    if syntax is None:
        raise EndpointFailed(f"The SPARQL engine answers in {reply.media_type or 'no format'}, not in N-Triples.")
    with parsing(reply):
        for quad in ox.parse(cast(IO[bytes], reply), format=syntax, lenient=True):
            yield quad.triple


@contextlib.contextmanager
def parsing(reply: Reply) -> Iterator[None]:
    """What goes wrong while an answer is parsed: what the reading failed with, else that the answer is broken."""
    try:
        yield
    except QuiverError:
        raise
    except (SyntaxError, ValueError, OSError, RuntimeError) as error:
        if reply.error is not None:
            raise reply.error from None
        if isinstance(error, OSError):
            raise  # of what the answer is written to
        # A time limit of Oxigraph's server ends a body in its middle.
        raise EndpointFailed(f"The SPARQL engine gave an answer that is not whole: {error}", value=str(error)) from None


def with_booleans(data: bytes, columns: Sequence[str]) -> bytes:
    """A table as JSON in which the numbers of these columns are the truth values that they stand for."""
    table = msgspec.json.decode(data)
    for row in table["results"]["bindings"]:
        for name in columns:
            if (cell := row.get(name)) is not None and cell.get("value") in ("0", "1"):
                value = "true" if cell["value"] == "1" else "false"
                row[name] = {"type": "literal", "datatype": term("xsd:boolean"), "value": value}
    return msgspec.json.encode(table)


def _boolean(value: bool) -> ox.QueryBoolean:
    text = b'{"head":{},"boolean":true}' if value else b'{"head":{},"boolean":false}'
    result = ox.parse_query_results(text, format=ox.QueryResultsFormat.JSON)
    assert isinstance(result, ox.QueryBoolean)
    return result


def iri_list(iris: Iterable[str]) -> str:
    """IRIs for a VALUES block; made of nodes, which hold nothing that ends an IRI in SPARQL."""
    return " ".join(str(ox.NamedNode(iri)) for iri in iris)


def counted(rows: Sequence[ox.QuerySolution]) -> int:
    """The count ?n in the one row of a table; 0 where there is none."""
    value = rows[0]["n"] if rows else None
    return int(value.value) if isinstance(value, ox.Literal) else 0


def triple_of(solution: ox.QuerySolution) -> ox.Triple:
    """A solution of ?s ?p ?o as a triple."""
    subject, predicate, object_ = solution["s"], solution["p"], solution["o"]
    assert isinstance(subject, (ox.NamedNode, ox.BlankNode))
    assert isinstance(predicate, ox.NamedNode)
    assert object_ is not None
    return ox.Triple(subject, predicate, object_)
