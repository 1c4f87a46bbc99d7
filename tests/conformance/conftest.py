"""The server that the suites ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.endpoint import Endpoint


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A server with the default settings; tests publish what they need."""
    with Endpoint(tmp_path_factory.mktemp("conformance")) as server:
        yield server
