"""Counting by key: what papers contribute to clusters, author rows and venues."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import msgspec

from quiver.names import split_homonym

Key = TypeVar("Key", bound=Hashable)


class NameTally(msgspec.Struct, array_like=True):
    """Of one name cluster: how often each spelling occurs, papers, how often each author row (source, key) does.

    `mentions` are spellings that no byline need have: of pages, and the bare form of numbered names. They count when
    nothing else tells which spelling is preferred.
    """

    spellings: dict[str, int] = {}
    papers: int = 0
    rows: dict[tuple[str, str], int] = {}
    mentions: dict[str, int] = {}

    @property
    def candidates(self) -> dict[str, int]:
        """Every spelling with how often bylines have it."""
        return {**dict.fromkeys(self.mentions, 0), **self.spellings}


class RowTally(msgspec.Struct, array_like=True):
    """Of one author row: how often each name occurs, and how often the source gave its key as an id."""

    names: dict[str, int] = {}
    identified: int = 0


class VenueTally(msgspec.Struct, array_like=True):
    """Of one venue series: how often each spelling occurs, papers, and papers of each edition."""

    spellings: dict[str, int] = {}
    papers: int = 0
    editions: dict[str, int] = {}


def _add(counts: dict[Key, int], key: Key, count: int = 1) -> None:
    counts[key] = counts.get(key, 0) + count


def _add_all(counts: dict[Key, int], others: Mapping[Key, int], sign: int) -> None:
    """Add *others*, or take them off; what is no more is no key."""
    for key, count in others.items():
        total = counts.get(key, 0) + sign * count
        if total:
            counts[key] = total
        else:
            counts.pop(key, None)


def preferred_spelling(spellings: Mapping[str, int]) -> str:
    """The most frequent spelling; of equally frequent ones the first by code points.

    >>> preferred_spelling({"b": 2, "a": 2, "c": 1})
    'a'
    """
    if len(spellings) == 1:
        return next(iter(spellings))
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))


def share_of(key: str, shares: int) -> int:
    """Which of *shares* a key falls in: the same in every process and version."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % shares


class Tally(msgspec.Struct):
    """The contributions of a set of papers and pages.

    Tallies are sums: they merge in any order, and what was added can be taken off again. So the tally of a release is
    that of the one before, less what went, and what came.
    """

    names: dict[str, NameTally] = {}
    rows: dict[tuple[str, str], RowTally] = {}
    venues: dict[str, VenueTally] = {}

    def add_paper(
        self,
        source: str,
        signatures: Iterable[tuple[str, str, str, str]],
        venues: Iterable[tuple[str, str]],
        edition: str,
        listed_by: Mapping[str, str],
    ) -> None:
        """Count one paper.

        *signatures* are (cluster key, stated name, row key, source's author id); *venues* (key, as stated); *listed_by*
        the clusters for which a page lists the paper: key -> name as the page writes it.
        """
        clusters: set[str] = set()
        for cluster, stated, row, row_id in signatures:
            name = self._name(cluster)
            _add(name.spellings, stated)
            _add(name.rows, (source, row))
            clusters.add(cluster)
            tallied = self.rows.get((source, row))
            if tallied is None:
                tallied = self.rows[(source, row)] = RowTally()
            _add(tallied.names, stated)
            if row_id:
                tallied.identified += 1
        clusters.update(listed_by)
        for cluster in clusters:
            self._name(cluster).papers += 1
        for key in dict.fromkeys(key for key, _ in venues):
            venue = self.venues.get(key)
            if venue is None:
                venue = self.venues[key] = VenueTally()
            venue.papers += 1
            if edition:
                _add(venue.editions, edition)
        for key, stated in venues:
            _add(self.venues[key].spellings, stated)

    def add_page(self, cluster: str, name: str) -> None:
        """Count a cluster page: its cluster exists, even without papers, and the page's heading is a spelling."""
        _add(self._name(cluster).mentions, name)

    def _name(self, cluster: str) -> NameTally:
        name = self.names.get(cluster)
        if name is None:
            name = self.names[cluster] = NameTally()
        return name

    def with_bare_names(self) -> Tally:
        """This tally and the bare cluster of every numbered one, which may have no paper of its own; for use once."""
        # A bare key is shorter than the numbered one, so that a name with two numbers hands on what it was handed.
        pending = [(-len(key), key) for key in self.names if key[-1:].isdigit()]
        heapq.heapify(pending)
        while pending:
            _, key = heapq.heappop(pending)
            bare, number = split_homonym(key)
            if number is None:
                continue
            if bare not in self.names:
                heapq.heappush(pending, (-len(bare), bare))
            name, target = self.names[key], self._name(bare)
            for spellings in (name.spellings, name.mentions):
                for spelling, count in spellings.items():
                    _add(target.mentions, split_homonym(spelling)[0], count)
        return self

    def merge(self, other: Tally) -> None:
        """Add the contributions of *other*."""
        self._merge(other, 1)

    def subtract(self, other: Tally) -> None:
        """Take off the contributions of *other*; what is zero after that stays, see `is_empty`."""
        self._merge(other, -1)

    def _merge(self, other: Tally, sign: int) -> None:
        for key, name in other.names.items():
            mine = self._name(key)
            _add_all(mine.spellings, name.spellings, sign)
            _add_all(mine.rows, name.rows, sign)
            _add_all(mine.mentions, name.mentions, sign)
            mine.papers += sign * name.papers
        for row_key, row in other.rows.items():
            kept = self.rows.setdefault(row_key, RowTally())
            _add_all(kept.names, row.names, sign)
            kept.identified += sign * row.identified
        for key, venue in other.venues.items():
            known = self.venues.setdefault(key, VenueTally())
            known.papers += sign * venue.papers
            _add_all(known.spellings, venue.spellings, sign)
            _add_all(known.editions, venue.editions, sign)

    def split(self, shares: int) -> list[Tally]:
        """This tally in *shares* pieces by key; an author row goes with its own key."""
        pieces = [Tally(names={}, rows={}, venues={}) for _ in range(shares)]
        for key, name in self.names.items():
            pieces[share_of(key, shares)].names[key] = name
        for row, tallied in self.rows.items():
            pieces[share_of(row[1], shares)].rows[row] = tallied
        for key, venue in self.venues.items():
            pieces[share_of(key, shares)].venues[key] = venue
        return pieces


def is_empty(tally: NameTally | RowTally | VenueTally) -> bool:
    """Whether nothing contributes to *tally* any more, so that its resource is none."""
    match tally:
        case NameTally():
            return not (tally.spellings or tally.papers or tally.rows or tally.mentions)
        case RowTally():
            return not (tally.names or tally.identified)
        case VenueTally():
            return not (tally.spellings or tally.papers or tally.editions)
