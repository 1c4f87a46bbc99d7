"""One paper of one source, with its byline, as statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from quiver.errors import InvalidIdentifier
from quiver.identifiers import (
    Minter,
    is_absolute_iri,
    parse_arxiv,
    parse_doi,
    parse_isbn,
    parse_issn,
    parse_orcid,
)
from quiver.mapping.terms import Block, integer_literal, literal, named, predicate
from quiver.markup import find_links, plain_text
from quiver.names import display_name, exact_name, key_of_exact, name_key
from quiver.records import Author, Record

# Stated type, casefolded -> class. A type that is not here stays a stated type alone.
TYPE_CLASSES: Final[dict[str, str]] = {
    "article": "fabio:Article",
    "book": "fabio:Book",
    "book chapter": "fabio:BookChapter",
    "conference paper": "fabio:ConferencePaper",
    "doctoral thesis": "fabio:DoctoralThesis",
    "editorial": "fabio:Editorial",
    "inproceedings": "fabio:ProceedingsPaper",
    "journal article": "fabio:JournalArticle",
    "journal paper": "fabio:JournalArticle",
    "phd thesis": "fabio:DoctoralThesis",
    "preprint": "fabio:Preprint",
    "proceedings paper": "fabio:ProceedingsPaper",
    "review article": "fabio:ReviewArticle",
    "thesis": "fabio:Thesis",
    "workshop paper": "fabio:WorkshopPaper",
}

# Scheme of an identifier -> its property, and what checks and normalises the value.
IDENTIFIER_TERMS: Final[dict[str, tuple[str, Callable[[str], str]]]] = {
    "arxiv": ("fabio:hasArXivId", parse_arxiv),
    "isbn": ("bibo:isbn13", parse_isbn),
    "issn": ("bibo:issn", parse_issn),
}

NO_NAME: Final = "(no name)"
_TYPE: Final = predicate("rdf:type")
_SIGNATURE: Final = named("q:AuthorSignature")
_LABEL: Final = predicate("rdfs:label")
_HAS_SIGNATURE: Final = predicate("q:hasSignature")
_CREATOR: Final = predicate("dc:creator")
_GIVEN: Final = predicate("q:statedGivenName")
_FAMILY: Final = predicate("q:statedFamilyName")
_ORDINAL: Final = predicate("q:ordinal")
_STATED_NAME: Final = predicate("q:statedName")
_DISPLAY_NAME: Final = predicate("q:displayName")
_IN_CLUSTER: Final = predicate("q:inNameCluster")
_AUTHOR_ROW: Final = predicate("q:authorRow")
_ACL_ID = re.compile(r"[A-Z][0-9]{2}-[0-9]{4,5}|[0-9]{4}\.[A-Za-z0-9_]+-[A-Za-z0-9_]+\.[0-9]+")
# Properties whose values are addresses of the world as a source gave them, even where they begin like our own.
OUTWARD: Final = ("foaf:page", "q:pdf", "q:link", "dblp:doi", "dblp:signatureOrcid")
_ACL_SITE: Final = "https://aclanthology.org/"
_WEB = ("http://", "https://", "ftp://")


# Frozen dataclasses take four times as long to make.
class MappedSignature(msgspec.Struct, frozen=True):
    """What later steps need of a byline entry: cluster key, stated name, key of the author row, source's author id."""

    cluster: str
    stated_name: str
    row: str
    row_id: str


class MappedPaper(msgspec.Struct, frozen=True):
    """A paper's statements, and what clusters, venues and the text index are made of."""

    iri: str
    lines: list[str]
    label: str
    text: str
    year: int | None
    signatures: tuple[MappedSignature, ...]
    venues: tuple[tuple[str, str], ...]  # key, as stated
    edition: str
    identifiers: tuple[str, ...]


def web_address(stated: str) -> str | None:
    """*stated* as the address of a web page, mended where only white space breaks it; None where it is none."""
    if stated.startswith(_WEB) and is_absolute_iri(stated):
        return stated
    if _ACL_ID.fullmatch(stated):
        return _ACL_SITE + stated
    mended = "".join(stated.split())
    return mended if mended != stated and mended.startswith(_WEB) and is_absolute_iri(mended) else None


def map_paper(
    record: Record,
    *,
    source: str,
    key: str,
    files: Sequence[str],
    locator: str,
    listed_by: Collection[str],
    minter: Minter,
) -> MappedPaper:
    """The statements of *record*.

    *files* are the IRIs of the source files that hold it; *listed_by* the keys of clusters for which a page lists it.
    """
    iri = minter.paper(source, key)
    block = Block(iri)
    block.named("rdf:type", "q:Paper")
    for kind in sorted({TYPE_CLASSES[stated] for t in record.types if (stated := t.casefold()) in TYPE_CLASSES}):
        block.named("rdf:type", kind)
    label = plain_text(record.title) or record.title
    block.text("rdfs:label", label)
    block.text("dcterms:title", record.title)
    text = _map_abstract(block, record)
    if record.year is not None:
        block.year("dcterms:issued", record.year)
        block.integer("q:year", record.year)
    elif record.stated_year:
        block.text("q:statedYear", record.stated_year)
    block.texts("q:statedVenue", record.venues)
    block.texts("q:statedVenueKind", record.venue_kinds)
    block.texts("q:statedType", record.types)
    block.texts("q:statedStatus", record.statuses)
    block.texts("q:statedTrack", record.tracks)
    block.texts("q:statedContainer", record.containers)
    edition = str(record.year) if record.year is not None else ""
    venues = tuple((venue_key, stated) for stated in record.venues if (venue_key := name_key(stated)))
    for venue_key, _ in venues:
        block.iri("q:venue", minter.venue_series(venue_key))
        if edition:
            block.iri("q:edition", minter.venue_edition(venue_key, edition))
    identifiers = _map_identifiers(block, record)
    _map_links(block, record)
    if record.pages:
        block.text("bibo:pages", record.pages)
    if record.citation_key:
        block.text("q:citationKey", record.citation_key)
    for name, value in record.fields:
        block.text("q:statedField", f"{name}={value}")
    for file in files:
        block.iri("prov:hadPrimarySource", file)
    block.text("q:recordLocator", locator)
    if record.key:
        block.text("q:sourceKey", record.key)
    signatures = _map_byline(block, iri, record, source, listed_by, minter)
    return MappedPaper(iri, block.lines(), label, text, record.year, signatures, venues, edition, (*identifiers, key))


def _map_abstract(block: Block, record: Record) -> str:
    if not record.abstract.strip():
        return ""
    block.text("dcterms:abstract", record.abstract)
    clean = plain_text(record.abstract)
    if clean != record.abstract:
        block.text("q:abstractText", clean)
    return clean


def _map_identifiers(block: Block, record: Record) -> list[str]:
    found = []
    for stated in record.dois:
        try:
            doi = parse_doi(stated)
        except InvalidIdentifier:
            block.text("q:statedIdentifier", f"doi:{stated}")
            continue
        block.text("bibo:doi", doi.value)
        block.iri("dblp:doi", doi.iri)
        found.append(doi.value)
        if doi.value != stated:
            block.text("q:statedIdentifier", f"doi:{stated}")
    for scheme, stated in record.identifiers:
        property_, parse = IDENTIFIER_TERMS.get(scheme, ("", str))
        try:
            value = parse(stated)
        except InvalidIdentifier:
            property_ = ""
        else:
            found.append(value)
        if property_:
            block.text(property_, value)
        if not property_ or value != stated:
            block.text("q:statedIdentifier", f"{scheme}:{stated}")
    return found


def _map_links(block: Block, record: Record) -> None:
    for property_, values in (("foaf:page", record.urls), ("q:pdf", record.pdfs), ("q:link", record.links)):
        for stated in values:
            address = web_address(stated)
            if address:
                block.iri(property_, address)
            if address != stated:
                block.text("q:statedLink", stated)
    if "http" in record.abstract.casefold():
        for link in find_links(record.abstract):
            if is_absolute_iri(link):
                block.iri("q:link", link)


def _map_byline(
    block: Block, iri: str, record: Record, source: str, listed_by: Collection[str], minter: Minter
) -> tuple[MappedSignature, ...]:
    exact = [exact_name(author.name) for author in record.authors]
    signatures = tuple(
        [
            # The key of an author row within its source: the source's id, else `n-` and the exact name, case kept.
            MappedSignature(key_of_exact(name), author.name, author.id or "n-" + name, author.id)
            for author, name in zip(record.authors, exact, strict=True)
        ]
    )
    paper = f"<{iri}>"
    block.add([f"{paper}{_HAS_SIGNATURE}<{iri}#a{ordinal}> .\n" for ordinal in range(1, len(signatures) + 1)])
    block.integer("q:authorCount", len(signatures))
    missing = set(listed_by) - {signature.cluster for signature in signatures}
    cut = "q:PossiblyAbridged" if record.byline_may_be_cut else "q:Complete"
    block.named("q:bylineStatus", "q:Abridged" if missing else cut)
    displayed = [display_name(name) for name in exact]
    block.add([f"{paper}{_CREATOR}{literal(name)} .\n" for name in dict.fromkeys(displayed) if name])
    for ordinal, (author, signature, name) in enumerate(zip(record.authors, signatures, displayed, strict=True), 1):
        # Half of all statements are these: written together, without a call for each.
        subject = f"<{iri}#a{ordinal}>"
        stated = literal(author.name)
        shown = stated if name == author.name else literal(name)
        block.add(
            (
                f"{subject}{_TYPE}{_SIGNATURE} .\n",
                f"{subject}{_LABEL}{shown if name else literal(NO_NAME)} .\n",
                f"{subject}{_ORDINAL}{integer_literal(ordinal)} .\n",
                f"{subject}{_STATED_NAME}{stated} .\n",
                f"{subject}{_DISPLAY_NAME}{shown} .\n",
                f"{subject}{_IN_CLUSTER}<{minter.name_cluster(signature.cluster)}> .\n",
                f"{subject}{_AUTHOR_ROW}<{minter.author_row(source, signature.row)}> .\n",
            )
        )
        if author.given:
            block.add((f"{subject}{_GIVEN}{literal(author.given)} .\n",))
        if author.family:
            block.add((f"{subject}{_FAMILY}{literal(author.family)} .\n",))
        if author.variants or author.affiliations or author.orcid or author.identifiers:
            block.about(f"{iri}#a{ordinal}")
            _map_author_details(block, author)
    return signatures


def _map_author_details(block: Block, author: Author) -> None:
    block.texts("q:statedNameVariant", author.variants)
    block.texts("q:statedAffiliation", author.affiliations)
    if author.orcid:
        try:
            orcid = parse_orcid(author.orcid)
        except InvalidIdentifier:
            block.text("q:statedIdentifier", f"orcid:{author.orcid}")
        else:
            block.iri("dblp:signatureOrcid", orcid.iri)
    for scheme, value in author.identifiers:
        block.text("q:statedIdentifier", f"{scheme}:{value}")
