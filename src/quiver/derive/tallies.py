"""Counting by key: what papers contribute to clusters, author rows and venues."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import msgspec

from quiver.names import split_homonym


class NameTally(msgspec.Struct, array_like=True):
    """Of one name cluster: how often each spelling occurs, papers, and the author rows (source, key)."""

    spellings: dict[str, int]
    papers: int
    rows: set[tuple[str, str]]


class RowTally(msgspec.Struct, array_like=True):
    """Of one author row: how often each name occurs, and the source's id."""

    names: dict[str, int]
    source_id: str


class VenueTally(msgspec.Struct, array_like=True):
    """Of one venue series: how often each spelling occurs, papers, and papers of each edition."""

    spellings: dict[str, int]
    papers: int
    editions: dict[str, int]


def _add(counts: dict[str, int], key: str, count: int = 1) -> None:
    counts[key] = counts.get(key, 0) + count


def preferred_spelling(spellings: Mapping[str, int]) -> str:
    """The most frequent spelling; of equally frequent ones the first by code points.

    >>> preferred_spelling({"b": 2, "a": 2, "c": 1})
    'a'
    """
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))


def share_of(key: str, shares: int) -> int:
    """Which of *shares* a key falls in: the same in every process and version."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % shares


class Tally(msgspec.Struct):
    """The contributions of a set of papers; merging is commutative and associative."""

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
            name.rows.add((source, row))
            clusters.add(cluster)
            tallied = self.rows.get((source, row))
            if tallied is None:
                tallied = self.rows[(source, row)] = RowTally({}, row_id)
            _add(tallied.names, stated)
        clusters.update(listed_by)
        for cluster in clusters:
            self._name(cluster).papers += 1
        for key in dict.fromkeys(key for key, _ in venues):
            venue = self.venues.get(key)
            if venue is None:
                venue = self.venues[key] = VenueTally({}, 0, {})
            venue.papers += 1
            if edition:
                _add(venue.editions, edition)
        for key, stated in venues:
            _add(self.venues[key].spellings, stated)

    def add_page(self, cluster: str, name: str) -> None:
        """Count a cluster page: its cluster exists, even without papers, and the page's heading is a spelling."""
        _add(self._name(cluster).spellings, name, 0)

    def _name(self, cluster: str) -> NameTally:
        name = self.names.get(cluster)
        if name is None:
            name = self.names[cluster] = NameTally({}, 0, set())
        return name

    def with_bare_names(self) -> Tally:
        """This tally and the bare cluster of every numbered one, which may have no paper of its own."""
        pending = list(self.names)
        for key in pending:
            bare, number = split_homonym(key)
            if number is not None:
                if bare not in self.names:
                    pending.append(bare)
                for spelling in self.names[key].spellings:
                    _add(self._name(bare).spellings, split_homonym(spelling)[0], 0)
        return self

    def merge(self, other: Tally) -> None:
        for key, name in other.names.items():
            mine = self._name(key)
            for spelling, count in name.spellings.items():
                _add(mine.spellings, spelling, count)
            mine.papers += name.papers
            mine.rows |= name.rows
        for row_key, row in other.rows.items():
            kept = self.rows.setdefault(row_key, RowTally({}, row.source_id))
            for spelling, count in row.names.items():
                _add(kept.names, spelling, count)
        for key, venue in other.venues.items():
            known = self.venues.setdefault(key, VenueTally({}, 0, {}))
            known.papers += venue.papers
            for spelling, count in venue.spellings.items():
                _add(known.spellings, spelling, count)
            for edition, count in venue.editions.items():
                _add(known.editions, edition, count)

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
