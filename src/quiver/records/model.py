"""Records as sources state them: frozen values without RDF.

A reader yields `Record` (a paper as one source describes it), `ClusterPage` (what a source said about a name cluster)
and `RecordError` (what could not be taken, and why). Where a source says nothing the field is empty; nothing is guessed
here.
"""

from __future__ import annotations

import hashlib

import msgspec

from quiver.names import name_key


class Author(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One byline entry as stated."""

    name: str
    id: str = ""
    given: str = ""
    family: str = ""
    variants: tuple[str, ...] = ()
    orcid: str = ""
    affiliations: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="paper", tag_field="record"):
    """A paper as one source describes it.

    `year` is set where the source's year is one (1000 to 9999), else `stated_year` keeps its text. `byline_may_be_cut`
    says that the source is known to shorten bylines. `identifiers` are pairs of scheme and value, `fields` pairs of
    name and JSON text for whatever else the source gave.
    """

    title: str
    key: str = ""
    authors: tuple[Author, ...] = ()
    byline_may_be_cut: bool = False
    abstract: str = ""
    year: int | None = None
    stated_year: str = ""
    venues: tuple[str, ...] = ()
    venue_kinds: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    pages: str = ""
    dois: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    pdfs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()
    citation_key: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    def local_key(self) -> str:
        """The paper's key within its source: the source's own, else one made of title, year and venues.

        The made one is `h-` and 16 hex digits of SHA-256 over title (by the cluster-key rule), year and sorted stated
        venues, joined by U+001F.
        """
        if self.key:
            return self.key
        year = str(self.year) if self.year is not None else self.stated_year
        text = "\x1f".join((name_key(self.title), year, *sorted(self.venues)))
        return "h-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class ClusterPage(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="cluster-page", tag_field="record"
):
    """What a source itself said about an author name cluster; `lists` are the local keys of the papers it lists."""

    name: str
    note: str = ""
    paper_count: int | None = None
    author_row_count: int | None = None
    lists: tuple[str, ...] = ()

    def local_key(self) -> str:
        return name_key(self.name)


Item = Record | ClusterPage


class Located(msgspec.Struct, frozen=True):
    """An item and where it stands in its file: a line or record number, counted from 1."""

    item: Item
    locator: str


class RecordError(msgspec.Struct, frozen=True):
    """What could not be taken: where it stands, why, what to do, and the source's own bytes (as given).

    `locator` is a line or record number from 1, or empty where the whole file is meant.
    """

    file: str
    locator: str
    reason: str
    key: str = ""
    hint: str = ""
    raw: bytes = b""

    def __str__(self) -> str:
        place = f"{self.file}:{self.locator}" if self.locator else self.file
        key = f" (key {self.key})" if self.key else ""
        return f"{place}: {self.reason}{key}" + (f". {self.hint}" if self.hint else "")


Read = Located | RecordError

_CANONICAL = msgspec.msgpack.Encoder()


def canonical_bytes(item: Item) -> bytes:
    """The one byte form of *item*: equal items have equal bytes, whatever file or process they come from."""
    return _CANONICAL.encode(item)


def canonical_hash(item: Item) -> bytes:
    """SHA-256 of the canonical bytes (32 bytes); its order decides between records in conflict."""
    return hashlib.sha256(canonical_bytes(item)).digest()
