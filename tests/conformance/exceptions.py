"""The tests that do not pass, each a fault of the engine, and those that do not apply, each with its reason."""

from __future__ import annotations

from typing import Final

from tests.conformance.manifests import Case

_R2: Final = "http://www.w3.org/2001/sw/DataAccess/tests/data-r2/"
_11: Final = "http://www.w3.org/2009/sparql/docs/tests/data-sparql11/"
_12: Final = "https://w3c.github.io/rdf-tests/sparql/sparql12/"

_AS_VALUES: Final = (
    "The engine keeps numbers as values, not as they are written: 01, +1 and 1 become one term when they are loaded."
)
_GRAPH_LATE: Final = (
    "The engine binds the variable of GRAPH inside the group, not by joining with it afterwards "
    "(SPARQL 1.1 Query, 18.5, the evaluation of Graph)."
)
_GRAPH_UNBOUND: Final = (
    "The engine does not bind the variable of GRAPH where the group matches no quad: it is evaluated once, not once a "
    "graph (SPARQL 1.1 Query, 18.5)."
)
_PATH: Final = (
    "The engine finds no path of length zero from a constant that the data does not hold (SPARQL 1.1 Query, 18.1.7)."
)

# Test IRI -> what the engine gets wrong. Each is asserted to fail in pyoxigraph alone as well as through HTTP.
ENGINE_FAULTS: Final[dict[str, str]] = {
    f"{_R2}distinct/manifest#distinct-1": _AS_VALUES,
    f"{_R2}distinct/manifest#distinct-9": _AS_VALUES,
    f"{_R2}expr-builtin/manifest#dawg-str-1": _AS_VALUES,
    f"{_R2}expr-builtin/manifest#dawg-str-2": _AS_VALUES,
    f"{_R2}expr-builtin/manifest#sameTerm-eq": _AS_VALUES,
    f"{_R2}expr-builtin/manifest#sameTerm-not-eq": _AS_VALUES,
    f"{_R2}expr-builtin/manifest#sameTerm-simple": _AS_VALUES,
    f"{_R2}expr-equals/manifest#eq-graph-1": _AS_VALUES,
    f"{_R2}expr-equals/manifest#eq-graph-2": _AS_VALUES,
    f"{_R2}open-world/manifest#open-eq-01": _AS_VALUES,
    f"{_R2}open-world/manifest#date-3": (
        "The engine keeps dates as values, not as they are written: the zone +00:00 becomes Z when it is loaded."
    ),
    f"{_R2}open-world/manifest#date-2": (
        "The engine compares a date without a time zone with one that has it, where the test of 2008 expects an error."
    ),
    f"{_R2}expr-builtin/manifest#case-insensitive-booleans": (
        "The engine knows true and false in small letters only; keywords are case-insensitive since the erratum."
    ),
    f"{_R2}graph/manifest#graph-variable-scope": _GRAPH_LATE,
    f"{_R2}graph/manifest#graph-optional": _GRAPH_LATE,
    f"{_R2}syntax-sparql3/manifest#syn-bad-26": (
        "The engine's parser reads ?x<?a&&?b>?y as a comparison; by the longest match it holds the IRI <?a&&?b>."
    ),
    f"{_11}aggregates/manifest#agg-groupconcat-04": (
        "GROUP_CONCAT of texts in one language gives text in that language; the standard gives plain text."
    ),
    f"{_11}aggregates/manifest#agg-groupconcat-06": (
        "GROUP_CONCAT of texts in one language gives text in that language; the standard gives plain text."
    ),
    f"{_11}aggregates/manifest#agg-empty-group-count-graph": _GRAPH_UNBOUND,
    f"{_11}bindings/manifest#graph": _GRAPH_UNBOUND,
    f"{_11}csv-tsv-res/manifest#csv03": (
        "The engine keeps numbers as values, not as they are written: 1.0E6 is written 1000000."
    ),
    f"{_11}csv-tsv-res/manifest#tsv03": (
        "The engine keeps the types derived from xsd:integer as xsd:integer: xsd:negativeInteger is lost on loading."
    ),
    f"{_11}functions/manifest#bnode01": (
        "BNODE of one text gives one blank node in all solutions; each solution is to have its own "
        "(SPARQL 1.1 Query, 17.4.2.9)."
    ),
    f"{_11}negation/manifest#graph-minus": _GRAPH_LATE,
    f"{_11}property-path/manifest#zero_or_more_set_end": _PATH,
    f"{_11}property-path/manifest#zero_or_more_set_start": _PATH,
    f"{_11}property-path/manifest#zero_or_one_set_end": _PATH,
    f"{_11}property-path/manifest#zero_or_one_set_start": _PATH,
    f"{_12}grouping/manifest#group01": _AS_VALUES,
    f"{_12}grouping/manifest#select-variable-reuse": (
        "The engine does not let an expression of an aggregating SELECT use a variable that the same SELECT defines."
    ),
    f"{_12}syntax-triple-terms-negative/manifest#tripleterm-subject-03": (
        "The engine's parser takes a reified triple as the subject of a triple term in an expression."
    ),
    f"{_12}syntax-triple-terms-negative/manifest#tripleterm-subject-06": (
        "The engine's parser takes a literal as the subject of a triple term in an expression."
    ),
    f"{_12}syntax/manifest#nested-aggregate-functions": "The engine's parser takes an aggregate inside an aggregate.",
}


def not_applicable(case: Case) -> str:
    """Why *case* is not asked of a read-only endpoint that knows simple entailment; empty where it is asked."""
    if case.suite == "sparql11/entailment":
        return "The endpoint answers under simple entailment; the test is about another entailment regime."
    if case.iri == f"{_11}service/manifest#service5":
        return "SERVICE with a variable is refused: where it would go is not known before it goes there."
    return ""
