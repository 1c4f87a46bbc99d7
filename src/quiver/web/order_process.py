"""A process that fills orders (see `orders`): the application, answering on a socket for the service's own processes.

    python -m quiver.web.order_process SOCKET

What it serves is said by the environment, as to a web process.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
import threading
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Final

from flask import Flask

from quiver.config import load_settings
from quiver.errors import QuiverError
from quiver.processes import die_with_parent, give_back_memory, keep_what_is_loaded
from quiver.telemetry import logger, start_logging
from quiver.web import SERVED, Served, create_app
from quiver.web.answers import COUNTED
from quiver.web.orders import Filled, Order
from quiver.web.wsgi import call

_LOG = logger("quiver.web")
# How far this process steps back behind others (nice(2)): a tenth of what a page gets, where both want all.
_NICENESS: Final = 10
# After so long without an order, what the last ones needed is given back.
_IDLE_S: Final = 5.0
# The library that is served; `server` puts it into the environment.
LIBRARY: Final = "QUIVER_SERVED_LIBRARY"


def main(socket_path: str) -> None:
    """Fill orders until the process that started this one ends."""
    die_with_parent(os.getppid())
    os.nice(_NICENESS)
    settings = load_settings()
    start_logging(settings.text("log_level"))
    app = create_app(Path(os.environ[LIBRARY]), settings)
    served = app.extensions[SERVED]
    assert isinstance(served, Served)
    served.holder.follow()
    keep_what_is_loaded()
    idle = Idle()
    threading.Thread(target=idle.watch, daemon=True).start()
    with contextlib.suppress(FileNotFoundError):
        Path(socket_path).unlink()
    with Listener(socket_path, "AF_UNIX", backlog=64) as listener:
        while True:
            connection = listener.accept()
            threading.Thread(target=_converse, args=(connection, app, idle), daemon=True).start()


class Idle:
    """Gives memory back once there is nothing to do: a search or two in a large release takes hundreds of megabytes."""

    def __init__(self) -> None:
        self._filled = threading.Event()

    def note(self) -> None:
        """An order was filled."""
        self._filled.set()

    def watch(self) -> None:
        while self._filled.wait():
            self._filled.clear()
            if not self._filled.wait(_IDLE_S):
                gc.collect()
                give_back_memory()


def _converse(connection: Connection[Filled | None, object], app: Flask, idle: Idle) -> None:
    """Fill the orders of one client, one after the other, until it leaves."""
    with connection:
        while True:
            try:
                order = connection.recv()
                assert isinstance(order, Order)
                connection.send(_fill(app, order))
                idle.note()
            except (OSError, EOFError):
                return
            except Exception:  # noqa: BLE001 - the outermost handler of this thread
                _LOG.exception("an order was not filled")
                return


def _fill(app: Flask, order: Order) -> Filled | None:
    served = app.extensions[SERVED]
    assert isinstance(served, Served)
    with contextlib.suppress(QuiverError):  # what is wrong with the release is for the page to say
        served.holder.catch_up(order.release_id)
    environ = {
        **order.environ,
        "wsgi.version": (1, 0),
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    answer = call(app.wsgi_app, environ)
    if answer.pieces is not None:
        # It is sent at the pace of its reader, who would keep this place as long as that takes.
        answer.close()
        return None
    counted = environ.get(COUNTED)
    area, queries, release_id = counted if isinstance(counted, tuple) else ("other", 0, "")
    return Filled(answer.status, answer.headers, answer.body, release_id, area, queries)


if __name__ == "__main__":
    main(sys.argv[1])
