"""Pages that are about the release as a whole: home, statistics, data quality."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, g, render_template

from quiver.namespaces import PREFIXES
from quiver.web.graph import current_graph
from quiver.web.panels import Panels, PanelSpec
from quiver.web.quality_page import read_quality
from quiver.web.resources import wanted_page
from quiver.web.responses import not_modified

HOME: Final = (
    PanelSpec("release/latest-papers", "Latest papers", "papers", limit=8),
    PanelSpec("release/biggest-venues", "Biggest venues", "tally", limit=18, of="papers"),
)
STATISTICS: Final = (
    PanelSpec("release/counts", "In this release", "figures"),
    PanelSpec("release/sources", "Sources", note="Records are papers and pages about names."),
    PanelSpec(
        "release/papers-by-year",
        "Papers by year",
        "chart",
        "No paper states a year.",
        of="papers",
        charted=("papers", "papers_by_then"),
    ),
    PanelSpec("release/coverage", "What papers come with", "shares", of="papers"),
    PanelSpec(
        "release/stated-types",
        "Types, statuses, tracks",
        "shares",
        empty="No paper states a type, a status or a track.",
        note="As stated; a paper may have several, or none.",
        limit=20,
        of="papers",
    ),
    PanelSpec(
        "release/byline-lengths",
        "Names on a byline",
        "chart",
        note="Papers by the number of names stated, more than thirty together. Some bylines may be cut.",
        of="papers",
    ),
    PanelSpec("release/names-by-papers", "Papers of a name", "chart", note="Names, not people.", of="name_clusters"),
    PanelSpec("release/biggest-venues", "Biggest venues", "tally", limit=60, of="papers"),
)
# A page opens with eight queries at most.
STATISTICS_ON_DEMAND: Final = (
    PanelSpec("release/byline-statuses", "Bylines complete or cut", "shares", of="papers", on_demand=True),
    PanelSpec(
        "release/most-frequent-names",
        "Most frequent names",
        "tally",
        note="Names, not people.",
        limit=60,
        of="papers",
        on_demand=True,
    ),
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
        g.tagged = True
        graph = current_graph()
        return not_modified("text/html") or render_template(
            "overview.html",
            title="Statistics",
            lede="The release in figures.",
            panels=[
                *(panels.open(graph, spec) for spec in STATISTICS),
                *(panels.offer(graph, spec, "", 1, graph.manifest.counts) for spec in STATISTICS_ON_DEMAND),
            ],
        )

    @blueprint.get("/quality")
    def quality() -> Response | str:
        g.tagged = True
        page = wanted_page()
        return not_modified("text/html") or render_template(
            "quality.html",
            title="Data quality",
            lede="Where the records are incomplete or contradict themselves. Nothing here was repaired away.",
            quality=read_quality(current_graph(), panels, page),
        )

    return blueprint
