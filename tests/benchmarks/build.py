"""Build of a records file, end to end, against `Store.bulk_load` alone on the same quads, in one run.

    python -m tests.benchmarks.build [FILE...] [--repeat N]

`QUIVER_ALLOCATOR=none` before it has the build use no other allocator than bare `bulk_load` does.

Default file: the 53,189 papers of the ACL Anthology in the shared data. Reports seconds, the ratio of rates (1.0: the
whole build as fast as the bare loader), and peak memory of all processes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from quiver.config import load_settings
from quiver.dumps import write_dump
from quiver.filling.allocators import find_allocator
from quiver.releases import Library
from tests.benchmarks.measuring import conditions, python, run

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "records"

BULK_LOAD = """
import sys, pyoxigraph
store = pyoxigraph.Store(sys.argv[2])
store.bulk_load(path=sys.argv[1], format=pyoxigraph.RdfFormat.N_QUADS)
store.flush()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, default=[SHARED / "acl-anthology-2016plus.jsonl.gz"])
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{conditions()}; allocator {find_allocator(load_settings().text('allocator')) or 'of the C library'}")
    builds, loads = [], []
    with tempfile.TemporaryDirectory(prefix="quiver-bench-") as name:
        folder = Path(name)
        ready = folder / "ready.nq"
        for _ in range(arguments.repeat):
            shutil.rmtree(folder / "library", ignore_errors=True)
            command = ["-m", "quiver.cli", "build", str(folder / "library"), *map(str, arguments.files)]
            builds.append(run(python(*command)))
            manifest = Library(folder / "library").current().manifest
            print(f"build {builds[-1]}  {manifest.seconds}")
            if not ready.exists():
                with ready.open("wb") as file:
                    write_dump(Library(folder / "library").current().part_paths, file)
            shutil.rmtree(folder / "store", ignore_errors=True)
            loads.append(run(python("-c", BULK_LOAD, str(ready), str(folder / "store"))))
            print(f"load  {loads[-1]}")
        ratios = [load.seconds / build.seconds for build, load in zip(builds, loads, strict=True)]
        extra = max(build.peak_mb for build in builds) - max(load.peak_mb for load in loads)
        print(f"{manifest.quads:,} quads, {manifest.counts}")
        print(
            f"ratio of rates, build to bulk_load: {statistics.median(ratios):.2f} (of {[round(r, 2) for r in ratios]})"
        )
        print(f"peak memory of the build above that of bulk_load: {extra:,.0f} MB")


if __name__ == "__main__":
    main()
