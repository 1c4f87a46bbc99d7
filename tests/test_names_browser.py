"""A real browser on name pages: follow a co-author, narrow the list, open what waits, compare two names."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.chromium import BROWSER_TESTS, DESKTOP, Watched, watching

pytestmark = BROWSER_TESTS
NAME = "/name/andrew_zhao.html"


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    with watching(browser, address, context) as watched:
        yield watched


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A page without scripts."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_follow_a_coauthor_and_come_back(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address + NAME)
    page.locator("#name-coauthors").get_by_role("link", name="Gao Huang", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Gao Huang")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Andrew Zhao")


@pytest.mark.parametrize("scripts", [True, False])
def test_narrow_the_list_and_take_it_back(browser: Browser, address: str, scripts: bool) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(address + NAME)
    papers = page.locator("#name-papers")
    expect(papers.locator(".entry")).to_have_count(9)
    papers.get_by_text("by year", exact=True).click()
    papers.locator("details[open]").get_by_role("link", name="2022").click()
    expect(papers.locator(".entry")).to_have_count(2)
    expect(papers).to_contain_text("2 of 9 papers")
    papers.get_by_text("by venue", exact=True).is_hidden()  # both are of one venue, so there is nothing to choose
    page.go_back()
    expect(papers.locator(".entry")).to_have_count(9)
    page.go_forward()
    papers.get_by_role("link", name="take away the year").click()
    expect(papers.locator(".entry")).to_have_count(9)
    assert page.url == address + NAME + "#name-papers"
    context.close()


def test_a_bar_narrows_the_list(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address + NAME)
    page.get_by_role("link", name="2025: 4").click()
    expect(page.locator("#name-papers .entry")).to_have_count(4)
    expect(page.locator("#name-papers")).to_be_in_viewport()


def test_what_waits_opens_in_its_place(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address + NAME)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/name/" in request.url else None)
    length = page.evaluate("history.length")
    page.get_by_role("link", name="Show network of co-authors").click()
    network = page.locator("#name-network")
    expect(network.locator("svg.network")).to_be_visible()
    expect(network.get_by_role("heading")).to_be_focused()
    assert len(asked) == 1
    assert "only=name-network" in asked[0]
    # The address says what is open; there is no step more to go back.
    assert "open=name-network" in page.url
    assert "only=" not in page.url
    assert page.evaluate("history.length") == length
    # A second one keeps the first, also for who reloads.
    page.get_by_role("link", name="Show author rows by source").click()
    expect(page.locator("#name-author-rows table")).to_be_visible()
    page.reload()
    expect(network.locator("svg.network")).to_be_visible()
    expect(page.locator("#name-author-rows table")).to_be_visible()
    # A node leads to its page, by the keyboard as well; and back is back where it was open.
    network.get_by_role("link", name=re.compile("^Gao Huang")).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Gao Huang")
    page.go_back()
    expect(network.locator("svg.network")).to_be_visible()


def test_what_waits_opens_without_scripts(plain: Page, address: str) -> None:
    plain.goto(address + NAME)
    plain.get_by_role("link", name="Show network of co-authors").click()
    expect(plain.locator("#name-network svg.network")).to_be_visible()
    expect(plain.locator("#name-network")).to_be_in_viewport()
    plain.locator("#name-network").get_by_text("The figures as a table").click()
    expect(plain.locator("#name-network table")).to_be_visible()


def test_a_panel_that_does_not_come_says_so(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.goto(address + NAME)

    def refuse(route: Route) -> None:
        route.fulfill(status=503, body="not now")

    page.route("**/*only=*", refuse)
    page.get_by_role("link", name="Show network of co-authors").click()
    status = page.locator("#name-network [role=status]")
    expect(status).to_contain_text("the service answered 503")
    status.get_by_role("link", name="Open it as a page").click()
    expect(page.locator("#name-network svg.network")).to_be_visible()
    # Nobody there at all.
    page.goto(address + NAME)
    page.unroute("**/*only=*")
    page.route("**/*only=*", lambda route: route.abort())
    page.get_by_role("link", name="Show author rows by source").click()
    expect(page.locator("#name-author-rows [role=status]")).to_contain_text("This did not come")
    context.close()


def test_a_click_for_a_new_tab_is_left_to_the_browser(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address + NAME)
    with watched.context.expect_page() as opened:
        page.get_by_role("link", name="Show network of co-authors").click(modifiers=["Control"])
    expect(opened.value.locator("#name-network svg.network")).to_be_visible()
    expect(page.locator("#name-network svg.network")).to_have_count(0)


def test_ties_stand_out_while_a_name_is_pointed_at(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}{NAME}?open=name-network")
    page.locator("#name-network").get_by_role("link", name=re.compile("^Gao Huang")).hover()
    lit = page.locator(".network .tie.lit")
    expect(lit.first).to_be_attached()
    assert 0 < lit.count() < page.locator(".network .tie").count()
    page.mouse.move(0, 0)
    expect(lit).to_have_count(0)
    page.locator("#name-network").get_by_role("link", name=re.compile("^Rui Lu")).focus()
    expect(lit.first).to_be_attached()


def test_compare_two_names(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address + NAME)
    box = page.get_by_label("Another name", exact=True)
    with page.expect_response("**/suggest?*"):
        box.press_sequentially("gao hu")
    expect(page.locator("#compare-b-names option").first).to_have_attribute("value", "Gao Huang")
    box.fill("gao huang")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Andrew Zhao and Gao Huang")
    assert page.url == f"{address}/compare?a=name%2Fandrew_zhao&b=name%2Fgao_huang"
    expect(page.locator("#name-papers-in-common .entry")).to_have_count(6)
    # From the table of co-authors in one step.
    page.goto(address + NAME)
    page.locator("#name-coauthors tr", has_text="Rui Lu").get_by_role("link", name="compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Andrew Zhao and Rui Lu")


def test_compare_without_scripts(plain: Page, address: str) -> None:
    plain.goto(address + NAME)
    plain.get_by_label("Another name", exact=True).fill("Rui Luu")
    plain.get_by_role("button", name="Compare").click()
    expect(plain.locator("main")).to_contain_text("No byline of this release holds exactly “Rui Luu”.")
    plain.get_by_label("Another name", exact=True).fill("rui lu")
    plain.get_by_role("button", name="Compare").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Andrew Zhao and Rui Lu")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 640, 1200])
def test_pictures_fit_and_labels_do_not_cover_each_other(
    browser: Browser, address: str, width: int, scheme: str
) -> None:
    """As the browser has set them: the layout on the server only knows about how wide letters are."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for path in (f"{NAME}?open=name-network", "/compare?a=name/andrew_zhao&b=name/gao_huang", "/name/pat_many.html"):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(COVERED) == [], path
    context.close()


# Runs in the page: texts of a picture that cover each other, or that stand out of it.
COVERED = """() => {
  const faults = [];
  for (const picture of document.querySelectorAll("main svg.chart, main svg.network")) {
    const frame = picture.getBoundingClientRect();
    const texts = [...picture.querySelectorAll("text")].filter((text) => text.checkVisibility());
    const boxes = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
    for (const [text, box] of boxes) {
      if (box.left < frame.left - 16 || box.right > frame.right + 16) faults.push(`${text} stands out`);
    }
    boxes.forEach(([text, a], place) => {
      for (const [other, b] of boxes.slice(place + 1)) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 3) faults.push(`${text} covers ${other}`);
      }
    });
  }
  return faults;
}"""
