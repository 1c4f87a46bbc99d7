"""The SPARQL endpoint on twelve query shapes: against the engine in-process, and against other servers, in one run.

    python -m tests.benchmarks.endpoint LIBRARY [--peers DIR] [--only latency,throughput,rdflib-endpoint,virtuoso]
        [--shape NAME]... [--queries 200] [--budget 8] [--rounds 5] [--seconds 3] [--setting NAME=VALUE]...

LIBRARY is the ACL set (53,189 papers). DIR holds the peers, see `tests.benchmarks.peers`; a peer that is absent is
named and left out. Every request differs from all others, so that no cache answers, except where the line says so.
Prints ratios with their targets and ends with the number of targets missed; the exit code is 0 all the same, for
machines differ.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyoxigraph

from quiver.evaluation import Evaluator
from quiver.releases import Library, Release
from tests.benchmarks import latency
from tests.benchmarks.agreement import disagreements
from tests.benchmarks.load import Connection, Wrk
from tests.benchmarks.measuring import conditions
from tests.benchmarks.peers import Peers
from tests.benchmarks.servers import Server, quiver
from tests.benchmarks.shapes import Shape, Values, choose_shapes
from tests.benchmarks.throughput import Throughput

PARTS: Final = ("latency", "throughput", "rdflib-endpoint", "virtuoso")
_RDFLIB_TARGET: Final = 5.0
_SHARING_S: Final = 300.0


def compare(
    ours: Server,
    peer: Server,
    shapes: Sequence[Shape],
    values: Values,
    *,
    most: int,
    budget_s: float,
    target: float | None,
) -> int:
    """Print the latency of both servers on the same queries, no request twice; the number of targets missed."""
    print(f"\nLatency, one client, ms: {peer.name} against {ours.name}; ratio: how many times faster {ours.name} is")
    print(f"{'shape':20} {'queries':>7} {ours.name:>10} {'cached':>8} {peer.name:>16} {'ratio':>8} {'cached':>8}")
    missed = 0
    for shape in shapes:
        # Other comments than those of the other parts of this run.
        queries = [f"{query} {peer.name}" for query in values.queries(shape, most)]
        try:
            theirs = latency.milliseconds(peer, shape, queries, budget_s)
        except (RuntimeError, OSError) as error:
            print(f"{shape.name:20} {peer.name} fails: {str(error)[:200]}", flush=True)
            continue
        asked = queries[: len(theirs)]
        mine = latency.milliseconds(ours, shape, asked, budget_s=600)
        cached = latency.milliseconds(ours, shape, [asked[-1]] * 5, budget_s=60)
        ratio = statistics.median(theirs) / statistics.median(mine)
        from_cache = statistics.median(theirs) / statistics.median(cached)
        verdict = "" if target is None else f"  {'met' if ratio >= target else 'MISSED'}: at least {target:g}"
        missed += "MISSED" in verdict
        print(
            f"{shape.name:20} {len(asked):7} {statistics.median(mine):10.2f} {statistics.median(cached):8.2f}"
            f" {statistics.median(theirs):16.2f} {ratio:8.2f} {from_cache:8.2f}{verdict}",
            flush=True,
        )
        # What a description holds is each engine's own choice (SPARQL 1.1, 16.4).
        for line in disagreements(ours, peer, shape, asked[:2]) if shape.name != "DESCRIBE" else ():
            print(f"  not equal: {' '.join(line.split())[:300]}")
    return missed


def run(
    library: Path, peers: Peers | None, parts: Sequence[str], shapes: Sequence[Shape], options: argparse.Namespace
) -> int:
    """All parts that can be run; the number of targets missed."""
    release = Library(library).current()
    store = release.open_store()
    values = Values(store)
    present = peers.present() if peers is not None else {}
    print(
        f"{release.manifest.counts['papers']:,} papers, {release.manifest.quads:,} triples; store {release.store_path}"
    )
    missed = 0
    with contextlib.ExitStack() as stack:
        # The machine is small: a query waits for its answer rather than fail, as with the peers.
        settings = dict(setting.partition("=")[::2] for setting in options.setting)
        ours = stack.enter_context(quiver(library, query_timeout_s=300, **settings))
        if settings:
            print(f"quiver with {settings}")
        if "query_shared_bytes" in settings:
            _wait_until_shared(ours)
        if "latency" in parts:
            missed += latency.report(store, ours, shapes, values, most=options.queries, budget_s=options.budget)
        if "throughput" in parts:
            missed += _throughput(release, store, peers, present, ours, shapes, values, options)
        for name, target in (("rdflib-endpoint", _RDFLIB_TARGET), ("virtuoso", None)):
            if name not in parts:
                continue
            if peers is None or not present[name]:
                print(f"\n{name} is absent")
                continue
            start = peers.rdflib_endpoint if name == "rdflib-endpoint" else peers.virtuoso
            with start(release) as peer:
                missed += compare(
                    ours, peer, shapes, values, most=options.queries // 4, budget_s=options.budget, target=target
                )
                if Wrk.is_installed():
                    contest = Throughput(
                        ours, peer, store, values, rounds=2, seconds=options.seconds, target=target or 0.0
                    )
                    missed += contest.report([shape for shape in shapes if shape.is_point])
    return missed


def _wait_until_shared(server: Server) -> None:
    """Until all query workers share the release in memory."""
    with Connection(server.port) as connection:
        connection.get(server.path + "?query=ASK%7B%7D")
    with Evaluator(next(server.folder.glob("quiver-*/broker")), timeout_s=300, max_length=1000) as evaluator:
        started = time.perf_counter()
        while (status := evaluator.status()).sharing < len(status.workers):
            if time.perf_counter() - started > _SHARING_S:
                raise SystemExit("the release is not held in memory: query_shared_bytes is too small")
            time.sleep(0.5)
    print(f"in memory after {time.perf_counter() - started:.0f} s")


def _throughput(
    release: Release,
    store: pyoxigraph.Store,
    peers: Peers | None,
    present: dict[str, bool],
    ours: Server,
    shapes: Sequence[Shape],
    values: Values,
    options: argparse.Namespace,
) -> int:
    if peers is None or not present["oxigraph"] or not Wrk.is_installed():
        print(f"\nno throughput: {'oxigraph' if Wrk.is_installed() else 'wrk'} is absent")
        return 0
    with peers.oxigraph(release) as theirs:
        contest = Throughput(ours, theirs, store, values, rounds=options.rounds, seconds=options.seconds)
        return contest.report(shapes, shapes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--peers", type=Path, help="folder with the peers")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--shape", action="append", default=[], help="one of the shapes; all by default")
    parser.add_argument("--queries", type=int, default=200, help="most queries a shape")
    parser.add_argument("--budget", type=float, default=8.0, help="most seconds a shape, for latency")
    parser.add_argument("--rounds", type=int, default=5, help="windows a server and shape")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a window")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the server")
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}; there is {', '.join(PARTS)}")
    print(conditions())
    print(f"engine {pyoxigraph.__version__}")
    peers = Peers(options.peers) if options.peers else None
    missed = run(options.library, peers, parts, choose_shapes(options.shape), options)
    print(f"\n{missed} targets missed")


if __name__ == "__main__":
    main()
