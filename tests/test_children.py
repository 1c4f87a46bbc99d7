"""Processes that do a piece of a release: they say why they fail, and are gone when the build is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from quiver.filling.children import Child
from quiver.processes import die_with_parent
from tests.conftest import REPOSITORY
from tests.serving import heed_ctrl_c

STARTER = """
import fcntl, os, sys, threading, time
from quiver.filling.children import Child
from quiver.processes import ours_alone, process_context
from tests.test_children import end_with, wait_for_ever

if __name__ == "__main__":
    lock = open(sys.argv[1] + ".lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    if sys.argv[2] == "spawned":
        # With a thread beside it a process starts others anew, else it forks them.
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    if sys.argv[2] == "a child":
        child = Child("a child", 0, wait_for_ever, sys.argv[1])
    else:
        with ours_alone(lock.fileno()):
            process_context().Process(target=end_with, args=(os.getpid(), sys.argv[1])).start()
    time.sleep(600)
"""


def wait_for_ever(told: str) -> None:
    Path(told).write_text("here")
    time.sleep(600)


def end_with(parent: int, told: str) -> None:
    die_with_parent(parent)
    wait_for_ever(told)


def start(told: Path, how: str) -> subprocess.Popen[bytes]:
    """The starter in a session of its own, when its child is there; *told* is the file by which that says so."""
    script = told.with_name("starter.py")
    script.write_text(STARTER)
    starter = subprocess.Popen(
        [sys.executable, str(script), str(told), how],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )
    deadline = time.monotonic() + 60
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return starter


def refuse() -> None:
    raise ValueError("no such luck")


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize("how", ["a child", "forked", "spawned"])
def test_children_end_with_a_build_that_is_killed(tmp_path: Path, how: str) -> None:
    told = tmp_path / "told"
    starter = start(told, how)
    started = psutil.Process(starter.pid).children(recursive=True)
    # A child is called by its name, a forked process as the starter was; a spawned one carries nothing of that.
    assert [how in process.cmdline() for process in started].count(True) == (how != "spawned")
    starter_has = [file.path for file in psutil.Process(starter.pid).open_files()]
    assert f"{told}.lock" in starter_has
    for process in started:
        assert f"{told}.lock" not in [file.path for file in process.open_files()]
    starter.kill()
    starter.communicate()
    assert started
    _, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []


def test_a_child_that_fails_says_why() -> None:
    child = Child("a child", 0, refuse)
    with pytest.raises(OSError, match="a child failed: no such luck"):
        child.join()


def test_ctrl_c_is_for_the_starter_to_act_on(tmp_path: Path) -> None:
    starter = start(tmp_path / "told", "a child")
    os.killpg(starter.pid, signal.SIGINT)
    _, said = starter.communicate(timeout=30)
    assert said.count(b"KeyboardInterrupt") == 1
