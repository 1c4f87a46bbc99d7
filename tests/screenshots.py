"""Every type of page side by side, to be looked at: at a desk and on a phone, light and dark, a sheet for each.

    python -m tests.screenshots LIBRARY OUT_DIR [--type NAME]... [--height 1400] [--across 5]

LIBRARY is any that has the paths of `tests.page_types` (that which the tests build, or `quiver demo`'s); types that it
has none of are left out and named. Writes `desk-light.png`, `desk-dark.png`, `phone-light.png`, `phone-dark.png`, each
page with its name above it.
"""

from __future__ import annotations

import argparse
import logging
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

from flask.testing import FlaskClient
from playwright.sync_api import Browser

from tests.browsing import make_app
from tests.chromium import launched, served
from tests.page_types import BROWSER, PAGE_TYPES

# Width of a page, and what it is scaled to on the sheet.
WIDTHS: Final = {"desk": (1200, 600), "phone": (360, 300)}
SCHEMES: Final = ("light", "dark")
_GAP: Final = 24


def find_paths(client: FlaskClient, chosen: list[str]) -> dict[str, str]:
    """The path of a page of each type that the library has one of."""
    found = {}
    for kind, page in PAGE_TYPES.items():
        if chosen and kind not in chosen:
            continue
        try:
            path = page.find(client)
        except AssertionError:
            path = ""
        if path and client.get(path, headers=BROWSER).status_code == page.status:
            found[kind] = path
        else:
            print(f"no {kind} in this library")
    return found


def take(browser: Browser, address: str, paths: Mapping[str, str], width: int, scheme: str, height: int) -> list[bytes]:
    """A picture of each page, cut at *height*."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    pictures = []
    for path in paths.values():
        page.goto(address + path, wait_until="networkidle")
        pictures.append(page.screenshot())
    context.close()
    return pictures


def lay_out(browser: Browser, names: list[str], pictures: list[bytes], width: int, across: int) -> bytes:
    """One picture of all, *across* in a row, each as wide as *width* and with its name above."""
    cells = "".join(
        f"<figure><figcaption>{escape(name)}</figcaption>"
        f'<img src="data:image/png;base64,{b64encode(picture).decode()}" width="{width}"></figure>'
        for name, picture in zip(names, pictures, strict=True)
    )
    style = (
        f"body {{ margin: {_GAP}px; background: #888; display: grid; gap: {_GAP}px;"
        f" grid-template-columns: repeat({across}, {width}px); font: 16px sans-serif }} figure {{ margin: 0 }}"
        " img { display: block } figcaption { padding: 2px 0 }"
    )
    page = browser.new_page(viewport={"width": across * (width + _GAP) + _GAP, "height": 100})
    page.set_content(f"<style>{style}</style>{cells}")
    sheet = page.screenshot(full_page=True)
    page.close()
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", action="append", default=[], help="one of the types; all by default")
    parser.add_argument("--height", type=int, default=1400, help="how far down a page is shown")
    parser.add_argument("--across", type=int, default=5, help="pages in a row")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = make_app(options.library)
    paths = find_paths(app.test_client(), options.type)
    with served(app) as address, launched() as browser:
        for device, (width, scaled) in WIDTHS.items():
            for scheme in SCHEMES:
                pictures = take(browser, address, paths, width, scheme, options.height)
                sheet = options.out / f"{device}-{scheme}.png"
                sheet.write_bytes(lay_out(browser, list(paths), pictures, scaled, options.across))
                print(sheet)


if __name__ == "__main__":
    main()
