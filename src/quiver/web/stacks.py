"""Counts by year and venue as stacks: the venues with most papers by themselves, the others together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from quiver.web.charts import SERIES_FILLS, Series, fill_years
from quiver.web.graph import Graph

# With one venue more there would be no "other venues", so it is drawn by itself.
_ALONE: Final = len(SERIES_FILLS)


@dataclass(frozen=True, slots=True)
class Part:
    """One series of the stacks: a venue (`iri`), or those that stand together, and its papers in all drawn years."""

    series: Series
    iri: str
    count: int


@dataclass(frozen=True, slots=True)
class Point:
    """One year, and the papers of each part in it."""

    label: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """Years from the oldest on, parts from below; `undated` papers are in neither."""

    parts: tuple[Part, ...]
    points: tuple[Point, ...]
    undated: int


def read_stack(graph: Graph, rows: Sequence[tuple[str, str, int]]) -> Stack:
    """The stacks of *rows* of year, venue's IRI and papers; year and venue may be empty."""
    by_venue: Counter[str] = Counter()
    for year, venue, papers in rows:
        if year:
            by_venue[venue] += papers
    nowhere = by_venue.pop("", 0)
    # As in the catalogue's lists: most papers first, then by IRI.
    ranked = sorted(by_venue, key=lambda venue: (-by_venue[venue], venue))
    alone = ranked if len(ranked) <= _ALONE else ranked[: _ALONE - 1]
    labels = graph.labels(alone)
    parts = [
        Part(Series(labels.get(iri, iri), fill), iri, by_venue[iri])
        for iri, fill in zip(alone, SERIES_FILLS, strict=False)
    ]
    others = sum(by_venue[venue] for venue in ranked[len(alone) :])
    if others:
        parts.append(Part(Series(f"{len(ranked) - len(alone)} other venues", "rest"), "", others))
    if nowhere:
        parts.append(Part(Series("no venue stated", "none"), "", nowhere))
    place = {iri: number for number, iri in enumerate(alone)}
    if nowhere:
        place[""] = len(parts) - 1
    counts: dict[int, list[int]] = {}
    for year, venue, papers in rows:
        if year:
            counts.setdefault(int(year), [0] * len(parts))[place.get(venue, len(alone))] += papers
    years = [year for year, _ in fill_years([(year, sum(found)) for year, found in counts.items()])]
    empty = (0,) * len(parts)
    points = [Point(str(year), tuple(counts.get(year, empty))) for year in years]
    return Stack(tuple(parts), tuple(points), sum(papers for year, _, papers in rows if not year))
