"""What goes into the text index, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

Kind = Literal["paper", "name", "venue"]
Sort = Literal["relevance", "newest", "oldest", "title"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SORTS: tuple[Sort, ...] = get_args(Sort)


class SearchDocument(msgspec.Struct, frozen=True, array_like=True):
    """One paper, name cluster or venue, as the text index takes it.

    `path` is the IRI without the base, `label` the plain title, preferred name or venue label, `text` the plain
    abstract. `names` are the stated names of a byline (of a name cluster: its other spellings), `venues` those of
    its venues, as stated. `weight` is the paper count of a name or venue, 0 for a paper.
    """

    path: str
    kind: str
    label: str
    text: str = ""
    names: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    year: int | None = None
    weight: int = 0
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of plain text; `ranges` are the (start, end) of what matched, in characters of `text`."""

    text: str = ""
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One match; `score` is 0 where hits are not ordered by relevance."""

    path: str
    kind: str
    label: str
    year: int | None
    names: tuple[str, ...]
    venues: tuple[str, ...]
    weight: int
    score: float
    snippet: Snippet


@dataclass(frozen=True, slots=True)
class Facets:
    """Exact counts over all matches: kinds and the 20 biggest venues by count, years newest first."""

    kinds: tuple[tuple[str, int], ...] = ()
    years: tuple[tuple[int, int], ...] = ()
    venues: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """How many documents match, the asked-for stretch of them, and the facets of them all."""

    total: int
    hits: tuple[SearchHit, ...]
    facets: Facets
