"""The production server: granian in front, one broker of query workers behind, both ended together."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels

from quiver.config import SETTINGS, Settings, load_settings
from quiver.errors import InvalidSetting, QuiverError
from quiver.evaluation import BrokerHandle, connect, start_broker
from quiver.processes import die_with_parent, end_at_once, keep_what_is_loaded
from quiver.telemetry import logger, start_logging
from quiver.web import SERVED, Served, create_app
from quiver.web.front import Front
from quiver.web.order_process import LIBRARY
from quiver.web.orders import OrderProcess, Orders

_LOG = logger("quiver.web")
# How the web processes, which begin as fresh interpreters, learn what they serve.
_BROKER: Final = "QUIVER_SERVED_BROKER"
_ORDERS: Final = "QUIVER_SERVED_ORDERS"
_SERVER: Final = "QUIVER_SERVED_BY"
_BROKER_CHECK_S: Final = 1.0
_SHUTDOWN_S: Final = 10


class _WebProcess(Front):
    """The application of a process that has nothing else to do: when it has ended, so has the process."""

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__rsgi_del__(loop)
        # Every answer is sent. But the thread in which granian waited for the signal, and which nothing waits for, may
        # still be on its way out of the call that stopped the loop.
        end_at_once()


def load_app() -> Front:
    """The application of one web process, from what `run_server` put into the environment."""
    die_with_parent(int(os.environ[_SERVER]))
    # A terminal sends Ctrl-C to the whole group. The server ends its web processes itself; told twice, they hang.
    os.setpgid(0, 0)
    settings = load_settings()
    start_logging(settings.text("log_level"))
    evaluator = connect(os.environ[_BROKER], settings)
    sockets = os.environ[_ORDERS].split(os.pathsep) if os.environ[_ORDERS] else []
    app = create_app(Path(os.environ[LIBRARY]), settings, evaluator)
    served = app.extensions[SERVED]
    assert isinstance(served, Served)
    served.holder.follow()
    front = _WebProcess(app, os.environ[_BROKER], settings, Orders(sockets) if sockets else None)
    keep_what_is_loaded()
    return front


def run_server(library: Path, settings: Settings) -> None:
    """Serve *library* until SIGINT or SIGTERM; no process is left behind.

    Raises:
        InvalidSetting: the address cannot be bound.
        WorkerLost: the query service did not start.
    """
    _check_address(settings.text("host"), settings.integer("port"))
    for setting in SETTINGS:
        os.environ[setting.variable] = str(settings[setting.name])
    os.environ[LIBRARY] = str(library.resolve())
    os.environ[_SERVER] = str(os.getpid())
    # Each thread's own heap keeps what it once needed: a few shared ones are enough (glibc; read at their start).
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    # A forked process would inherit the engine without the threads that it needs.
    multiprocessing.set_start_method("spawn", force=True)
    with start_broker(settings) as broker:
        os.environ[_BROKER] = str(broker.socket_path)
        workers = range(max(0, settings.integer("order_workers")))
        orders = [OrderProcess(broker.directory / f"orders-{number}") for number in workers]
        os.environ[_ORDERS] = os.pathsep.join(str(process.socket_path) for process in orders)
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(broker, orders, ended), daemon=True)
        watcher.start()
        try:
            Granian(
                "quiver.web.server:load_app",
                factory=True,
                address=settings.text("host"),
                port=settings.integer("port"),
                interface=Interfaces.RSGI,
                loop=Loops.asyncio,
                http=HTTPModes.http1,
                websockets=False,
                workers=max(1, settings.integer("web_workers")),
                respawn_failed_workers=True,
                workers_kill_timeout=_SHUTDOWN_S,
                log_level=LogLevels.warning,
            ).serve()
        finally:
            ended.set()
            watcher.join()
            for process in orders:
                process.stop()


def _check_address(host: str, port: int) -> None:
    """Nothing, where *host* and *port* can be bound: the server would say so with a backtrace.

    Raises:
        InvalidSetting: they cannot.
    """
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:1]:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except (OSError, OverflowError) as error:
        raise InvalidSetting(
            f"cannot serve on {host}, port {port}: {error}", value=(host, port), hint="Choose another with --port."
        ) from error


def _watch(broker: BrokerHandle, orders: Sequence[OrderProcess], ended: threading.Event) -> None:
    """Start the broker, or a process for orders, again where it was lost (killed for memory, say)."""
    while not ended.wait(_BROKER_CHECK_S):
        try:
            if broker.restart_if_lost():
                _LOG.error("the query service was lost and has been started again")
            for process in orders:
                if process.restart_if_lost():
                    _LOG.error("a process for searches was lost and has been started again")
        except (QuiverError, OSError) as error:
            _LOG.error("the query service was lost and does not start, which is tried again: %s", error)
