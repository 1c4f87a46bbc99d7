"""Panels as templates set them: the answer of a query made into a table, a tally, a chart, or entries of papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from markupsafe import Markup

from quiver.catalogue import Cell, Column
from quiver.namespaces import curie
from quiver.web.charts import Share, bar_chart, fill_years, fold_tail, percent, share_chart, stacked_chart, swatch
from quiver.web.filters import Filters
from quiver.web.graph import Graph
from quiver.web.links import href, path_of, this_page
from quiver.web.network import Node, draw_network, strongest
from quiver.web.network_layout import Tie
from quiver.web.papers import PaperEntry, read_entries
from quiver.web.stacks import read_stack

# "bars" is a chart above the tally that it draws; "chart", "stacked" and "shares" are above a table that opens;
# "figures" are a few big numbers.
View = Literal["table", "tally", "figures", "chart", "bars", "stacked", "shares", "network", "papers", "years", "none"]
Row = Mapping[str, Cell | None]

# A column and the column that says how it reads are shown as one linked cell.
_TITLE: Final = "title"
# Columns whose names say less than they should to a reader.
_HEADINGS: Final = {
    "cluster": "name",
    "row": "author row",
    "bare": "without the number",
    "coauthor": "co-author",
    "new_percent": "new, %",
    "percent": "share, %",
    "sha256": "SHA-256",
    "source_key": "key in the source",
    "locator": "place in the file",
}
_UNGROUPED: Final = ("year", "first_year", "last_year", "ordinal")
# Columns whose numbers are years: one after the other in a chart, whatever lies between.
_YEARS: Final = ("year", "edition_key")
_BOOLEANS: Final = {"true": "yes", "false": "no"}
_FIGURES: Final = ("integer", "decimal")
# A column that says of how many the figures of its row are; it is the panel's denominator and not set.
WHOLE: Final = "whole"
# Of an answer that is drawn as shares so many rows are drawn; the table has all.
_SHARES_DRAWN: Final = 10


@dataclass(slots=True)
class ColumnHead:
    label: str
    number: bool


class LinkedText(NamedTuple):
    """The text of a cell, and where it leads; `number` is a homonym number that stands behind it."""

    text: str
    href: str = ""
    outside: bool = False
    number: str = ""
    follow: bool = True


@dataclass(frozen=True, slots=True)
class TallyItem:
    label: str
    iri: str
    number: str
    figure: str


@dataclass(frozen=True, slots=True)
class LegendItem:
    """What one fill of a chart stands for: how much of it there is, and where it leads."""

    swatch: Markup
    label: str
    figure: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Paging:
    """Links to the pages before and after, and which rows are shown, in words."""

    what: str
    range: str
    previous: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure in words, which is a link to the query that gives it."""

    text: str
    query: str
    parameters: Mapping[str, str]

    @property
    def query_path(self) -> str:
        return f"queries/{self.query}"


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
    legend: list[LegendItem] = field(default_factory=list)
    caption: str = ""
    paging: Paging | None = None
    filters: Filters | None = None
    claims: list[Claim] = field(default_factory=list)
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


def typeset(
    graph: Graph, panel: Panel, columns: Sequence[Column], whole: int, narrows: str, charted: Sequence[str] = ()
) -> None:
    """Fill in what the panel's view needs.

    *whole* is what its figures are shares of. *narrows* is the id of a list on the same page which the years and the
    venues of a stacked chart narrow, empty for none. *charted* are the columns that a chart draws, if not the first
    figure.
    """
    if panel.view in ("papers", "years"):
        panel.papers = read_entries(graph, [text_of(row, "paper") for row in panel.rows])
    elif panel.view in ("tally", "bars"):
        _set_tally(graph, panel, columns)
    elif panel.view != "none":
        _set_table(graph, panel, columns, whole)
    several = len(panel.rows) > 1
    if panel.view in ("bars", "chart") and several:
        for figure in charted or ("",):
            _add_chart(panel, columns, figure)
    elif panel.view == "stacked" and several:
        _set_stack(graph, panel, narrows)
    elif panel.view == "shares" and panel.rows and whole:
        _set_shares(panel, columns, whole)
    elif panel.view == "network" and several:
        _set_network(graph, panel, whole)
    elif panel.view in ("chart", "stacked", "shares", "network"):
        panel.view = "table"  # one bar says nothing that its figure does not


def _label_column(name: str, columns: Sequence[Column]) -> str:
    """The column that says how the IRIs of column *name* read; empty for none."""
    wanted = _TITLE if name == "paper" else f"{name}_label"
    return wanted if any(column.name == wanted for column in columns) else ""


def _figure(columns: Sequence[Column]) -> str:
    """The column whose numbers a tally or a chart shows: the first count, which is no year."""
    return next((column.name for column in columns if column.kind in _FIGURES), columns[-1].name)


def _set_table(graph: Graph, panel: Panel, columns: Sequence[Column], whole: int) -> None:
    hidden = {_label_column(column.name, columns) for column in columns if column.kind == "iri"}
    shown = [column for column in columns if column.name not in {*hidden, WHOLE, "homonym_number"}]
    panel.columns = [ColumnHead(_heading(column.name), column.kind in _FIGURES) for column in shown]
    unlabelled = {
        cell.value
        for row in panel.rows
        for column in shown
        if (cell := row.get(column.name)) is not None and cell.kind == "iri" and not _label_column(column.name, columns)
    }
    labels = graph.labels(unlabelled)
    first_iri = next((column.name for column in shown if column.kind == "iri"), "")
    panel.cells = [[_cell(row, one, columns, labels, one.name == first_iri) for one in shown] for row in panel.rows]
    if panel.view == "shares" and whole:
        figure = _figure(columns)
        panel.columns.append(ColumnHead("share", False))
        for row, cells in zip(panel.rows, panel.cells, strict=True):
            cells.append(LinkedText(percent(number_of(row, figure) or 0, whole)))


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))


def _cell(
    row: Row, column: Column, columns: Sequence[Column], labels: Mapping[str, str], named: bool
) -> LinkedText | None:
    cell = row.get(column.name)
    if cell is None:
        return None
    if cell.kind != "iri":
        grouped = column.kind == "integer" and column.name not in _UNGROUPED and cell.value.isdigit()
        return LinkedText(f"{int(cell.value):,}" if grouped else _BOOLEANS.get(cell.value, cell.value))
    label = text_of(row, _label_column(column.name, columns))
    text = label or labels.get(cell.value, "") or curie(cell.value) or cell.value
    number = text_of(row, "homonym_number") if named else ""
    bare = text.removesuffix(f" {number}") if number else text
    return LinkedText(bare, href(cell.value), path_of(cell.value) is None, number)


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


def _add_chart(panel: Panel, columns: Sequence[Column], charted: str) -> None:
    """Draw the column *charted* under its name, or the first figure under that of the panel."""
    label = next(column.name for column in columns if column.kind != "iri" and not column.name.endswith("_label"))
    figure = charted or _figure([column for column in columns if column.name != label])
    points = [(text_of(row, label), number_of(row, figure) or 0) for row in panel.rows]
    if all(text.isdigit() for text, _ in points):
        numbers = [(int(text), count) for text, count in points]
        points = [(str(year), count) for year, count in fill_years(numbers)] if label in _YEARS else fold_tail(numbers)
    title = _heading(figure).capitalize() if charted else panel.title
    if charted:
        panel.chart += Markup('<p class="charted" aria-hidden="true">{}</p>').format(title)
    panel.chart += bar_chart(
        points,
        chart_id=f"{panel.id}-{charted or 'chart'}",
        title=title,
        description=_told(points),
    )


def _set_stack(graph: Graph, panel: Panel, narrows: str) -> None:
    """A stack a year, the venues with most papers as its series; its table has a row a year, too."""
    chart_id = f"{panel.id}-chart"
    stack = read_stack(
        graph, [(text_of(r, "year"), text_of(r, "venue"), number_of(r, "papers") or 0) for r in panel.rows]
    )
    panel.chart = stacked_chart(
        [(point.label, point.counts) for point in stack.points],
        [part.series for part in stack.parts],
        chart_id=chart_id,
        title=panel.title,
        description=_told([(point.label, sum(point.counts)) for point in stack.points]),
        links={point.label: _narrowed(narrows, year=point.label) for point in stack.points} if narrows else None,
    )
    panel.legend = [
        LegendItem(
            swatch(chart_id, part.series.fill),
            part.series.label,
            f"{part.count:,}",
            _narrowed(narrows, venue=path_of(part.iri)) if narrows and part.iri else "",
        )
        for part in stack.parts
    ]
    panel.columns = [
        ColumnHead("year", False),
        *(ColumnHead(part.series.label, True) for part in stack.parts),
        ColumnHead("all", True),
    ]
    panel.cells = [
        [LinkedText(point.label), *(_count(count) for count in point.counts), _count(sum(point.counts))]
        for point in reversed(stack.points)
        if any(point.counts)
    ]
    if stack.undated:
        papers = f"{stack.undated:,} paper" + ("" if stack.undated == 1 else "s")
        panel.caption = f"Not drawn: {papers} without a year."


def _count(count: int) -> LinkedText | None:
    return LinkedText(f"{count:,}") if count else None


def _set_shares(panel: Panel, columns: Sequence[Column], whole: int) -> None:
    figure = _figure(columns)
    named = [place for place, column in enumerate(panel.columns[:-1]) if not column.number]
    shares = [
        Share(
            ", ".join(cell.text for place in named if (cell := cells[place])),
            number_of(row, figure) or 0,
            next(c.href for c in cells if c),
        )
        for row, cells in zip(panel.rows[:_SHARES_DRAWN], panel.cells, strict=False)
    ]
    panel.chart = share_chart(
        shares,
        whole,
        chart_id=f"{panel.id}-chart",
        title=panel.title,
        description=", ".join(f"{one.label}: {one.count:,} ({percent(one.count, whole)})" for one in shares),
    )
    if len(panel.rows) > len(shares):
        panel.caption = f"Drawn are the {len(shares)} with most papers."


def _set_network(graph: Graph, panel: Panel, whole: int) -> None:
    """The rows from the name itself are the nodes, those between two others the ties."""
    here = graph.base + panel.parameters["cluster"]
    own = [row for row in panel.rows if text_of(row, "one") == here]
    places = {text_of(row, "other"): place for place, row in enumerate(own)}
    nodes = [
        Node(text_of(row, "other_label"), href(text_of(row, "other")), number_of(row, "papers") or 0) for row in own
    ]
    ties = [
        Tie(places[text_of(row, "one")], places[text_of(row, "other")], number_of(row, "papers") or 0)
        for row in panel.rows
        if text_of(row, "one") in places
    ]
    drawn, least = strongest(ties)
    left = f" Ties of fewer than {least} papers are left out." if least > 1 else ""
    panel.caption = (
        f"The figure behind a name says how many papers it has in common with {text_of(own[0], 'one_label')}. A line "
        f"joins two names that are on the same ones of these papers, wider where there are more.{left}"
    )
    panel.note = f"The {len(nodes)} with most papers in common." if len(nodes) < whole else ""
    panel.chart = draw_network(
        nodes,
        drawn,
        chart_id=f"{panel.id}-chart",
        title=panel.title,
        description=f"{len(nodes)} names and {len(drawn)} ties among them.",
    )


def _told(points: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{text}: {count:,}" for text, count in points if count)


def _narrowed(panel_id: str, **chosen: str | None) -> str:
    """A link to the present page with its list narrowed so, at the list."""
    return this_page(**chosen, page=None) + f"#{panel_id}"
