"""SIGKILL at random points of add, remove and replace: the parent serves, the next command succeeds and ends exactly.

    python -m tests.faults.kill_increments [--records 20000] [--points 150] [--seed 1]

Prints one line a point and the sum; exit code 1 if one point failed. What a command publishes is compared with what an
undisturbed one publishes: content hash, counts, and `verify`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from quiver.releases import Library, Release, verify
from tests.benchmarks.generated import write_records
from tests.faults.kill_build import debris, faults_of, start


def identity(release: Release) -> tuple[str, int, dict[str, int]]:
    return release.manifest.content_hash, release.manifest.quads, release.manifest.counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--points", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows = random.Random(arguments.seed)
    print(f"seed {arguments.seed}", flush=True)
    failed = killed = 0
    with tempfile.TemporaryDirectory(prefix="quiver-kill-") as name:
        folder = Path(name)
        shelf, temporary = Library(folder / "library"), folder / "tmp"
        temporary.mkdir()
        library = str(shelf.path)
        big = write_records(folder / "big.jsonl", arguments.records)
        small = write_records(folder / "small.jsonl", 1000, 2, arguments.records)
        newer = write_records(folder / "newer.jsonl", 1000, 3, arguments.records + 500)
        assert start(temporary, "build", library, str(big), str(small)).wait() == 0
        # Each leads to where the next one starts.
        commands = [
            ("replace", library, "small", str(newer)),
            ("remove", library, "small"),
            ("add", library, str(small)),
        ]
        expected, took = [], []
        for command in commands:
            began = time.monotonic()
            assert start(temporary, *command).wait() == 0
            took.append(time.monotonic() - began)
            expected.append(identity(shelf.current()))
        print("undisturbed:", ", ".join(f"{c[0]} {s:.1f} s" for c, s in zip(commands, took, strict=True)), flush=True)
        for point in range(arguments.points):
            number = point % len(commands)
            before = shelf.current().id
            moment = took[number] * rows.random()
            process = start(temporary, *commands[number])
            time.sleep(moment)
            ended = process.poll() is not None
            if not ended:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
            faults = faults_of(shelf, before)
            if shelf.current_id() == before and start(temporary, *commands[number]).wait() != 0:
                faults.append("the next command failed")
            release = shelf.current()
            faults.extend(verify(release).faults)
            if identity(release) != expected[number]:
                faults.append("the release is another than that of an undisturbed command")
            faults += [f"left behind: {what}" for what in debris(shelf.path, set(shelf.ids()))]
            faults += [f"left behind: {what.name}" for what in temporary.iterdir()]
            failed += bool(faults)
            when = "ended before" if ended else f"killed at {moment:.2f} s"
            print(f"point {point + 1:2}: {commands[number][0]} {when}: {'; '.join(faults) or 'sound'}", flush=True)
    print(f"{killed} killed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
