"""Completions of what is being typed: names and venues that are in many papers, and titles beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import tantivy
from tantivy import Query

from quiver.search.documents import SearchHit, Snippet
from quiver.search.fields import MAX_START, exact_key
from quiver.search.folding import folded_words
from quiver.search.matching import match_completions, match_title_completions
from quiver.search.reading import find, read_hit

# More than asked for: one work under the same title in several sources is one completion.
_READ: Final = 3
# Of ten completions, so many are kept for titles where names and venues would fill them all.
_TITLES_OF_TEN: Final = 4


def complete(searcher: tantivy.Searcher, text: str, limit: int) -> tuple[SearchHit, ...]:
    """At most *limit* names and venues, the heaviest first, then titles; each label once.

    Titles have a share of the places, but not when nothing but a letter or two was typed: thousands begin like that.
    """
    words = folded_words(text)
    entries = _distinct(searcher, [match_completions(text)], text, limit)
    if len(entries) >= limit and len(words) == 1 and len(words[0]) <= MAX_START:
        return entries[:limit]
    kept = limit * _TITLES_OF_TEN // 10
    titles = _distinct(searcher, match_title_completions(text), text, max(kept, limit - len(entries)))
    return (*entries[: limit - min(kept, len(titles))], *titles)[:limit]


def _distinct(
    searcher: tantivy.Searcher, ways: list[tuple[Query, str]], text: str, limit: int
) -> tuple[SearchHit, ...]:
    """The hits of the first way, then of the others while there are fewer than *limit*; each label once."""
    by_label: dict[tuple[str, str], SearchHit] = {}
    typed = f" {exact_key(text)}"
    for query, order in ways:
        if len(by_label) >= limit:
            break
        hits = [
            replace(read_hit(searcher, match, None), snippet=Snippet())
            for match in find(searcher, query, order, 0, _READ * limit)
        ]
        if order == "relevance":
            hits.sort(key=lambda hit: typed not in f" {exact_key(hit.label)}")
        for hit in hits:
            by_label.setdefault((hit.kind, hit.label), hit)
    return tuple(by_label.values())[:limit]
