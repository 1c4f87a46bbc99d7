"""SIGKILL at random points of a whole build, with all its processes: the old release serves, the next build succeeds.

    python -m tests.faults.kill_build FILE [--points 50] [--seed 1]

FILE should take some seconds to build (a part of the ACL set, say). Prints one line a point and the sum; exit code 1 if
one point failed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from quiver.config import Settings
from quiver.releases import Library, build, verify
from quiver.web import create_app


def start(temporary: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A command of quiver, whose temporary files go to *temporary*."""
    command = [sys.executable, "-m", "quiver.cli", *arguments, "--quiet"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


def debris(library: Path, kept: set[str]) -> list[str]:
    """What lies in the library that belongs to none of the releases *kept*."""
    expected = {".lock", "current", "releases", "rejected"}
    found = [entry.name for entry in library.iterdir() if entry.name not in expected]
    found += [entry.name for entry in (library / "releases").iterdir() if entry.name not in kept]
    return found + [str(path) for path in library.glob("rejected/*/*") if path.stem not in kept]


def faults_of(shelf: Library, expected: str) -> list[str]:
    """What is wrong after a kill: the release that is current must be sound, and its page answer."""
    faults = []
    current = shelf.current()
    if current.id != expected and current.manifest.parent != expected:
        faults.append(f"{current.id} is current")
    faults.extend(verify(current).faults)
    answer = create_app(shelf.path, Settings()).test_client().get("/", headers={"Accept": "text/html"})
    if answer.status_code != 200:
        faults.append(f"the home page answers {answer.status}")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed = killed = 0
    rows = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="quiver-kill-") as name:
        library, temporary = Path(name) / "library", Path(name) / "tmp"
        temporary.mkdir()
        shelf = Library(library)
        small = Path(name) / "small.jsonl"
        small.write_text('{"title": "The first release", "authors": ["Ann Lee"]}\n')
        began = time.monotonic()
        assert start(temporary, "build", str(library), str(arguments.file)).wait() == 0
        whole = time.monotonic() - began
        print(f"a build takes {whole:.1f} s")
        for point in range(arguments.points):
            expected = build(library, [small], settings=Settings(keep_releases=2)).release.id
            moment = whole * rows.random()
            process = start(temporary, "build", str(library), str(arguments.file))
            time.sleep(moment)
            ended = process.poll() is not None
            if not ended:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
            faults = faults_of(shelf, expected)
            following = build(library, [small], settings=Settings(keep_releases=2)).release
            faults += [f"left behind: {what}" for what in debris(library, set(shelf.ids()))]
            faults += [f"left behind: {what.name}" for what in temporary.iterdir()]
            if shelf.current_id() != following.id or not verify(following).sound:
                faults.append("the next build is not current and sound")
            failed += bool(faults)
            when = "ended before" if ended else f"killed at {moment:.2f} s"
            print(f"point {point + 1:2}: {when}: {'; '.join(faults) or 'sound'}", flush=True)
    print(f"{killed} killed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
