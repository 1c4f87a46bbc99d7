"""The judge is judged: what counts as the same result, and what does not."""

from __future__ import annotations

import pyoxigraph as ox
import pytest

from tests.conformance.ledger import EARL, Ledger
from tests.conformance.results import Graph, Table, Term, difference, parse_csv, parse_graph

A, B, X, Y = (ox.BlankNode(name) for name in "abxy")
ONE, TWO = ox.Literal("1"), ox.Literal("2")
_XSD = "http://www.w3.org/2001/XMLSchema#"


def number(text: str, kind: str) -> ox.Literal:
    return ox.Literal(text, datatype=ox.NamedNode(_XSD + kind))


def table(*rows: tuple[Term | None, ...], is_ordered: bool = False, is_lax: bool = False) -> Table:
    return Table(("s", "o")[: len(rows[0])] if rows else ("s",), rows, is_ordered, is_lax)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (table((ONE,), (TWO,)), table((TWO,), (ONE,))),
        (table((ONE,), (TWO,), is_ordered=True), table((ONE,), (TWO,))),
        (Table(("s", "o"), ((ONE, TWO),)), Table(("o", "s"), ((TWO, ONE),))),
        (table((A, B), (B, A)), table((Y, X), (X, Y))),
        (table((A, ONE), (A, TWO), (B, ONE)), table((X, ONE), (Y, TWO), (Y, ONE))),
        (table((A,), (B,), is_ordered=True), table((X,), (Y,))),
        (table((ONE, None)), table((ONE, None))),
        (table((ONE,), (ONE,), (TWO,), is_lax=True), table((TWO,), (ONE,))),
        (table((number("1.0", "decimal"),)), table((number("1", "decimal"),))),
        (table((number("1E3", "double"),)), table((number("1000", "double"),))),
        (table((ox.Literal("a", language="en-GB"),)), table((ox.Literal("a", language="en-gb"),))),
        (parse_csv(b"x,y\r\n_:a,1\r\n"), parse_csv(b"x,y\r\n_:b,1\r\n")),
        (True, True),
    ],
)
def test_the_same_result(expected: Table | bool, found: Table | bool) -> None:
    assert difference(expected, found) == ""


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (table((ONE,), (TWO,), is_ordered=True), table((TWO,), (ONE,))),
        (table((ONE,), (ONE,)), table((ONE,))),
        (table((ONE,), (ONE,), (TWO,)), table((ONE,), (TWO,), (TWO,))),
        (table((ONE,), (TWO,), is_lax=True), table((ONE,), (ONE,), (TWO,))),
        (table((A, A)), table((X, Y))),
        (table((A, B)), table((X, X))),
        (table((A, ONE), (A, TWO)), table((X, ONE), (Y, TWO))),
        (table((A,), (A,), is_ordered=True), table((X,), (Y,))),
        (table((ONE, None)), table((ONE, TWO))),
        (table((ONE,)), table((number("1", "integer"),))),
        (table((number("1", "integer"),)), table((number("1", "decimal"),))),
        (table((number("1", "integer"),)), table((number("2", "integer"),))),
        (Table(("s",), ()), Table(("o",), ())),
        (parse_csv(b"x\r\n1.0\r\n"), parse_csv(b"x\r\n1\r\n")),
        (False, True),
        (table(), False),
        (Graph(frozenset()), table()),
    ],
)
def test_another_result(expected: Table | Graph | bool, found: Table | Graph | bool) -> None:
    assert difference(expected, found)


def test_graphs_up_to_blank_nodes() -> None:
    def graph(text: str) -> Graph:
        return parse_graph(text.encode(), ox.RdfFormat.TURTLE)

    assert difference(graph("_:a <a:p> _:b . _:b <a:p> 1 ."), graph("_:y <a:p> 1 . _:x <a:p> _:y .")) == ""
    assert difference(graph("_:a <a:p> _:b . _:b <a:p> 1 ."), graph("_:x <a:p> _:x , 1 ."))


def test_the_report_holds_one_assertion_a_test() -> None:
    ledger = Ledger()
    ledger.record("http://e/t1", "sparql11/bind", "passed")
    ledger.record("http://e/t2", "sparql11/bind", "failed", "Why.")
    ledger.record("http://e/t3", "sparql11/entailment", "inapplicable", "No.")
    assert list(ledger.rates()) == ["sparql11                 1 of     2 passed (50.0%), 1 not applicable"]
    store = ox.Store()
    store.load(ledger.to_earl(), ox.RdfFormat.TURTLE)
    found = store.query(
        f"PREFIX earl: <{EARL}> SELECT ?t ?o {{ ?a a earl:Assertion ; earl:assertedBy ?by ; earl:subject ?s ;"
        " earl:mode earl:automatic ; earl:test ?t ; earl:result [ a earl:TestResult ; earl:outcome ?o ] } ORDER BY ?t"
    )
    assert isinstance(found, ox.QuerySolutions)
    assert [str(row["o"]) for row in found] == [f"<{EARL}{name}>" for name in ("passed", "failed", "inapplicable")]
