"""A real browser: the way of a reader through the pages, at a desk and on a phone, with scripts and without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.browsing import app_with_sparql, has_bundle
from tests.chromium import BROWSER_TESTS, DESKTOP, PHONE, Watched, served, watching

pytestmark = BROWSER_TESTS


@pytest.fixture(scope="module")
def app(web_library: Path) -> Iterator[Flask]:
    with app_with_sparql(web_library) as app:
        yield app


@pytest.fixture(scope="module")
def address(app: Flask) -> Iterator[str]:
    with served(app) as address:
        yield address


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    with watching(browser, address) as watched:
        yield watched


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def asked(page: Page) -> dict[str, list[str]]:
    """What the address of the page asks for."""
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.parametrize(
    ("viewport", "scheme", "scripts"),
    [(DESKTOP, "light", True), (PHONE, "dark", True), (DESKTOP, "dark", False), (PHONE, "light", False)],
    ids=["desk", "phone", "desk without scripts", "phone without scripts"],
)
def test_a_reader_finds_a_way_through(
    browser: Browser, address: str, viewport: ViewportSize, scheme: str, scripts: bool
) -> None:
    """From a search to a paper, a file to take away, a co-author, a comparison, and the query behind what is said."""
    context = browser.new_context(
        viewport=viewport,
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=scripts,
    )
    watched = Watched(context, address)
    page = watched.page
    page.goto(address)
    box = page.locator("main").get_by_role("searchbox").or_(page.locator("main").get_by_role("combobox"))
    box.fill("reinforcement learning")
    page.locator("main").get_by_role("button", name="Search").click()
    total = _total(page)

    year = page.locator(".facets").get_by_label("Year", exact=True).locator("li").first
    label, figure = year.locator("a").inner_text(), year.locator(".figure").inner_text()
    year.locator("a").click()
    assert asked(page)["year"] == [label]
    narrowed = _total(page)
    assert 0 < narrowed == int(figure) < total
    page.go_back()
    assert _total(page) == total
    page.go_forward()
    assert _total(page) == narrowed

    page.goto(f"{address}/search?q=absolute+zero&kind=paper")
    page.locator(".entries .title").get_by_role("link", name="Absolute Zero", exact=False).first.click()
    expect(heading(page)).to_contain_text("Absolute Zero")
    with page.expect_download() as download:
        page.get_by_role("link", name="BibTeX", exact=True).first.click()
    assert Path(download.value.path()).read_text(encoding="utf-8").startswith("@inproceedings{")

    page.locator(".record-head .byline").get_by_role("link", name="Andrew Zhao").click()
    expect(heading(page)).to_have_text("Andrew Zhao")
    coauthors = page.locator("#name-coauthors")
    name = coauthors.locator("tbody a").first.inner_text()
    figure = coauthors.locator("tbody td.number").first.inner_text()
    coauthors.get_by_role("link", name="compare").first.click()
    expect(heading(page)).to_contain_text("Andrew Zhao")
    expect(heading(page)).to_contain_text(name)
    page.go_back()
    coauthors.get_by_role("link", name=name, exact=True).click()
    expect(heading(page)).to_have_text(name)
    page.go_back()
    expect(heading(page)).to_have_text("Andrew Zhao")

    coauthors.get_by_role("link", name="query").first.click()
    expect(heading(page)).to_contain_text("Co-authors")
    row = page.locator("#answer tbody tr").first
    expect(row).to_contain_text(name)
    expect(row.locator("td.number").first).to_have_text(figure)
    page.get_by_role("link", name="open in the editor").click()
    if scripts and has_bundle():
        # A query that comes with the address is run at once; while it runs, the button stops it.
        results = page.locator(".yasr table, .yasr .dataTable").first
        expect(results).to_contain_text(name)
        with page.expect_response(re.compile("/sparql")) as answer:
            page.get_by_role("button", name="Run query").first.click()
        assert answer.value.status == 200
        expect(results).to_contain_text(name)
    else:
        assert "name/andrew_zhao" in page.get_by_label("Query", exact=True).input_value()
        page.get_by_label("Format").select_option("csv")
        with page.expect_response(re.compile("/sparql")) as answer, page.expect_download():
            page.get_by_role("button", name="Run").click()
        assert answer.value.status == 200
    assert watched.faults == []
    context.close()


def _total(page: Page) -> int:
    """How many results there are, as the margin says."""
    text = page.locator(".shelfmark li").first.inner_text()
    return int(re.sub(r"[^0-9]", "", text))


def test_pages_of_a_list_are_in_the_address(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}/name/pat_many.html")
    first = page.locator("#name-papers .entry").first.inner_text()
    page.get_by_role("link", name="Next").click()
    assert asked(page)["page"] == ["2"]
    second = page.locator("#name-papers .entry").first.inner_text()
    assert second != first
    page.reload()
    assert page.locator("#name-papers .entry").first.inner_text() == second
    page.go_back()
    assert page.locator("#name-papers .entry").first.inner_text() == first
    page.go_forward()
    page.get_by_role("link", name="Previous").click()
    # The first page has one address.
    assert "page" not in asked(page)
    assert page.locator("#name-papers .entry").first.inner_text() == first


def test_abstracts_open_with_the_keyboard(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}/name/andrew_zhao.html")
    summary = page.locator("#name-papers .entry summary").first
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
