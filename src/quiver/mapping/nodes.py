"""Everything that is no paper: sources, files, cluster pages, author rows, name clusters, venues, rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from quiver.identifiers import Minter
from quiver.mapping.papers import NO_NAME
from quiver.mapping.terms import Block
from quiver.names import split_homonym
from quiver.records import ClusterPage

# Name of a rule -> its plan in the ontology, and what the activity is called.
RULES: Final[dict[str, tuple[str, str]]] = {
    "exact-name": ("q:ExactNameRule", "Grouping of signatures by exact name"),
    "stated-venue": ("q:StatedVenueRule", "Grouping of papers by stated venue"),
    "stated-year": ("q:StatedYearRule", "Grouping of a venue's papers by stated year"),
}


def map_source(source: str, files: Sequence[str], minter: Minter) -> list[str]:
    """The statements of a source; *files* are the SHA-256 of its files."""
    block = Block(minter.source(source))
    block.named("rdf:type", "q:Source")
    block.text("rdfs:label", source)
    for sha256 in sorted(set(files)):
        block.iri("dcat:distribution", minter.source_file(source, sha256))
    return block.lines()


def map_source_file(
    source: str, name: str, size: int, sha256: str, reader: str, minter: Minter, revises: Sequence[str] = ()
) -> list[str]:
    """The statements of one file as read; size in bytes. *revises* are the SHA-256 of the files that it replaced."""
    block = Block(minter.source_file(source, sha256))
    block.named("rdf:type", "q:SourceFile")
    block.text("rdfs:label", name)
    block.iri("q:ofSource", minter.source(source))
    block.text("q:fileName", name)
    block.integer("dcat:byteSize", size)
    block.text("q:sha256", sha256)
    block.text("q:reader", reader)
    for older in sorted(set(revises)):
        block.iri("prov:wasRevisionOf", minter.source_file(source, older))
    return block.lines()


def map_cluster_page(
    page: ClusterPage,
    *,
    source: str,
    key: str,
    found: Collection[str],
    files: Sequence[str],
    locator: str,
    minter: Minter,
) -> list[str]:
    """The statements of a cluster page; *found* are the keys of papers that it lists and the release holds.

    A key that it lists and that no record has is kept as a stated listing, not as a paper.
    """
    block = Block(minter.cluster_page(source, key))
    block.named("rdf:type", "q:ClusterPage")
    block.text("rdfs:label", f"Author name cluster: {page.name}")
    block.text("q:statedName", page.name)
    block.iri("q:aboutCluster", minter.name_cluster(key))
    if page.paper_count is not None:
        block.integer("q:statedPaperCount", page.paper_count)
    if page.author_row_count is not None:
        block.integer("q:statedAuthorRowCount", page.author_row_count)
    if page.note:
        block.text("q:statedNote", page.note)
    for paper in page.lists:
        if paper in found:
            block.iri("q:listsPaper", minter.paper(source, paper))
        else:
            block.text("q:statedListing", paper)
    block.integer("q:foundPaperCount", len(set(page.lists) & set(found)))
    for file in files:
        block.iri("prov:hadPrimarySource", file)
    block.text("q:recordLocator", locator)
    return block.lines()


def map_author_row(
    source: str, key: str, label: str, source_id: str, minter: Minter, name_clusters: int = 1
) -> list[str]:
    """The statements of one author entry of one source, whose signatures are in so many name clusters."""
    block = Block(minter.author_row(source, key))
    block.named("rdf:type", "q:AuthorRow")
    block.text("rdfs:label", label or NO_NAME)
    block.iri("q:ofSource", minter.source(source))
    if source_id:
        block.text("q:sourceKey", source_id)
    if name_clusters > 1:
        block.integer("q:nameClusterCount", name_clusters)
    return block.lines()


def map_name_cluster(
    key: str, preferred: str, alternatives: Sequence[str], papers: int, rows: int, minter: Minter
) -> list[str]:
    """The statements of a name cluster: its key, spellings, counts, and homonym number if it has one."""
    block = Block(minter.name_cluster(key))
    block.named("rdf:type", "q:NameCluster")
    block.text("rdfs:label", preferred or NO_NAME)
    block.text("q:nameKey", key)
    block.text("skos:prefLabel", preferred)
    for spelling in alternatives:
        block.text("skos:altLabel", spelling)
    block.named("q:identityStatus", "q:NotAnIdentity")
    block.integer("q:paperCount", papers)
    block.integer("q:authorRowCount", rows)
    bare, number = split_homonym(key)
    if number is not None:
        block.text("q:homonymNumber", number)
        block.iri("q:homonymOf", minter.name_cluster(bare))
    block.iri("prov:wasGeneratedBy", minter.rule("exact-name"))
    return block.lines()


def map_venue_series(key: str, label: str, papers: int, minter: Minter) -> list[str]:
    """The statements of a venue series."""
    block = Block(minter.venue_series(key))
    block.named("rdf:type", "q:VenueSeries")
    block.text("rdfs:label", label)
    block.integer("q:paperCount", papers)
    block.iri("prov:wasGeneratedBy", minter.rule("stated-venue"))
    return block.lines()


def map_venue_edition(key: str, edition: str, label: str, papers: int, minter: Minter) -> list[str]:
    """The statements of a venue edition; *label* is that of the series."""
    block = Block(minter.venue_edition(key, edition))
    block.named("rdf:type", "q:VenueEdition")
    block.text("rdfs:label", f"{label} {edition}")
    block.iri("q:ofSeries", minter.venue_series(key))
    block.text("q:editionKey", edition)
    block.integer("q:paperCount", papers)
    block.iri("prov:wasGeneratedBy", minter.rule("stated-year"))
    return block.lines()


def map_rules(minter: Minter) -> list[list[str]]:
    """The statements of each rule's activity, a block a rule (PROV-O, qualified association with a plan)."""
    blocks = []
    for name, (plan, label) in RULES.items():
        iri = minter.rule(name)
        block = Block(iri)
        block.named("rdf:type", "prov:Activity")
        block.text("rdfs:label", label)
        block.iri("prov:qualifiedAssociation", f"{iri}#association")
        block.about(f"{iri}#association")
        block.named("rdf:type", "prov:Association")
        block.text("rdfs:label", f"{label}: who and by which plan")
        block.named("prov:agent", "q:Quiver")
        block.named("prov:hadPlan", plan)
        blocks.append(block.lines())
    return blocks
