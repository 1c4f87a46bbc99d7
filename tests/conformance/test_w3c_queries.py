"""The W3C's query suites, put to a real server: evaluation, syntax, result formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.endpoint import Endpoint
from tests.conformance.exceptions import ENGINE_FAULTS, not_applicable
from tests.conformance.ledger import Ledger
from tests.conformance.manifests import Case, read_cases
from tests.conformance.running import fault_in_engine, fault_through_http
from tests.conformance.suites import SUITES_ROOT

CASES = read_cases(SUITES_ROOT) if SUITES_ROOT else []
# Asked with endpoints of their own.
FEDERATION = ("sparql11/service", "sparql11/syntax-fed")
APPLICABLE = [case for case in CASES if not not_applicable(case) and case.suite not in FEDERATION]
ABSENT = pytest.mark.skipif(SUITES_ROOT is None, reason="the shared data is not beside this checkout")


@ABSENT
@pytest.mark.parametrize("case", APPLICABLE, ids=lambda case: case.id)
def test_a_case(case: Case, endpoint: Endpoint, ledger: Ledger) -> None:
    """Through HTTP each case passes, but for those that the engine alone gets wrong in the same way."""
    through_http, in_engine = fault_through_http(case, endpoint), fault_in_engine(case)
    reason = ENGINE_FAULTS.get(case.iri, "")
    ledger.record(case.iri, case.suite, "failed" if through_http else "passed", reason)
    if reason:
        assert in_engine, f"{case.iri} is no fault of the engine (any more): take it off the table"
        assert through_http, f"{case.iri} passes: take it off the table"
    else:
        assert through_http == "", f"alone, the engine gives: {in_engine or 'what is expected'}"


@ABSENT
def test_the_table_names_tests_that_there_are() -> None:
    assert set(ENGINE_FAULTS) <= {case.iri for case in APPLICABLE}
    assert all(reason.endswith(".") for reason in ENGINE_FAULTS.values())


@ABSENT
def test_what_does_not_apply_is_recorded(ledger: Ledger) -> None:
    for case in CASES:
        if reason := not_applicable(case):
            ledger.record(case.iri, case.suite, "inapplicable", reason)
    assert {case.suite for case in CASES if not_applicable(case)} <= {"sparql11/entailment", "sparql11/service"}


@ABSENT
def test_the_suites_are_all_there() -> None:
    assert isinstance(SUITES_ROOT, Path)
    counts = {version: sum(case.version == version for case in CASES) for version in ("sparql10", "sparql11")}
    assert counts == {"sparql10": 482, "sparql11": 418}


def test_a_function_that_nobody_knows_is_the_clients_fault(endpoint: Endpoint) -> None:
    reply = endpoint.ask("SELECT (<http://e/f>(1) AS ?x) {}", "*/*")
    assert (reply.status, reply.problem) == (400, "unsupported-function")
    assert b"http://e/f" in reply.body
