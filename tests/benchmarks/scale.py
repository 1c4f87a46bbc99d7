"""Growth: build, memory, sizes, pages and additions at several sizes, each beside `Store.bulk_load` of the same quads.

    python -m tests.benchmarks.scale [--records 50000,300000,2000000] [--added 1000] [--times 2] [--folder DIR]

Records are generated (`tests.benchmarks.generated`). Targets: the build's peak memory (PSS of all processes) at most
600 MB above that of bulk_load, and what it is above it within 1.3 times from the first size to the last; time that
grows no faster than n log n; pages and point queries as fast at the last size as at the first; an addition to the last
at most 0.05 of its build. Two million records take some 50 GB of disk on the way, and an hour on two cores.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyoxigraph

from quiver.config import Settings
from quiver.dumps import write_dump
from quiver.namespaces import sparql_prologue
from quiver.processes import keep_what_is_loaded
from quiver.releases import Library, Release
from quiver.web import create_app
from tests.benchmarks.build import BULK_LOAD
from tests.benchmarks.crowding import percentile
from tests.benchmarks.generated import write_records
from tests.benchmarks.increments import point_query_ms, timed
from tests.benchmarks.measuring import conditions, python, run
from tests.benchmarks.pages import Client, milliseconds

_MOST_EXTRA_MB: Final = 600.0
_PAGES: Final = 200
_THINGS: Final = "SELECT ?s {{ ?s a {} }} LIMIT 20000"


@dataclass(frozen=True, slots=True)
class Grown:
    """What one size took: seconds, CPU seconds, and peak MB of the build; seconds and peak MB of the bare loader."""

    records: int
    quads: int
    seconds: float
    cpu: float
    peak_mb: float
    load_seconds: float
    load_peak_mb: float

    @property
    def extra_mb(self) -> float:
        return self.peak_mb - self.load_peak_mb

    @property
    def cost(self) -> float:
        """Microseconds a record and binary logarithm of their number."""
        return 1e6 * self.seconds / (self.records * math.log2(self.records))


def size_of(path: Path) -> int:
    """Bytes of a file or of all files of a folder."""
    return path.stat().st_size if path.is_file() else sum(map(size_of, path.iterdir()))


def grow(folder: Path, records: int) -> Grown:
    """Generate, build, load barely; the library stays at *folder*, the bare store does not."""
    source = write_records(folder / "generated.jsonl.gz", records)
    library = folder / "library"
    built = run(python("-m", "quiver.cli", "build", str(library), str(source), "-q"))
    release = Library(library).current()
    print(
        f"{records:,} records: build {built}; {release.manifest.quads:,} statements; {release.manifest.seconds}",
        flush=True,
    )
    ready, bare = folder / "ready.nq", folder / "bare"
    with ready.open("wb") as file:
        write_dump(release.part_paths, file)
    loaded = run(python("-c", BULK_LOAD, str(ready), str(bare)))
    print(
        f"  bulk_load {loaded.seconds:.0f} s, peak {loaded.peak_mb:,.0f} MB; ratio of rates"
        f" {loaded.seconds / built.seconds:.2f}",
        flush=True,
    )
    sizes = {name: size_of(release.path / name) for name in ("store", "search", "parts", "settled", "results")}
    sizes |= {"bare store": size_of(bare), "N-Quads": size_of(ready), "input": size_of(source)}
    quads = release.manifest.quads
    print("  bytes a statement: " + ", ".join(f"{name} {size / quads:.1f}" for name, size in sizes.items()), flush=True)
    ready.unlink()
    shutil.rmtree(bare)
    return Grown(records, quads, built.seconds, built.cpu_seconds, built.peak_mb, loaded.seconds, loaded.peak_mb)


def pages(library: Path, release: Release) -> dict[str, tuple[float, float]]:
    """Median and 99th percentile in ms of pages that are not kept, each made twice and counted the second time."""
    client = Client(create_app(library, Settings()))
    keep_what_is_loaded()
    found: dict[str, tuple[float, float]] = {}
    for kind in ("q:Paper", "q:NameCluster"):
        solutions = release.open_store().query(sparql_prologue() + _THINGS.format(kind))
        assert isinstance(solutions, pyoxigraph.QuerySolutions)
        iris = [solution[0].value for solution in solutions if isinstance(solution[0], pyoxigraph.NamedNode)]
        taken: list[float] = []
        for iri in random.Random(1).sample(iris, min(_PAGES, len(iris))):
            path = f"/{iri.removeprefix(release.base)}.html"
            taken.append(milliseconds(lambda path=path: client.get(path), 2)[1])  # type: ignore[misc]
        found[kind] = (statistics.median(taken), percentile(taken, 0.99))
    return found


def add(folder: Path, records: int, added: int, times: int, built: Grown) -> None:
    """Print what additions cost, of the build."""
    for number in range(times):
        place = folder / f"add{number}"
        place.mkdir()
        file = write_records(place / "generated.jsonl", added, number + 1, records + number * added)
        took, used = timed("-m", "quiver.cli", "add", str(folder / "library"), str(file), "-q")
        release = Library(folder / "library").current()
        print(
            f"  add of {added:,}: {took:.1f} s, CPU {used:.1f} s; of the build {took / built.seconds:.4f} in time,"
            f" {used / built.cpu:.4f} in CPU; {release.manifest.seconds}",
            flush=True,
        )


def report(grown: Sequence[Grown]) -> None:
    """Print the growth from the first size to the last, and whether targets are met."""
    first, last = grown[0], grown[-1]
    for one in grown:
        verdict = "met" if one.extra_mb <= _MOST_EXTRA_MB else "MISSED"
        print(f"{one.records:,}: {one.extra_mb:,.0f} MB above bulk_load ({verdict}); {one.cost:.2f} us / n log2 n")
    print(
        f"peak memory, last to first: {last.peak_mb / first.peak_mb:.2f}; of bulk_load alone:"
        f" {last.load_peak_mb / first.load_peak_mb:.2f}; what is above it {last.extra_mb / first.extra_mb:.2f}"
    )
    print(f"time by n log n, last to first: {last.cost / first.cost:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", default="50000,300000,2000000")
    parser.add_argument("--added", type=int, default=1000)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    print(conditions())
    grown: list[Grown] = []
    sizes = [int(size) for size in options.records.split(",")]
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="quiver-scale-", dir=options.folder) as name:
            folder = Path(name)
            grown.append(grow(folder, size))
            release = Library(folder / "library").current()
            made = pages(folder / "library", release)
            told = "; ".join(f"{kind} page {median:.1f} ms, p99 {most:.1f}" for kind, (median, most) in made.items())
            print(f"  {told}; point query {point_query_ms(release):.3f} ms", flush=True)
            if size == sizes[-1]:
                add(folder, size, options.added, options.times, grown[-1])
    report(grown)


if __name__ == "__main__":
    main()
