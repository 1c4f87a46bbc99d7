"""What the engine raises, put plainly: whose fault it is, and where it stands in the query."""

from __future__ import annotations

import pyoxigraph
import pytest

from quiver.errors import MalformedQuery
from quiver.evaluation.faults import explain_failure


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("ASK {\n ?s ?p ?o FILTER(<http://e/f>(?s)) }", (2, 18)),
        ("PREFIX e: <http://e/> SELECT (e:f(?s) AS ?x) { ?s ?p ?o }", (1, 31)),
        ("PREFIX e: <http://e/> SELECT * { ?s ?p ?o } ORDER BY e:f(?o)", (1, 54)),
        ("BASE <http://e/> ASK { ?s ?p ?o FILTER(<f>(?s)) }", (1, 40)),
        # Relative to what only the request knows.
        ("ASK { ?s ?p ?o FILTER(<f>(?s)) }", (None, None)),
    ],
)
def test_a_function_that_is_none_is_the_fault_of_the_query(query: str, place: tuple[int | None, int | None]) -> None:
    store = pyoxigraph.Store()
    node = pyoxigraph.NamedNode("a:a")
    store.add(pyoxigraph.Quad(node, node, node))
    with pytest.raises(RuntimeError) as raised:
        bool(store.query(query, base_iri="http://e/"))
    error = explain_failure(raised.value, query)
    assert isinstance(error, MalformedQuery)
    assert "http://e/f" in error.message
    assert (error.line, error.column) == place


@pytest.mark.parametrize(
    ("call", "place"),
    [("xsd:integer()", (1, 81)), ("xsd:integer(1, 2)", (1, 81)), ("xsd:integer(xsd:integer())", (None, None))],
)
def test_a_call_with_the_wrong_number_of_arguments_too(call: str, place: tuple[int | None, int | None]) -> None:
    query = f"PREFIX xsd: <http://www.w3.org/2001/XMLSchema#> ASK {{ FILTER('1'^^xsd:integer = {call}) }}"
    with pytest.raises(RuntimeError) as raised:
        bool(pyoxigraph.Store().query(query))
    error = explain_failure(raised.value, query)
    assert isinstance(error, MalformedQuery)
    assert "takes 1 argument, not" in error.message
    assert (error.line, error.column) == place


def test_what_nobody_has_foreseen_is_our_own_fault() -> None:
    assert explain_failure(RuntimeError("surprise"), "ASK {}").status == 500
