"""The kept answer of a query carried from one release to the next, where what changed decides it.

Two kinds of query say in their header that they can be:

- `sum`: the columns named count statements or documents (a resource with its fragments), each by itself, and no other
  column rests on a count. Then the answer is the former one, less that of what went, plus that of what came.
- `local`: each row rests on the documents alone that it names, the order is by columns,
  and so many rows are given at most. Then rows change only where they name a document that changed, and those beyond
  the last one given stay beyond it.

Either may say `groups`: the properties whose values make groups. What the query says of a group rests on all nodes that
have the value, on what they name, and on nothing else; a row that belongs to a group holds the value or a node of the
group. `groups = ["dcterms:title"]`: papers of the same title count together, each title by itself. Then what is counted
anew is the groups that a change touches, each whole; a group of one node that nothing else joins is a case of this.

Such a query, and a `local` one, has properties in full (no variable for one), and sees what its nodes name by these
properties; of what names its nodes it sees what changed, and all sources and files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyoxigraph as ox

from quiver.catalogue.answers import kept_result, run, serialise
from quiver.catalogue.queries import NamedQuery
from quiver.catalogue.surroundings import Change, Row, Surroundings, TooManyMembers

# The counts of one row; one that the query does not give is None.
Counts = list[int | None]

_VARIABLE: Final = re.compile(r"\?(\w+)")


def read_rows(folder: Path, query: NamedQuery) -> list[Row] | None:
    """The rows of the answer of *query* that is kept in *folder*; None where there is none."""
    result = kept_result(folder, query)
    return _rows(result) if isinstance(result, ox.QuerySolutions) else None


def _rows(result: object) -> list[Row]:
    assert isinstance(result, ox.QuerySolutions)
    return [tuple(solution) for solution in result]


def carry(query: NamedQuery, former: Sequence[Row], change: Change) -> bytes | None:
    """The answer after *change*, as JSON; None where the former one and what changed do not decide it."""
    if query.sum and not query.groups:
        return carry_sum(query, former, change.gone, change.came, change.base)
    try:
        around = Surroundings(change, query)
        if query.sum:
            return carry_sum(query, former, around.before(), around.after(), change.base)
        return carry_local(query, former, around, change.base) if query.local else None
    except TooManyMembers:
        return None


def carry_sum(query: NamedQuery, former: Sequence[Row], gone: ox.Store, came: ox.Store, base: str) -> bytes | None:
    """The answer after what is in *gone* became what is in *came*; None where the rows do not say their order."""
    bound = query.bind({}, base)
    totals: dict[Row, Counts] = {}
    for row in former:
        _count(query, row, totals, 1)
    known = len(totals)
    for store, sign in ((gone, -1), (came, 1)):
        for row in _rows(run(store, bound)):
            _count(query, row, totals, sign)
    always: dict[Row, Counts] = {}
    for row in _rows(run(ox.Store(), bound)):
        _count(query, row, always, 1)
    ordered = _order(query)
    if ordered is None and len(totals) > known:
        return None
    rows = [_joined(query, key, counts) for key, counts in totals.items() if any(counts) or key in always]
    return _answer(query, rows, ordered or "")


def _count(query: NamedQuery, row: Row, totals: dict[Row, Counts], sign: int) -> None:
    """Add the counts of *row* to those of its other columns."""
    key, counts = [], []
    for column, term in zip(query.columns, row, strict=True):
        if column.name not in query.sum:
            key.append(term)
        else:
            counts.append(sign * int(term.value) if isinstance(term, ox.Literal) else None)
    known = totals.setdefault(tuple(key), [None] * len(counts))
    known[:] = [other if one is None else one + (other or 0) for one, other in zip(known, counts, strict=True)]


def _joined(query: NamedQuery, key: Row, counts: Counts) -> Row:
    keys, numbers = iter(key), iter(counts)
    return tuple(_number(next(numbers)) if column.name in query.sum else next(keys) for column in query.columns)


def _number(count: int | None) -> ox.Literal | None:
    return None if count is None else ox.Literal(count)


def carry_local(query: NamedQuery, former: Sequence[Row], around: Surroundings, base: str) -> bytes | None:
    """The answer after the change that *around* surrounds; None where rows that were beyond the last may be in it."""
    ordered = _order(query)
    if ordered is None:
        return None
    stale = {row for row in former if around.concern(row)}
    around.include(stale)
    found = _rows(run(around.after(), query.bind({}, base)))
    rows = dict.fromkeys([*(row for row in former if row not in stale), *found])
    if len(former) < query.local:
        return _answer(query, list(rows), ordered, query.local)
    # Whatever was not given comes after the last row that was.
    bar = former[-1]
    in_order = _rows(_sorted(query, list(dict.fromkeys([*rows, bar])), ordered))
    certain = [row for row in in_order[: in_order.index(bar) + 1] if row in rows]
    if len(certain) < query.local:
        return None
    return _answer(query, certain[: query.local], ordered)


def _order(query: NamedQuery) -> str | None:
    """The outermost ORDER BY of *query*; None where it is by more than its columns."""
    text = query.executable_text()
    line = text[text.rindex("ORDER BY") :].splitlines()[0].partition("LIMIT")[0]
    columns = {column.name for column in query.columns}
    return line if columns.issuperset(_VARIABLE.findall(line)) else None


def _sorted(query: NamedQuery, rows: Sequence[Row], ordered: str, limit: int | None = None) -> ox.QuerySolutions:
    variables = " ".join(f"?{column.name}" for column in query.columns)
    values = "\n".join(f"({' '.join('UNDEF' if term is None else str(term) for term in row)})" for row in rows)
    cut = "" if limit is None else f"LIMIT {limit}"
    result = ox.Store().query(f"SELECT {variables} WHERE {{ VALUES ({variables}) {{ {values} }} }} {ordered} {cut}")
    assert isinstance(result, ox.QuerySolutions)
    return result


def _answer(query: NamedQuery, rows: Sequence[Row], ordered: str, limit: int | None = None) -> bytes:
    return serialise(_sorted(query, rows, ordered, limit), "json")
