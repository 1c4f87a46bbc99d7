"""Every figure on a page has its query and its denominator, and is what its query answers: a walk over all page types.

A figure is a number that says how many there are of something, marked up as one of `_MARKS`. The panel around it leads
to the query, whose JSON is asked here and compared; it says of how many, or the figures are wholes themselves. What is
let off stands in a table with its reason, and is checked in another way where it can be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree.ElementTree import Element

import pytest
from flask.testing import FlaskClient

from quiver.catalogue import load_catalogue
from quiver.config import Settings
from quiver.web.panels import DENOMINATORS
from quiver.web.typesetting import WHOLE
from tests.browsing import BASE, Tree, has_class, make_app, words_of
from tests.page_types import PAGE_TYPES, fetch_all

CATALOGUE: Final = load_catalogue()
_NUMERIC: Final = ("integer", "decimal")

# What is a figure in the markup: the words for it, and how it is told.
_MARKS: Final[dict[str, Callable[[Element, Sequence[Element]], bool]]] = {
    "figure of a list": lambda one, above: has_class(one, "figure"),
    "number in a table": lambda one, above: one.tag == "td" and has_class(one, "number"),
    "large figure": lambda one, above: one.tag == "dd" and any(has_class(a, "figures") for a in above),
    "count on a chart": lambda one, above: one.tag == "text" and has_class(one, "count"),
    "count in the margin": lambda one, above: one.tag == "li" and any(has_class(a, "shelfmark") for a in above),
}

# Queries whose figures are not shares of anything -> why.
WHOLES: Final = {
    "release/counts": "each figure is a whole: it is what others are shares of",
    "release/classes": "each figure is a whole: all resources of a class",
    "release/properties": "each figure is a whole: all statements with a property",
    "release/sources": "each figure is a whole: all files and records of a source",
    "source/counts": "each figure is a whole of the source",
    "quality/overview": "each row of the page says of how many",
    "source/files": "sizes, not counts",
    "name/similar": "each figure is all papers of another name",
    "name/side-by-side": "each figure is a whole of its name",
    "name/page-statements": "stated and found are set side by side, each the whole of its page",
    "author/names": "each figure is all papers of a name, not only those of the row",
    "paper/byline": "places on the byline",
    "paper/sources": "numbers of lines in files",
    "paper/listed-by": "facts of a page of a source",
    "quality/stated-counts-differ": "stated and found are set side by side, each the whole of its page",
    "quality/bylines-abridged": "a list of papers with their years",
    "quality/repeated-name-on-byline": "a list of papers; the figure is how often the name is there",
    "quality/numbered-names": "each figure is all papers of a name",
    "quality/papers-without-year": "a list of papers",
    "quality/papers-without-authors": "a list of papers with their years",
}
# Panels whose figures stand in a table of their own making -> the queries whose values and numbers of rows they are.
OWN_TABLES: Final = {
    "account": ("name/page-statements", "name/papers-count", "name/author-rows"),
    "counts": ("release/counts",),
    "checks": ("quality/overview", "release/coverage"),
}
# Panels that add up rows of their query: by year, and in a year by venue.
PAIRS: Final = ("name/years-of-two",)
STACKS: Final = ("name/papers-by-year-and-venue",)
# Pages whose figures are the catalogue's or the release's own, and lead to no query -> why.
LET_OFF: Final = {
    "queries": "counts what the page itself lists, which is the catalogue",
    "vocabulary": "counts what the page itself lists",
    "shapes": "counts what the page itself lists",
    "dumps": "counts what the page itself lists",
    "release": "facts of the manifest, which the page offers as JSON",
    # The answer of a query is not a share of anything that the page could know.
    "query, answered": "the query is the page",
    "query with a chart": "the query is the page",
    "query for a graph": "the query is the page",
}
# Beginning of a path, and what is counted in the margin there -> the query that counts it, or lists it.
MARGINS: Final = {
    ("name", "paper"): "name/papers-count",
    ("name", "author row"): "name/author-rows",
    ("venue", "paper"): "venue/papers-count",
    ("edition", "paper"): "edition/papers-count",
    ("author", "paper"): "author/papers-count",
    ("source", "paper"): "source/papers-count",
}


@dataclass(frozen=True)
class Figure:
    """A figure of a page: its text, what marks it as one, and the panel in which it stands."""

    text: str
    mark: str
    element: Element
    panel: Element | None

    @property
    def number(self) -> float | None:
        """Its value; None for a dash."""
        found = re.search(r"\d[\d,]*(\.\d+)?", self.text)
        return float(found[0].replace(",", "")) if found else None


class Shown:
    """A page with its figures and the ways from its panels to their data."""

    def __init__(self, client: FlaskClient, path: str, text: str) -> None:
        self.client = client
        self.path = path
        self.tree = Tree(text)
        self.figures = list(self._find())
        self._answers: dict[str, list[dict[str, dict[str, str]]]] = {}

    def _find(self) -> Iterator[Figure]:
        for element in self.tree.root.iter():
            above = list(self.tree.ancestors(element))
            for mark, is_one in _MARKS.items():
                if is_one(element, above) and re.search(r"\d", words_of(element)):
                    panel = next((one for one in above if has_class(one, "panel")), None)
                    yield Figure(words_of(element), mark, element, panel)

    def panels(self) -> list[Element]:
        return [one for one in self.tree.root.iter() if has_class(one, "panel")]

    def ways(self, panel: Element) -> list[str]:
        """The paths to which a panel's tools lead."""
        tools = [one for one in panel.iter("p") if has_class(one, "tools")]
        return [urljoin(self.path, link.get("href", "")) for one in tools for link in one.iter("a")]

    def query_of(self, panel: Element) -> str:
        """The name of the query that a panel leads to; empty for none."""
        found = [urlsplit(way).path for way in self.ways(panel)]
        names = (path.removeprefix("/queries/") for path in found if re.fullmatch(r"/queries/[\w/-]+", path))
        return str(next(names, ""))

    def parameters(self, panel: Element) -> str:
        return str(next((urlsplit(way).query for way in self.ways(panel) if way.startswith("/queries/")), ""))

    def answer(self, query: str, parameters: str) -> list[dict[str, dict[str, str]]]:
        """All rows of a query, as its JSON has them."""
        path = f"/queries/{query}.json?{parameters}"
        if CATALOGUE.get(query).paging:
            path += f"&limit={Settings()['page_size_max']}"
        if path not in self._answers:
            response = self.client.get(path)
            assert response.status_code == 200, path
            self._answers[path] = json.loads(response.get_data())["results"]["bindings"]
        return self._answers[path]


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


@pytest.fixture(scope="module")
def pages(client: FlaskClient) -> dict[str, Shown]:
    return {kind: Shown(client, path, text) for kind, (path, text) in fetch_all(client).items()}


def name_of(panel: Element) -> str:
    return panel.get("id", "") or panel.get("class", "")


def denominators(panel: Element) -> list[str]:
    return [words_of(one) for one in panel.iter("p") if has_class(one, "of")]


def numbers(row: Mapping[str, Mapping[str, str]], query: str) -> list[float | None]:
    """The numbers of a row in the order of its columns, but what they are shares of; None where a column has none."""
    columns = [
        column.name
        for column in CATALOGUE.get(query).result_columns
        if column.kind in _NUMERIC and column.name != WHOLE
    ]
    return [float(row[name]["value"]) if name in row else None for name in columns]


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_every_figure_has_its_query_and_its_denominator(pages: dict[str, Shown], kind: str) -> None:
    page = pages[kind]
    for figure in page.figures:
        if kind in LET_OFF or figure.mark == "count in the margin" or page.path.startswith("/search"):
            continue  # see below
        assert figure.panel is not None, figure
        if any(has_class(one, "filters") for one in page.tree.ancestors(figure.element)):
            continue  # see below, too
        query = page.query_of(figure.panel)
        assert query, f"{figure.text} in {name_of(figure.panel)} has no query"
        data = [urlsplit(way).path for way in page.ways(figure.panel)]
        assert {f"/queries/{query}.csv", f"/queries/{query}.json"} <= set(data)
        assert denominators(figure.panel) or query in WHOLES, f"{figure.text} of {query}: of how many?"


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_a_denominator_is_the_number_of_what_it_names(pages: dict[str, Shown], client: FlaskClient, kind: str) -> None:
    page = pages[kind]
    manifest = json.loads(client.get(f"{PAGE_TYPES['release'].find(client)}.json").get_data())["counts"]
    for panel in page.panels():
        for text in denominators(panel):
            if page.path.startswith("/compare"):
                beside = page.answer("name/side-by-side", urlsplit(page.ways(panel)[0]).query)
                wholes = [(row["papers"]["value"], row["name_label"]["value"]) for row in beside]
                assert re.findall(r"([\d,]+) papers? of (.+?)(?= and |\.$)", text) == wholes
                continue
            found = re.fullmatch(r"Of (at least )?([\d,]+) (.+)\.", text)
            assert found is not None, text
            number = int(found[2].replace(",", ""))
            key = next(key for key, words in DENOMINATORS.items() if found[3] in words)
            area = area_of(page.path)
            rows = page.answer(query, page.parameters(panel)) if (query := page.query_of(panel)) else []
            if rows and WHOLE in rows[0]:
                assert number == int(rows[0][WHOLE]["value"]), text
            elif (area, found[3].rstrip("s")) in MARGINS:
                assert number == counted(page, area, found[3].rstrip("s")), text
            else:
                assert number == manifest[key], text


def area_of(path: str) -> str:
    """The area of the catalogue whose queries a page shows."""
    first, _, rest = path.lstrip("/").partition("/")
    return "edition" if first == "venue" and "/" in rest else first


def counted(page: Shown, area: str, what: str) -> int:
    """How many of *what* the thing of the page has, by the query that counts or lists them."""
    query = MARGINS[area, what]
    parameter = CATALOGUE.get(query).parameters[0].name
    subject = unquote(urlsplit(page.path).path.lstrip("/").removesuffix(".html"))
    rows = page.answer(query, f"{parameter}={subject}")
    return int(numbers(rows[0], query)[0] or 0) if query.endswith("-count") else len(rows)


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_counts_in_the_margin_are_those_of_the_query_that_counts(pages: dict[str, Shown], kind: str) -> None:
    page = pages[kind]
    for figure in page.figures:
        found = re.fullmatch(r"(?:at least )?([\d,]+) ([a-z ]+?)s?", figure.text)
        if figure.mark != "count in the margin" or found is None or kind in LET_OFF:
            continue  # a year or an edition is no count
        number = int(found[1].replace(",", ""))
        if page.path.startswith("/search"):
            data = json.loads(page.client.get(page.path.replace("/search", "/search.json")).get_data())
            assert (number, found[2]) == (data["total"], "result")
        else:
            assert number == counted(page, area_of(page.path), found[2]), figure.text


@pytest.mark.parametrize("kind", [kind for kind, page in PAGE_TYPES.items() if page.path.startswith("/search")])
def test_figures_of_facets_are_those_of_the_data(pages: dict[str, Shown], kind: str) -> None:
    """Of how many is said above, in the margin; the data is the page's own other format."""
    page = pages[kind]
    if PAGE_TYPES[kind].status != 200:
        return
    facets = json.loads(page.client.get(page.path.replace("/search", "/search.json")).get_data())["facets"]
    counts = [count for facet in facets.values() for count in facet.values()]
    for figure in page.figures:
        if figure.mark == "figure of a list":
            assert figure.number in counts or figure.number == 0


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_the_figures_of_a_panel_are_the_answer_of_its_query(pages: dict[str, Shown], kind: str) -> None:
    page = pages[kind]
    compared = 0
    for panel in page.panels():
        query = page.query_of(panel)
        if not query or CATALOGUE.get(query).form != "select":
            continue
        rows = page.answer(query, page.parameters(panel))
        if name_of(panel) in OWN_TABLES:
            compared += _compare_own_table(page, panel)
            continue
        if query in STACKS:
            compared += _compare_stack(panel, rows)
            continue
        start, last = _range_of(panel)
        shown = rows[start:]
        entries = [one for one in panel.iter("article") if has_class(one, "entry")]
        tally = next((one for one in panel.iter("ul") if has_class(one, "tally")), None)
        table = next(panel.iter("table"), None)
        charts = [one for one in panel.iter("svg") if has_class(one, "chart")]
        counts = []
        if entries:
            papers = [_iri(page, next(entry.iter("a"))) for entry in entries]
            assert papers == [row["paper"]["value"] for row in shown[: len(papers)]], query
            counts.append(len(papers))
        if tally is not None:
            figures = [_number(words_of(one)) for one in tally.iter("span") if has_class(one, "figure")]
            assert figures == [numbers(row, query)[0] for row in shown[: len(figures)]], query
            counts.append(len(figures))
        if table is not None:
            cells = [
                [_number(words_of(cell)) for cell in row.iter("td") if has_class(cell, "number")]
                for row in next(table.iter("tbody")).iter("tr")
            ]
            assert cells == [numbers(row, query) for row in shown[: len(cells)]], query
            counts.append(len(cells))
        for chart in charts:
            # The first title is the chart's own; each bar's is "2020: 3". Of two names each has its own bars.
            told = [_number(words_of(one).rpartition(": ")[2]) for one in list(chart.iter("title"))[1:]]
            bars = [number for number in told if number]
            columns = [list(column) for column in zip(*(numbers(row, query) for row in rows), strict=True)]
            if query in PAIRS:
                columns = [[number for column in columns[-2:] for number in column]]
            drawn = [sorted(str(number) for number in column if number) for column in columns]
            assert sorted(map(str, bars)) in drawn, query
        # What is not said to go on is all there is.
        if counts and last:
            assert set(counts) == {len(shown)}, query
        compared += sum(counts)
    if kind in ("home", "name", "venue", "statistics", "quality", "source", "paper", "edition", "author row"):
        assert compared > 0


def _compare_stack(panel: Element, rows: Sequence[Mapping[str, Mapping[str, str]]]) -> int:
    """Compare bars and table with the papers of each year, the table's columns and the legend with those of a venue."""
    by_year: dict[str, int] = {}
    by_venue: dict[str, int] = {}
    for row in rows:
        if "year" in row:
            for sums, key in ((by_year, row["year"]["value"]), (by_venue, row.get("venue", {}).get("value", ""))):
                sums[key] = sums.get(key, 0) + int(row["papers"]["value"])
    if len(by_year) < 2:
        return 0
    table, chart = next(panel.iter("table")), next(panel.iter("svg"))
    cells = [[words_of(cell) for cell in row.iter("td")] for row in next(table.iter("tbody")).iter("tr")]
    assert {row[0]: int(row[-1].replace(",", "")) for row in cells} == by_year
    columns = [sum(int(_number(text) or 0) for text in column) for column in list(zip(*cells, strict=True))[1:-1]]
    legend = [int(_number(words_of(one)) or 0) for one in panel.iter("span") if has_class(one, "figure")]
    assert columns == legend
    assert sum(legend) == sum(by_venue.values())
    assert set(legend) <= {*by_venue.values(), sum(by_venue.values()) - sum(legend[:-1])}
    drawn: dict[str, int] = {}
    for title in list(chart.iter("title"))[1:]:
        year, segment, papers = words_of(title).partition(",")
        if not segment:
            continue  # of the whole bar, where that is a link
        drawn[year] = drawn.get(year, 0) + int(_number(papers.rpartition(": ")[2]) or 0)
    assert drawn == by_year
    return len(by_year)


def _compare_own_table(page: Shown, panel: Element) -> int:
    """Compare figures that are not set row by row: each is a value, or the number of rows, of one of the queries."""
    known: set[float | None] = {None}
    for query in OWN_TABLES[name_of(panel)]:
        rows = page.answer(query, page.parameters(panel) if CATALOGUE.get(query).parameters else "")
        known |= {number for row in rows for number in numbers(row, query)} | {len(rows)}
    found = [figure for figure in page.figures if figure.panel is panel]
    assert {figure.number for figure in found} <= known, name_of(panel)
    return len(found)


@pytest.mark.parametrize("kind", [kind for kind in PAGE_TYPES if kind.startswith("name")])
def test_the_figures_of_filters_are_those_of_the_facets(pages: dict[str, Shown], kind: str) -> None:
    """Of how many is said in their first line, and they lead to a query of their own."""
    page = pages[kind]
    for box in (one for one in page.tree.root.iter("div") if has_class(one, "filters")):
        way = urljoin(
            page.path, next(link.get("href", "") for one in box.iter("p") if has_class(one, "tools") for link in one)
        )
        rows = page.answer("name/papers-facets", urlsplit(way).query)
        counts = {
            (row["facet"]["value"], row.get("label", row["value"])["value"]): row for row in rows if "value" in row
        }
        for group in box.iter("details"):
            facet = words_of(next(group.iter("summary"))).removeprefix("by ")
            for item in group.iter("li"):
                label = words_of(next(item.iter("a")))
                figure = next(_number(words_of(one)) for one in item.iter("span") if has_class(one, "figure"))
                assert figure == int(counts[facet, label]["papers"]["value"])
        of = re.findall(r"[\d,]+", words_of(next(box.iter("p"))))
        assert int(of[-1].replace(",", "")) == counted(page, "name", "paper")
        found = next(int(row["papers"]["value"]) for row in rows if row["facet"]["value"] == "papers")
        assert int(of[0].replace(",", "")) == found


def _range_of(panel: Element) -> tuple[int, bool]:
    """The number of rows before those shown, and whether nothing says that there are more."""
    pagers = [one for one in panel.iter("nav") if has_class(one, "pager")]
    more = any(link.get("rel", "").startswith("next") for pager in pagers for link in pager.iter("a"))
    first = next((re.match(r"[\d,]+", words_of(one)) for pager in pagers for one in pager.iter("span")), None)
    head = words_of(next(panel.iter("header"))) if next(panel.iter("header"), None) is not None else ""
    start = int(first[0].replace(",", "")) - 1 if first else 0
    return start, not more and not re.search(r"The first \d+\.", head)


def _number(text: str) -> float | None:
    found = re.search(r"\d[\d,]*(\.\d+)?", text)
    return float(found[0].replace(",", "")) if found else None


def _iri(page: Shown, link: Element) -> str:
    return BASE + unquote(urljoin(page.path, link.get("href", "")).lstrip("/"))


def test_what_is_let_off_is_still_there() -> None:
    """No reason outlives what it was given for."""
    assert {query for query in WHOLES if query not in CATALOGUE} == set()
    assert {query for queries in OWN_TABLES.values() for query in queries if query not in CATALOGUE} == set()
    assert LET_OFF.keys() <= PAGE_TYPES.keys()
