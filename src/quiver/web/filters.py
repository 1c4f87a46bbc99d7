"""Filters of a list: what it can be narrowed to, as links with counts, and what it was narrowed to, with a way back.

The filters are the optional parameters of the list's query, under the same names in the page's address as in that of
the query and its data. Their values and counts come from the query that its header names as `facets`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import request

from quiver.catalogue import Cell, NamedQuery
from quiver.errors import InvalidParameter
from quiver.web.graph import Graph
from quiver.web.links import this_page

Row = Mapping[str, Cell | None]

# A query's optional parameter -> its heading, and the words before a value that was chosen.
FILTERS: Final[dict[str, tuple[str, str]]] = {
    "year": ("Year", "of the year"),
    "venue": ("Venue", "at"),
    "type": ("Type", "of the type"),
    "volume": ("Volume", "in the volume"),
    "letter": ("First letter", "under the letter"),
}
# The facet whose one row counts the list itself.
_WHOLE: Final = "papers"
_SHOWN: Final = 60
# The filter whose values stand in their own order, not the biggest first.
_ALPHABET: Final = "letter"


@dataclass(frozen=True, slots=True)
class FilterValue:
    """One value that a list can be narrowed to, how many entries it would then have, and the link that does it."""

    label: str
    figure: str
    href: str


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter; `chosen` is its value's label (empty for none), `away` the link that takes it away."""

    name: str
    title: str
    values: tuple[FilterValue, ...]
    more: int = 0
    chosen: str = ""
    away: str = ""


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of one list, what they leave of it, and the link that takes all of them away.

    `query_path` leads to the query of facets; `opened_by` to the filters of a list so long that they are not yet there.
    """

    filters: tuple[Filter, ...]
    found: int
    whole: int
    clear: str
    query_path: str
    opened_by: str = ""

    @property
    def chosen(self) -> tuple[Filter, ...]:
        return tuple(one for one in self.filters if one.chosen)

    @property
    def offered(self) -> tuple[Filter, ...]:
        return tuple(one for one in self.filters if one.values and not one.chosen)

    @property
    def count(self) -> str:
        """How much of the list is left, in words."""
        papers = f"{self.whole:,} paper" + ("" if self.whole == 1 else "s")
        return f"{self.found:,} of {papers}" if self.chosen else papers

    @property
    def empty(self) -> str:
        """Why the narrowed list has nothing: what was asked for, in words."""
        asked = " and ".join(f"{FILTERS[one.name][1]} {one.chosen}" for one in self.chosen)
        among = f"None of these {self.whole:,} papers" if self.whole != 1 else "This one paper"
        return f"{among} is {asked}." if self.whole != 1 else f"{among} is not {asked}."


def wanted_filters(query: NamedQuery) -> dict[str, str]:
    """The values of the query's optional parameters in the address asked for, without what is empty.

    Raises:
        InvalidParameter: one is given twice.
    """
    found = {}
    for parameter in query.parameters:
        given = request.args.getlist(parameter.name) if parameter.optional else []
        if len(given) > 1:
            raise InvalidParameter(f"parameter {parameter.name} is given {len(given)} times", value=given)
        if given and given[0]:
            found[parameter.name] = given[0]
    return found


def read_filters(
    graph: Graph, query: NamedQuery, rows: Sequence[Row], wanted: Mapping[str, str], whole: int, panel_id: str
) -> Filters:
    """The filters of the list that *query* gives, narrowed to *wanted*, from the *rows* of its query of facets."""
    by_facet: dict[str, list[Row]] = {}
    for row in rows:
        by_facet.setdefault(_text(row, "facet"), []).append(row)
    found = sum(int(_text(row, "papers")) for row in by_facet.get(_WHOLE, ()))
    filters = [
        _filter(graph, one.name, one.type, by_facet.get(one.name, ()), wanted.get(one.name, ""), found, panel_id)
        for one in query.parameters
        if one.optional
    ]
    clear = _link(panel_id, dict.fromkeys(wanted))
    return Filters(tuple(filters), found, whole, clear, f"queries/{query.facets}")


def offer_filters(query: NamedQuery, whole: int, opened_by: str) -> Filters:
    """The filters of a list of *whole* papers, not yet counted, and the link that has them counted."""
    filters = [Filter(one.name, FILTERS[one.name][0], ()) for one in query.parameters if one.optional]
    return Filters(tuple(filters), whole, whole, "", f"queries/{query.facets}", opened_by)


def _filter(graph: Graph, name: str, kind: str, rows: Sequence[Row], chosen: str, found: int, panel_id: str) -> Filter:
    title = FILTERS[name][0]
    counts = {_text(row, "value").removeprefix(graph.base): int(_text(row, "papers")) for row in rows}
    labels = {value: _text(row, "label") or value for value, row in zip(counts, rows, strict=True)}
    if chosen:
        path = chosen.removeprefix(graph.base).removeprefix("/") if kind == "iri" else chosen.strip()
        label = (
            labels.get(path) or next(iter(graph.labels([graph.base + path]).values()), path) if kind == "iri" else path
        )
        return Filter(name, title, (), chosen=label, away=_link(panel_id, {name: None}))
    # What all of them share narrows nothing.
    values = [value for value, count in counts.items() if count < found]
    shown = values[:_SHOWN]
    if kind in ("year", "integer"):
        shown.sort(key=int, reverse=True)
    elif name == _ALPHABET:
        shown.sort()
    links = [FilterValue(labels[value], f"{counts[value]:,}", _link(panel_id, {name: value})) for value in shown]
    return Filter(name, title, tuple(links), len(values) - len(shown))


def _link(panel_id: str, changes: Mapping[str, str | None]) -> str:
    """A link to the present page with these filters changed, from its first page on, at the list."""
    return this_page(**{**changes, "page": None}) + f"#{panel_id}"


def _text(row: Row, name: str) -> str:
    cell = row.get(name)
    return cell.value if cell is not None else ""
