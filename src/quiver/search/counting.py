"""Facets: how many of all matches are of each kind, year and venue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import tantivy
from tantivy import Query

from quiver.names import name_key
from quiver.search import fields
from quiver.search.documents import KINDS, Facets
from quiver.search.matching import match_filters, match_series, narrow
from quiver.search.reading import find, read_document

_VENUES_SHOWN: Final = 20
# All years and kinds there can be; and the most buckets that tantivy gives, so that no segment drops a venue.
_ALL_BUCKETS: Final = 65_000
_FACETS: Final = {
    "kinds": {"terms": {"field": fields.KIND, "size": len(KINDS)}},
    "years": {"terms": {"field": fields.YEAR, "size": 10_000, "segment_size": 10_000}},
    "venues": {"terms": {"field": fields.VENUE, "size": _VENUES_SHOWN, "segment_size": _ALL_BUCKETS}},
}


class _TextBucket(msgspec.Struct):
    key: str
    doc_count: int


class _NumberBucket(msgspec.Struct):
    key: int
    doc_count: int


class _TextBuckets(msgspec.Struct):
    buckets: list[_TextBucket]


class _NumberBuckets(msgspec.Struct):
    buckets: list[_NumberBucket]


class _Counts(msgspec.Struct):
    kinds: _TextBuckets
    years: _NumberBuckets
    venues: _TextBuckets


def count_facets(searcher: tantivy.Searcher, query: Query, venue_label: Callable[[str], str]) -> tuple[int, Facets]:
    """How many documents match *query*, and their facets; *venue_label* gives the label of a venue's key."""
    counts = msgspec.convert(searcher.aggregate(query, _FACETS), _Counts)
    return sum(bucket.doc_count for bucket in counts.kinds.buckets), Facets(
        kinds=tuple((bucket.key, bucket.doc_count) for bucket in counts.kinds.buckets),
        years=tuple(sorted(((bucket.key, bucket.doc_count) for bucket in counts.years.buckets), reverse=True)),
        venues=tuple(
            sorted(
                ((venue_label(bucket.key), bucket.doc_count) for bucket in counts.venues.buckets),
                key=lambda facet: (-facet[1], facet[0]),
            )
        ),
    )


def find_venue_label(searcher: tantivy.Searcher, key: str) -> str:
    """The label of the venue whose key is *key*; as the newest paper states it where no venue is indexed."""
    for match in find(searcher, match_series(key), "heaviest", 0, 1):
        return read_document(searcher, match).label
    papers = narrow(Query.all_query(), match_filters(None, key, None, None))
    stated = (read_document(searcher, match).venues for match in find(searcher, papers, "newest", 0, 1))
    return next((label for labels in stated for label in labels if name_key(label) == key), key)
