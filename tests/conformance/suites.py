"""Where the suites are; known when tests are collected, since each of their cases is one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.conftest import REPOSITORY


def _find() -> Path | None:
    for folder in (REPOSITORY.parent / "shared" / "data", REPOSITORY / "shared" / "data"):
        if (folder / "conformance" / "w3c-sparql").is_dir():
            return folder / "conformance" / "w3c-sparql"
    return None


SUITES_ROOT: Final = _find()
