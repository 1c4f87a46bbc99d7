"""Pages that are about the release as a whole: home, statistics, data quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flask import Blueprint, Response, g, render_template

from quiver.namespaces import PREFIXES
from quiver.web.graph import current_graph
from quiver.web.panels import Panels, PanelSpec
from quiver.web.responses import not_modified

HOME: Final = (
    PanelSpec("release/latest-papers", "Latest papers", "papers", limit=8),
    PanelSpec("release/biggest-venues", "Biggest venues", "tally", limit=18, of="papers"),
)
STATISTICS: Final = (
    PanelSpec("release/counts", "Counts", "table"),
    PanelSpec("release/papers-by-year", "Papers by year", "chart", of="papers"),
    PanelSpec(
        "release/byline-lengths",
        "Names on a byline",
        "chart",
        note="Papers by the number of names stated.",
        of="papers",
    ),
    PanelSpec("release/biggest-venues", "Biggest venues", "tally", limit=60, of="papers"),
    PanelSpec(
        "release/most-frequent-names", "Most frequent names", "tally", note="Names, not people.", limit=60, of="papers"
    ),
)
QUALITY: Final = (
    PanelSpec(
        "quality/stated-counts-differ",
        "Stated counts that do not add up",
        empty="No page of a source states another number of papers than it lists.",
        limit=50,
    ),
    PanelSpec(
        "quality/bylines-abridged",
        "Bylines known to be cut",
        empty="No page lists a paper for a name that its byline lacks.",
        limit=50,
    ),
    PanelSpec(
        "quality/repeated-name-on-byline", "One name twice on a byline", empty="No byline repeats a name.", limit=50
    ),
    PanelSpec(
        "quality/numbered-names", "Names that carry a number", empty="No stated name ends in a number.", limit=50
    ),
    PanelSpec("quality/papers-without-year", "Papers without a year", empty="Every paper has a year.", limit=50),
    PanelSpec("quality/papers-without-authors", "Papers without authors", empty="Every paper has an author.", limit=50),
)
# One query that shows what the graph is for: names that share most papers with a name.
FIRST_QUERY: Final = f"""PREFIX q: <{PREFIXES["q"]}>
PREFIX rdfs: <{PREFIXES["rdfs"]}>

SELECT ?name (COUNT(DISTINCT ?paper) AS ?papers) WHERE {{
  ?paper a q:Paper ; q:hasSignature/q:inNameCluster ?cluster .
  ?cluster rdfs:label ?name .
}}
GROUP BY ?cluster ?name
ORDER BY DESC(?papers) ?name
LIMIT 10"""


def create_pages(panels: Panels) -> Blueprint:
    """The blueprint of home, statistics and data quality."""
    blueprint = Blueprint("pages", __name__)

    @blueprint.get("/")
    def home() -> Response | str:
        g.tagged = True
        graph = current_graph()
        return not_modified("text/html") or render_template(
            "home.html",
            counts=graph.manifest.counts,
            sources=graph.manifest.sources,
            panels=[panels.open(graph, spec) for spec in HOME],
            first_query=FIRST_QUERY,
        )

    @blueprint.get("/statistics")
    def statistics() -> Response | str:
        return _overview(panels, "Statistics", "The release in figures.", STATISTICS)

    @blueprint.get("/quality")
    def quality() -> Response | str:
        lede = "Where the records are incomplete or contradict themselves. Nothing here was repaired away."
        return _overview(panels, "Data quality", lede, QUALITY)

    return blueprint


def _overview(panels: Panels, title: str, lede: str, specs: Sequence[PanelSpec]) -> Response | str:
    g.tagged = True
    graph = current_graph()
    return not_modified("text/html") or render_template(
        "overview.html", title=title, lede=lede, panels=[panels.open(graph, spec) for spec in specs]
    )
