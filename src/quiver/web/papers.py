"""Papers as entries of a list: title, byline, imprint; fetched for all rows of a page together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from quiver.markup import to_html
from quiver.web.bylines import Byline, read_bylines
from quiver.web.graph import Facts, Graph


@dataclass(frozen=True, slots=True)
class ImprintItem:
    """One thing that the line below a byline says, and where it leads."""

    label: str
    iri: str = ""


@dataclass(frozen=True, slots=True)
class PaperEntry:
    """One paper of a list; `evidence` says in words why it stands here, where that is not its byline."""

    iri: str
    title: str
    byline: Byline
    year: str
    imprint: tuple[ImprintItem, ...]
    abstract: Markup
    evidence: str = ""

    def with_evidence(self, words: str) -> PaperEntry:
        return replace(self, evidence=words)


def read_entries(graph: Graph, papers: Sequence[str], *, abstracts: bool = True) -> list[PaperEntry]:
    """The entries of these papers, in their order."""
    facts = graph.about_all(dict.fromkeys(papers))
    bylines = read_bylines(graph, facts)
    venues = {venue for about in facts.values() for venue in (*about.all("q:venue"), *about.all("q:edition"))}
    labels = graph.labels(venues)
    return [
        PaperEntry(
            iri=iri,
            title=title_of(facts[iri]),
            byline=bylines[iri],
            year=year_of(facts[iri]),
            imprint=tuple(imprint(facts[iri], labels)),
            abstract=abstract_of(facts[iri]) if abstracts else Markup(""),
        )
        for iri in papers
    ]


def title_of(facts: Facts) -> str:
    """The title as plain text."""
    return facts.one("rdfs:label") or facts.one("dcterms:title")


def year_of(facts: Facts) -> str:
    """The year, else what the source says in its place."""
    return facts.one("q:year") or facts.one("q:statedYear")


def abstract_of(facts: Facts) -> Markup:
    """The abstract as safe HTML, maths as MathML; made from the text as given."""
    source = facts.one("dcterms:abstract")
    return Markup(to_html(source)) if source else Markup("")  # noqa: S704 - to_html escapes and whitelists


def imprint(facts: Facts, labels: dict[str, str]) -> list[ImprintItem]:
    """Venue edition (or series), type and status as stated."""
    venues = facts.all("q:edition") or facts.all("q:venue")
    items = [ImprintItem(labels.get(venue, venue), venue) for venue in venues]
    if not facts.all("q:edition") and year_of(facts):
        items.append(ImprintItem(year_of(facts)))
    items += [ImprintItem(text) for text in (*facts.all("q:statedType"), *facts.all("q:statedStatus"))]
    return items
