"""A campaign: requests made from a seed, sent to a server, judged; and what the server holds before and after."""

from __future__ import annotations

import http.client
import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.judging import Answer, faults
from tests.fuzz.requests import HttpRequest, requests
from tests.serving import Server

# Small enough for an attack to reach every limit.
LIMITS = {
    "query_timeout_s": 2,
    "query_memory_bytes": 400_000_000,
    "query_max_rows": 20_000,
    "query_max_bytes": 4_000_000,
    "query_max_length": 100_000,
    "query_queue": 8,
    "web_workers": 1,
    "log_level": "ERROR",
}
CLIENTS = 4
# One request in so many is abandoned by its client.
_ABANDONED = 12


@dataclass(frozen=True)
class Finding:
    """What is wrong with the answer to one request."""

    fault: str
    request: HttpRequest

    def __str__(self) -> str:
        shown = self.request.wire()
        return f"{self.fault}\n    {shown[:600]!r}{'...' if len(shown) > 600 else ''}"


@dataclass
class Report:
    """The figures of a campaign."""

    statuses: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    slowest_s: float = 0.0


@dataclass(frozen=True)
class Holdings:
    """What a server holds: processes, descriptors and threads in all of them, spool files open or named."""

    processes: int
    descriptors: int
    threads: int
    files: tuple[str, ...]


def make_requests(count: int, number: int) -> list[HttpRequest]:
    """*count* different requests, the same for the same seed *number*."""
    made: dict[HttpRequest, None] = {}
    while len(made) < count:
        made |= dict.fromkeys(_generate(count, number))
        number += 1_000_000
    return list(made)[:count]


def _generate(count: int, number: int) -> list[HttpRequest]:
    """About *count* requests; some repeat others."""
    made: list[HttpRequest] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests())
    def collect(request: HttpRequest) -> None:
        made.append(request)

    collect()
    return made


def abandon(port: int, request: HttpRequest) -> Answer:
    """No answer: the client leaves as soon as it has asked."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.wire())
    return Answer()


def send(port: int, request: HttpRequest, patience_s: float) -> Answer:
    """The answer, or how the connection failed; `patience_s` is how long nothing may come."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as connection:
            # It may have answered and closed before it had read all.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request.wire())
            response = http.client.HTTPResponse(connection, method=request.method)
            try:
                response.begin()
                body = response.read()
            finally:
                response.close()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, body)
    except TimeoutError:
        return Answer(fault=f"no answer within {patience_s:g} s")
    except (OSError, http.client.HTTPException) as error:
        return Answer(fault=f"the connection failed: {type(error).__name__} {error}")


def run(server: Server, made: Sequence[HttpRequest], patience_s: float, clients: int = CLIENTS) -> Report:
    """The report on all of *made*, sent by several clients at once; a few of them leave before the answer."""
    report = Report()

    def ask(place: int) -> tuple[Answer, float]:
        if place % _ABANDONED == _ABANDONED - 1:
            return abandon(server.port, made[place]), 0.0
        begun = time.monotonic()
        return send(server.port, made[place], patience_s), time.monotonic() - begun

    with ThreadPoolExecutor(clients) as pool:
        for request, (answer, seconds) in zip(made, pool.map(ask, range(len(made))), strict=True):
            if not answer.status and not answer.fault:
                report.statuses["abandoned"] += 1
                continue
            report.statuses[f"{answer.status} {answer.code}".strip() if answer.status else "closed"] += 1
            report.slowest_s = max(report.slowest_s, seconds)
            report.findings += [Finding(fault, request) for fault in faults(request, answer)]
    return report


def holdings(server: Server) -> Holdings:
    """What *server* holds now."""
    processes = descriptors = threads = 0
    spooled = [str(path) for path in server.temporary.rglob("*") if path.is_file()]
    for one in server.processes():
        try:
            links = list(_descriptors(one))
            threads += one.num_threads()
        except (psutil.NoSuchProcess, FileNotFoundError):
            continue
        processes += 1
        descriptors += len(links)
        spooled += [link for link in links if link.startswith(str(server.temporary)) and link.endswith("(deleted)")]
    return Holdings(processes, descriptors, threads, tuple(sorted(spooled)))


def _descriptors(process: psutil.Process) -> list[str]:
    found = []
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except FileNotFoundError:
            continue
    return found


def leaks(server: Server, before: Holdings, spare: int, patience_s: float = 30.0) -> list[str]:
    """What *server*, come to rest, holds more than *before*; *spare* descriptors may be pooled connections."""
    end = time.monotonic() + patience_s
    while True:
        now = holdings(server)
        found = []
        if now.processes > before.processes:
            found.append(f"{now.processes} processes, {before.processes} before")
        if now.descriptors > before.descriptors + spare:
            found.append(f"{now.descriptors} descriptors, {before.descriptors} before")
        if now.threads > before.threads + spare:
            found.append(f"{now.threads} threads, {before.threads} before")
        if now.files != before.files:
            found.append(f"spool files {now.files}, {before.files} before")
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.2)
