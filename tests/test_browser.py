"""A real browser: the way of a reader through the pages, without scripts, on a phone, and through hostile records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browsing import HOSTILE, make_app
from tests.chromium import CHROMIUM, DESKTOP, Watched, served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM}"),
]
PHONE = {"width": 320, "height": 640}
PAGES = (
    "/",
    "/search?q=learning",
    "/name/andrew_zhao.html",
    "/name/haipeng_zhang_0006.html",
    "/paper/hostile/long.html",
    "/paper/hostile/hostile/0.html",
    "/paper/records/conf/one.html",
    "/venue/neurips.html",
    "/venue/big.html",
    "/source/arrow.html",
    "/page/arrow/andrew_zhao.html",
    "/statistics",
    "/quality",
    "/ontology",
    "/shapes",
    "/dumps/",
)


@pytest.fixture(scope="module")
def address(web_library: Path) -> Iterator[str]:
    with served(make_app(web_library)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    watched = Watched(context, address)
    yield watched
    context.close()
    assert watched.faults == []


def test_from_a_search_to_a_citation(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_role("combobox").fill("andrew zhao")
    page.get_by_role("button", name="Search").click()
    page.locator(".entries").get_by_role("link", name="Andrew Zhao", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Andrew Zhao")
    page.locator("#name-coauthors").get_by_role("link", name="Shenzhi Wang").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Shenzhi Wang")
    page.get_by_role("link", name="Beyond the 80/20 Rule", exact=False).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Beyond the 80/20 Rule")
    with page.expect_download() as download:
        page.get_by_role("link", name="BibTeX file").click()
    entry = Path(download.value.path()).read_text(encoding="utf-8")
    assert entry.startswith("@inproceedings{")
    assert entry.strip() == page.locator("#cite code").inner_text().strip()


def test_abstracts_open_with_the_keyboard(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}/name/andrew_zhao.html")
    summary = page.locator("#name-papers summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#name-papers .abstract").first).to_be_visible()


def test_the_first_tab_skips_to_the_content(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}/name/andrew_zhao.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_facet_narrows_and_can_be_taken_away(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}/search?q=paper")
    before = page.locator(".shelfmark li").inner_text()
    page.get_by_label("Venue", exact=True).get_by_role("link", name="NeurIPS").click()
    assert page.locator(".shelfmark li").inner_text() != before
    page.get_by_label("Venue", exact=True).get_by_role("link", name="NeurIPS").click()
    assert page.locator(".shelfmark li").inner_text() == before


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_records_run_nothing(watched: Watched, address: str, number: int) -> None:
    page = watched.page
    for path in (f"/paper/hostile/hostile/{number}.html", "/search?q=alert", "/"):
        page.goto(address + path, wait_until="networkidle")
    page.goto(f"{address}/paper/hostile/hostile/{number}.html")
    expect(page.get_by_role("heading", level=1)).to_contain_text("alert(" if number else "<script>")


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_phone_or_complains(watched: Watched, address: str, path: str) -> None:
    page = watched.page
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(address + path)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/name/andrew_zhao.html", "/search?q=learning", "/quality"])
def test_text_stands_out_from_its_ground(browser: Browser, address: str, path: str, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) for every piece of text."""
    context = browser.new_context(viewport=DESKTOP, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address + path)
    faint = page.evaluate(CONTRAST)
    context.close()
    assert faint == []


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


def test_everything_works_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/search?q=zero&kind=paper")
    page.get_by_role("link", name="Absolute Zero", exact=False).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Absolute Zero")
    page.get_by_role("link", name="Andrew Zhao").first.click()
    expect(page.locator("#name-papers")).to_contain_text("ExpeL")
    context.close()
