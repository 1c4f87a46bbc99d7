"""What conversion costs on one core, in own processes and as on a cluster, and how a Dask cluster here shares it.

    python -m tests.benchmarks.conversion [FILE] [--repeat N] [--openalex FOLDER]

Default file: the 53,189 papers of the ACL Anthology in the shared data. All is done in this process, so that CPU
seconds are those of one core: the steps of a build from reading to deriving, directly and by way of a scratch; and
`convert`. Then the seconds of a build's steps on a Dask scheduler with one worker and with two. FOLDER holds works of
OpenAlex, one JSON file each, whose bare unpacking and parsing is measured for the cost model.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import msgspec
from isal import igzip

from quiver.config import Settings
from quiver.convert import convert_records
from quiver.identifiers import Minter
from quiver.releases.build import make
from quiver.releases.executors import opened_executor
from quiver.releases.steps import Making, plan_files
from quiver.releases.workers import silent
from quiver.storage import Location, put
from tests.benchmarks.build import SHARED
from tests.benchmarks.measuring import conditions
from tests.dask_cluster import cluster

_OPENALEX = SHARED.parent / "formats" / "openalex-json"
_BASE = "http://localhost:8000/"
Result = TypeVar("Result")


class _Counted:
    """`storage.put`, which counts the bytes that it writes."""

    def __init__(self) -> None:
        self.total = 0

    def put(self, chunks: Iterable[bytes], target: Location) -> None:
        def counted() -> Iterator[bytes]:
            for chunk in chunks:
                self.total += len(chunk)
                yield chunk

        put(counted(), target)


class _Here(Executor):
    """Does every task at once, in this thread."""

    def submit(self, function: Callable[..., Result], /, *given: object, **named: object) -> Future[Result]:
        future: Future[Result] = Future()
        future.set_result(function(*given, **named))
        return future


@dataclass(frozen=True)
class Steps:
    """CPU seconds, statements made, bytes put into the scratch, and the seconds of each step."""

    spent: float
    quads: int
    handed_over: int
    seconds: dict[str, float]


def steps(file: Path, executor: Executor | None, scratch: str, jobs: int = 1) -> Steps:
    """What it takes in this process from records to parts."""
    with tempfile.TemporaryDirectory(prefix="quiver-conversion-") as name:
        folder = Path(name) / "releases" / "making"
        folder.mkdir(parents=True)
        settings = Settings(jobs=jobs, scratch=f"{Path(name).as_uri()}/scratch" if scratch == "url" else "")
        making = Making(folder, Minter(_BASE))
        gc.disable()
        started = time.process_time()
        handed_over = _Counted()
        with patch("quiver.releases.scratch.put", handed_over.put):
            make(plan_files([file], "", "", settings), making, settings, silent, executor)
        spent = time.process_time() - started
        gc.enable()
        return Steps(spent, sum(part.quads for part in making.parts), handed_over.total, making.seconds)


def converted(file: Path) -> tuple[float, int]:
    """CPU seconds of `convert` in this process, and the bytes of N-Quads."""
    with tempfile.TemporaryFile() as output:
        started = time.process_time()
        for piece in convert_records([file], "nq", settings=Settings()):
            if isinstance(piece, bytes):
                output.write(piece)
        return time.process_time() - started, output.tell()


def raw_rate(folder: Path) -> str:
    """How fast works of OpenAlex are unpacked and parsed on one core, without being mapped."""
    works = [msgspec.json.encode(msgspec.json.decode(path.read_bytes())) for path in folder.glob("*.json")]
    text = b"\n".join(works) + b"\n"
    data = gzip.compress(text * 400, 6)
    decoder = msgspec.json.Decoder()
    started = time.process_time()
    unpacked = igzip.decompress(data)  # type: ignore[no-untyped-call]
    half = time.process_time()
    count = sum(1 for line in unpacked.splitlines() if decoder.decode(line))
    spent = time.process_time()
    size = len(unpacked) / 1e6
    return (
        f"OpenAlex works of {1e6 * size / count:,.0f} bytes: unpacked at {size / (half - started):,.0f} MB/s, parsed at"
        f" {size / (spent - half):,.0f} MB/s: {count / (spent - started):,.0f} a second"
    )


def on_dask(file: Path, workers: int) -> dict[str, float]:
    """Seconds of the steps from reading to deriving by so many Dask workers of one thread."""
    with cluster([None] * workers) as dask, opened_executor(Settings(executor=f"dask:{dask.address}")) as executor:
        return steps(file, executor, "", workers).seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=SHARED / "acl-anthology-2016plus.jsonl.gz")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--openalex", type=Path, default=_OPENALEX)
    arguments = parser.parse_args()
    print(conditions())
    with igzip.open(arguments.file, "rb") as file:  # type: ignore[no-untyped-call]
        text = file.read()
    records, size = text.count(b"\n"), len(text) / 1e6
    del text
    print(f"{records:,} records, {size:,.0f} MB of JSON lines")
    ways = {"directly": (None, ""), "by a scratch folder": (_Here(), ""), "by a scratch URL": (_Here(), "url")}
    spent: dict[str, list[float]] = {name: [] for name in (*ways, "convert")}
    quads = 0
    for _ in range(arguments.repeat):
        for name, (executor, scratch) in ways.items():
            one = steps(arguments.file, executor, scratch)
            quads = one.quads
            spent[name].append(one.spent)
            scratched = f"scratch {one.handed_over / 1e6:4.0f} MB"
            print(f"steps {name:20} CPU {one.spent:6.2f} s  {scratched}  {one.seconds}", flush=True)
        seconds, output = converted(arguments.file)
        spent["convert"].append(seconds)
        print(f"convert                    CPU {seconds:6.2f} s  {output / 1e6:,.0f} MB of N-Quads", flush=True)
    for name, all_of in spent.items():
        middle = statistics.median(all_of)
        print(
            f"{name:20} {records / middle:8,.0f} records, {size / middle:5.1f} MB a second and core;"
            f" {middle / statistics.median(spent['directly']):.2f} of directly"
        )
    print(f"{quads:,} statements by the steps: {quads / statistics.median(spent['directly']):,.0f} a second and core")
    if arguments.openalex.is_dir():
        print(raw_rate(arguments.openalex))
    for workers in (1, 2, 1, 2):
        print(f"Dask, {workers} workers: {on_dask(arguments.file, workers)}", flush=True)


if __name__ == "__main__":
    main()
