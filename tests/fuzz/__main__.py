"""A long attack on a server of its own: figures by status, and every failure with what reproduces it.

python -m tests.fuzz --requests 10000 [--seed N] [--clients N]
python -m tests.fuzz --replay TEXT
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.browsing import make_library
from tests.fuzz import attacks
from tests.fuzz.campaign import CLIENTS, LIMITS, holdings, leaks, make_requests, run, send
from tests.fuzz.judging import faults
from tests.fuzz.requests import HttpRequest
from tests.serving import Server, serving

_PATIENCE_S = LIMITS["query_timeout_s"] + 2.0  # type: ignore[operator]
_BATCH = 500
_SHOWN = 5


def main() -> int:
    """The exit code: 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--replay", default="")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quiver-fuzz-") as folder:
        library = make_library(Path(folder))
        with serving(library, Path(folder) / "served", **LIMITS) as server:
            found = _replay(server, asked.replay) if asked.replay else _attack(server, asked)
            print(server.log.read_text(errors="replace")[-4000:])
    return 1 if found else 0


def _replay(server: Server, text: str) -> int:
    request = HttpRequest.of_text(text)
    answer = send(server.port, request, _PATIENCE_S)
    print(request.wire().decode("latin-1"), "\n", answer.status, answer.fields, answer.content[:2000], answer.fault)
    found = list(faults(request, answer))
    print(found)
    return len(found)


def _attack(server: Server, asked: argparse.Namespace) -> int:
    run(server, make_requests(60, 0), 30.0, asked.clients)
    before = holdings(server)
    statuses: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    slowest, sent, begun = 0.0, 0, time.monotonic()
    while sent < asked.requests:
        made = make_requests(min(_BATCH, asked.requests - sent), asked.seed + sent // _BATCH)
        report = run(server, made, _PATIENCE_S, asked.clients)
        sent += len(made)
        statuses += report.statuses
        slowest = max(slowest, report.slowest_s)
        for finding in report.findings:
            kinds[finding.fault] += 1
            if kinds[finding.fault] <= _SHOWN:
                print(f"FOUND {finding}\n    --replay {finding.request.to_text()}", flush=True)
        print(f"{sent:,} requests, {time.monotonic() - begun:.0f} s, {len(kinds)} kinds of fault", flush=True)
    for name in attacks.ATTACKS:
        for fault in attacks.attack(server, name):
            kinds[f"{name}: {fault}"] += 1
    for name, hold in attacks.HOLDS.items():
        for fault in hold(server):
            kinds[f"{name}: {fault}"] += 1
    for fault in leaks(server, before, spare=32):
        kinds[f"leak: {fault}"] += 1
    print(f"\n{'requests':>8}  status")
    for status, count in sorted(statuses.items()):
        print(f"{count:8,}  {status}")
    print(f"slowest answer {slowest:.2f} s; before {before}; after {holdings(server)}")
    for fault, count in kinds.most_common():
        print(f"{count:8,}  {fault}")
    print(f"{sum(kinds.values())} faults in {sent:,} requests and {len(attacks.ATTACKS)} raw attacks")
    return sum(kinds.values())


if __name__ == "__main__":
    sys.exit(main())
