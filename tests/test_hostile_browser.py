"""Records that mean no good in a real browser: no dialog, no error, nothing blocked, no request to another host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browsing import make_app
from tests.chromium import BROWSER_TESTS, DESKTOP, PHONE, Watched, served
from tests.hostile import REJECTED, SOURCE, TEXTS, TOGETHER, make_hostile_library, paths_of

pytestmark = BROWSER_TESTS
# Elements and attributes that pages have none of, so that one that is there was made by a record.
_PLANTED: Final = r"""() => [
  ...document.querySelectorAll(
    "script:not([src], [type='application/ld+json']), style, iframe, object, embed, base, img, picture, [style], " +
    "[srcdoc], meta[http-equiv], form:not([action]), [formaction], [autofocus]"
  ),
  ...[...document.querySelectorAll("link, script, form")].filter((one) =>
    /^[^/]*\/\/evil[.]example/.test(one.href ?? one.src ?? one.action)),
].map((one) => one.outerHTML.slice(0, 100))"""
_TURNED: Final = """() => {
  const links = [...document.querySelectorAll(".record-head .byline a")].map((one) => one.getBoundingClientRect());
  return links.slice(1).filter((box, n) => box.top === links[n].top && box.left < links[n].left).length;
}"""
# A letter with hundreds of marks is cut off, so this is not of what is in the page.
_WIDTH: Final = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hostile_library(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def address(library: Path) -> Iterator[str]:
    with served(make_app(library)) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    return browser.new_context(viewport=PHONE)


@pytest.fixture(scope="module")
def watched(context: BrowserContext, address: str) -> Watched:
    return Watched(context, address)


def look(watched: Watched, path: str) -> None:
    """Load the page, and find nothing wrong with it; what the policy blocks is an error on the console."""
    page = watched.page
    answer = page.goto(watched.address + path)
    assert answer is not None
    assert answer.status == 200, path
    title = page.title()
    assert page.evaluate(_PLANTED) == [], path
    assert page.evaluate(_WIDTH) <= PHONE["width"], path
    assert page.locator("h1").count() == 1
    # Whatever takes the focus or the pointer sets nothing off.
    page.mouse.move(160, 320)
    page.keyboard.press("Tab")
    assert page.title() == title
    assert watched.faults == [], path


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in REJECTED])
def test_a_text_stays_a_text(watched: Watched, library: Path, name: str) -> None:
    for path in paths_of(library, name).values():
        look(watched, path)


@pytest.mark.parametrize("path", TOGETHER)
def test_many_texts_stay_texts(watched: Watched, path: str) -> None:
    look(watched, path)


def test_a_page_that_would_do_harm_is_seen_to(watched: Watched, address: str) -> None:
    """So that silence above says something."""
    other = Watched(watched.context, address)
    other.page.goto(f"{address}/")
    other.page.evaluate("document.body.innerHTML = '<img src=x onerror=alert(1)><iframe src=https://evil.example/>'")
    other.page.wait_for_timeout(200)
    assert other.page.evaluate(_PLANTED) != []
    assert any("evil.example" in fault for fault in other.faults)
    assert any("Content Security Policy" in fault for fault in other.faults)
    other.page.close()
    watched.faults.clear()


def test_a_name_in_another_direction_turns_none_around_after_it(watched: Watched, address: str) -> None:
    """What a name's characters say of direction ends with the name."""
    watched.page.set_viewport_size(DESKTOP)
    watched.page.goto(f"{address}/paper/{SOURCE}/all.html")
    turned = watched.page.evaluate(_TURNED)
    watched.page.set_viewport_size(PHONE)
    assert turned == 0
