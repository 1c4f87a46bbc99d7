"""Derived resources: name clusters, author rows, venue series and editions, each by its named rule.

Derivation is a map and a reduce. `Tally` is what one share of the papers contributes; tallies merge in any order to the
same result, and split by key, so that each share of the keys can be finished on its own.
"""

from quiver.derive.tallies import NameTally, RowTally, Tally, VenueTally, is_empty, preferred_spelling, share_of

__all__ = ["NameTally", "RowTally", "Tally", "VenueTally", "is_empty", "preferred_spelling", "share_of"]
