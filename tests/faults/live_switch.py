"""Releases that come and go while a server is asked: no request fails, each answer is of one release, old files go.

    python -m tests.faults.live_switch [--requests 10000] [--clients 6] [--records 6000] [--seed 1]

Clients ask for pages, linked data, searches, queries, named queries and dumps, with GET, HEAD and If-None-Match; slow
ones take a dump over many seconds. Meanwhile a publisher adds, removes, rolls back and builds, and prunes to one
release. Prints what was asked and answered; exit code 1 if a request failed, or if files of old releases stayed.

An answer is right if its status is, if it is as long as it says, if the same tag never stood over two bodies, and if
the release that it tells of (a page's footer, a count of all statements, the checksum of a dump) was a current one
between the request and the answer, or in the seconds before that `release_poll_s` allows.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import random
import re
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from quiver.releases import Library
from tests.benchmarks.generated import write_records
from tests.benchmarks.measuring import conditions
from tests.serving import Server, serving

# Of `release_poll_s`, and of a machine that is busy with a build.
_BEHIND_S: Final = 5.0
_LETTING_GO_S: Final = 60.0
# By then processes that have nothing to do have no file of an old release.
_IDLE_S: Final = 15.0
_SLOW_BYTES: Final = 1 << 14
_SLOW_PAUSE_S: Final = 0.1
_JSON: Final = "application/sparql-results+json"
_COUNT: Final = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o } # %d"
_FOOTER: Final = re.compile(rb'Release <a href="[^"]*">([^<]+)</a>')


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask; `says` is how the answer tells of its release."""

    kind: str
    path: str
    accept: str = "*/*"
    method: str = "GET"
    statuses: frozenset[int] = frozenset((200,))
    says: str = ""
    etag: str = ""
    slow: bool = False


@dataclass(slots=True)
class Timeline:
    """Which releases may have been current when, and what they hold."""

    shelf: Library
    current: str = ""
    since: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    quads: dict[str, int] = field(default_factory=dict)
    dumps: dict[str, str] = field(default_factory=dict)

    def note(self, began: float) -> None:
        """Another release became the current one at some moment since *began*."""
        now = time.monotonic()
        for spans in self.since.values():
            spans[:] = [(start, min(end, now)) for start, end in spans]
        release = self.shelf.current()
        self.quads[release.id] = release.manifest.quads
        assert release.manifest.dump is not None
        self.dumps[release.id] = release.manifest.dump.sha256
        self.since.setdefault(release.id, []).append((began, float("inf")))
        self.current = release.id

    def between(self, start: float, end: float) -> set[str]:
        """The releases that may have been current at a moment from *start* to *end*."""
        return {
            release
            for release, spans in self.since.items()
            if any(began <= end and ended >= start for began, ended in spans)
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """What an answer told of its release; judged when it is known which one was current when."""

    ask: Ask
    started: float
    ended: float
    said: str

    def fault(self, timeline: Timeline) -> str:
        """What is wrong with it; empty if nothing is."""
        allowed = timeline.between(self.started - _BEHIND_S, self.ended)
        if self.ask.says == "count":
            fit = any(str(timeline.quads[release]) == self.said for release in allowed)
            return "" if fit else f"{self.said} statements, as none of {sorted(allowed)} has"
        if self.ask.says == "dump":
            right = timeline.dumps[self.ask.path.split("/")[2]] == self.said
            return "" if right else "the dump is not what its checksum says"
        return "" if self.said in allowed else f"the answer is of release {self.said}, not of {sorted(allowed)}"


class Asking:
    """The clients; `counts` and `faults` by kind and status."""

    def __init__(self, port: int, timeline: Timeline, wanted: int, seed: int) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.faults: defaultdict[str, list[str]] = defaultdict(list)
        self.claims: list[Claim] = []
        self.slowest_s = 0.0
        self._port, self._timeline, self._wanted = port, timeline, wanted
        self._random = random.Random(seed)
        self._number = 0
        self._tags: dict[str, str] = {}
        self._bodies: dict[str, str] = {}
        self._lock = threading.Lock()
        self.publishing = threading.Event()
        self.publishing.set()

    @property
    def asked(self) -> int:
        return sum(self.counts.values())

    def next(self) -> Ask | None:
        """The next request; None when there were enough and the publisher has ended."""
        with self._lock:
            self._number += 1
            if self._number > self._wanted and not self.publishing.is_set():
                return None
            number, rows = self._number, self._random
            key = rows.randrange(500)
            page = f"/paper/main/gen/{key}"
            current = self._timeline.current
            dump = f"/dumps/{current}/quiver-{current}.nq.gz"
            choices = [
                Ask("home", "/", "text/html", says="footer"),
                Ask("page", f"{page}.html", says="footer"),
                Ask("page", f"{page}.html", method="HEAD"),
                Ask("data", f"{page}.ttl"),
                Ask("303", page, "text/turtle", statuses=frozenset((303,))),
                Ask("search", f"/search?q={rows.choice(('wei', 'li+an', 'ma'))}", "text/html", says="footer"),
                Ask("named query", "/queries/release/biggest-venues.json"),
                Ask("guest", f"/paper/guest/gen/{100_000 + key % 50}.html", statuses=frozenset((200, 404, 410))),
                Ask("query", f"/sparql?{urlencode({'query': _COUNT % number})}", _JSON, says="count"),
                Ask("query", f"/sparql?{urlencode({'query': _COUNT % (key % 10)})}", _JSON, says="count"),
                Ask("releases", "/dumps/", "text/html"),
                Ask("dump", dump, method="HEAD"),
                Ask("dump", dump, says="dump"),
                Ask("health", "/health", says="health"),
            ]  # fmt: skip
            chosen = rows.choices(choices, weights=[8, 20, 5, 10, 5, 5, 5, 5, 10, 10, 2, 3, 1, 3])[0]
            if (tag := self._tags.get(chosen.path)) and rows.random() < 0.5 and chosen.method == "GET":
                return replace(chosen, statuses=chosen.statuses | {304}, etag=tag)
            return chosen

    def run(self, slow: bool) -> None:
        """Ask until there is nothing more to ask."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)) as connection:
            while (ask := self.next()) is not None:
                if slow:
                    current = self._timeline.current
                    ask = Ask("slow dump", f"/dumps/{current}/quiver-{current}.nq.gz", says="dump", slow=True)
                if _closed_while_idle(connection):
                    connection.close()
                started = time.monotonic()
                try:
                    status, fault = self._ask(connection, ask)
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    status, fault = type(error).__name__, f"{error}"
                took = time.monotonic() - started
                with self._lock:
                    self.counts[ask.kind, status] += 1
                    self.slowest_s = max(self.slowest_s, 0 if ask.slow else took)
                    if fault:
                        self.faults[f"{ask.kind} {status}"].append(f"{ask.method} {ask.path[:120]}: {fault}")

    def _ask(self, connection: http.client.HTTPConnection, ask: Ask) -> tuple[str, str]:
        started = time.monotonic()
        headers = {"Accept": ask.accept}
        if ask.etag:
            headers["If-None-Match"] = ask.etag
        connection.request(ask.method, ask.path, headers=headers)
        response = connection.getresponse()
        digest = hashlib.sha256()
        body = b""
        # Raises IncompleteRead where the body ends before its length.
        for piece in _pieces(response, ask.slow):
            digest.update(piece)
            body = body + piece if len(body) < 1 << 20 else body
        status = response.status
        if status not in ask.statuses:
            return str(status), body[:200].decode(errors="replace")
        tag = response.getheader("ETag", "")
        if status == 200 and ask.method == "GET" and tag:
            # Everything that a tag may depend on is the same here for the same path, but for Accept.
            known = self._bodies.setdefault(f"{ask.path} {ask.accept} {tag}", digest.hexdigest())
            if known != digest.hexdigest():
                return str(status), f"the tag {tag} stood over another body"
            self._tags[ask.path] = tag
        if status == 200 and ask.says:
            said = _said(ask, body, digest.hexdigest())
            self.claims.append(Claim(ask, started, time.monotonic(), said))
        return str(status), ""


def _closed_while_idle(connection: http.client.HTTPConnection) -> bool:
    """Whether the server, done with its answer, has closed a connection on which nothing came for a while.

    A client at leisure may still read that answer then. No request is lost by it: none is sent (RFC 9112, 9.5).
    """
    return connection.sock is not None and bool(select.select([connection.sock], [], [], 0)[0])


def _pieces(response: http.client.HTTPResponse, slow: bool) -> Iterator[bytes]:
    left = response.length
    while piece := response.read(_SLOW_BYTES if slow else 1 << 16):
        left = None if left is None else left - len(piece)
        yield piece
        if slow:
            time.sleep(_SLOW_PAUSE_S)
    if left:
        raise http.client.IncompleteRead(b"", left)


def _said(ask: Ask, body: bytes, digest: str) -> str:
    """What an answer tells of its release: its id, how many statements it holds, or the checksum of its dump."""
    if ask.says == "footer":
        found = _FOOTER.search(body)
        return found[1].decode() if found else "none"
    if ask.says == "health":
        return str(json.loads(body)["release"])
    if ask.says == "count":
        return str(json.loads(body)["results"]["bindings"][0]["n"]["value"])
    return digest


def quiver(*arguments: str) -> str:
    command = [sys.executable, "-m", "quiver.cli", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class Publisher:
    """Makes releases until there were enough requests, and prunes to one after each."""

    def __init__(self, timeline: Timeline, main: Path, guest: Path) -> None:
        self._timeline, self._library = timeline, str(timeline.shelf.path)
        self._main, self._guest = str(main), str(guest)
        self.removed = self.stayed = 0

    def step(self, number: int) -> None:
        shelf = self._timeline.shelf
        began = time.monotonic()
        if number % 4 == 0:
            quiver("add", self._library, self._guest, "-q")
        elif number % 4 == 1:
            others = [one for one in shelf.ids() if one != shelf.current_id()]
            # The release before: readers may hold it still, else it was pruned.
            if not others:
                return
            quiver("releases", self._library, "--rollback", others[-1])
        elif number % 4 == 2:
            if "guest" not in shelf.current().manifest.sources:
                return
            quiver("remove", self._library, "guest", "-q")
        else:
            quiver("build", self._library, self._main, "-q")
        self._timeline.note(began)
        if number % 4 != 0:
            self.prune()

    def prune(self) -> None:
        said = quiver("releases", self._library, "--keep", "1").splitlines()
        self.removed += sum(line.startswith("removed") for line in said)
        self.stayed += sum("is being read" in line for line in said)


def old_files(server: Server, current: str) -> list[str]:
    """Files of releases other than the current one that a process of the server still has open."""
    found = []
    for process in server.processes():
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                name = str(descriptor.readlink())
            except OSError:
                continue
            if "/releases/" in name and current not in name:
                found.append(f"{process.pid} ({process.name()}): {name}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--slow", type=int, default=2)
    parser.add_argument("--records", type=int, default=6_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(conditions(), flush=True)
    with tempfile.TemporaryDirectory(prefix="quiver-switch-") as name:
        folder = Path(name)
        big = write_records(folder / "main.jsonl", options.records)
        guest = write_records(folder / "guest.jsonl", 100, 2, 100_000)
        shelf = Library(folder / "library")
        began = time.monotonic()
        quiver("build", str(shelf.path), str(big), "-q")
        timeline = Timeline(shelf)
        timeline.note(began)
        faults: list[str] = []
        with serving(shelf.path, folder / "server", keep_releases=0) as server:
            asking = Asking(server.port, timeline, options.requests, options.seed)
            threads = [
                threading.Thread(target=asking.run, args=(number >= options.clients,))
                for number in range(options.clients + options.slow)
            ]
            began = time.monotonic()
            for thread in threads:
                thread.start()
            publisher, steps = Publisher(timeline, big, guest), 0
            try:
                while asking.asked < options.requests or steps < 8:
                    publisher.step(steps)
                    steps += 1
            finally:
                asking.publishing.clear()
                for thread in threads:
                    thread.join()
            took = time.monotonic() - began
            for kind in sorted({kind for kind, _ in asking.counts}):
                line = ", ".join(
                    f"{status}: {n:,}" for (one, status), n in sorted(asking.counts.items()) if one == kind
                )
                print(f"  {kind:14} {line}")
            print(
                f"{asking.asked:,} requests in {took:.0f} s, slowest {asking.slowest_s:.1f} s (dumps at leisure apart)"
            )
            print(
                f"{sum(map(len, timeline.since.values())) - 1} switches; old releases removed {publisher.removed},"
                f" found in use {publisher.stayed} times"
            )
            for claim in asking.claims:
                if fault := claim.fault(timeline):
                    asking.faults[f"{claim.ask.kind} of a release"].append(f"{claim.ask.path}: {fault}")
            failed = sum(map(len, asking.faults.values()))
            for kind, found in asking.faults.items():
                faults.append(f"{kind}: {len(found)} times, {found[0]}")
            end = time.monotonic() + _LETTING_GO_S
            while len(shelf.ids()) > 1 and time.monotonic() < end:
                time.sleep(1)
                publisher.prune()
            if len(shelf.ids()) > 1:
                faults.append(f"nobody asks any more, and {shelf.ids()} are there")
            else:
                print(
                    f"the last old release went {time.monotonic() - end + _LETTING_GO_S:.0f} s after the last request"
                )
            time.sleep(_IDLE_S)
            faults += [f"still open: {one}" for one in old_files(server, shelf.current_id() or "")]
    for fault in faults:
        print(f"  {fault}")
    print(f"{failed} requests failed")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
