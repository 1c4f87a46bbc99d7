"""Every process that runs tests must find the same ones: pytest-xdist refuses to run any where names differ."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.conftest import REPOSITORY

_COLLECT = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]


def test_tests_are_called_the_same_whenever_they_are_collected() -> None:
    """At another second (gzip writes the time into its header), and with another order of sets."""
    collecting = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTEST_ADDOPTS": ""}
        collecting.append(
            subprocess.Popen(_COLLECT, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)
        )
        time.sleep(2)
    found = [[line for line in process.communicate()[0].splitlines() if "::" in line] for process in collecting]
    assert len(found[0]) > 1000
    assert found[0] == found[1]
