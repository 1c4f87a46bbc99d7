"""A small server: 4 GiB and 2 cores, mixed load for an hour, and all the while builds of the same size beside it.

    python -m tests.faults.small_server LIBRARY [FILE...] [--minutes 60] [--limit-gib 4] [--clients 8] [--no-publish]
        [--setting NAME=VALUE]...

LIBRARY is the whole set (201,217 papers); FILEs are what it was built of, by default the records in the shared data.
Both the server and the builds run inside one memory control group. The builds are published into the library that is
served (a copy by hard links), so that releases are switched under load and old ones removed (`keep_releases` 2); with
`--no-publish` they go to a library beside it. Needs root.

Exit code 1 where the kernel killed a process for memory, serving took 2 GiB or more (PSS of all its processes, sampled
each second), a build failed, or an answer was no documented one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import psutil

from quiver.releases import Library
from tests.benchmarks.measuring import conditions
from tests.benchmarks.servers import quiver, quiver_environment
from tests.faults.cgroup import MemoryGroup, memory_group, on_two_cores
from tests.faults.mixed_load import MixedLoad
from tests.faults.watching import Watch, report_trend

_SERVING_LIMIT_MB: Final = 2 * 2**30 / 1e6
_RECORDS: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "records"


class Builds:
    """Builds of *files* into *library*, one after the other, inside a group; the end of the `with` cuts the last."""

    def __init__(self, library: Path, files: list[Path], group: MemoryGroup) -> None:
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._command = [
            *group.wrapper(),
            *on_two_cores(),
            *(sys.executable, "-m", "quiver.cli", "build", str(library), *map(str, files), "--quiet"),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def members(self) -> list[psutil.Process]:
        """The processes of the build that runs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self._process is not None:
                builder = psutil.Process(self._process.pid)
                return [builder, *builder.children(recursive=True)]
        return []

    def _run(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            with tempfile.TemporaryFile() as output:
                self._process = subprocess.Popen(
                    self._command,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **quiver_environment(), "QUIVER_KEEP_RELEASES": "2"},
                )
                code = self._process.wait()
                if code == 0:
                    self.seconds.append(time.monotonic() - began)
                    print(f"  build {len(self.seconds)}: {self.seconds[-1]:.0f} s", flush=True)
                elif not self._ended.is_set():
                    output.seek(0)
                    self.failures.append(f"a build ended with {code}: {output.read().decode(errors='replace')[-500:]}")
                    print(f"  {self.failures[-1]}", flush=True)
                    self._ended.wait(5)

    def __enter__(self) -> Builds:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        members = self.members()
        for member in reversed(members):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self._thread.join()


def copy_by_links(library: Path, target: Path) -> None:
    """A library of its own over the same files; releases never change in place."""
    subprocess.run(["cp", "-al", str(library), str(target)], check=True)
    # Who locks one must not lock the other.
    (target / ".lock").unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("files", nargs="*", type=Path, default=sorted(_RECORDS.glob("*.jsonl.gz")))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--limit-gib", type=float, default=4.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--no-publish", action="store_true", help="build into a library beside the one served")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the server")
    options = parser.parse_args()
    settings = dict(setting.partition("=")[::2] for setting in options.setting)
    print(conditions())
    faults: list[str] = []
    # Beside the library: hard links reach no other file system.
    with (
        tempfile.TemporaryDirectory(prefix="small-server-", dir=options.library.resolve().parent) as folder,
        memory_group("quiver-small", int(options.limit_gib * 2**30)) as group,
    ):
        served = Path(folder) / "served"
        copy_by_links(options.library, served)
        first = Library(served).current_id()
        built = Path(folder) / "beside" if options.no_publish else served
        how = settings or "as shipped"
        print(f"control groups of version {group.version}, {options.limit_gib:g} GiB; settings: {how}")
        with quiver(served, wrapper=[*group.wrapper(), *on_two_cores()], **settings) as server:
            load = MixedLoad(served, server.port, options.clients)
            builds = Builds(built, options.files, group)
            with Watch(server.members, server.folder) as serving, Watch(builds.members) as building, load, builds:
                anonymous = 0
                ending = time.monotonic() + options.minutes * 60
                while time.monotonic() < ending:
                    time.sleep(1)
                    anonymous = max(anonymous, group.anonymous_bytes)
            load.report()
            print("  serving, sampled each second; memory in MB:")
            grown = report_trend(serving.samples)
            log = server.log.read_text(errors="replace")
            last = Library(served).current_id()
        times = f"{statistics.median(builds.seconds):.0f} s (median)" if builds.seconds else "none"
        print(f"  serving's peak: {serving.peak_mb:,.0f} MB; the builds' peak: {building.peak_mb:,.0f} MB")
        charged = f"{group.peak_bytes / 1e6:,.0f} MB"
        print(f"  the group's peak: {charged}, of it never more than {anonymous / 1e6:,.0f} MB anonymous")
        print(f"  builds done: {len(builds.seconds)}, {times}; failed: {len(builds.failures)}")
        print(f"  processes killed for memory: {group.kills}")
        print(f"  release at the start {first}, at the end {last}")
        print(f"  the server's log has {log.count('Traceback')} tracebacks, and ends:\n{log[-1500:]}")
        faults.extend(builds.failures)
        if not builds.seconds:
            faults.append("no build was done")
        faults.extend(f"{count} x {fault[:100]}" for fault, count in load.faults.items())
        if group.kills:
            faults.append(f"{group.kills} processes were killed for memory")
        if serving.peak_mb >= _SERVING_LIMIT_MB:
            faults.append(f"serving took {serving.peak_mb:,.0f} MB")
        if grown:
            print(f"  (grown: {'; '.join(grown)})")
    print("FAILED: " + "; ".join(faults) if faults else "it fits")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
