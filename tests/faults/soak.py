"""Mixed load for minutes, deadlines firing all the time: nothing grows, and every answer is a documented one.

    python -m tests.faults.soak LIBRARY [--minutes 10] [--clients 8] [--setting NAME=VALUE]...

Samples memory (PSS of all processes), processes, threads, open and temporary files each second. Compares the first
third with the last, after a warm-up of a fifth, and what is held at rest before the load with what is held after it.
Exit code 1 where something has grown beyond `tests.faults.watching.TOLERANCES`, or an answer was no documented one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from tests.benchmarks.load import Connection, target
from tests.benchmarks.measuring import conditions
from tests.benchmarks.servers import Server, quiver, settle
from tests.faults.mixed_load import MixedLoad
from tests.faults.watching import Sample, Watch, look, report_trend

_REST_S: Final = 3.0


def at_rest(server: Server) -> Sample:
    """What the server holds when it has had a moment without requests."""
    settle(server)
    time.sleep(_REST_S)
    return look(server.members(), server.folder, 0.0)


def warm(server: Server) -> None:
    """Make every part of the server start: what is held before the load is then what it needs anyway."""
    with Connection(server.port) as connection:
        for path in ("/", "/search?q=language", target("/sparql", "SELECT ?a { ?a ?b ?c } LIMIT 1")):
            for _ in range(20):
                connection.get(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the server")
    options = parser.parse_args()
    settings = dict(setting.partition("=")[::2] for setting in options.setting)
    print(conditions())
    faults: list[str] = []
    with quiver(options.library, **settings) as server:
        load = MixedLoad(options.library, server.port, options.clients)
        warm(server)
        before = at_rest(server)
        with Watch(server.members, server.folder) as watch, load:
            time.sleep(options.minutes * 60)
        after = at_rest(server)
        how = settings or "as shipped"
        print(f"{options.minutes:g} minutes of mixed load from {options.clients} clients; settings: {how}")
        load.report()
        faults.extend(f"{count} x {fault[:100]}" for fault, count in load.faults.items())
        faults.extend(report_trend(watch.samples))
        print(f"  at rest before: {before}")
        print(f"  at rest after:  {after}")
        if after.processes != before.processes or after.temporary > before.temporary:
            faults.append("left processes or temporary files")
        files = sorted(str(path.relative_to(server.folder)) for path in server.folder.rglob("*"))
        if after.temporary > before.temporary:
            print(f"  temporary files: {files[:20]}")
        log = server.log.read_text(errors="replace")
        print(f"  the log has {log.count('Traceback')} tracebacks" + (f", it ends:\n{log[-1500:]}" if log else ""))
        if "Traceback" in log:
            faults.append("a traceback in the log")
    print("FAILED: " + "; ".join(faults) if faults else "nothing has grown, and all answers are documented ones")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
