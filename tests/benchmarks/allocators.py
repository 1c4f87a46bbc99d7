"""`Store.bulk_load` with each allocator that is installed, against the C library's own, in one run.

    python -m tests.benchmarks.allocators [--repeat N]

Reports seconds, CPU and peak memory of each, and the medians of their ratios to the C library's of the same round.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from quiver.dumps import write_dump
from quiver.filling.allocators import installed
from quiver.releases import Library, build
from tests.benchmarks.build import BULK_LOAD, SHARED
from tests.benchmarks.measuring import Run, conditions, python, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    print(conditions())
    ratios: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="quiver-bench-") as name:
        folder = Path(name)
        build(folder / "library", [SHARED / "acl-anthology-2016plus.jsonl.gz"])
        with (folder / "ready.nq").open("wb") as file:
            write_dump(Library(folder / "library").current().part_paths, file)

        def load(allocator: str) -> Run:
            shutil.rmtree(folder / "store", ignore_errors=True)
            command = python("-c", BULK_LOAD, str(folder / "ready.nq"), str(folder / "store"))
            took = run(command, {"LD_PRELOAD": allocator})
            print(f"{took}  {allocator or 'the C library'}", flush=True)
            return took

        for _ in range(arguments.repeat):
            plain = load("")
            for allocator in installed():
                took = load(allocator)
                ratios[allocator].append((took.seconds / plain.seconds, took.cpu_seconds / plain.cpu_seconds))
    for allocator, rounds in ratios.items():
        seconds, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{allocator}: {seconds:.2f} of the time, {cpu:.2f} of the CPU")


if __name__ == "__main__":
    main()
