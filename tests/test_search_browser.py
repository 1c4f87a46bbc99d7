"""A real browser: the search box with keyboard, mouse and without scripts; facets, slips, identifiers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browsing import make_app
from tests.chromium import BROWSER_TESTS, Watched, served, watching
from tests.searching import make_search_library

pytestmark = BROWSER_TESTS
SCHOLKOPF = "Bernhard Schölkopf"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(make_app(make_search_library(tmp_path_factory.mktemp("searched")))) as address:
        yield address


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    with watching(browser, address) as watched:
        yield watched


def type_in(page: Page, text: str) -> None:
    """Type *text* into the box, and wait for its completions."""
    box = page.get_by_role("combobox")
    box.press_sequentially(text)
    expect(box).to_have_attribute("aria-expanded", "true")


# The box in the head of every page, the one on the front page, and the one of the search itself.
@pytest.mark.parametrize("path", ["/statistics", "/", "/search"])
def test_a_name_is_chosen_with_the_keyboard(watched: Watched, address: str, path: str) -> None:
    page = watched.page
    page.goto(address + path)
    box = page.get_by_role("combobox")
    type_in(page, "schol")
    options = page.get_by_role("option")
    expect(options).to_have_count(2)
    expect(page.get_by_role("group", name="Names")).to_be_visible()
    expect(page.get_by_role("status").first).to_have_text("2 suggestions, use the arrow keys.")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(options.nth(0)).to_have_attribute("aria-selected", "false")
    expect(box).to_have_attribute("aria-activedescendant", str(options.nth(1).get_attribute("id")))
    expect(box).to_be_focused()
    chosen = options.nth(1).locator(".suggestion-label").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(chosen)
    page.go_back()
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_the_keys_of_a_combobox(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    box, options, listbox = page.get_by_role("combobox"), page.get_by_role("option"), page.get_by_role("listbox")
    type_in(page, "a")
    last = options.count() - 1
    assert last > 1
    for key, place in (("ArrowUp", last), ("Home", 0), ("End", last), ("ArrowDown", None), ("ArrowDown", 0)):
        page.keyboard.press(key)
        if place is None:
            assert box.get_attribute("aria-activedescendant") is None, "behind the last comes the box"
        else:
            expect(box).to_have_attribute("aria-activedescendant", str(options.nth(place).get_attribute("id")))
    page.keyboard.press("Escape")
    expect(listbox).to_be_hidden()
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(box).to_have_value("a")
    assert box.get_attribute("aria-activedescendant") is None
    page.keyboard.press("ArrowDown")
    expect(listbox).to_be_visible()
    page.keyboard.press("Tab")
    expect(listbox).to_be_hidden()
    expect(page.get_by_role("button", name="Search")).to_be_focused()
    box.focus()
    page.keyboard.press("Escape")
    expect(box).to_have_value("")


def test_enter_without_a_choice_searches(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    type_in(page, "attention")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}/search?q=attention")
    expect(page.get_by_role("heading", level=2, name="Results 1 to 3 of 3 for “attention”")).to_be_visible()


def test_a_paper_is_chosen_with_the_mouse(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    type_in(page, "kern")
    option = page.get_by_role("option", name="Kernels for attention")
    expect(option.locator("mark")).to_have_text("Kern")
    option.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Kernels for attention")


def test_the_list_closes_when_the_box_is_left(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    type_in(page, "kern")
    page.get_by_role("heading", level=1).click()
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_suggestions_are_text_and_never_markup(watched: Watched, address: str) -> None:
    page = watched.page
    hostile = "<img src=x onerror=alert(1)>"

    def answer(route: Route) -> None:
        one = {"label": hostile, "path": "name/x", "pieces": [[hostile, True]], "papers": 1}
        route.fulfill(json={"q": "x", "groups": [{"kind": "name", "label": hostile, "suggestions": [one]}]})

    page.route("**/suggest.json*", answer)
    page.goto(address)
    type_in(page, "x")
    expect(page.get_by_role("option").locator(".suggestion-label")).to_have_text(hostile)
    assert page.locator("form.find img").count() == 0


def test_an_answer_that_comes_too_late_is_not_shown(watched: Watched, address: str) -> None:
    page = watched.page
    held: list[Route] = []

    def answer(route: Route) -> None:
        if "q=kern" in route.request.url and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/suggest.json*", answer)
    page.goto(address)
    box = page.get_by_role("combobox")
    with page.expect_request("**/suggest.json?q=kern"):
        box.press_sequentially("kern")
    box.fill("")
    type_in(page, "zebr")
    expect(page.get_by_role("option")).to_have_text("Undated zebras")
    held[0].abort()
    expect(page.get_by_role("option")).to_have_text("Undated zebras")


def test_without_an_answer_the_box_is_a_form(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/suggest.json*", lambda route: route.fulfill(status=503))
    page.goto(address)
    page.get_by_role("combobox").press_sequentially("kern")
    page.wait_for_timeout(300)
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}/search?q=kern")
    context.close()


def test_completion_below_a_prefix(browser: Browser, tmp_path: Path) -> None:
    app = make_app(make_search_library(tmp_path), path_prefix="/dept/quiver", trusted_proxies="127.0.0.1")
    with served(app) as address:
        context = browser.new_context(extra_http_headers={"X-Forwarded-For": "192.0.2.1"})
        page = context.new_page()
        page.goto(f"{address}/dept/quiver/statistics")
        type_in(page, "kern")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{address}/dept/quiver/paper/left/P20-1001.html")
        context.close()


def test_facets_narrow_and_filters_are_taken_away(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}/search?q=report")
    page.get_by_label("Kind", exact=True).get_by_role("link", name="Papers").click()
    page.get_by_label("From", exact=True).fill("2001")
    page.get_by_label("to", exact=True).fill("2003")
    page.get_by_role("button", name="Set years").click()
    expect(page).to_have_url(f"{address}/search?q=report&kind=paper&year=2001-2003")
    expect(page.locator(".entries .title")).to_have_count(3)
    chosen = page.get_by_role("list", name="Narrowed to")
    chosen.get_by_role("link", name="Year 2001-2003").click()
    expect(page.locator(".entries .title")).to_have_count(34)
    chosen.get_by_role("link", name="Kind Papers").click()
    expect(chosen).to_have_count(0)
    page.go_back()
    expect(chosen.get_by_role("link", name="Kind Papers")).to_be_visible()


def test_a_slip_is_mended_in_the_open(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_role("combobox").fill("atention")
    page.keyboard.press("Enter")
    said = page.get_by_text("Nothing matches “atention”. Showing results for attention instead.")
    expect(said).to_be_visible()
    said.get_by_role("link", name="attention").click()
    expect(page).to_have_url(f"{address}/search?q=attention")
    expect(said).to_have_count(0)


def test_a_doi_goes_straight(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_role("combobox").fill("https://doi.org/10.1000/one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Kernels for attention")
    page.go_back()
    expect(page).to_have_url(f"{address}/")


def test_search_works_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.get_by_role("searchbox").fill("schölkopf")
    page.keyboard.press("Enter")
    page.get_by_text("How to ask").click()
    expect(page.get_by_text("words side by side", exact=True)).to_be_visible()
    page.get_by_label("Kind", exact=True).get_by_role("link", name="Names").click()
    page.locator(".entries").get_by_role("link", name=SCHOLKOPF, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(SCHOLKOPF)
    context.close()


@pytest.mark.parametrize("width", [320, 1200])
def test_the_list_stays_on_the_page(browser: Browser, address: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 640})
    page = context.new_page()
    page.goto(f"{address}/statistics")
    type_in(page, "a")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.get_by_role("listbox").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["width"] >= 180
    context.close()
