"""Builds, conversions and a Dask cluster over an S3 server on this machine, beside the same on its disk; its faults.

    python -m tests.faults.object_store FILE [--server PATH/moto_server] [--parts 4] [--points 2]

Needs the extra `cluster` here, and moto's server, best in an environment of its own (s3fs and moto want different
versions of botocore: `python3 -m venv M && M/bin/pip install 'moto[server]'`). All goes through a gate, which counts
bytes and is shut in the middle. Exit code 1 if a result differs from the local one, or a fault is not told in one line.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quiver.releases import Library
from tests.benchmarks.measuring import conditions
from tests.benchmarks.servers import Server, free_port, running
from tests.dask_cluster import cluster
from tests.faults.kill_build import debris

_KEYS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    # By default a request to a server that hangs up is repeated for two minutes.
    "AWS_MAX_ATTEMPTS": "1",
}


class Gate:
    """A port of this machine that leads to another, counts what passes, and can be shut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._left: int | None = None
        self.passed = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def shut_after(self, count: int | None) -> None:
        """Refuse everything when so many more bytes have passed; None opens the gate again."""
        self._left, self.passed = count, 0

    @property
    def shut(self) -> bool:
        return self._left is not None and self.passed >= self._left

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self.shut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._to))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not self.shut and (data := one.recv(1 << 16)):
                self.passed += len(data)
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def moto(command: str, **environment: str) -> AbstractContextManager[Server]:
    """An S3 server that keeps all in memory."""
    port = free_port()
    arguments = [command, "-H", "127.0.0.1", "-p", str(port)]
    return running("moto", arguments, port, "/moto-api/", environment=environment)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and after how long."""

    code: int
    said: str
    seconds: float


def quiver(*arguments: object, **environment: str) -> Ended:
    """Run a command of ours to its end."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "quiver.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    return Ended(done.returncode, (done.stdout + done.stderr).strip(), time.monotonic() - started)


class Run:
    """What is compared, what was found wrong, and where all of it lies."""

    def __init__(self, folder: Path, gate: Gate, store: Any) -> None:
        self.folder, self.gate, self.store = folder, gate, store
        self.failed = 0
        self.passed: dict[str, int] = {}

    def fail(self, what: str) -> None:
        self.failed += 1
        print(f"  FAILED: {what}", flush=True)

    def keys(self, prefix: str) -> list[str]:
        self.store.invalidate_cache()
        return [str(key).removeprefix(f"{prefix}/") for key in self.store.find(prefix)]

    def done(self, name: str, *arguments: object) -> Ended:
        """Run a command that has to succeed, and say how long it took and what passed the gate."""
        self.gate.shut_after(None)
        ended = quiver(*arguments, "-q")
        self.passed[name] = self.gate.passed
        print(f"{name}: {ended.seconds:.1f} s, {self.gate.passed / 1e6:.1f} MB by the gate", flush=True)
        if ended.code:
            self.fail(ended.said)
        return ended

    def told(self, name: str, *arguments: object, says: str = "", **environment: str) -> None:
        """Run a command that has to fail: one line (with a hint perhaps), exit code 1, and nothing left behind."""
        ended = quiver(*arguments, "-q", **environment)
        print(f"{name}: exit code {ended.code} after {ended.seconds:.1f} s: {ended.said}", flush=True)
        # Beside it a hint, or that the scratch could not be removed.
        lines = [line for line in ended.said.splitlines() if not line.startswith("  ") and " WARNING " not in line]
        if ended.code != 1 or len(lines) != 1 or not lines[0].startswith("Error: ") or says not in ended.said:
            self.fail("that is not one line that says so")

    def same_releases(self, one: str, other: str) -> None:
        hashes = [Library(self.folder / name).current().manifest.content_hash for name in (one, other)]
        print(f"  content hashes {' and '.join(hashes)}", flush=True)
        if len(set(hashes)) != 1:
            self.fail("the releases differ")

    def same_files(self, folder: str, prefix: str, *, all_of_them: bool) -> None:
        expected = {path.name: path.read_bytes() for path in (self.folder / folder).iterdir()}
        found = {key: bytes(self.store.cat(f"{prefix}/{key}")) for key in self.keys(prefix)}
        if any(expected.get(key) != data for key, data in found.items()) or (
            all_of_them and len(found) < len(expected)
        ):
            self.fail(f"{prefix} holds {sorted(found)}, and not the same as {folder}: {sorted(expected)}")
        print(f"  {len(found)} of {len(expected)} files, each whole", flush=True)

    def swept(self, library: str) -> None:
        """Nothing is in the scratch, nor half a release in the library."""
        left = self.keys("quiver/scratch")
        if (shelf := Library(self.folder / library)).path.exists():
            left += debris(shelf.path, set(shelf.ids()))
        if left:
            self.fail(f"left behind: {left}")


def split(file: Path, folder: Path, parts: int) -> list[Path]:
    """The lines of a compressed file, dealt out to so many."""
    folder.mkdir()
    paths = [folder / f"part-{number:02}.jsonl.gz" for number in range(parts)]
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(gzip.open(path, "wb", 6)) for path in paths]
        for number, line in enumerate(stack.enter_context(gzip.open(file, "rb"))):
            outputs[number % parts].write(line)
    return paths


def compare(run: Run, local: list[Path], url: str) -> None:
    """The same work from and to the disk, and from and to the store."""
    for where, files in (("disk", local), ("S3", [url])):
        run.done(f"build, {where}", "build", run.folder / f"build-{where}", *files, "--source", "s")
    run.same_releases("build-disk", "build-S3")
    run.done("convert, disk", "convert", *local, "--source", "s", "--output", run.folder / "quads")
    run.done("convert, S3", "convert", url, "--source", "s", "--output", "s3://quiver/quads")
    run.same_files("quads", "quiver/quads", all_of_them=True)
    with cluster([None, None]) as dask:
        executor = ("--source", "s", "--jobs", "4", "--executor", f"dask:{dask.address}", "--scratch")
        run.done("Dask, disk", "build", run.folder / "dask-disk", *local, *executor, run.folder / "scratch")
        run.done("Dask, S3", "build", run.folder / "dask-S3", url, *executor, "s3://quiver/scratch")
        run.same_releases("dask-disk", "dask-S3")
        run.swept("dask-S3")
        for library in ("dask-disk", "dask-S3"):
            print(f"  {library}: {Library(run.folder / library).current().manifest.seconds}", flush=True)


def refuse(run: Run, local: list[Path], closed: str) -> None:
    """What is not there, or not allowed."""
    library = run.folder / "none"
    for name, url, says in (
        ("no bucket", "s3://nowhere/in/part-00.jsonl.gz", "no such bucket"),
        ("no key", "s3://quiver/in/none.jsonl.gz", "no such file"),
        ("no match", "s3://quiver/in/none*.gz", "matches no file"),
        ("a folder", "s3://quiver/in/", "is a folder"),
    ):
        run.told(name, "build", library, url, says=says)
    output = ("convert", local[0], "--output")
    run.told("output to no bucket", *output, "s3://nowhere/quads", says="no such bucket")
    for url in ("s3://quiver/in/part-00.jsonl.gz", "s3://quiver/in/*.gz"):
        run.told("wrong credentials", "build", library, url, says="access is refused", AWS_ENDPOINT_URL=closed)
    run.told("wrong credentials", *output, "s3://quiver/refused", says="access is refused", AWS_ENDPOINT_URL=closed)
    if run.store.exists("nowhere") or run.keys("quiver/refused") or Library(library).ids():
        run.fail("something is there now")


def shut(run: Run, local: list[Path], url: str, points: int) -> None:
    """The server goes away when a share of what passes has passed, and comes back."""
    for point in range(points):
        share = (point + 0.5) / points
        run.gate.shut_after(int(share * sum(path.stat().st_size for path in local)))
        run.told(f"build, gone at {share:.2f}", "build", run.folder / "gone", url, "--source", "s")
        run.gate.shut_after(None)
        run.swept("gone")
        output = f"gone-{point}"
        run.gate.shut_after(int(share * sum(path.stat().st_size for path in (run.folder / "quads").iterdir())))
        run.told(
            f"convert, gone at {share:.2f}", "convert", *local, "--source", "s", "--output", f"s3://quiver/{output}"
        )
        run.gate.shut_after(None)
        run.same_files("quads", f"quiver/{output}", all_of_them=False)
    library = run.folder / "gone-dask"
    with cluster([None, None]) as dask:
        work = ("build", library, url, "--source", "s", "--executor", f"dask:{dask.address}", "--jobs", "4")
        for share in (0.2, 0.7):
            run.gate.shut_after(int(share * run.passed["Dask, S3"]))
            run.told(f"Dask, gone at {share:.2f}", *work, "--scratch", "s3://quiver/scratch")
            run.gate.shut_after(None)
            print(
                f"  {len(run.keys('quiver/scratch'))} files in the scratch, for the next command to remove", flush=True
            )
        run.done("Dask, again", *work, "--scratch", "s3://quiver/scratch")
        run.same_releases("build-disk", "gone-dask")
        run.swept("gone-dask")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--server", default="moto_server")
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--points", type=int, default=2)
    options = parser.parse_args()
    print(conditions(), flush=True)
    import fsspec

    with tempfile.TemporaryDirectory(prefix="quiver-s3-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        port = stack.enter_context(moto(options.server)).port
        # Here nobody may do anything.
        closed = stack.enter_context(moto(options.server, INITIAL_NO_AUTH_ACTION_COUNT="0")).port
        gate = Gate(port)
        os.environ.update(_KEYS, AWS_ENDPOINT_URL=gate.url)
        store = fsspec.filesystem("s3", endpoint_url=f"http://127.0.0.1:{port}")
        store.mkdir("quiver")
        local = split(options.file, folder / "in", options.parts)
        for path in local:
            store.put(str(path), f"quiver/in/{path.name}")
        run = Run(folder, gate, store)
        compare(run, local, "s3://quiver/in/*.jsonl.gz")
        refuse(run, local, f"http://127.0.0.1:{closed}")
        shut(run, local, "s3://quiver/in/*.jsonl.gz", options.points)
        print(f"{run.failed} failed")
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
