"""The pages of a source, of a file of it, and of an author entry of it: what was read, and what it states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from quiver.config import Settings
from quiver.identifiers import encode_segment
from quiver.manifest import Input, SourceCounts
from quiver.web.bylines import AT_LEAST
from quiver.web.graph import Facts, Graph
from quiver.web.links import href
from quiver.web.panels import LinkedText, Panel, Panels, PanelSpec, number_of, wanted_panels

# Panels that go through all papers of the release wait to be asked for where there are more.
_MANY: Final = 5_000
_SOURCE: Final = (
    PanelSpec("source/files", "Files as read", limit=200),
    PanelSpec("source/counts", "What it holds", on_demand_above=20_000),
    PanelSpec(
        "source/papers-by-year",
        "Papers by year",
        "chart",
        "None of its papers states a year.",
        of="papers",
        on_demand_above=_MANY,
    ),
    PanelSpec("source/records", "Records as stated", empty="It has no records.", paged=True, on_demand_above=_MANY),
)
_FILE: Final = (
    PanelSpec(
        "source/file-records", "Records as stated", empty="It has no records.", paged=True, on_demand_above=_MANY
    ),
)
_ROW: Final = (
    PanelSpec("author/names", "Name clusters", "tally", note="The names that stand under this row.", of="papers"),
    PanelSpec(
        "author/identifiers",
        "Identifiers",
        empty="The source states none with its byline entries.",
        note="As stated with its byline entries. Several of one kind may be several people, or a slip.",
        of="papers",
    ),
    PanelSpec("author/affiliations", "Affiliations", empty="The source states none with its byline entries."),
    PanelSpec("author/papers-by-year", "Papers by year", "chart", "None of these papers states a year.", of="papers"),
    PanelSpec("author/papers", "Papers", "years", "No paper of this release belongs here.", paged=True),
)
# Its panels whose figures are lower bounds where a byline may be cut.
_BOUNDED: Final = ("author/names", "author/papers-by-year")
_ROW_COUNT: Final = PanelSpec("author/papers-count", "Papers", "none")
# Scheme of an identifier, as sources call it -> where it leads. What it leads to is the source's word.
_PROFILES: Final = {
    "orcid": "https://orcid.org/",
    "dblp": "https://dblp.org/pid/",
    "google_scholar": "https://scholar.google.com/citations?user=",
    "or_profile": "https://openreview.net/profile?id=",
}


def source_context(
    graph: Graph, panels: Panels, settings: Settings, iri: str, facts: Facts, page: int
) -> Mapping[str, object]:
    """What the page of a source has besides what every record has; counts of records are the manifest's word."""
    slug = facts.one("rdfs:label")
    counts = graph.manifest.sources.get(slug, SourceCounts())
    all_papers = graph.manifest.counts.get("papers", 0)
    papers = counts.accepted - counts.pages
    shown = [
        panels.offer(
            graph, spec, iri, page, {"papers": papers}, papers if spec.query == "source/counts" else all_papers
        )
        for spec in wanted_panels(_SOURCE)
    ]
    for panel in shown:
        if panel.query == "source/files":
            _shorten_checksums(panel)
    return {
        "panels": shown,
        "marks": [LinkedText(f"{papers:,} paper" + ("" if papers == 1 else "s"))],
        "reading": {
            "counts": counts,
            "release": graph.manifest,
            "rejects": f"source/{encode_segment(slug)}/rejects" if counts.rejected else "",
            "licence": settings.text("licence"),
        },
    }


def _shorten_checksums(panel: Panel) -> None:
    """Show of each SHA-256, the last column, as much as the file's IRI has; the file's page has all."""
    for cells in panel.cells:
        checksum = cells[-1]
        if checksum is not None:
            cells[-1] = LinkedText(checksum.text[:12] + "…")


def file_context(
    graph: Graph, panels: Panels, settings: Settings, iri: str, facts: Facts, page: int
) -> Mapping[str, object]:
    """What the page of a source's file has besides what every record has."""
    sha256 = facts.one("q:sha256")
    found = next((one for one in graph.manifest.inputs if one.sha256 == sha256), None)
    all_papers = graph.manifest.counts.get("papers", 0)
    return {
        "panels": [panels.offer(graph, spec, iri, page, {"papers": 0}, all_papers) for spec in wanted_panels(_FILE)],
        "read_from_file": _read(found) if found else "",
    }


def _read(found: Input) -> str:
    text = f"{found.read:,} record{'' if found.read == 1 else 's'} read"
    return f"{text}, {found.unreadable:,} of them unreadable." if found.unreadable else f"{text}, all of them readable."


def row_context(
    graph: Graph, panels: Panels, settings: Settings, iri: str, facts: Facts, page: int
) -> Mapping[str, object]:
    """What the page of an author row has besides what every record has."""
    counted = panels.open(graph, _ROW_COUNT, iri)
    papers = sum(number_of(row, "papers") or 0 for row in counted.rows)
    cut = papers > sum(number_of(row, "complete") or 0 for row in counted.rows)
    shown = [panels.offer(graph, spec, iri, page, {"papers": papers}) for spec in wanted_panels(_ROW)]
    for panel in shown:
        if cut and panel.query in _BOUNDED:
            panel.note = f"{panel.note} {AT_LEAST}".strip()
        if cut:
            panel.denominator = panel.denominator.replace("Of ", "Of at least ", 1)
        if panel.query == "author/identifiers":
            _link_identifiers(panel)
    return {
        "panels": shown,
        "marks": [
            *(LinkedText(label, href(source)) for source, label in graph.labels(facts.all("q:ofSource")).items()),
            LinkedText(f"{'at least ' if cut else ''}{papers:,} paper" + ("" if papers == 1 else "s")),
        ],
    }


def _link_identifiers(panel: Panel) -> None:
    """Make identifiers of known schemes links."""
    for cells in panel.cells:
        scheme, identifier = cells[0], cells[1]
        if scheme is not None and identifier is not None and scheme.text in _PROFILES:
            address = _PROFILES[scheme.text] + quote(identifier.text, safe="/~")
            cells[1] = LinkedText(identifier.text, address, outside=True)
