"""Data quality: what each check finds, of how many, and the list of one check at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import request

from quiver.web.graph import Graph
from quiver.web.links import this_page
from quiver.web.panels import DENOMINATORS, Claim, Panel, Panels, PanelSpec, number_of, panel_id, text_of


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the query that lists what it finds, its words, and what it finds that among.

    `of` is a key of `DENOMINATORS`; `things` is what is counted, where that is not the same. What papers lack is
    counted in the row `lacks` of `release/coverage`, everything else in `quality/overview`; what is neither is not
    counted, and has its list alone.
    """

    query: str
    title: str
    of: str
    empty: str
    things: tuple[str, str] = ("", "")
    lacks: str = ""
    counted: bool = True


CHECKS: Final[dict[str, tuple[Check, ...]]] = {
    "Bylines": (
        Check(
            "bylines-abridged", "Known to be cut", "papers", "No page lists a paper for a name that its byline lacks."
        ),
        Check(
            "bylines-possibly-abridged",
            "May be cut",
            "papers",
            "No paper is from a source that is known to shorten bylines.",
        ),
        Check("repeated-name-on-byline", "One name twice", "papers", "No byline repeats a name."),
        Check("entries-without-name", "An entry without a name", "signatures", "Every byline entry has a name."),
    ),
    "Titles": (
        Check(
            "duplicate-titles",
            "The same title twice in one source",
            "papers",
            "No source gives two papers the same title.",
            ("title", "titles"),
        ),
        Check(
            "titles-in-several-sources",
            "The same title in several sources",
            "papers",
            "No title stands in two sources.",
            ("title", "titles"),
        ),
        Check(
            "titles-in-several-letter-cases",
            "Titles that differ in letter case alone",
            "papers",
            "No two titles differ in letter case alone.",
            counted=False,
        ),
    ),
    "Names and identifiers": (
        Check("letter-cases", "Names in several letter cases", "name_clusters", "Every name is spelt in one way."),
        Check(
            "numbered-names", "Names that carry a number", "name_clusters", "No stated name ends in a homonym number."
        ),
        Check("orcids-with-several-names", "ORCIDs with different names", "orcids", "No ORCID stands with two names."),
        Check(
            "rows-with-several-names",
            "Author rows with different names",
            "author_rows",
            "No author row stands with two names.",
        ),
    ),
    "Stated counts": (
        Check(
            "stated-counts-differ",
            "Counts that do not add up",
            "cluster_pages",
            "No page of a source states another number of papers than it lists.",
        ),
    ),
    "What papers lack": (
        Check("papers-without-authors", "Authors", "papers", "Every paper has an author.", lacks="authors"),
        Check("papers-without-year", "A year", "papers", "Every paper has a year.", lacks="year"),
        Check("papers-without-venue", "A venue", "papers", "Every paper has a venue.", lacks="venue"),
        Check("papers-without-abstract", "An abstract", "papers", "Every paper has an abstract.", lacks="abstract"),
        Check(
            "papers-without-address",
            "DOI, landing page and PDF",
            "papers",
            "Every paper has a DOI, a landing page or a PDF.",
            lacks="DOI, landing page or PDF",
        ),
    ),
}
_OVERVIEW: Final = PanelSpec("quality/overview", "What was found", "none")
_COVERAGE: Final = PanelSpec("release/coverage", "What papers lack", "none")


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A check as the table sets it; `found` is None where only its list can tell, `total` None where nothing does."""

    check: Check
    found: int | None
    total: int | None
    href: str
    current: bool

    @property
    def share(self) -> str:
        """How much of the whole it is, in percent; empty where that says nothing."""
        if not self.found or not self.total or self.check.things[0]:
            return ""
        percent = 100 * self.found / self.total
        return f"{percent:.1f} %".replace(".0 ", " ") if percent >= 0.1 else "under 0.1 %"

    @property
    def whole(self) -> str:
        """What it was found among, in words."""
        if self.total is None:
            return ""
        return f"{self.total:,} {DENOMINATORS[self.check.of][self.total != 1]}"


@dataclass(frozen=True, slots=True)
class Quality:
    """The table of checks by group, where its figures come from, and the list that was asked for."""

    groups: Mapping[str, Sequence[CheckRow]]
    sources: Sequence[Panel]
    panel: Panel | None


def read_quality(graph: Graph, panels: Panels, page: int) -> Quality:
    """The checks of the release, and at *page* the list that `open=` of the request names."""
    overview, coverage = panels.open(graph, _OVERVIEW), panels.open(graph, _COVERAGE)
    found = {text_of(row, "check"): number_of(row, "found") for row in overview.rows}
    totals = {text_of(row, "check"): number_of(row, "total") for row in overview.rows}
    lacking = {text_of(row, "what"): number_of(row, "lacking") for row in coverage.rows}
    asked = request.args.get("open", "")
    groups: dict[str, list[CheckRow]] = {}
    opened = None
    for title, checks in CHECKS.items():
        groups[title] = []
        for check in checks:
            wanted = panel_id(f"quality/{check.query}")
            row = CheckRow(
                check,
                lacking.get(check.lacks) if check.lacks else found.get(check.query),
                graph.manifest.counts.get(check.of, totals.get(check.query)),
                this_page(open=wanted, page=None) + f"#{wanted}",
                asked == wanted,
            )
            groups[title].append(row)
            if row.current:
                opened = _open(graph, panels, row, title, page, coverage if check.lacks else overview)
    return Quality(groups, (overview, coverage), opened)


def _open(graph: Graph, panels: Panels, row: CheckRow, group: str, page: int, counted_by: Panel) -> Panel:
    check = row.check
    spec = PanelSpec(
        f"quality/{check.query}", f"{group}: {check.title[0].lower()}{check.title[1:]}", empty=check.empty, paged=True
    )
    panel = panels.open(graph, spec, page=page)
    if row.found is not None:
        things = check.things if check.things[0] else DENOMINATORS[check.of]
        among = f" among {row.whole}" if check.things[0] else f" of {row.whole}" if row.total is not None else ""
        text = f"{row.found:,} {things[row.found != 1]}{among}." if check.things[0] else f"{row.found:,}{among}."
        panel.claims = [Claim(text, counted_by.query, counted_by.parameters)]
    query = panels.catalogue.get(spec.query)
    panel.note = query.summary
    return panel
