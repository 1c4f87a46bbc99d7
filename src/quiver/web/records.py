"""The pages of things: for each class of ours its heading, its facts and what makes its panels, as one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import render_template

from quiver.config import Settings
from quiver.web.graph import Facts, Graph
from quiver.web.links import href
from quiver.web.name_page import name_context
from quiver.web.panels import LinkedText, Panels
from quiver.web.paper_page import paper_context
from quiver.web.source_pages import file_context, row_context, source_context
from quiver.web.venue_pages import edition_context, venue_context

Fact = tuple[str, list[LinkedText]]
Context = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PageSpec:
    """How the page of one class is made: the word for it, its template, its facts, what more the template needs."""

    kind: str
    template: str = "record.html"
    lede: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    context: Callable[[Graph, Panels, Settings, str, Facts, int], Context] | None = None


PAGES: Final[dict[str, PageSpec]] = {
    "Paper": PageSpec("Paper", template="paper.html", context=paper_context),
    "NameCluster": PageSpec("Author name cluster", template="name.html", context=name_context),
    "AuthorRow": PageSpec(
        "Author row",
        lede="One author entry of one source: one id, or one exact spelling. It says what the source lists together.",
        facts=(("The source's id", "q:sourceKey"),),
        context=row_context,
    ),
    "VenueSeries": PageSpec(
        "Venue",
        lede="Papers whose source states this venue, grouped by the venue's exact name without regard to letter case.",
        context=venue_context,
    ),
    "VenueEdition": PageSpec(
        "Venue edition",
        lede="Papers whose source states this venue and this year.",
        context=edition_context,
    ),
    "Source": PageSpec(
        "Source",
        lede="Where records come from. Its papers are never merged with those of another source.",
        context=source_context,
    ),
    "SourceFile": PageSpec(
        "Source file",
        lede="One file as it was read.",
        facts=(
            ("Source", "q:ofSource"),
            ("File name", "q:fileName"),
            ("Bytes", "dcat:byteSize"),
            ("SHA-256", "q:sha256"),
            ("Read as", "q:reader"),
            ("In place of", "prov:wasRevisionOf"),
        ),
        context=file_context,
    ),
    "ClusterPage": PageSpec(
        "Page of a source about a name",
        lede=(
            "What a source itself says about a name: its note and its counts. The papers that it lists stand on the "
            "page of the name."
        ),
        facts=(
            ("About", "q:aboutCluster"),
            ("Name as stated", "q:statedName"),
            ("Note as stated", "q:statedNote"),
            ("Papers stated", "q:statedPaperCount"),
            ("Papers found on the page", "q:foundPaperCount"),
            ("Author rows stated", "q:statedAuthorRowCount"),
            ("Read from", "prov:hadPrimarySource"),
            ("Place in the file", "q:recordLocator"),
        ),
    ),
    "": PageSpec(
        "Rule", lede="How derived resources come about.", facts=(("Association", "prov:qualifiedAssociation"),)
    ),
}


def class_of(facts: Facts) -> str:
    """The local name of the first class in `PAGES` that the resource has, empty for none."""
    types = {iri.rpartition("#")[2] for iri in facts.all("rdf:type")}
    return next((name for name in PAGES if name in types), "")


def render_record(
    graph: Graph,
    panels: Panels,
    settings: Settings,
    iri: str,
    facts: Facts,
    formats: Sequence[Mapping[str, str]],
    page: int,
) -> str:
    """The HTML page about *iri*."""
    name = class_of(facts)
    spec = PAGES[name]
    more = spec.context(graph, panels, settings, iri, facts, page) if spec.context else {}
    context: dict[str, object] = {
        "kind": spec.kind,
        "lede": spec.lede,
        "iri": iri,
        "label": facts.one("rdfs:label") or iri,
        "formats": formats,
        "marks": (),
        "facts": _facts(graph, facts, spec.facts),
        "panels": (),
    }
    return render_template(spec.template, **(context | dict(more)))


def _facts(graph: Graph, facts: Facts, rows: Sequence[tuple[str, str]]) -> list[Fact]:
    values = {value for _, curie in rows for value in facts.all(curie) if value.startswith(graph.base)}
    labels = graph.labels(values)
    return [(label, [_fact(value, labels) for value in facts.all(curie)]) for label, curie in rows if facts.all(curie)]


def _fact(value: str, labels: Mapping[str, str]) -> LinkedText:
    if value in labels:
        return LinkedText(labels[value], href(value))
    return LinkedText(f"{int(value):,}" if value.isdigit() and len(value) < 16 else value)
