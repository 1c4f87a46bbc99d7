"""The server that the suites ask, and the report on them.

The environment variable QUIVER_EARL names a file for the report in EARL; `python -m tests.conformance.report` sets it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.endpoint import Endpoint
from tests.conformance.ledger import Ledger

_LEDGER = pytest.StashKey[Ledger]()


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A server with the default settings; tests publish what they need."""
    with Endpoint(tmp_path_factory.mktemp("conformance")) as server:
        yield server


@pytest.fixture(scope="session")
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Where each test says what became of it."""
    return request.config.stash.setdefault(_LEDGER, Ledger())


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
