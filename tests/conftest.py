"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes says nothing on a shared machine: no test is timed.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

pytest_plugins = ("tests.conformance.reporting",)

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


# A browser a file, not one for all: while one runs, no other test of this thread could have an event loop of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one file."""
    from tests.chromium import launched

    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(web_library: Path) -> Iterator[str]:
    """Where the pages of `web_library` are served; a file that serves something else has a fixture of this name."""
    from tests.browsing import make_app
    from tests.chromium import served

    with served(make_app(web_library)) as address:
        yield address
