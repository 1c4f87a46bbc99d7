"""Adding records to a library against building it, in one run; then more additions, and what they do to queries.

    python -m tests.benchmarks.increments [--records 200000] [--added 1000] [--times 5] [--library FOLDER]

Records are generated (`tests.benchmarks.generated`). Prints seconds and CPU seconds of the build and of each addition,
their ratio, and the time of point queries before and after. Target: at most 0.05 at 1,000,000 records.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import pyoxigraph

from quiver.releases import Library, Release
from tests.benchmarks.generated import write_records
from tests.benchmarks.measuring import children_cpu, conditions, python

_LOOK_UPS = 300
_PAPERS_OF = """
PREFIX q: <https://w3id.org/quiver/ontology#> PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT ?paper ?title WHERE {{ ?s q:inNameCluster <{}> . ?paper q:hasSignature ?s ; rdfs:label ?title }}
"""


def timed(*command: str) -> tuple[float, float]:
    """Seconds and CPU seconds of a command with all its processes."""
    before = children_cpu()
    started = time.monotonic()
    subprocess.run(python(*command), check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    return seconds, children_cpu() - before


def point_query_ms(release: Release) -> float:
    """Milliseconds of a query for the papers of a name, over names spread through the store."""
    store = release.open_store()
    found = store.query("PREFIX q: <https://w3id.org/quiver/ontology#> SELECT ?c { ?c a q:NameCluster } LIMIT 3000")
    assert isinstance(found, pyoxigraph.QuerySolutions)
    names = [str(row[0].value) for row in list(found)[:: 3000 // _LOOK_UPS] if row[0] is not None]
    for _repeat in range(2):  # the first time fills caches
        started = time.monotonic()
        for name in names:
            for _ in store.query(_PAPERS_OF.format(name)):  # type: ignore[union-attr]
                pass
    return 1000 * (time.monotonic() - started) / len(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--added", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    print(conditions())
    with tempfile.TemporaryDirectory(prefix="quiver-increments-") as name:
        folder = Path(name)
        library = folder / "library"
        first = write_records(folder / "generated.jsonl.gz", arguments.records)
        seconds, cpu = timed("-m", "quiver.cli", "build", str(library), str(first), "-q")
        release = Library(library).current()
        print(f"build of {arguments.records:,}: {seconds:.1f} s, CPU {cpu:.1f} s; {release.manifest.seconds}")
        print(f"  {release.manifest.quads:,} statements; point query {point_query_ms(release):.2f} ms", flush=True)
        for number in range(arguments.times):
            start = arguments.records + number * arguments.added
            (folder / f"add{number}").mkdir()
            file = write_records(folder / f"add{number}" / "generated.jsonl", arguments.added, number + 1, start)
            took, used = timed("-m", "quiver.cli", "add", str(library), str(file), "-q")
            release = Library(library).current()
            print(
                f"add of {arguments.added:,}: {took:.1f} s, CPU {used:.1f} s; of the build {took / seconds:.3f}"
                f" in time, {used / cpu:.3f} in CPU; {release.manifest.seconds}"
            )
            print(f"  point query {point_query_ms(release):.2f} ms", flush=True)


if __name__ == "__main__":
    main()
