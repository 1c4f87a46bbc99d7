"""Which queries may be answered from a cache: those whose result is the same each time."""

from __future__ import annotations

import pytest

from quiver.evaluation.repeatability import is_repeatable
from quiver.namespaces import PREFIXES


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { ?s ?p ?o }",
        "SELECT ?now ?rand { ?s <http://e/uuid> ?now ; <http://e/p#rand> 'NOW() RAND() UUID()' } # BNODE()",
        "PREFIX foaf: <http://xmlns.com/foaf/0.1/> SELECT * { ?s foaf:knows ?o ; foaf:brand ?b }",
        "PREFIX now: <http://e/> SELECT * { ?s now:rand _:uuid ; now:bnode [] }",
        "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p [ ?q ?o ] , _:x , (1 2) }",
        "CONSTRUCT { ?s ?p '[ (' } WHERE { ?s ?p [] }",
        "CONSTRUCT { ?s ?p <<( ?s ?p ?o )>> } WHERE { ?s ?p ?o }",
        "DESCRIBE <http://e/construct>",
        f"PREFIX q: <{PREFIXES['q']}> SELECT * {{ SERVICE q:search {{ ?x q:query 'now' }} }}",
    ],
)
def test_repeatable(query: str) -> None:
    assert is_repeatable(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT (RAND() AS ?x) {}",
        "SELECT (rand ( ) AS ?x) {}",
        "SELECT * { ?s ?p ?o FILTER(?o < NOW()) }",
        "SELECT * { ?s ?p ?o } ORDER BY RAND()",
        "SELECT * { ?s ?p ?o } ORDER BYRAND()",
        "SELECT (UUID() AS ?x) (STRUUID() AS ?y) {}",
        "SELECT (StrUuid() AS ?x) {}",
        "SELECT (BNODE() AS ?x) {}",
        "SELECT (BNODE('a') AS ?x) {}",
        "SELECT * { { SELECT * { BIND(NOW() AS ?n) } } }",
        "SELECT * { SERVICE <http://e/> { ?s ?p ?o } }",
        "SELECT * { SERVICE SILENT ?e { ?s ?p ?o } }",
        "CONSTRUCT { ?s ?p [] } WHERE { ?s ?p ?o }",
        "CONSTRUCT { _:x ?p ?o } WHERE { ?s ?p ?o }",
        "CONSTRUCT { ?s ?p (?o) } WHERE { ?s ?p ?o }",
        "CONSTRUCT { << ?s ?p ?o >> ?q 1 } WHERE { ?s ?p ?o }",
        "CONSTRUCT { ?s ?p ?o {| ?q 1 |} } WHERE { ?s ?p ?o }",
        "CONSTRUCT { ?s ?p ?o ~ } WHERE { ?s ?p ?o }",
        "SELECT (RAND() AS ?x) { 'unfinished",
    ],
)
def test_not_repeatable(query: str) -> None:
    assert not is_repeatable(query)
