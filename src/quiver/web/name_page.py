"""The page of a name cluster: what stands under one exact name, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from quiver.config import Settings
from quiver.web.graph import Facts, Graph
from quiver.web.panels import Panels, PanelSpec, Row, denominator, number_of, text_of

NO_PROFILE: Final = (
    "All papers whose byline holds exactly this name, without regard to letter case. Several people may share the "
    "name, and one person may write under several: this page groups names and is no identity profile."
)

_PANELS: Final = (
    PanelSpec("name/papers-by-year", "Papers by year", "chart", "None of these papers states a year.", of="papers"),
    PanelSpec(
        "name/papers", "Possible papers", "years", "No paper of this release bears the name.", paged=True, filtered=True
    ),
    PanelSpec("name/coauthors", "Co-authors", "tally", "No byline shows another name.", limit=30, of="papers"),
    PanelSpec("name/venues", "Venues", "tally", "No paper states a venue.", limit=30, of="papers"),
    PanelSpec("name/homonyms", "Names that differ by a number only", "tally", limit=50),
    PanelSpec(
        "name/author-rows", "Author rows", "table", "No source lists an author under this name.", limit=50, of="papers"
    ),
)
_STATEMENTS: Final = PanelSpec("name/page-statements", "Stated and found", "none")
# Panels whose figures are lower bounds where a byline may be cut.
_BOUNDED: Final = ("name/papers-by-year", "name/coauthors", "name/venues")
_AT_LEAST: Final = "At least: some bylines may be cut."


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
    shown = [panels.open(graph, spec, iri, page if spec.paged else 1, totals=totals) for spec in _PANELS]
    listing = next(panel for panel in shown if panel.view == "years")
    statements = panels.open(graph, _STATEMENTS, iri)
    papers = listing.papers
    accounts = read_accounts(statements.rows, graph.base)
    for place, (paper, row) in enumerate(zip(papers, listing.rows, strict=True)):
        # Evidence is the byline entry, else the page whose listing is all that ties the paper to the name.
        if not text_of(row, "evidence").startswith(f"{paper.iri}#"):
            papers[place] = paper.with_evidence("listed under this name by a source; not on the byline shown")
    cut = any(paper.byline.cut for paper in papers)
    for panel in shown:
        if cut and panel.query in _BOUNDED:
            panel.note = f"{panel.note} {_AT_LEAST}".strip()
            panel.denominator = denominator("papers", totals, at_least=True)
    number = facts.one("q:homonymNumber")
    preferred = facts.one("skos:prefLabel") or facts.one("rdfs:label")
    return {
        "name": preferred.removesuffix(f" {number}").strip() if number else preferred or "(no name)",
        "number": number,
        "note": next((account.note for account in accounts if account.note), ""),
        "no_profile": NO_PROFILE,
        "spellings": facts.all("skos:altLabel"),
        "paper_count": count,
        "row_count": facts.number("q:authorRowCount") or 0,
        "accounts": accounts,
        "statements": statements,
        "panels": [panel for panel in shown if panel.rows or panel.query != "name/homonyms"],
        "at_least": cut,
        "path": iri.removeprefix(graph.base),
        "bare": facts.one("q:homonymOf"),
    }


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
