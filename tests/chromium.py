"""A real browser for tests: Chromium (Debian's package), an application served to it, and what no page should do."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Dialog, expect
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CHROMIUM = Path(os.environ.get("QUIVER_CHROMIUM", "/usr/bin/chromium"))
DESKTOP = {"width": 1200, "height": 900}
# A machine under load is slow; what is tested is that it comes.
expect.set_options(timeout=30_000)


@contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    """The address at which *app* answers while this lasts."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Watched:
    """A page of its own context, and `faults`: requests to other hosts, dialogs, errors and warnings.

    Console lines that hold *allowed* are no faults.
    """

    def __init__(self, context: BrowserContext, address: str, allowed: str = "") -> None:
        self.address = address
        self.context = context
        self.faults: list[str] = []
        self._allowed = allowed
        host = urlsplit(address).netloc
        context.on("request", lambda request: self._note(urlsplit(request.url).netloc != host, request.url))
        context.on("console", lambda message: self._note(message.type in ("error", "warning"), message.text))
        context.on("dialog", self._dismiss)
        context.on("weberror", lambda error: self._note(True, str(error.error)))
        self.page = context.new_page()

    def _dismiss(self, dialog: Dialog) -> None:
        self._note(True, f"dialog {dialog.message}")
        dialog.dismiss()

    def _note(self, wrong: bool, what: str) -> None:
        if wrong and not (self._allowed and self._allowed in what):
            self.faults.append(what)
