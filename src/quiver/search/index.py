"""The text index of a release, opened for searching."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache, partial
from pathlib import Path

import tantivy
from tantivy import Query

from quiver.errors import InvalidParameter
from quiver.search.completing import complete
from quiver.search.correcting import correct
from quiver.search.counting import count_facets, find_venue_label
from quiver.search.documents import KINDS, SORTS, Facets, SearchAnswer, SearchHit
from quiver.search.fields import identifier_keys
from quiver.search.language import Clause, Words, parse_search, write_search
from quiver.search.likeness import find_like, telling_words
from quiver.search.matching import (
    NO_FILTERS,
    Filters,
    found_sequences,
    match_clauses,
    match_filters,
    match_identifiers,
    narrow,
)
from quiver.search.opening import open_read_only
from quiver.search.reading import count_matches, find, find_counted, finds, read_document, read_hit
from quiver.search.snippets import compile_sequences

_COUNTS_KEPT = 512
_LABELS_KEPT = 65_536
_COMPLETIONS_KEPT = 4096
_CORRECTIONS_KEPT = 512
_LONGEST_COMPLETED = 200
# Of one identifier; more things have it than anybody could choose from.
_IDENTIFIED = 50


class SearchIndex:
    """Searches the index in *folder*, which may be read-only; safe to share between threads.

    Raises:
        DamagedRelease: *folder* holds no whole index.
    """

    def __init__(self, folder: Path) -> None:
        self._searcher = open_read_only(folder)
        # A release never changes. Not methods: a cycle would keep the files of an old release mapped.
        label = lru_cache(maxsize=_LABELS_KEPT)(partial(find_venue_label, self._searcher))
        self._count = lru_cache(maxsize=_COUNTS_KEPT)(partial(_count, self._searcher, label))
        self._complete = lru_cache(maxsize=_COMPLETIONS_KEPT)(partial(complete, self._searcher))
        self._correct = lru_cache(maxsize=_CORRECTIONS_KEPT)(partial(_correct, self._searcher))

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
        facets: bool = False,
    ) -> SearchAnswer:
        """The documents that match *text* within the filters; everything, newest first, when *text* is empty.

        *venue* is a label as a facet gives it, in any letter case; years are inclusive. For the query
        language see `parse_search`. Without *snippets* those of the hits are the beginnings of their texts, which
        takes half the time for many hits; without *facets* the answer has none.

        Raises:
            InvalidSearch: a `year:` that is none, or a text that is far too long.
            InvalidParameter: an unknown *kind* or *sort*, a negative *offset* or *limit*.
        """
        _check(kind, sort, offset, limit)
        clauses = parse_search(text)
        filters = (kind, venue, year_from, year_to)
        query = _query(clauses, filters)
        if sort == "relevance" and not any(isinstance(part, Words) and not part.negated for part in clauses):
            # Nothing that could rank: the years, exclusions and filters alone.
            sort = "newest"
        # What is counted for the facets is not counted once more.
        total, counted = self._count(clauses, filters) if facets else (len(self), Facets())
        limit = min(limit, total - offset)
        if limit > 0:
            found, matching = find_counted(self._searcher, query, sort, offset, limit, count=not facets)
        else:
            found, matching = [], 0 if facets else count_matches(self._searcher, query)
        highlighted = compile_sequences(found_sequences(clauses)) if snippets else None
        return SearchAnswer(
            total if facets else matching,
            tuple(read_hit(self._searcher, match, highlighted) for match in found),
            counted,
        )

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

    def nearest(
        self,
        text: str,
        *,
        kind: str | None = None,
        venue: str | None = None,
        year_from: int | None = None,
        year_to: int | None = None,
    ) -> str | None:
        """The search text nearest to *text* that finds something within the filters; None where there is none.

        None also where *text* itself finds something without the filters: its words are no slip then.

        Raises:
            InvalidSearch: as in `search`.
        """
        return self._correct(parse_search(text), (kind, venue, year_from, year_to))

    def identified(self, keys: Collection[str]) -> tuple[str, ...]:
        """The paths, in order, of the documents that have one of *keys* as an identifier, in any letter case."""
        folded = {key for given in keys for key in identifier_keys(given)}
        if not folded:
            return ()
        found = find(self._searcher, match_identifiers(folded), "newest", 0, _IDENTIFIED)
        return tuple(sorted({read_document(self._searcher, match).path for match in found}))


def _query(clauses: tuple[Clause, ...], filters: Filters) -> Query:
    matched = match_clauses(clauses)
    return narrow(Query.all_query() if matched is None else matched, match_filters(*filters))


def _count(
    searcher: tantivy.Searcher,
    venue_label: Callable[[str], str],
    clauses: tuple[Clause, ...],
    filters: Filters,
) -> tuple[int, Facets]:
    return count_facets(searcher, _query(clauses, filters), venue_label)


def _correct(searcher: tantivy.Searcher, clauses: tuple[Clause, ...], filters: Filters) -> str | None:
    if finds(searcher, _query(clauses, NO_FILTERS)):
        return None
    corrected = correct(searcher, clauses, lambda others: finds(searcher, _query(others, filters)))
    return write_search(corrected) if corrected is not None else None


def _check(kind: str | None, sort: str, offset: int, limit: int) -> None:
    if kind is not None and kind not in KINDS:
        raise InvalidParameter(f"no kind {kind!r}", value=kind, hint=f"One of {', '.join(KINDS)}.")
    if sort not in SORTS:
        raise InvalidParameter(f"no order {sort!r}", value=sort, hint=f"One of {', '.join(SORTS)}.")
    for name, number in (("offset", offset), ("limit", limit)):
        if number < 0:
            raise InvalidParameter(f"{name} is negative", value=number)
