"""The SPARQL editor in a real browser: type, complete, run, follow, share, reload; and the page without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyoxigraph as ox
import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from quiver.namespaces import PREFIXES, term
from tests.browsing import BASE, HOSTILE, NO_BUNDLE, app_with_sparql, has_bundle
from tests.chromium import BROWSER_TESTS, CONTRAST, DESKTOP, Watched, served

PHONE: ViewportSize = {"width": 390, "height": 844}
PREFIX = "/dept/quiver"
PAPERS = (
    "PREFIX q: <https://w3id.org/quiver/ontology#>\nSELECT ?paper WHERE { ?paper a q:Paper } ORDER BY ?paper LIMIT 3"
)

pytestmark = [
    *BROWSER_TESTS,
    pytest.mark.skipif(not has_bundle(), reason=NO_BUNDLE),
]


@pytest.fixture(scope="module")
def app(web_library: Path) -> Iterator[Flask]:
    with app_with_sparql(web_library) as app:
        yield app


@pytest.fixture(scope="module")
def address(app: Flask) -> Iterator[str]:
    """Where the service is, under a path prefix; what lies outside it is not found."""
    with served(DispatcherMiddleware(Flask("nothing"), {PREFIX: app})) as address:
        yield address + PREFIX


class Session(Watched):
    """One reader's browser, which remembers what was asked; a refused query may be told of in the console."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        super().__init__(context, address, allowed="the server responded with a status of 400")
        self.asked: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: str = "/sparql") -> Page:
        self.page.goto(self.address + path)
        expect(self.page.get_by_role("button", name="Run query")).to_be_visible()
        return self.page

    def write(self, query: str) -> None:
        """Type *query* in place of what stands in the editor."""
        self.page.locator(".tabPanel.active .CodeMirror-lines").first.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(query)

    def run(self) -> None:
        self.page.locator(".tabPanel.active").get_by_role("button", name="Run query").click()

    def ends_with(self, text: str) -> None:
        """Wait until what stands in the editor ends with *text*."""
        for _ in range(100):
            if self.text().endswith(text):
                return
            self.page.wait_for_timeout(50)
        assert self.text().endswith(text)

    def text(self) -> str:
        """What stands in the editor."""
        text = self.page.evaluate("quiverEditor.getTab().getQuery()")
        assert isinstance(text, str)
        return text


@pytest.fixture
def session(browser: Browser, address: str) -> Iterator[Session]:
    context = browser.new_context(viewport=DESKTOP)
    session = Session(context, address)
    yield session
    context.close()
    assert session.faults == []


def test_type_run_and_follow_a_link_to_our_page(session: Session) -> None:
    page = session.open()
    expect(page.locator("#plain-form")).to_be_hidden()
    session.write(PAPERS)
    session.run()
    rows = page.locator(".yasr tbody tr")
    expect(rows).to_have_count(3)
    link = rows.first.get_by_role("link")
    path = link.inner_text()
    assert path.startswith("paper/")
    link.click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Query")
    assert urlsplit(page.url).path.startswith(f"{PREFIX}/paper/")


def test_terms_of_the_vocabulary_lead_to_it_and_others_to_their_own_place(session: Session) -> None:
    page = session.open()
    session.write(
        f"SELECT * {{ VALUES (?a ?b ?c) {{ (<{term('q:Paper')}> <{term('dcterms:title')}> <javascript:x>) }} }}"
    )
    session.run()
    links = page.locator(".yasr tbody tr").get_by_role("link")
    expect(links).to_have_count(2)
    assert [link.get_attribute("href") for link in links.all()] == [
        f"{session.address}/ontology#Paper",
        term("dcterms:title"),
    ]
    assert links.last.get_attribute("rel") == "noopener noreferrer"
    expect(page.locator(".yasr tbody")).to_contain_text("javascript:x")


@pytest.mark.parametrize("view", ["Table", "Chart", "Response"])
def test_hostile_values_are_shown_as_they_are_and_run_nothing(session: Session, view: str) -> None:
    page = session.open()
    values = [*HOSTILE, "&lt;b&gt; & <img src=x onerror=alert(8)>"]
    rows = "".join(f"({ox.Literal(text)} {place})" for place, text in enumerate(values))
    session.write(f"SELECT ?text ?n {{ VALUES (?text ?n) {{ {rows} }} }} ORDER BY ?n")
    session.run()
    cells = page.locator(".yasr tbody tr td:nth-child(1)")
    expect(cells).to_have_text(values)
    page.get_by_placeholder("Filter query results").press_sequentially("img")
    page.get_by_label("Simple view").uncheck()
    page.get_by_role("button", name=f"Shows {view} view").click()
    expect(page.locator(".yasr_results")).to_contain_text("onerror=alert(8)")


def test_completion_offers_properties_and_classes_with_their_labels(session: Session) -> None:
    page = session.open()
    session.write("PREFIX q: <https://w3id.org/quiver/ontology#>\nSELECT * WHERE { ?paper ")
    page.keyboard.type("q:hasSig")
    hints = page.locator(".CodeMirror-hint")
    expect(hints.first).to_contain_text("q:hasSignature")
    page.keyboard.press("Enter")
    session.ends_with("?paper q:hasSignature")
    page.keyboard.type(" ?entry . ?paper a q:Pap")
    expect(hints.first).to_contain_text("q:Paper")
    expect(hints.first).to_contain_text("Paper ·")
    page.keyboard.press("Escape")


def test_a_term_is_found_by_a_word_and_its_prefix_is_declared(session: Session) -> None:
    page = session.open()
    session.write("SELECT * WHERE { ?paper ")
    page.keyboard.type("abstractT")
    expect(page.locator(".CodeMirror-hint").first).to_contain_text("q:abstractText")
    page.keyboard.press("Enter")
    page.keyboard.type(" ?text }")
    assert "q:abstractText ?text }" in session.text()
    session.run()
    expect(page.locator(".yasr .yasr_response_chip")).to_contain_text("result")
    assert f"PREFIX q: <{PREFIXES['q']}>" in session.text()


def test_prefixes_are_those_of_the_data_set(session: Session) -> None:
    page = session.open()
    session.write("PREFIX ")
    page.keyboard.type("q")
    expect(page.locator(".CodeMirror-hint")).to_have_text([f"{p}: <{PREFIXES[p]}>" for p in ("q", "qs")])
    page.keyboard.press("Escape")


def test_an_example_opens_in_a_tab_of_its_own_and_runs(session: Session) -> None:
    page = session.open()
    examples = page.get_by_label("Examples", exact=True)
    expect(examples.locator("summary").first).to_have_text("Examples for the editor")
    examples.get_by_text("Venues", exact=True).click()
    examples.get_by_role("button", name="Editions of a venue").click()
    expect(page.get_by_role("tab")).to_have_count(2)
    expect(page.get_by_role("tab", name="Editions of a venue")).to_be_visible()
    assert session.text().startswith("# Editions of a venue\n")
    session.run()
    expect(page.locator(".tabPanel.active .yasr tbody tr").first).to_be_visible()
    examples.get_by_role("button", name="Editions of a venue").click()
    expect(page.get_by_role("tab")).to_have_count(2)


def test_a_shared_link_opens_the_same_query_and_runs_it(session: Session, browser: Browser) -> None:
    page = session.open()
    session.write(PAPERS)
    page.get_by_role("button", name="Share query").click()
    link = page.locator(".yasqe_sharePopup input").input_value()
    assert parse_qs(urlsplit(link).query)["query"] == [PAPERS]
    context = browser.new_context()
    other = Session(context, session.address)
    other.page.goto(link)
    expect(other.page.locator(".yasr tbody tr")).to_have_count(3)
    assert other.text() == PAPERS
    expect(other.page.get_by_role("tab")).to_have_count(1)
    context.close()
    assert other.faults == []


def test_a_long_query_is_shared_behind_the_fragment_and_sent_in_the_body(session: Session) -> None:
    long = f"{PAPERS}\n#{'x' * 3000}"
    page = session.open()
    session.write(long)
    page.get_by_role("button", name="Share query").click()
    link = page.locator(".yasqe_sharePopup input").input_value()
    assert parse_qs(urlsplit(link).fragment)["query"] == [long]
    page.keyboard.press("Escape")
    with page.expect_request(lambda request: request.method == "POST"):
        session.run()
    expect(page.locator(".yasr tbody tr")).to_have_count(3)


def test_a_link_with_a_fragment_is_opened_beside_what_was_there(session: Session) -> None:
    session.open()
    session.write("SELECT (1 AS ?one) {}")
    session.run()
    expect(session.page.locator(".yasr tbody tr")).to_have_count(1)
    page = session.page
    page.goto(f"{session.address}/queries/venue/editions?venue=venue/neurips")
    page.get_by_role("link", name="open in the editor").click()
    expect(page.get_by_role("tab")).to_have_count(2)
    expect(page.locator(".tabPanel.active .yasr tbody tr").first).to_be_visible()
    assert session.text().startswith("# Editions of a venue")


def test_a_reload_keeps_the_query_and_its_answer(session: Session) -> None:
    page = session.open()
    session.write(PAPERS)
    session.run()
    expect(page.locator(".yasr tbody tr")).to_have_count(3)
    session.open()
    assert session.text() == PAPERS
    expect(page.locator(".yasr tbody tr")).to_have_count(3)


def test_an_edited_query_is_no_longer_that_of_the_address(session: Session) -> None:
    page = session.open("/sparql?query=SELECT%20(1%20AS%20%3Fone)%20%7B%7D")
    expect(page.locator(".yasr tbody tr")).to_have_count(1)
    assert "query=" in page.url
    session.write(PAPERS)
    session.run()
    expect(page.locator(".yasr tbody tr")).to_have_count(3)
    expect(page).to_have_url(f"{session.address}/sparql")
    page.reload()
    expect(page.get_by_role("tab")).to_have_count(1)
    assert session.text() == PAPERS


def test_an_error_is_told_with_its_line_and_what_to_do(session: Session) -> None:
    page = session.open()
    session.write("SELECT * WHERE {\n  ?s ?p \n}")
    session.run()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Malformed query")
    alert.get_by_role("button", name="Line 3").click()
    assert page.evaluate("quiverEditor.getTab().getYasqe().getDoc().getCursor().line") == 2
    session.write("SELECT * { SERVICE <https://example.org/sparql> { ?s ?p ?o } }")
    page.evaluate("void quiverEditor.getTab().getYasr().resultsEl.replaceChildren()")
    session.context.set_extra_http_headers({})
    with page.expect_response(lambda response: response.status == 403):
        session.run()
    expect(alert).to_contain_text("SERVICE")
    session.faults = [fault for fault in session.faults if "403" not in fault]


def test_counts_are_drawn_as_bars(session: Session) -> None:
    page = session.open()
    session.run()
    page.get_by_role("button", name="Shows Chart view").click()
    bars = page.locator(".bars tr")
    expect(bars).to_have_count(20)
    expect(bars.first).to_contain_text("Pat Many")
    expect(bars.first).to_contain_text("120")


def test_an_answer_is_downloaded_in_our_formats(session: Session) -> None:
    page = session.open()
    session.write(PAPERS)
    session.run()
    links = page.locator(".downloads")
    expect(links.get_by_role("link")).to_have_text(["JSON", "XML", "CSV", "TSV"])
    with page.expect_download() as download:
        links.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "answer.csv"
    assert Path(download.value.path()).read_text(encoding="utf-8").startswith(f"paper\n{BASE}paper/")


def test_downloads_are_of_the_query_that_ran_also_after_a_reload(session: Session) -> None:
    page = session.open()
    session.write(PAPERS)
    session.run()
    expect(page.locator(".yasr tbody tr")).to_have_count(3)
    session.write("SELECT (1 AS ?other) {}")
    page.get_by_role("button", name="Shows Response view").click()
    link = page.locator(".downloads").get_by_role("link", name="CSV")
    assert parse_qs(urlsplit(link.get_attribute("href") or "").query)["query"] == [PAPERS]
    session.run()
    expect(page.get_by_text("1 result in")).to_be_visible()
    session.open()
    expect(link).to_have_attribute("href", re.compile("other"))


def test_a_graph_is_a_table_of_statements(session: Session) -> None:
    page = session.open()
    session.write(PAPERS.replace("SELECT ?paper", "CONSTRUCT { ?paper a q:Paper }"))
    session.run()
    expect(page.locator(".yasr tbody tr")).to_have_count(3)
    expect(page.locator(".downloads").get_by_role("link").first).to_have_text("Turtle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme)  # type: ignore[arg-type]
    session = Session(context, address)
    page = session.open()
    session.run()
    expect(page.locator(".yasr tbody tr")).to_have_count(20)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    faint = [text for text in page.evaluate(CONTRAST) if "✖" not in text]
    context.close()
    assert faint == []
    assert session.faults == []


def test_without_scripts_the_form_asks(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/sparql")
    page.get_by_role("textbox", name="Query").fill(PAPERS)
    page.get_by_label("Format").select_option("csv")
    with page.expect_download() as download:
        page.get_by_role("button", name="Run").click()
    assert Path(download.value.path()).read_text(encoding="utf-8").count("/paper/") == 3
    context.close()
