"""The report on the suites: what became of each test, from all processes that ran some.

The environment variable QUIVER_EARL names a file for the report in EARL; `python -m tests.conformance.report` sets it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ledger import Entry, Ledger

_LEDGER = pytest.StashKey[Ledger]()
_KEY = "quiver-ledger"


@pytest.fixture(scope="session")
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Where each test says what became of it."""
    return request.config.stash.setdefault(_LEDGER, Ledger())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that ran tests for another hands over what became of them (pytest-xdist)."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    ledger = session.config.stash.get(_LEDGER, None)
    if output is not None and ledger is not None:
        output[_KEY] = [(iri, one.suite, one.outcome, one.reason) for iri, one in ledger.entries.items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what such a process hands over."""
    entries = getattr(node, "workeroutput", {}).get(_KEY, [])
    ledger: Ledger = node.config.stash.setdefault(_LEDGER, Ledger())
    ledger.entries.update({iri: Entry(suite, outcome, reason) for iri, suite, outcome, reason in entries})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ledger = config.stash.get(_LEDGER, None)
    if ledger is None or not ledger.entries:
        return
    terminalreporter.section("W3C SPARQL suites, through HTTP")
    for line in ledger.rates():
        terminalreporter.line(line)
    if path := os.environ.get("QUIVER_EARL"):
        ledger.write(Path(path))
        terminalreporter.line(f"EARL report: {path}")
