"""Every type of page for everybody: axe-core finds nothing, on a desk and on a phone, light and dark; zoomed, tabbed
through, without motion, on paper. A page is loaded once and looked at in all these ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browsing import app_with_sparql, has_bundle, make_app
from tests.chromium import BROWSER_TESTS, DESKTOP, served
from tests.npm_packages import node_modules
from tests.page_types import PAGE_TYPES

pytestmark = BROWSER_TESTS
# Scheme, width: all rules where the layout is another one, the contrast of colours where only they are.
WAYS: Final = (
    ("light", 1200, None),
    ("dark", 1200, ["color-contrast"]),
    ("dark", 320, None),
    ("light", 320, ["color-contrast"]),
)
# A desk of 1,280 pixels at 200 %.
ZOOMED: Final = 640
# Types of page that axe-core is not asked about, each with its reason; they are looked at in all other ways.
LET_OFF: Final = {
    "paper of many names, all": "3,000 links take it minutes; the page of 50 is made by the same template"
}


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport=DESKTOP, reduced_motion="no-preference")
    # Put in by the browser itself, which no Content-Security-Policy keeps from it.
    context.add_init_script(path=node_modules() / "axe-core/axe.min.js")
    return context


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_a_page_is_for_everybody(page: Page, client: FlaskClient, address: str, kind: str) -> None:
    page.goto(address + PAGE_TYPES[kind].find(client))
    assert set(faults(page, with_axe=kind not in LET_OFF)) == set()


def faults(page: Page, *, with_axe: bool) -> Iterator[str]:
    """What is wrong with the page that is open, in words."""
    # A key was pressed last, so what has the focus shows it.
    page.keyboard.press("Tab")
    yield from (f"focus: nothing shows it on {one}" for one in page.evaluate(UNFOCUSED))
    for scheme, width, rules in WAYS:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        for one in page.evaluate(AXE, rules) if with_axe else ():
            yield f"{one} ({scheme}, {width} px)"
        if (wide := page.evaluate(WIDTH)) > width:
            yield f"width: {wide} px on a screen of {width}"
    page.set_viewport_size({"width": ZOOMED, "height": 450})
    if (wide := page.evaluate(WIDTH)) > ZOOMED:
        yield f"zoom: {wide} px at 200 %"
    page.set_viewport_size(DESKTOP)
    page.emulate_media(reduced_motion="reduce")
    yield from (f"motion: {one}" for one in page.evaluate(MOVING))
    page.emulate_media(media="print", color_scheme="dark")
    yield from (f"print: {one}" for one in page.evaluate(PRINTED))


AXE: Final = """async (rules) => {
  const all = { include: [["html"]], exclude: [["#editor"]] };
  const options = { resultTypes: ["violations"], ...(rules && { runOnly: { type: "rule", values: rules } }) };
  const { violations } = await axe.run(all, options);
  return violations.flatMap(({ id, impact, help, nodes }) =>
    nodes.slice(0, 3).map(({ target }) => `${id} (${impact}): ${help}: ${target.join(" ")}`));
}"""
# Of the page, and of what is cut off at its edge.
WIDTH: Final = "Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)"
# One of each kind: a page may have 3,000 links of the same.
UNFOCUSED: Final = """() => {
  const silent = [], seen = new Set();
  for (const one of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")) {
    const kind = [one, one.parentElement, one.parentElement.parentElement].map((o) => o.tagName + o.className).join();
    if (seen.has(kind) || !one.checkVisibility()) continue;
    seen.add(kind);
    one.focus();
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    if (outlineStyle === "none" || outlineWidth === "0px") silent.push(one.outerHTML.slice(0, 80));
  }
  document.activeElement.blur();
  return silent.slice(0, 3);
}"""
MOVING: Final = """() => {
  const moving = [];
  for (const one of document.querySelectorAll("*")) {
    const { transitionDuration, animationDuration, animationName, scrollBehavior } = getComputedStyle(one);
    const changing = Math.max(...transitionDuration.split(",").map(parseFloat));
    const running = animationName !== "none" ? parseFloat(animationDuration) : 0;
    if (changing > 0.01 || running > 0.01 || scrollBehavior === "smooth") moving.push(one.outerHTML.slice(0, 80));
  }
  return moving.slice(0, 3);
}"""
# On paper: nothing to press, to search with or to go elsewhere by, and dark letters on a light ground.
PRINTED: Final = """() => {
  const shown = [...document.querySelectorAll("nav, .skip, .tools, .pager, .facets, .find, button")]
    .filter((one) => one.checkVisibility()).map((one) => `${one.outerHTML.slice(0, 80)} is printed`);
  const ground = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
  return ground[0] < 200 && (ground[3] ?? 1) > 0 ? [...shown, `the ground is ${ground}`] : shown.slice(0, 3);
}"""


def test_motion_is_what_readers_who_like_it_get(page: Page, address: str) -> None:
    """So that the look for motion above is one that could find some."""
    page.emulate_media(reduced_motion="no-preference")
    page.goto(f"{address}/")
    assert page.evaluate(MOVING) != []


@pytest.mark.parametrize("kind", ["home", "name", "search", "paper"])
def test_tabbing_goes_through_a_page_in_its_order(page: Page, client: FlaskClient, address: str, kind: str) -> None:
    """With the key itself: each stop is further on in the document than the one before, and within reach of the eye."""
    page.goto(address + PAGE_TYPES[kind].find(client))
    order = []
    for _ in range(15):
        page.keyboard.press("Tab")
        order.append(page.evaluate(PLACE))
    places = [place for place, _ in order]
    assert places == sorted(set(places))
    assert all(visible for _, visible in order)


PLACE: Final = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  const visible = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  return [[...document.querySelectorAll("*")].indexOf(one), visible];
}"""


@pytest.mark.skipif(not has_bundle(), reason="the editor is not built in")
def test_the_page_around_the_query_editor_is_for_everybody(page: Page, web_library: Path) -> None:
    """The editor itself is another project's."""
    with app_with_sparql(web_library) as app, served(app) as address:
        page.goto(f"{address}/sparql")
        expect(page.locator("#editor .CodeMirror, #editor .cm-editor").first).to_be_visible()
        assert page.evaluate(AXE, None) == []
