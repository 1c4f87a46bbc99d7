"""Processes that do a piece of a release: they say why they fail, and are gone when the build is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from quiver.releases.children import Child

STARTER = """
import sys, time
from pathlib import Path
from quiver.releases.children import Child

def wait_for_ever(told):
    Path(told).write_text("here")
    time.sleep(600)

if __name__ == "__main__":
    child = Child("a child", 0, wait_for_ever, sys.argv[1])
    time.sleep(600)
"""


def refuse() -> None:
    raise ValueError("no such luck")


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_children_end_with_a_build_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "starter.py"
    script.write_text(STARTER)
    told = tmp_path / "told"
    starter = subprocess.Popen([sys.executable, str(script), str(told)])
    deadline = time.monotonic() + 60
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    started = psutil.Process(starter.pid).children(recursive=True)
    starter.kill()
    starter.wait()
    # The child, and multiprocessing's own tracker.
    assert len(started) >= 2
    _, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []


def test_a_child_that_fails_says_why() -> None:
    child = Child("a child", 0, refuse)
    with pytest.raises(OSError, match="a child failed: no such luck"):
        child.join()
