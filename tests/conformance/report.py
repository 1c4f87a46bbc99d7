"""`python -m tests.conformance.report [FILE]`: runs the suites and writes the EARL report, to `earl.ttl` by default."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def main(arguments: list[str]) -> int:
    """The exit code of the run."""
    os.environ["QUIVER_EARL"] = arguments[0] if arguments else "earl.ttl"
    return int(pytest.main(["-q", str(Path(__file__).parent)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
