"""The text index of a release, opened for searching."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import cast

import msgspec
import tantivy
from tantivy import Order, Query

from quiver.errors import InvalidParameter
from quiver.names import name_key
from quiver.search import fields
from quiver.search.documents import KINDS, SORTS, Facets, SearchAnswer, SearchDocument, SearchHit, Snippet
from quiver.search.fields import exact_key
from quiver.search.language import Clause, Words, parse_search
from quiver.search.likeness import find_like, telling_words
from quiver.search.matching import (
    found_sequences,
    match_clauses,
    match_completions,
    match_filters,
    match_series,
    narrow,
)
from quiver.search.opening import open_read_only
from quiver.search.snippets import compile_sequences, cut_snippet

_VENUES_SHOWN = 20
# All years and kinds there can be; and the most buckets that tantivy gives, so that no segment drops a venue.
_ALL_BUCKETS = 65_000
_FACETS = {
    "kinds": {"terms": {"field": fields.KIND, "size": len(KINDS)}},
    "years": {"terms": {"field": fields.YEAR, "size": 10_000, "segment_size": 10_000}},
    "venues": {"terms": {"field": fields.VENUE, "size": _VENUES_SHOWN, "segment_size": _ALL_BUCKETS}},
}
_ORDERS = {
    "newest": (fields.NEWEST, Order.Desc),
    "oldest": (fields.OLDEST, Order.Asc),
    "title": (fields.EXACT, Order.Asc),
    "heaviest": (fields.HEFT, Order.Desc),
}
_COUNTS_KEPT = 512
_LABELS_KEPT = 65_536
_COMPLETIONS_KEPT = 4096
_COMPLETIONS_READ = 3
_LONGEST_COMPLETED = 200

_Match = tuple[float, tantivy.DocAddress]
_decode = msgspec.msgpack.Decoder(SearchDocument).decode


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


class SearchIndex:
    """Searches the index in *folder*, which may be read-only; safe to share between threads.

    Raises:
        DamagedRelease: *folder* holds no whole index.
    """

    def __init__(self, folder: Path) -> None:
        self._searcher = open_read_only(folder)
        # A release never changes. Not methods: a cycle would keep the files of an old release mapped.
        label = lru_cache(maxsize=_LABELS_KEPT)(partial(_venue_label, self._searcher))
        self._count = lru_cache(maxsize=_COUNTS_KEPT)(partial(_count, self._searcher, label))
        self._complete = lru_cache(maxsize=_COMPLETIONS_KEPT)(partial(_complete, self._searcher))

    def __len__(self) -> int:
        return self._searcher.num_docs

    def search(
        self,
        text: str,
        *,
        kind: str | None = None,
        venue: str | None = None,
        year_from: int | None = None,
        year_to: int | None = None,
        offset: int = 0,
        limit: int = 20,
        sort: str = "relevance",
        snippets: bool = True,
    ) -> SearchAnswer:
        """The documents that match *text* within the filters; everything, newest first, when *text* is empty.

        *venue* is a label as a facet gives it, in any letter case; years are inclusive. For the query
        language see `parse_search`. Without *snippets* those of the hits are the beginnings of their texts, which
        takes half the time for many hits.

        Raises:
            InvalidSearch: a `year:` that is none, or a text that is far too long.
            InvalidParameter: an unknown *kind* or *sort*, a negative *offset* or *limit*.
        """
        _check(kind, sort, offset, limit)
        clauses = parse_search(text)
        query = _query(clauses, kind, venue, year_from, year_to)
        if sort == "relevance" and not any(isinstance(part, Words) and not part.negated for part in clauses):
            # Nothing that could rank: the years, exclusions and filters alone.
            sort = "newest"
        total, facets = self._count(clauses, kind, venue, year_from, year_to)
        limit = min(limit, total - offset)
        found = _find(self._searcher, query, sort, offset, limit) if limit > 0 else []
        highlighted = compile_sequences(found_sequences(clauses)) if snippets else None
        return SearchAnswer(total, tuple(_read_hit(self._searcher, match, highlighted) for match in found), facets)

    def suggest(self, text: str, limit: int = 10) -> tuple[SearchHit, ...]:
        """Names, venues and titles that have the words of *text*, the last of them perhaps unfinished.

        Names and venues first, the heaviest of them foremost; each label once. A space at the end of *text* says that
        the last word is whole. The hits have no snippets.
        """
        return self._complete(text.lstrip()[:_LONGEST_COMPLETED], limit) if limit > 0 else ()

    def like(
        self, text: str, *, kind: str | None = None, offset: int = 0, limit: int = 20, snippets: bool = True
    ) -> tuple[SearchHit, ...]:
        """The documents that have most of the telling words of *text*, best first; any text, a whole abstract too."""
        return find_like(self._searcher, text, kind, offset, limit, snippets=snippets)

    def telling_words(self, label: str, text: str = "") -> tuple[str, ...]:
        """The words by which the document with this label and text is told from others, the most telling first."""
        return telling_words(self._searcher, label, text)


def _query(
    clauses: tuple[Clause, ...], kind: str | None, venue: str | None, year_from: int | None, year_to: int | None
) -> Query:
    matched = match_clauses(clauses)
    filters = match_filters(kind, venue, year_from, year_to)
    return narrow(Query.all_query() if matched is None else matched, filters)


def _count(
    searcher: tantivy.Searcher,
    venue_label: Callable[[str], str],
    clauses: tuple[Clause, ...],
    kind: str | None,
    venue: str | None,
    year_from: int | None,
    year_to: int | None,
) -> tuple[int, Facets]:
    query = _query(clauses, kind, venue, year_from, year_to)
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


def _venue_label(searcher: tantivy.Searcher, key: str) -> str:
    """The label of the venue whose key is *key*; as the newest paper states it where no venue is indexed."""
    for match in _find(searcher, match_series(key), "heaviest", 0, 1):
        return _read_hit(searcher, match, None).label
    papers = narrow(Query.all_query(), match_filters(None, key, None, None))
    stated = (_read_hit(searcher, match, None).venues for match in _find(searcher, papers, "newest", 0, 1))
    return next((label for labels in stated for label in labels if name_key(label) == key), key)


def _complete(searcher: tantivy.Searcher, text: str, limit: int) -> tuple[SearchHit, ...]:
    by_label: dict[tuple[str, str], SearchHit] = {}
    typed = f" {exact_key(text)}"
    for query, order in match_completions(text):
        # More than asked for: one work under the same title in several sources is one completion.
        found = _find(searcher, query, order, 0, _COMPLETIONS_READ * limit)
        hits = [replace(_read_hit(searcher, match, None), snippet=Snippet()) for match in found]
        if order == "relevance":
            hits.sort(key=lambda hit: typed not in f" {exact_key(hit.label)}")
        for hit in hits:
            by_label.setdefault((hit.kind, hit.label), hit)
        if len(by_label) >= limit:
            break
    return tuple(by_label.values())[:limit]


def _find(searcher: tantivy.Searcher, query: Query, sort: str, offset: int, limit: int) -> list[_Match]:
    if sort == "relevance":
        return searcher.search(query, limit=limit, count=False, offset=offset, weight_by_field=fields.WEIGHT).hits
    field, order = _ORDERS[sort]
    found = searcher.search(query, limit=limit, count=False, offset=offset, order_by_field=field, order=order)
    return [(0.0, address) for _, address in found.hits]


def _read_hit(searcher: tantivy.Searcher, match: _Match, highlighted: re.Pattern[str] | None) -> SearchHit:
    score, address = match
    document = _decode(cast(bytes, searcher.doc(address).get_first(fields.DOCUMENT)))
    return SearchHit(
        path=document.path,
        kind=document.kind,
        label=document.label,
        year=document.year,
        names=document.names,
        venues=document.venues,
        weight=document.weight,
        score=score,
        snippet=cut_snippet(document.text, highlighted),
    )


def _check(kind: str | None, sort: str, offset: int, limit: int) -> None:
    if kind is not None and kind not in KINDS:
        raise InvalidParameter(f"no kind {kind!r}", value=kind, hint=f"One of {', '.join(KINDS)}.")
    if sort not in SORTS:
        raise InvalidParameter(f"no order {sort!r}", value=sort, hint=f"One of {', '.join(SORTS)}.")
    for name, number in (("offset", offset), ("limit", limit)):
        if number < 0:
            raise InvalidParameter(f"{name} is negative", value=number)
