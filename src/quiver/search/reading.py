"""Reading what matches: a stretch of it in an order, as hits."""

from __future__ import annotations

import re
from typing import Final, Protocol, cast

import msgspec
import tantivy
from tantivy import Order, Query

from quiver.search import fields
from quiver.search.documents import SearchDocument, SearchHit
from quiver.search.snippets import cut_snippet

_ORDERS: Final = {
    "newest": (fields.NEWEST, Order.Desc),
    "oldest": (fields.OLDEST, Order.Asc),
    "title": (fields.EXACT, Order.Asc),
    "heaviest": (fields.HEFT, Order.Desc),
}


class _Counted(Protocol):
    """What tantivy's own stub leaves out of its results."""

    count: int | None


Match = tuple[float, tantivy.DocAddress]
_decode = msgspec.msgpack.Decoder(SearchDocument).decode


def find(searcher: tantivy.Searcher, query: Query, sort: str, offset: int, limit: int) -> list[Match]:
    """The matches of *query* from *offset* on, at most *limit*, which is not 0."""
    return find_counted(searcher, query, sort, offset, limit, count=False)[0]


def count_matches(searcher: tantivy.Searcher, query: Query) -> int:
    """How many documents match *query*."""
    return _count_of(searcher.search(query, limit=1, count=True))


def find_counted(
    searcher: tantivy.Searcher, query: Query, sort: str, offset: int, limit: int, *, count: bool = True
) -> tuple[list[Match], int]:
    """As `find`, and how many matches there are in all; 0 unless they are to be counted."""
    if sort == "relevance":
        ranked = searcher.search(query, limit=limit, count=count, offset=offset, weight_by_field=fields.WEIGHT)
        return ranked.hits, _count_of(ranked)
    field, order = _ORDERS[sort]
    found = searcher.search(query, limit=limit, count=count, offset=offset, order_by_field=field, order=order)
    return [(0.0, address) for _, address in found.hits], _count_of(found)


def _count_of(result: object) -> int:
    return cast(_Counted, result).count or 0


def finds(searcher: tantivy.Searcher, query: Query) -> bool:
    """Whether anything matches *query*."""
    return bool(searcher.search(query, limit=1, count=False).hits)


def read_document(searcher: tantivy.Searcher, match: Match) -> SearchDocument:
    """The document at *match*."""
    return _decode(cast(bytes, searcher.doc(match[1]).get_first(fields.DOCUMENT)))


def read_hit(searcher: tantivy.Searcher, match: Match, highlighted: re.Pattern[str] | None) -> SearchHit:
    """The document at *match* as a hit, with the piece of its text that shows best what is *highlighted*."""
    document = read_document(searcher, match)
    return SearchHit(
        path=document.path,
        kind=document.kind,
        label=document.label,
        year=document.year,
        names=document.names,
        venues=document.venues,
        weight=document.weight,
        score=match[0],
        snippet=cut_snippet(document.text, highlighted),
    )
