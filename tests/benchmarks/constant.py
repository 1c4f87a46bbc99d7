"""A constant of some size as fast as our server can send it: the same server and settings, an application of one line.

python -m tests.benchmarks.constant PORT BYTES [WORKERS]
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from typing import Final

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels

from quiver.web.wsgi import HttpProtocol, Scope

_BYTES: Final = "BENCH_CONSTANT_BYTES"


class Constant:
    """An RSGI application that answers everything with the same bytes and the header fields of a page."""

    def __init__(self, size: int) -> None:
        self._body = b"x" * size
        self._fields = [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", "default-src 'none'; style-src 'self'; script-src 'self'"),
            ("x-content-type-options", "nosniff"),
            ("vary", "Accept, Accept-Encoding"),
            ("cache-control", "no-cache"),
            ("etag", '"0123456789abcdef01234567"'),
        ]

    async def __rsgi__(self, scope: Scope, protocol: HttpProtocol) -> None:
        protocol.response_bytes(200, self._fields, self._body)


def load() -> Constant:
    return Constant(int(os.environ[_BYTES]))


def main(port: str, size: str, workers: str = "2") -> None:
    os.environ[_BYTES] = size
    multiprocessing.set_start_method("spawn", force=True)
    Granian(
        "tests.benchmarks.constant:load",
        factory=True,
        address="127.0.0.1",
        port=int(port),
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,
        http=HTTPModes.http1,
        websockets=False,
        workers=int(workers),
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
