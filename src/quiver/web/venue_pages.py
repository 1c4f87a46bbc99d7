"""The pages of a venue and of one edition: its papers, its names, and which of them are new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from quiver.config import Settings
from quiver.namespaces import term
from quiver.web.graph import Facts, Graph
from quiver.web.links import href
from quiver.web.panels import Claim, LinkedText, Panel, Panels, PanelSpec, Row, number_of, text_of, wanted_panels

_NO_PAPERS: Final = "No paper of this release belongs here."
# Reading every byline costs some 30 microseconds a paper; a page is to open without waiting for that.
_MANY: Final = 500

_EDITIONS: Final = "venue/editions"
_NEW_NAMES: Final = "edition/new-names"
_VENUE: Final = (
    PanelSpec(_EDITIONS, "Editions", "bars", "No paper of this venue states a year.", limit=200, of="papers"),
    PanelSpec(
        "venue/stated-types",
        "Types and statuses",
        "shares",
        "No paper of this venue states a type, a status or a track.",
        limit=30,
        on_demand_above=3000,
        of="papers",
    ),
    PanelSpec(
        "venue/top-names",
        "Most frequent names",
        "tally",
        "No name stands on more than one paper.",
        limit=30,
        on_demand_above=_MANY,
        of="papers",
    ),
    PanelSpec(
        "venue/names-by-edition",
        "Names by edition",
        "table",
        "No paper of this venue states a name and a year.",
        note="New are names that stand in no earlier edition of this release.",
        limit=200,
        on_demand_above=_MANY,
        of="papers",
    ),
    # Past some thousand papers the editions are the way to them, and sorting all of them takes its time.
    PanelSpec("venue/papers", "Papers", "years", _NO_PAPERS, paged=True, on_demand_above=3000),
)
_BY_YEAR: Final = PanelSpec(
    "venue/papers-by-year", "Papers by year", "chart", "None of its papers states a year.", of="papers"
)
_EDITION: Final = (
    PanelSpec("edition/papers", "Papers", "papers", _NO_PAPERS, paged=True, filtered=True, of="papers"),
    PanelSpec(
        "edition/top-names",
        "Most frequent names",
        "tally",
        "No name stands on more than one paper.",
        limit=30,
        on_demand_above=_MANY,
        of="papers",
    ),
    PanelSpec(
        _NEW_NAMES,
        "Names new here",
        "tally",
        "Every name stands in an earlier edition, too.",
        note="They stand in no earlier edition of this release.",
        limit=30,
        on_demand_above=_MANY,
        of="papers",
    ),
)
_NEIGHBOURS: Final = PanelSpec("edition/neighbours", "Editions before and after", "none")
_NAMES_COUNT: Final = PanelSpec("edition/names-count", "Names", "none")
_VENUE_STATUSES: Final = PanelSpec("venue/byline-statuses", "Bylines", "none")
_EDITION_STATUSES: Final = PanelSpec("edition/byline-statuses", "Bylines", "none")
_COMPLETE: Final = term("q:Complete")
# Panels whose figures are lower bounds where a byline may be cut.
_BOUNDED: Final = ("venue/top-names", "venue/names-by-edition", "edition/top-names", _NEW_NAMES)


def venue_context(
    graph: Graph, panels: Panels, settings: Settings, iri: str, facts: Facts, page: int
) -> Mapping[str, object]:
    """What the page of a venue has besides what every record has."""
    papers = facts.number("q:paperCount") or 0
    totals = {"papers": papers}
    shown = [panels.offer(graph, spec, iri, page, totals) for spec in wanted_panels(_VENUE)]
    keys = sorted(text_of(row, "edition_key") for panel in shown if panel.query == _EDITIONS for row in panel.rows)
    if any(not key.isdigit() for key in keys):
        shown.insert(1, panels.offer(graph, _BY_YEAR, iri, page, totals))
    if any(_is_bounded(panel) for panel in shown):
        _say_at_least(shown, panels.open(graph, _VENUE_STATUSES, iri))
    years = f"{keys[0]} to {keys[-1]}" if len(keys) > 1 else "".join(keys)
    editions = f"{len(keys)} edition" + ("" if len(keys) == 1 else "s")
    return {
        "panels": shown,
        "marks": [_papers(papers), *([LinkedText(f"{editions}, {years}")] if keys else [])],
        "within": {"type": "paper", "venue": facts.one("rdfs:label")},
    }


def edition_context(
    graph: Graph, panels: Panels, settings: Settings, iri: str, facts: Facts, page: int
) -> Mapping[str, object]:
    """What the page of a venue edition has besides what every record has."""
    papers = facts.number("q:paperCount") or 0
    series = facts.one("q:ofSeries") or iri
    venue = graph.about(series)
    label = venue.one("rdfs:label")
    totals = {"papers": papers}
    # To know what is new takes reading the editions before.
    sizes = {_NEW_NAMES: venue.number("q:paperCount")}
    shown = [panels.offer(graph, spec, iri, page, totals, sizes.get(spec.query)) for spec in wanted_panels(_EDITION)]
    if any(_is_bounded(panel) for panel in shown):
        _say_at_least(shown, panels.open(graph, _EDITION_STATUSES, iri))
    for panel in shown:
        if panel.query == _NEW_NAMES and not panel.opened_by:
            panel.claims = _claims(panels.open(graph, _NAMES_COUNT, iri))
    key = facts.one("q:editionKey")
    return {
        "panels": shown,
        "marks": [LinkedText(label, href(series)), _papers(papers)],
        "neighbours": _neighbours(panels.open(graph, _NEIGHBOURS, iri).rows),
        "within": {"type": "paper", "venue": label, "year": key if key.isdigit() else ""},
    }


def _papers(count: int) -> LinkedText:
    return LinkedText(f"{count:,} paper" + ("" if count == 1 else "s"))


def _is_bounded(panel: Panel) -> bool:
    return panel.query in _BOUNDED and not panel.opened_by


def _say_at_least(shown: Sequence[Panel], statuses: Panel) -> None:
    """Say of the figures of names that they are lower bounds, where bylines may lack some."""
    cut = sum(number_of(row, "papers") or 0 for row in statuses.rows if text_of(row, "status") != _COMPLETE)
    words = f"At least: {cut:,} byline{'' if cut == 1 else 's'} may be cut."
    for panel in shown:
        if cut and _is_bounded(panel):
            panel.note = f"{panel.note} {words}".strip()


def _claims(counts: Panel) -> list[Claim]:
    """How many of an edition's names are new, in words."""
    if not counts.rows:
        return []
    row = counts.rows[0]
    names, new, earlier = (number_of(row, name) or 0 for name in ("names", "new_names", "earlier_editions"))
    text = f"{new:,} of {names:,} name{'' if names == 1 else 's'}."
    if not earlier:
        text = f"All {names:,}: the first edition known here." if names != 1 else "The one name of the first edition."
    return [Claim(text, counts.query, counts.parameters)]


def _neighbours(rows: Sequence[Row]) -> dict[str, LinkedText]:
    """The editions "before" and "after", as far as there are."""
    return {
        text_of(row, "place"): LinkedText(text_of(row, "neighbour_label"), href(text_of(row, "neighbour")))
        for row in rows
    }
