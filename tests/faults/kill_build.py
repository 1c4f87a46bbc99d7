"""SIGKILL at points spread over a whole build, with all its processes: the old release serves, the next build succeeds.

    python -m tests.faults.kill_build FILE [--points 20]

FILE should take some seconds to build (a part of the ACL set, say). Prints one line a point and the sum; exit code 1 if
one point failed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from quiver.config import Settings
from quiver.releases import Library, build, verify
from quiver.web import create_app


def start(library: Path, file: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "quiver.cli", "build", str(library), str(file), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


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
    parser.add_argument("--points", type=int, default=20)
    arguments = parser.parse_args()
    failed = killed = 0
    with tempfile.TemporaryDirectory(prefix="quiver-kill-") as name:
        library = Path(name) / "library"
        shelf = Library(library)
        small = Path(name) / "small.jsonl"
        small.write_text('{"title": "The first release", "authors": ["Ann Lee"]}\n')
        began = time.monotonic()
        assert start(library, arguments.file).wait() == 0
        whole = time.monotonic() - began
        print(f"a build takes {whole:.1f} s")
        for point in range(arguments.points):
            expected = build(library, [small], settings=Settings(keep_releases=2)).release.id
            process = start(library, arguments.file)
            time.sleep(whole * (point + 0.5) / arguments.points)
            ended = process.poll() is not None
            if not ended:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
            faults = faults_of(shelf, expected)
            following = build(library, [small], settings=Settings(keep_releases=2)).release
            debris = [entry.name for entry in shelf.releases_path.iterdir() if entry.name.startswith(".")]
            if debris:
                faults.append(f"debris: {debris}")
            if shelf.current_id() != following.id or not verify(following).sound:
                faults.append("the next build is not current and sound")
            failed += bool(faults)
            moment = "ended before" if ended else f"killed at {whole * (point + 0.5) / arguments.points:.1f} s"
            print(f"point {point + 1:2}: {moment}: {'; '.join(faults) or 'sound'}", flush=True)
    print(f"{killed} killed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
