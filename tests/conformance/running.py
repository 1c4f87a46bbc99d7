"""How one case is put to the service, and to the plain engine; what is wrong with what each gives."""

from __future__ import annotations

import re
from typing import Final

import pyoxigraph as ox

from quiver.releases import RdfFile
from tests.conformance.endpoint import Endpoint, Reply
from tests.conformance.manifests import NEGATIVE, POSITIVE, Case
from tests.conformance.results import Result, difference, parse_csv, parse_graph, parse_results, read_expected

# What is asked for, so that every result format is used: the one that the suite's own result is in.
_ACCEPT: Final = {
    ".srx": "application/sparql-results+xml",
    ".srj": "application/sparql-results+json",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
}
_OTHERWISE: Final = "application/sparql-results+json, text/turtle"
_AFTER_LAST_BRACE: Final = re.compile(r"[^}]*\Z")


def files_of(case: Case) -> list[RdfFile]:
    """The data set of *case*, to be made a release."""
    return [RdfFile(one.path, one.iri if one.is_named else "", one.iri) for one in case.data]


def fault_through_http(case: Case, endpoint: Endpoint) -> str:
    """What is wrong with the service's answer; empty where it is right."""
    endpoint.publish(files_of(case), case.base)
    return judge_reply(case, endpoint.ask(case.text, accept_of(case)))


def accept_of(case: Case) -> str:
    return _ACCEPT.get(case.result.suffix, _OTHERWISE) if case.result else _OTHERWISE


def judge_reply(case: Case, reply: Reply) -> str:
    """What is wrong with *reply* as the answer to *case*; empty where it is right."""
    if case.kind in NEGATIVE:
        return "" if (reply.status, reply.problem) == (400, "malformed-query") else f"not refused: {reply}"
    # A function that nobody knows is found when the query, which parses, is evaluated.
    if case.kind in POSITIVE and reply.problem == "unsupported-function":
        return ""
    if reply.status != 200:
        return str(reply)
    if case.kind in POSITIVE:
        return ""
    accept = accept_of(case)
    # A graph has no table format; asked for one only, the service would be right to refuse it.
    if reply.media_type not in accept:
        return f"not in the format asked for, {accept}: {reply}"
    return difference(expected_of(case), _read(reply.media_type, reply.body))


def fault_in_engine(case: Case) -> str:
    """What is wrong with the answer of pyoxigraph alone, asked in this process; empty where it is right."""
    store = ox.Store()
    for one in case.data:
        store.load(
            path=str(one.path),
            base_iri=one.iri,
            to_graph=ox.NamedNode(one.iri) if one.is_named and one.path.suffix not in (".trig", ".nq") else None,
        )
    try:
        found = store.query(case.text, base_iri=case.query_iri)
        if case.kind in NEGATIVE:
            return "not refused"
        if case.kind in POSITIVE:
            return ""
        result = _from_engine(case, found)
    except SyntaxError as error:
        return "" if case.kind in NEGATIVE else f"SyntaxError: {error}"
    except (ValueError, RuntimeError, OSError) as error:
        if case.kind in POSITIVE and "custom function" in str(error):
            return ""
        return f"{type(error).__name__}: {error}"
    return difference(expected_of(case), result)


def expected_of(case: Case) -> Result:
    assert case.result is not None
    # The last modifiers say whether the solutions as a whole are in order, not those of a sub-select.
    tail = _AFTER_LAST_BRACE.search(case.text)
    is_ordered = tail is not None and "ORDER" in tail.group().upper()
    return read_expected(case.result, case.result_iri, is_ordered=is_ordered, is_lax=case.is_lax)


def _from_engine(case: Case, found: ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples) -> Result:
    if isinstance(found, ox.QueryTriples):
        return parse_graph(ox.serialize(found, format=ox.RdfFormat.N_TRIPLES) or b"", ox.RdfFormat.N_TRIPLES)
    media_type = accept_of(case).partition(",")[0]
    if media_type == "text/csv":
        return parse_csv(found.serialize(format=ox.QueryResultsFormat.CSV) or b"")
    syntax = ox.QueryResultsFormat.from_media_type(media_type)
    assert syntax is not None
    return parse_results(found.serialize(format=syntax) or b"", syntax)


def _read(media_type: str, data: bytes) -> Result:
    if media_type == "text/csv":
        return parse_csv(data)
    graph = ox.RdfFormat.from_media_type(media_type)
    if graph is not None:
        return parse_graph(data, graph)
    syntax = ox.QueryResultsFormat.from_media_type(media_type)
    assert syntax is not None, media_type
    return parse_results(data, syntax)
