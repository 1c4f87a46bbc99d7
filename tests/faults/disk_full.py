"""A disk that becomes full at any stage: it is said plainly, the old release serves, nothing is left, and with more
room the command succeeds.

    python -m tests.faults.disk_full [--records 20000] [--points 8] [--only add,remove]     (as root: it mounts a tmpfs)

Every command that makes a release runs on a tmpfs: once with room, to see how much it takes at its peak beside the
estimate with which it refuses to begin; then, with that check off, with a share of that. Exit code 1 if one failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quiver.releases import Library, Release, verify
from tests.benchmarks.generated import write_records
from tests.benchmarks.measuring import conditions
from tests.faults.kill_build import debris, faults_of
from tests.faults.kill_increments import identity

_ROOM: Final = 8 << 30
_LOOK_S: Final = 0.01
# Of what is free, so little that every command has to refuse.
_TOO_LITTLE: Final = 256 << 10


class Disk:
    """A tmpfs at *path*, as large as one wants."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    @contextmanager
    def mounted(self, content: Path) -> Iterator[Library]:
        """The disk with a copy of the library *content* on it, and much room."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs", str(self.path)], check=True)
        try:
            shutil.copytree(content, self.path / "library", symlinks=True)
            yield Library(self.path / "library")
        finally:
            # Lazily: a page that was looked at here may have a file of it open still.
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    @property
    def used(self) -> int:
        known = os.statvfs(self.path)
        return (known.f_blocks - known.f_bfree) * known.f_frsize

    def leave(self, free: int) -> None:
        """Have so many bytes free."""
        size = self.used + free
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.path)], check=True)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: exit code, what it said, and what it took of the disk at its peak."""

    code: int
    said: str
    peak: int


def run(disk: Disk, arguments: tuple[str, ...], *, check: bool) -> Ended:
    """Run `quiver` on the disk; with the check of free space, or without."""
    environment = {**os.environ, "QUIVER_DISK_CHECK": "yes" if check else "no", "QUIVER_KEEP_RELEASES": "0"}
    before, peak = disk.used, 0
    ended = threading.Event()

    def look() -> None:
        nonlocal peak
        while not ended.wait(_LOOK_S):
            peak = max(peak, disk.used - before)

    watcher = threading.Thread(target=look)
    watcher.start()
    done = subprocess.run(
        [sys.executable, "-m", "quiver.cli", *arguments], capture_output=True, text=True, check=False, env=environment
    )
    ended.set()
    watcher.join()
    return Ended(done.returncode, (done.stdout + done.stderr).strip(), max(peak, disk.used - before))


def undisturbed(disk: Disk, base: Path, arguments: tuple[str, ...]) -> tuple[int, int, object]:
    """What the command takes at its peak, what it estimates, and what it makes."""
    with disk.mounted(base) as shelf:
        before = set(shelf.ids())
        disk.leave(_TOO_LITTLE)
        refused = run(disk, arguments, check=True)
        stated = re.search(r"about ([\d,]+) MB are needed", refused.said)
        assert refused.code == 1, refused.said
        assert not debris(shelf.path, before)
        disk.leave(_ROOM)
        done = run(disk, arguments, check=False)
        assert done.code == 0, done.said
        estimate = int(stated[1].replace(",", "")) * 1_000_000 if stated else 0
        return done.peak, estimate, identity(shelf.current())


def faults_at(disk: Disk, base: Path, arguments: tuple[str, ...], free: int, expected: object) -> tuple[str, list[str]]:
    """How the command ended with so many bytes free, and everything wrong with that or with what followed."""
    with disk.mounted(base) as shelf:
        before = set(shelf.ids())
        current = shelf.current().id
        disk.leave(free)
        ended = run(disk, arguments, check=False)
        if ended.code == 0:
            return "had room enough", [] if identity(shelf.current()) == expected else ["another release than expected"]
        faults = []
        if "Traceback" in ended.said or "the disk became full" not in ended.said:
            faults.append(f"it says {ended.said!r}")
        faults += [f"left behind: {what}" for what in debris(shelf.path, before)]
        disk.leave(_ROOM)
        faults += faults_of(shelf, current)
        again = run(disk, arguments, check=True)
        if again.code:
            faults.append(f"the next command failed: {again.said[-300:]}")
            return "full", faults
        release: Release = shelf.current()
        faults += verify(release).faults
        if identity(release) != expected:
            faults.append("the release is another than that of an undisturbed command")
        faults += [f"left behind: {what}" for what in debris(shelf.path, {*before, release.id})]
        return "full", faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("only root may mount a tmpfs")
    print(conditions(), flush=True)
    failed = points = 0
    with tempfile.TemporaryDirectory(prefix="quiver-full-") as name:
        folder = Path(name)
        count = options.records
        big = write_records(folder / "big.jsonl", count)
        small = write_records(folder / "small.jsonl", count // 20, 2, count)
        other = write_records(folder / "other.jsonl", count // 20, 3, 2 * count)
        more = write_records(folder / "more.jsonl", count // 2, 4, 3 * count)
        with other.open("a") as file:
            file.write("{}\n")  # a reject, whose list must not stay either
        disk = Disk(folder / "disk")
        library = str(disk.path / "library")
        base = folder / "base"
        command = [sys.executable, "-m", "quiver.cli", "build", str(base), str(big), str(small), "-q"]
        subprocess.run(command, check=True, capture_output=True)
        commands: dict[str, tuple[str, ...]] = {
            "build": ("build", library, str(big), str(other), "-q"),
            "add": ("add", library, str(other), "-q"),
            "add much": ("add", library, str(more), "-q"),
            "remove": ("remove", library, "small", "-q"),
            "remove much": ("remove", library, "big", "-q"),
            "replace": ("replace", library, "small", str(other), "-q"),
            "restore": ("restore", library, str(base / "current" / "parts"), "-q"),
            "rebase": ("rebase", library, "https://kg.example.org/", "-q"),
        }
        for what, arguments in commands.items():
            if options.only and what not in options.only.split(","):
                continue
            peak, estimate, expected = undisturbed(disk, base, arguments)
            stated = f"{estimate / 1e6:.0f} MB, {estimate / peak:.2f} times" if estimate else "none"
            print(f"{what}: {peak / 1e6:.1f} MB at the peak; estimate {stated}", flush=True)
            if estimate < peak:
                failed += 1
                print("  FAILED: it would not have refused")
            for point in range(options.points):
                free = int(peak * (point + 0.5) / options.points)
                how, faults = faults_at(disk, base, arguments, free, expected)
                points += 1
                failed += bool(faults)
                print(f"  {free / 1e6:6.1f} MB free: {how}; {'; '.join(faults) or 'sound'}", flush=True)
    print(f"{points} points, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
