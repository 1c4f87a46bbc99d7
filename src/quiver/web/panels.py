"""Panels: what a page is made of. A panel is a named query, its answer, and links to the query and its data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import g, request

from quiver.catalogue import Answer, Catalogue, NamedQuery, read_materialised
from quiver.config import Settings
from quiver.web.filters import Filters, offer_filters, read_filters, wanted_filters
from quiver.web.graph import Graph
from quiver.web.links import href, this_page
from quiver.web.typesetting import (
    WHOLE,
    Claim,
    ColumnHead,
    LinkedText,
    Paging,
    Panel,
    Row,
    View,
    number_of,
    text_of,
    typeset,
)

__all__ = [
    "DENOMINATORS",
    "Claim",
    "LinkedText",
    "Paging",
    "Panel",
    "PanelSpec",
    "Panels",
    "Row",
    "denominator",
    "number_of",
    "panel_id",
    "text_of",
    "wanted_panels",
]

# What figures can be shares of: a count of the release or of the page's thing -> the words for one and for several.
DENOMINATORS: Final[dict[str, tuple[str, str]]] = {
    "papers": ("paper", "papers"),
    "complete": ("paper whose byline is complete", "papers whose byline is complete"),
    "coauthors": ("co-author", "co-authors"),
    "signatures": ("byline entry", "byline entries"),
    "name_clusters": ("name", "names"),
    "author_rows": ("author row", "author rows"),
    "venue_series": ("venue", "venues"),
    "venue_editions": ("venue edition", "venue editions"),
    "sources": ("source", "sources"),
    "cluster_pages": ("page about a name", "pages about names"),
    "orcids": ("ORCID iD", "ORCID iDs"),
}
# The filters of a longer list are counted when they are asked for: that takes as long as the list itself.
FILTERS_ON_DEMAND_ABOVE: Final = 1500
# Parameters of a page: panels that a reader has opened, and the one panel that a script puts into the page.
_OPEN: Final = "open"
_ONLY: Final = "only"


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One row of a page's table of panels: the query, how its answer is set, and what is said where there is none.

    `of` says what its figures are shares of: a key of `DENOMINATORS`; empty where they are themselves the whole, or
    where nothing is counted. Where the query has a column `whole`, that is the number. A panel `on_demand` is opened by
    a link alone, one with `on_demand_above` where the thing has more papers than that. A panel with `filtered` can be
    narrowed by the optional parameters of its query, which are then parameters of the page; one panel of a page, and
    its figures are of `totals["papers"]`. `narrows` is the query of such a list, which the bars of this one narrow.
    `compared`: each row leads to a comparison of its first name with the page's. `charted` are the columns that a
    "chart" draws, each by itself; the first figure if not given.
    """

    query: str
    title: str
    view: View = "table"
    empty: str = ""
    note: str = ""
    limit: int = 0
    paged: bool = False
    on_demand: bool = False
    on_demand_above: int = 0
    of: str = ""
    filtered: bool = False
    narrows: str = ""
    compared: bool = False
    charted: tuple[str, ...] = ()


def panel_id(query: str) -> str:
    """The id of the panel of this query in its page.

    >>> panel_id("name/papers")
    'name-papers'
    """
    return query.replace("/", "-")


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
        chosen = wanted_filters(query) if spec.filtered else {}
        parameters = _parameters(graph, query, subject, {**(values or {}), **chosen})
        limit = spec.limit or self._page_size
        offset = (page - 1) * limit if spec.paged else 0
        found = self._answer(graph, query, parameters, limit + 1, offset).dicts()
        if spec.paged and not query.paging:
            found = found[offset : offset + limit + 1]
        rows = found[:limit] if query.paging or spec.limit or spec.paged else found
        wholes = dict(graph.manifest.counts if totals is None else totals)
        if spec.of and rows and (stated := number_of(rows[0], WHOLE)) is not None:
            wholes[spec.of] = stated
        panel = Panel(
            id=panel_id(spec.query),
            title=spec.title,
            view=spec.view,
            query=spec.query,
            parameters=parameters,
            rows=rows,
            note=spec.note,
            denominator=denominator(spec.of, wholes) if spec.of in wholes else "",
        )
        if not rows:
            panel.empty = "There are no more." if page > 1 else spec.empty or "Nothing is stated."
        if spec.filtered:
            panel.filters = self._filters(graph, query, panel, chosen, wholes["papers"])
            if chosen and not found and page == 1:
                panel.empty = panel.filters.empty
        if spec.paged:
            panel.paging = _paging(panel, page, offset, len(found) > limit)
        elif len(found) > len(rows):
            panel.note = f"{spec.note} The first {limit}.".strip()
        typeset(graph, panel, query.result_columns, wholes.get(spec.of, 0), panel_id(spec.narrows), spec.charted)
        if spec.compared and panel.cells:
            _add_comparisons(graph, panel, subject)
        return panel

    def offer(
        self,
        graph: Graph,
        spec: PanelSpec,
        subject: str,
        page: int,
        totals: Mapping[str, int],
        size: int | None = None,
    ) -> Panel:
        """As `open`; or closed, where it is to be opened on demand and the address asked for does not.

        *size* is what `on_demand_above` is compared with, where that is not the number of papers.
        """
        asked_for = panel_id(spec.query) in _opened() or (spec.paged and page > 1) or self.is_narrowed(spec)
        large = 0 < spec.on_demand_above < (totals["papers"] if size is None else size)
        if not asked_for and (spec.on_demand or large):
            return self.closed(graph, spec, subject)
        return self.open(graph, spec, subject, page if spec.paged else 1, totals=totals)

    def is_narrowed(self, spec: PanelSpec) -> bool:
        """Whether the address asked for narrows the panel of *spec*."""
        return spec.filtered and bool(wanted_filters(self.catalogue.get(spec.query)))

    def closed(self, graph: Graph, spec: PanelSpec, subject: str) -> Panel:
        """The panel of *spec* not asked yet: what it would show, and the link that opens it."""
        query = self.catalogue.get(spec.query)
        panel = Panel(
            panel_id(spec.query), spec.title, spec.view, spec.query, _parameters(graph, query, subject, {}), ()
        )
        panel.opened_by = _opening(panel.id)
        panel.note = spec.note or query.summary
        return panel

    def kept(self, graph: Graph, name: str) -> Answer | None:
        """The answer of this query that the release keeps; None where it keeps none."""
        return self._kept(graph, self.catalogue.get(name))

    def _filters(self, graph: Graph, query: NamedQuery, panel: Panel, chosen: Mapping[str, str], whole: int) -> Filters:
        if whole > FILTERS_ON_DEMAND_ABOVE and not chosen and panel_id(query.facets) not in _opened():
            return offer_filters(query, whole, _opening(panel_id(query.facets), panel.id))
        facets = self._answer(graph, self.catalogue.get(query.facets), panel.parameters, 0, 0).dicts()
        return read_filters(graph, query, facets, chosen, whole, panel.id)

    def _answer(
        self, graph: Graph, query: NamedQuery, parameters: Mapping[str, str], limit: int, offset: int
    ) -> Answer:
        started = time.perf_counter()
        answer = self._kept(graph, query) if query.materialise else None
        if answer is None:
            asked = {"limit": limit, "offset": offset} if query.paging else {}
            answer = graph.evaluate(query.bind(parameters, graph.base, **asked))
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


def wanted_panels(specs: Sequence[PanelSpec]) -> Sequence[PanelSpec]:
    """Those of *specs* that the address asked for wants: one alone, where a script has asked for it, else all."""
    only = request.args.get(_ONLY)
    return [spec for spec in specs if panel_id(spec.query) == only] or specs


def _opened() -> list[str]:
    """The ids of what a reader has opened on the present page."""
    return request.args.get(_OPEN, "").split()


def _opening(opened: str, place: str = "") -> str:
    """The link that opens this as well, at *place* in the page, or where it is itself."""
    wanted = [*(one for one in _opened() if one != opened), opened]
    return this_page(**{_OPEN: " ".join(wanted)}) + f"#{place or opened}"


def _parameters(graph: Graph, query: NamedQuery, subject: str, values: Mapping[str, str]) -> dict[str, str]:
    """The values for the query's parameters: the first IRI among them is the subject of the page, as a path."""
    parameters = dict(values)
    if subject:
        first = next(parameter.name for parameter in query.parameters if parameter.type == "iri")
        parameters[first] = subject.removeprefix(graph.base)
    return parameters


def _paging(panel: Panel, page: int, offset: int, more: bool) -> Paging:
    return Paging(
        what=panel.title,
        range=f"{offset + 1:,} to {offset + len(panel.rows):,}" + ("" if more or page == 1 else ", the last"),
        previous=this_page(page=page - 1 if page > 2 else None) + f"#{panel.id}" if page > 1 else "",
        next=this_page(page=page + 1) + f"#{panel.id}" if more else "",
    )


def _add_comparisons(graph: Graph, panel: Panel, subject: str) -> None:
    """A cell to each row that leads to the comparison of its first name with *subject*."""
    mine = subject.removeprefix(graph.base)
    for row, cells in zip(panel.rows, panel.cells, strict=True):
        theirs = next(
            cell.value for cell in row.values() if cell is not None and cell.kind == "iri" and cell.value != subject
        )
        link = href("compare", a=mine, b=theirs.removeprefix(graph.base))
        cells.append(LinkedText("compare", link, follow=False))
    panel.columns.append(ColumnHead("both names", False))
