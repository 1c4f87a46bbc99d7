"""SIGKILL at random points of a redaction: a release serves, the command succeeds when run again, nothing is left.

    python -m tests.faults.kill_redaction [--records 5000] [--points 20] [--seed 1]

Prints one line a point and the sum; exit code 1 if one point failed. Every point begins with a copy of one library of
two releases. What the second run publishes is compared with what an undisturbed one does: content hash and counts.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pyoxigraph

from quiver.releases import Library, build, look_for, verify
from tests.benchmarks.generated import write_records
from tests.faults.kill_build import start
from tests.faults.kill_increments import identity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows = random.Random(arguments.seed)
    os.environ["QUIVER_RELEASE_POLL_S"] = "0"
    print(f"seed {arguments.seed}", flush=True)
    failed = killed = 0
    with tempfile.TemporaryDirectory(prefix="quiver-kill-") as name:
        folder = Path(name)
        records = write_records(folder / "big.jsonl", arguments.records)
        for _ in range(2):
            build(folder / "origin", [records])
        wanted = next(
            quad.object.value
            for quad in Library(folder / "origin").current().open_store()
            if quad.predicate.value.endswith("#statedName") and isinstance(quad.object, pyoxigraph.Literal)
        )
        asked = folder / "asked.toml"
        asked.write_text(f'[[name]]\nwas = "{wanted}"\nnow = "Somebody Else"\n')
        shutil.copytree(folder / "origin", folder / "whole", symlinks=True)
        began = time.monotonic()
        assert start(folder, "redact", str(folder / "whole"), str(asked)).wait() == 0
        took = time.monotonic() - began
        expected = identity(Library(folder / "whole").current())
        print(f"undisturbed: {took:.1f} s", flush=True)
        for point in range(arguments.points):
            library = folder / f"library{point}"
            shutil.copytree(folder / "origin", library, symlinks=True)
            shelf = Library(library)
            faults: list[str] = []
            moment = took * rows.random()
            process = start(folder, "redact", str(library), str(asked))
            time.sleep(moment)
            ended = process.poll() is not None
            if not ended:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
            faults += verify(shelf.current()).faults
            if start(folder, "redact", str(library), str(asked)).wait() != 0:
                faults.append("run again, it failed")
            faults += verify(shelf.current()).faults
            if identity(shelf.current()) != expected:
                faults.append("the release is another than that of an undisturbed command")
            faults += [f"left in {trace.place}" for trace in look_for(library, asked).findings.traces]
            if [entry.name for entry in shelf.releases_path.iterdir()] != [shelf.current_id()]:
                faults.append("other releases are left")
            failed += bool(faults)
            when = "ended before" if ended else f"killed at {moment:.2f} s"
            print(f"point {point + 1:2}: {when}: {'; '.join(faults) or 'sound'}", flush=True)
            shutil.rmtree(library)
    print(f"{killed} killed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
