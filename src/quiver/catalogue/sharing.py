"""What several queries ask in the same words, asked once.

A subquery is evaluated by itself (SPARQL 1.1, 12), so its solutions may stand in its place, as VALUES. Of the checks of
data quality one query lists what is found and another counts it; the scan that finds it is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Final

import pyoxigraph as ox

from quiver.catalogue.standalone import subqueries

# Only who picks few of many is worth writing out.
_PICKS: Final = frozenset({"HAVING", "LIMIT"})
_MOST_ROWS: Final = 100_000


def shared_subqueries(texts: Iterable[str]) -> dict[str, str]:
    """The subqueries that stand more than once in *texts*: their words -> a query that asks one of them alone.

    Of a shared one in another, the outer alone, unless several of those have it; then it comes before them.
    """
    found = [(text, subquery) for text in texts for subquery in subqueries(text) if _PICKS & subquery.clauses]
    counts = Counter(subquery.words for _, subquery in found)
    shared: dict[str, str] = {}
    for text, subquery in found:
        if counts[subquery.words] > 1 and subquery.words not in shared:
            shared[subquery.words] = text[: subquery.prologue_end] + text[subquery.start : subquery.end]
    hosts = Counter(words for query in shared.values() for words in {inner.words for inner in subqueries(query)})
    # What is in another is shorter.
    return {words: shared[words] for words in sorted(shared, key=len) if hosts[words] != 1}


def asks_any(text: str, words: Container[str]) -> bool:
    """Whether one of the subqueries of *text* is among those of these *words*."""
    return any(subquery.words in words for subquery in subqueries(text))


def solutions_of(store: ox.Store, query: str) -> str | None:
    """The solutions of *query* as a VALUES block; None where they are too many to be written out."""
    result = store.query(query)
    assert isinstance(result, ox.QuerySolutions)
    rows: list[str] = []
    for solution in result:
        if len(rows) == _MOST_ROWS:
            return None
        rows.append(f"({' '.join('UNDEF' if term is None else str(term) for term in solution)})")
    return f"VALUES ({' '.join(map(str, result.variables))}) {{ {' '.join(rows)} }}"


def with_solutions(text: str, solutions: Mapping[str, str]) -> str:
    """*text* with the *solutions* of subqueries, by their words, in their places."""
    pieces: list[str] = []
    end = 0
    for subquery in subqueries(text):
        values = solutions.get(subquery.words)
        if values is not None and subquery.start >= end:
            pieces += (text[end : subquery.start], values)
            end = subquery.end
    return "".join(pieces) + text[end:]
