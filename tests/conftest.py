"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; it is never part of the project."""
    for folder in (REPOSITORY.parent / "shared" / "data", REPOSITORY / "shared" / "data"):
        if folder.is_dir():
            return folder
    pytest.skip("the shared data is not beside this checkout")


@pytest.fixture(scope="session")
def web_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library for the tests of pages and documents; never written to by them."""
    from tests.browsing import make_library

    return make_library(tmp_path_factory.mktemp("web"))
