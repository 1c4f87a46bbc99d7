"""The page of a name cluster: what stands under one exact name, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from quiver.config import Settings
from quiver.namespaces import term
from quiver.web.bylines import AT_LEAST
from quiver.web.cut_names import cut_names
from quiver.web.graph import Facts, Graph
from quiver.web.panels import Panel, Panels, PanelSpec, Row, number_of, text_of, wanted_panels
from quiver.web.typesetting import WHOLE

NO_PROFILE: Final = (
    "All papers whose byline holds exactly this name, without regard to letter case. Several people may share the "
    "name, and one person may write under several: this page groups names and is no identity profile."
)

# Above so many papers, what takes a look at each byline is asked on demand.
_MANY: Final = 2000
_PAPERS: Final = "name/papers"
_POSITIONS: Final = "name/positions"
_SIMILAR: Final = "name/similar"
_PANELS: Final = (
    PanelSpec(
        "name/papers-by-year-and-venue",
        "Papers by year",
        "stacked",
        "None of these papers states a year.",
        "Each paper once.",
        of="papers",
        narrows=_PAPERS,
    ),
    PanelSpec(
        _PAPERS, "Possible papers", "years", "No paper of this release bears the name.", paged=True, filtered=True
    ),
    PanelSpec(
        "name/coauthors",
        "Co-authors",
        "table",
        "No byline shows another name.",
        limit=30,
        on_demand_above=_MANY,
        of="papers",
        compared=True,
    ),
    PanelSpec(
        "name/network",
        "Network of co-authors",
        "network",
        "No byline shows another name.",
        "Which of them are on papers together.",
        on_demand=True,
        of="coauthors",
    ),
    PanelSpec(
        "name/venues", "Venues", "shares", "No paper states a venue.", limit=50, on_demand_above=_MANY, of="papers"
    ),
    PanelSpec(
        _POSITIONS,
        "Position in bylines",
        "shares",
        "No byline with this name is known to be complete.",
        on_demand_above=_MANY,
        of="complete",
    ),
    PanelSpec(
        _SIMILAR,
        "Names like this one",
        "table",
        "No other name differs from this one by a number, and none resembles it.",
        "Other names, each with all of its papers.",
        compared=True,
    ),
    PanelSpec(
        "name/author-rows",
        "Author rows by source",
        "table",
        "No source lists an author under this name.",
        "What stands behind the name in each source, with the source's id where it has one.",
        limit=50,
        on_demand=True,
        of="papers",
    ),
)
_STATEMENTS: Final = PanelSpec("name/page-statements", "Stated and found", "none")
# Panels whose figures are lower bounds where a byline may be cut.
_BOUNDED: Final = ("name/papers-by-year-and-venue", "name/coauthors", "name/network", "name/venues", "name/author-rows")


@dataclass(frozen=True, slots=True)
class PageAccount:
    """What one page of a source states about the cluster, and what was found on it."""

    iri: str
    source: str
    note: str
    stated: int | None
    stated_rows: int | None
    listed: int
    signed: int

    @property
    def by_listing(self) -> int:
        return self.listed - self.signed

    @property
    def explanation(self) -> str:
        """The difference between stated, listed and signed, as a sentence.

        >>> PageAccount("", "Arrow", "", 10, 2, 9, 8).explanation
        "Arrow states 10 papers and lists 9: 8 with the name on the byline, 1 by the page's listing alone."
        """
        if self.stated is None:
            claim = f"{self.source} lists {_papers(self.listed)}"
        elif self.stated == self.listed:
            claim = f"{self.source} states and lists {_papers(self.stated)}"
        else:
            claim = f"{self.source} states {_papers(self.stated)} and lists {self.listed:,}"
        if not self.by_listing:
            return f"{claim}, {'each' if self.listed != 1 else 'this one'} with the name on the byline."
        return f"{claim}: {self.signed:,} with the name on the byline, {self.by_listing:,} by the page's listing alone."


def _papers(count: int) -> str:
    return f"{count:,} paper" + ("" if count == 1 else "s")


def name_context(
    graph: Graph, panels: Panels, settings: Settings, iri: str, facts: Facts, page: int
) -> Mapping[str, object]:
    """What `name.html` needs besides what every record has."""
    count = facts.number("q:paperCount") or 0
    totals = {"papers": count}
    specs = [spec for spec in wanted_panels(_PANELS) if spec.query != _SIMILAR or _has_similar(graph, facts, iri)]
    shown = {spec.query: panels.offer(graph, spec, iri, page, totals) for spec in specs}
    statements = panels.open(graph, _STATEMENTS, iri) if _is_about(graph, "q:aboutCluster", iri) else None
    accounts = read_accounts(statements.rows, graph.base) if statements else []
    if _PAPERS in shown:
        _mark_listed(shown[_PAPERS])
    cut = _may_be_cut(graph, iri, shown, count)
    for query, panel in shown.items():
        if cut and query in _BOUNDED and not panel.opened_by:
            panel.note = f"{panel.note} {AT_LEAST}".strip()
            panel.denominator = panel.denominator.replace("Of ", "Of at least ", 1)
    number = facts.one("q:homonymNumber")
    noted = next((account for account in accounts if account.note), None)
    preferred = facts.one("skos:prefLabel") or facts.one("rdfs:label")
    return {
        "name": preferred.removesuffix(f" {number}").strip() if number else preferred or "(no name)",
        "number": number,
        "note": noted.note if noted else "",
        "noted_by": noted,
        "no_profile": NO_PROFILE,
        "spellings": facts.all("skos:altLabel"),
        "paper_count": count,
        "row_count": facts.number("q:authorRowCount") or 0,
        "accounts": accounts,
        "statements": statements,
        "panels": list(shown.values()),
        "at_least": cut,
        "path": iri.removeprefix(graph.base),
        "bare": facts.one("q:homonymOf"),
    }


def _has_similar(graph: Graph, facts: Facts, iri: str) -> bool:
    """Whether other names are tied to this one: a look into the index, which spares most pages a query."""
    here = facts.one("q:homonymOf") or facts.one("q:resembles")
    return bool(here) or _is_about(graph, "q:homonymOf", iri) or _is_about(graph, "q:resembles", iri)


def _is_about(graph: Graph, curie: str, iri: str) -> bool:
    return next(graph.triples(predicate=term(curie), object_=iri), None) is not None


def _mark_listed(panel: Panel) -> None:
    """Say of papers why they are here where the byline does not show the name."""
    for place, (paper, row) in enumerate(zip(panel.papers, panel.rows, strict=True)):
        # Evidence is the byline entry, else the page whose listing is all that ties the paper to the name.
        if not text_of(row, "evidence").startswith(f"{paper.iri}#"):
            panel.papers[place] = paper.with_evidence("listed under this name by a source; not on the byline shown")


def _may_be_cut(graph: Graph, iri: str, shown: Mapping[str, Panel], count: int) -> bool:
    """Whether some of the *count* papers have bylines that may be cut: exactly, where the positions were asked for."""
    positions = shown.get(_POSITIONS)
    if positions is not None and not positions.opened_by:
        complete = (number_of(positions.rows[0], WHOLE) or 0) if positions.rows else 0
        if complete < count:
            positions.note = f"Counted on complete bylines only; {count - complete:,} of {_papers(count)} may be cut."
        return complete < count
    return iri in cut_names(graph)


def read_accounts(rows: Sequence[Row], base: str) -> list[PageAccount]:
    """What pages of sources state about a cluster, compared with each page alone; from `name/page-statements`."""
    by_page = {text_of(row, "page"): row for row in reversed(rows)}
    return [
        PageAccount(
            iri=page,
            source=page.removeprefix(base).split("/")[1].capitalize(),
            note=text_of(row, "note"),
            stated=number_of(row, "stated_papers"),
            stated_rows=number_of(row, "stated_author_rows"),
            listed=number_of(row, "found_papers") or 0,
            signed=number_of(row, "on_byline") or 0,
        )
        for page, row in sorted(by_page.items())
    ]
