"""Records that may be of the same paper, set beside this one: what each says, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from quiver.web.citations import Citation
from quiver.web.graph import Facts
from quiver.web.links import href
from quiver.web.panels import LinkedText, Row, number_of, text_of

_SEPARATOR: Final = " | "


@dataclass(frozen=True, slots=True)
class Compared:
    """A value of a record; `differs` from this record's, or is the `same` (or neither: in letter case alone)."""

    text: str
    differs: bool = False
    same: bool = False


@dataclass(frozen=True, slots=True)
class OtherRecord:
    """A record with what it shares with this one; `values` are title, year, venue and number of names."""

    source: str
    record: LinkedText
    shared: str
    values: Sequence[Compared]


FIELDS: Final = ("title", "year", "venue", "names")


def compare_records(facts: Facts, citation: Citation, rows: Sequence[Row]) -> Sequence[OtherRecord]:
    """This record, and the other ones in *rows* of `paper/same-identifier`."""
    venues = _join(facts.all("q:statedVenue"))
    own = (citation.title, citation.year, venues, f"{facts.number('q:authorCount') or 0:,}")
    here = OtherRecord("This record", LinkedText(""), "", [Compared(value or "not stated") for value in own])
    return [here, *(_compare(own, row) for row in _one_each(rows))]


def _one_each(rows: Sequence[Row]) -> Sequence[Row]:
    """A row for each record: a record read from files of several sources has several."""
    return list({text_of(row, "other"): row for row in reversed(rows)}.values())[::-1]


def _compare(own: Sequence[str], row: Row) -> OtherRecord:
    venues = _join(text_of(row, "venues").split(_SEPARATOR))
    values = (text_of(row, "title"), text_of(row, "year"), venues, f"{number_of(row, 'names') or 0:,}")
    return OtherRecord(
        source=text_of(row, "source_label"),
        record=LinkedText(text_of(row, "source_label"), href(text_of(row, "other"))),
        shared=" and the ".join(sorted(text_of(row, "shared").split(_SEPARATOR))),
        values=[
            Compared(value or "not stated", _key(name, value) != _key(name, mine), value == mine)
            for name, value, mine in zip(FIELDS, values, own, strict=True)
        ],
    )


def _join(venues: Sequence[str]) -> str:
    return ", ".join(sorted(venues, key=str.casefold))


def _key(field: str, value: str) -> str:
    # Letter case of a venue's short name says nothing: sources write "acl" and "ACL".
    return value.casefold() if field == "venue" else value
