"""A real browser for tests: Chromium (Debian's package), an application served to it, and what no page should do."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, ViewportSize, expect, sync_playwright
from werkzeug.serving import make_server
from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHROMIUM = Path(os.environ.get("QUIVER_CHROMIUM", "/usr/bin/chromium"))
# What a file of browser tests is marked with.
BROWSER_TESTS = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM}"),
]
DESKTOP: ViewportSize = {"width": 1200, "height": 900}
PHONE: ViewportSize = {"width": 320, "height": 640}
# A machine under load is slow; what is tested is that it comes.
expect.set_options(timeout=30_000)


@contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    """The address at which *app* answers while this lasts."""
    server = make_server("127.0.0.1", 0, _whole(app), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def launched() -> Iterator[Browser]:
    """Chromium, running while this lasts."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _whole(app: WSGIApplication) -> WSGIApplication:
    """*app*, with each body closed before it is sent: werkzeug's server may not close that of a browser that went."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        body = app(environ, start_response)
        with closing(ClosingIterator(body, getattr(body, "close", None))):
            return list(body)

    return answer


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


@contextmanager
def watching(browser: Browser, address: str, context: BrowserContext | None = None) -> Iterator[Watched]:
    """A page at *address*, in *context* or one for a desk, that is without fault at the end."""
    context = context or browser.new_context(viewport=DESKTOP)
    watched = Watched(context, address)
    yield watched
    context.close()
    assert watched.faults == []


# Runs in the page: text nodes whose colour is too near to that of their ground.
CONTRAST = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const colour = channels(getComputedStyle(n).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest("svg")) continue;
    const [a, b] = [light(channels(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${walker.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return faint;
}"""
