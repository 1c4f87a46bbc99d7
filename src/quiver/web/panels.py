"""Panels: what a page is made of. A panel is a named query, its answer, and links to the query and its data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from flask import g
from markupsafe import Markup

from quiver.catalogue import Answer, Catalogue, Cell, Column, NamedQuery, evaluate, read_materialised
from quiver.config import Settings
from quiver.namespaces import curie
from quiver.web.charts import bar_chart, fill_years
from quiver.web.graph import Graph
from quiver.web.links import href, path_of, this_page
from quiver.web.papers import PaperEntry, read_entries

# "bars" is a chart above the tally that it draws, "chart" one above a table that opens.
View = Literal["table", "tally", "chart", "bars", "papers", "years", "none"]
Row = Mapping[str, Cell | None]

# A column and the column that says how it reads are shown as one linked cell.
_TITLE: Final = "title"
# Columns whose names say less than they should to a reader.
_HEADINGS: Final = {
    "cluster": "name",
    "row": "author row",
    "bare": "without the number",
    "locator": "place in the file",
    "source_key": "key in the source",
}
_UNGROUPED: Final = ("year", "ordinal")
_BOOLEANS: Final = {"true": "yes", "false": "no"}
_FIGURES: Final = ("integer", "decimal")
# What figures can be shares of: a count of the release or of the page's thing -> the words for one and for several.
DENOMINATORS: Final[dict[str, tuple[str, str]]] = {
    "papers": ("paper", "papers"),
    "signatures": ("byline entry", "byline entries"),
    "name_clusters": ("name", "names"),
    "author_rows": ("author row", "author rows"),
    "venue_series": ("venue", "venues"),
    "venue_editions": ("venue edition", "venue editions"),
    "sources": ("source", "sources"),
}


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One row of a page's table of panels: the query, how its answer is set, and what is said where there is none.

    `of` says what its figures are shares of: a key of `DENOMINATORS`; empty where they are themselves the whole, or
    where nothing is counted. A panel with `on_demand_above` is opened by a link alone where the thing has more papers
    than that.
    """

    query: str
    title: str
    view: View = "table"
    empty: str = ""
    note: str = ""
    limit: int = 0
    paged: bool = False
    on_demand_above: int = 0
    of: str = ""


@dataclass(frozen=True, slots=True)
class ColumnHead:
    label: str
    number: bool


@dataclass(frozen=True, slots=True)
class LinkedText:
    """The text of a cell, and where it leads."""

    text: str
    href: str = ""
    outside: bool = False


@dataclass(frozen=True, slots=True)
class TallyItem:
    label: str
    iri: str
    number: str
    figure: str


@dataclass(frozen=True, slots=True)
class Paging:
    """Links to the pages before and after, and which rows are shown, in words."""

    what: str
    range: str
    previous: str = ""
    next: str = ""


@dataclass(slots=True)
class Panel:
    """A panel as templates set it; only what its `view` needs is filled in."""

    id: str
    title: str
    view: View
    query: str
    parameters: dict[str, str]
    rows: Sequence[Row]
    note: str = ""
    empty: str = ""
    denominator: str = ""
    columns: list[ColumnHead] = field(default_factory=list)
    cells: list[list[LinkedText | None]] = field(default_factory=list)
    tally: list[TallyItem] = field(default_factory=list)
    papers: list[PaperEntry] = field(default_factory=list)
    chart: Markup = field(default_factory=Markup)
    paging: Paging | None = None
    opened_by: str = ""

    @property
    def query_path(self) -> str:
        return f"queries/{self.query}"

    @property
    def by_year(self) -> list[tuple[str, list[PaperEntry]]]:
        """The papers in their order, grouped by year."""
        groups: list[tuple[str, list[PaperEntry]]] = []
        for paper in self.papers:
            year = paper.year or "no year"
            if not groups or groups[-1][0] != year:
                groups.append((year, []))
            groups[-1][1].append(paper)
        return groups


def text_of(row: Row, name: str) -> str:
    """The value of one cell as text, empty where it has none."""
    cell = row.get(name)
    return cell.value if cell is not None else ""


def number_of(row: Row, name: str) -> int | None:
    """The value of one cell as an integer, None where it has none."""
    text = text_of(row, name)
    return int(text) if text.lstrip("-").isdigit() else None


def denominator(of: str, totals: Mapping[str, int], *, at_least: bool = False) -> str:
    """What the figures of a panel are shares of, in words; empty where *of* is.

    >>> denominator("papers", {"papers": 1200}), denominator("papers", {"papers": 1}, at_least=True)
    ('Of 1,200 papers.', 'Of at least 1 paper.')
    """
    if not of:
        return ""
    one, several = DENOMINATORS[of]
    return f"Of {'at least ' if at_least else ''}{totals[of]:,} {one if totals[of] == 1 else several}."


class Panels:
    """Opens panels: runs their queries on a release and makes the answers ready to be set."""

    def __init__(self, catalogue: Catalogue, settings: Settings) -> None:
        self.catalogue = catalogue
        self._page_size = settings.integer("page_size")
        self._materialised: dict[tuple[str, str], Answer] = {}

    def open(
        self,
        graph: Graph,
        spec: PanelSpec,
        subject: str = "",
        page: int = 1,
        values: Mapping[str, str] | None = None,
        totals: Mapping[str, int] | None = None,
    ) -> Panel:
        """The panel of *spec* about *subject* (an IRI or a path), at *page* where the panel is paged.

        *values* are those of the query's other parameters. *totals* are the wholes that figures are shares of, by
        keys of `DENOMINATORS`; those of the release if not given.
        """
        query = self.catalogue.get(spec.query)
        parameters = _parameters(graph, query, subject, values or {})
        limit = spec.limit or self._page_size
        offset = (page - 1) * limit if spec.paged else 0
        found = self._answer(graph, query, parameters, limit + 1, offset).dicts()
        rows = found[:limit] if query.paging or spec.limit else found
        panel = Panel(
            id=spec.query.replace("/", "-"),
            title=spec.title,
            view=spec.view,
            query=spec.query,
            parameters=parameters,
            rows=rows,
            note=spec.note,
            denominator=denominator(spec.of, graph.manifest.counts if totals is None else totals),
        )
        if not rows:
            panel.empty = "There are no more." if page > 1 else spec.empty or "Nothing is stated."
        if spec.paged:
            panel.paging = _paging(spec.title, page, offset, len(rows), len(found) > limit)
        elif len(found) > len(rows):
            panel.note = f"{spec.note} The first {limit}.".strip()
        _set(graph, panel, query.result_columns)
        return panel

    def closed(self, graph: Graph, spec: PanelSpec, subject: str) -> Panel:
        """The panel of *spec* not asked yet: what it would show, and the link that opens it."""
        query = self.catalogue.get(spec.query)
        panel_id = spec.query.replace("/", "-")
        panel = Panel(panel_id, spec.title, spec.view, spec.query, _parameters(graph, query, subject, {}), ())
        panel.opened_by = this_page(open=panel_id, page=None) + f"#{panel_id}"
        panel.note = query.summary
        return panel

    def _answer(
        self, graph: Graph, query: NamedQuery, parameters: Mapping[str, str], limit: int, offset: int
    ) -> Answer:
        started = time.perf_counter()
        answer = self._kept(graph, query) if query.materialise else None
        if answer is None:
            asked = {"limit": limit, "offset": offset} if query.paging else {}
            answer = evaluate(graph.store, graph.ready(query.bind(parameters, graph.base, **asked)))
        g.queries = (*g.get("queries", ()), (query.name, time.perf_counter() - started))
        return answer

    def _kept(self, graph: Graph, query: NamedQuery) -> Answer | None:
        """The answer kept with the release, read once: a release never changes."""
        key = (graph.id, query.name)
        if key not in self._materialised:
            if any(release_id != graph.id for release_id, _ in self._materialised):
                self._materialised = {}
            answer = read_materialised(graph.results_path, query)
            if answer is None:
                return None
            self._materialised[key] = answer
        return self._materialised[key]


def _set(graph: Graph, panel: Panel, columns: Sequence[Column]) -> None:
    """Fill in what the panel's view needs."""
    if panel.view in ("papers", "years"):
        panel.papers = read_entries(graph, [text_of(row, "paper") for row in panel.rows])
    elif panel.view in ("tally", "bars"):
        _set_tally(graph, panel, columns)
        if panel.view == "bars" and len(panel.rows) > 1:
            _set_chart(panel, columns)
    elif panel.view in ("table", "chart"):
        _set_table(graph, panel, columns)
        if panel.view == "chart" and len(panel.rows) > 1:
            _set_chart(panel, columns)
        elif panel.view == "chart":
            panel.view = "table"  # one bar says nothing that its figure does not


def _parameters(graph: Graph, query: NamedQuery, subject: str, values: Mapping[str, str]) -> dict[str, str]:
    """The values for the query's parameters: the first IRI among them is the subject of the page, as a path."""
    parameters = dict(values)
    if subject:
        first = next(parameter.name for parameter in query.parameters if parameter.type == "iri")
        parameters[first] = subject.removeprefix(graph.base)
    return parameters


def _paging(what: str, page: int, offset: int, shown: int, more: bool) -> Paging:
    return Paging(
        what=what,
        range=f"{offset + 1:,} to {offset + shown:,}" + ("" if more or page == 1 else ", the last"),
        previous=this_page(page=page - 1 if page > 2 else None) if page > 1 else "",
        next=this_page(page=page + 1) if more else "",
    )


def _label_column(name: str, columns: Sequence[Column]) -> str:
    """The column that says how the IRIs of column *name* read; empty for none."""
    wanted = _TITLE if name == "paper" else f"{name}_label"
    return wanted if any(column.name == wanted for column in columns) else ""


def _figure(columns: Sequence[Column]) -> str:
    """The column whose numbers a tally or a chart shows: the first count, which is no year."""
    return next((column.name for column in columns if column.kind in _FIGURES), columns[-1].name)


def _set_table(graph: Graph, panel: Panel, columns: Sequence[Column]) -> None:
    hidden = {_label_column(column.name, columns) for column in columns if column.kind == "iri"}
    shown = [column for column in columns if column.name not in hidden]
    panel.columns = [ColumnHead(_heading(column.name), column.kind in _FIGURES) for column in shown]
    unlabelled = {
        cell.value
        for row in panel.rows
        for column in shown
        if (cell := row.get(column.name)) is not None and cell.kind == "iri" and not _label_column(column.name, columns)
    }
    labels = graph.labels(unlabelled)
    panel.cells = [
        [_linked(row.get(one.name), one, text_of(row, _label_column(one.name, columns)), labels) for one in shown]
        for row in panel.rows
    ]


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))


def _linked(cell: Cell | None, column: Column, label: str, labels: Mapping[str, str]) -> LinkedText | None:
    if cell is None:
        return None
    if cell.kind != "iri":
        grouped = column.kind == "integer" and column.name not in _UNGROUPED and cell.value.isdigit()
        return LinkedText(f"{int(cell.value):,}" if grouped else _BOOLEANS.get(cell.value, cell.value))
    text = label or labels.get(cell.value, "") or curie(cell.value) or cell.value
    return LinkedText(text, href(cell.value), path_of(cell.value) is None)


def _set_tally(graph: Graph, panel: Panel, columns: Sequence[Column]) -> None:
    subject = next((column.name for column in columns if column.kind == "iri"), columns[0].name)
    figure = _figure(columns)
    iris = [text_of(row, subject) for row in panel.rows]
    labels = graph.labels(iris)
    numbers = graph.texts(iris, "q:homonymNumber")
    for row, iri in zip(panel.rows, iris, strict=True):
        number = numbers.get(iri, "")
        label = labels.get(iri, iri).removesuffix(f" {number}" if number else "")
        value = number_of(row, figure)
        panel.tally.append(TallyItem(label, iri, number, f"{value:,}" if value is not None else ""))


def _set_chart(panel: Panel, columns: Sequence[Column]) -> None:
    label = next(column.name for column in columns if column.kind != "iri" and not column.name.endswith("_label"))
    figure = _figure([column for column in columns if column.name != label])
    points = [(text_of(row, label), number_of(row, figure) or 0) for row in panel.rows]
    if all(text.isdigit() for text, _ in points):
        points = [(str(year), count) for year, count in fill_years([(int(text), count) for text, count in points])]
    told = ", ".join(f"{text}: {count:,}" for text, count in points if count)
    panel.chart = bar_chart(points, chart_id=f"{panel.id}-chart", title=panel.title, description=told)
