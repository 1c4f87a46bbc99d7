"""A real browser takes each export away, and copies references where it can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from quiver.web.exports import EXPORTS
from tests.browsing import make_app, path_of_title
from tests.chromium import BROWSER_TESTS, DESKTOP, PHONE, Watched, served, watching
from tests.test_paper_page import make_zoo

pytestmark = BROWSER_TESTS
TITLE = "Absolute Zero: Reinforced Self-play Reasoning with Zero Data"


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    context = browser.new_context(viewport=DESKTOP)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    with watching(browser, address, context) as watched:
        yield watched


@pytest.mark.parametrize("extension", EXPORTS)
def test_a_paper_is_taken_away_in_each_format(
    watched: Watched, address: str, web_library: Path, extension: str
) -> None:
    path = path_of_title(web_library, TITLE)
    watched.page.goto(f"{address}/{path}.html")
    with watched.page.expect_download() as download:
        watched.page.get_by_role("link", name=f"{EXPORTS[extension].label} file").click()
    assert download.value.suggested_filename == f"{path.removeprefix('paper/').replace('/', '-')}.{extension}"
    expected = make_app(web_library).test_client().get(f"/{path}.{extension}")
    assert Path(download.value.path()).read_bytes() == expected.data
    assert b"Andrew Zhao" in expected.data


@pytest.mark.parametrize("extension", ["bib", "ris"])
def test_a_list_is_taken_away_from_the_foot_of_its_page(
    watched: Watched, address: str, web_library: Path, extension: str
) -> None:
    watched.page.goto(f"{address}/name/andrew_zhao.html")
    with watched.page.expect_download() as download:
        watched.page.locator("footer").get_by_role("link", name=EXPORTS[extension].label, exact=True).click()
    assert download.value.suggested_filename == f"andrew_zhao.{extension}"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text.count("@" if extension == "bib" else "TY  - ") == 9


def test_references_are_copied_with_the_keyboard(watched: Watched, address: str, web_library: Path) -> None:
    page = watched.page
    page.goto(f"{address}/{path_of_title(web_library, TITLE)}.html")
    for label, source in (("APA reference", "cite-apa"), ("BibTeX entry", "cite-bibtex")):
        button = page.get_by_role("button", name=f"Copy the {label}")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator(f"[data-copy={source}]")).to_contain_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator(f"#{source}").text_content().strip()  # type: ignore[union-attr]
        assert "Andrew Zhao" in copied


def test_a_button_pressed_twice_says_again_what_it_does(watched: Watched, address: str, web_library: Path) -> None:
    page = watched.page
    page.goto(f"{address}/{path_of_title(web_library, TITLE)}.html")
    button = page.locator("[data-copy=cite-apa]")
    button.click()
    expect(button).to_contain_text("Copied")
    button.click()
    expect(button).to_have_text("Copy the APA reference")


def test_the_table_of_other_records_scrolls_by_itself_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    with served(make_app(make_zoo(tmp_path))) as address:
        context = browser.new_context(viewport=PHONE)
        watched = Watched(context, address)
        watched.page.goto(f"{address}/paper/first/deep.html")
        expect(watched.page.locator(".compared .differs").first).to_be_attached()
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        context.close()
    assert watched.faults == []


def test_without_scripts_no_button_promises_to_copy(browser: Browser, address: str, web_library: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{path_of_title(web_library, TITLE)}.html")
    expect(page.locator("#cite-apa")).to_be_visible()
    expect(page.locator("[data-copy]").first).to_be_hidden()
    context.close()
