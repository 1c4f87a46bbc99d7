"""The catalogue: all query files of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from quiver.catalogue.headers import invalid_file
from quiver.catalogue.queries import NamedQuery, invalid_companion, parse_query
from quiver.config import bundled
from quiver.errors import InvalidQueryFile, UnknownQuery

# In the order in which a reader meets them.
AREAS: Final[dict[str, str]] = {
    "name": "Name clusters",
    "paper": "Papers",
    "author": "Author rows",
    "venue": "Venues",
    "edition": "Venue editions",
    "source": "Sources",
    "release": "The release in figures",
    "quality": "Data quality",
    "explore": "Any resource",
    "example": "Examples for the editor",
}

# What a query of facets answers: for each optional parameter of a list (`facet`) the values that it can take, each with
# its label and the papers that the list would have with it; and in a row of the facet `papers`, those that it has.
FACET_COLUMNS: Final = ("facet", "value", "label", "papers")


class Catalogue:
    """Named queries in order of name."""

    def __init__(self, queries: tuple[NamedQuery, ...]) -> None:
        self._queries = {query.name: query for query in sorted(queries, key=lambda query: query.name)}
        for query in self:
            for role, name in (("count", query.count), ("facets", query.facets)):
                if name:
                    self._check_companion(query, role, name)

    def _check_companion(self, query: NamedQuery, role: str, name: str) -> None:
        companion = self._queries.get(name)
        if companion is None:
            raise invalid_companion(query, role, name, "there is no such query")
        if {p.name for p in companion.parameters} != {p.name for p in query.parameters}:
            raise invalid_companion(query, role, name, "it has other parameters")
        columns = [column.name for column in companion.result_columns]
        if role == "facets" and columns != list(FACET_COLUMNS):
            raise invalid_companion(query, role, name, f"its columns are {', '.join(columns)}")

    def __iter__(self) -> Iterator[NamedQuery]:
        return iter(self._queries.values())

    def __len__(self) -> int:
        return len(self._queries)

    def __contains__(self, name: object) -> bool:
        return name in self._queries

    def get(self, name: str) -> NamedQuery:
        """The query of this name.

        Raises:
            UnknownQuery: there is none; the hint names those that are spelt nearly so.
        """
        if name in self._queries:
            return self._queries[name]
        near = get_close_matches(name, self._queries, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`quiver queries` and /queries list them all."
        raise UnknownQuery(f"no query named {name!r}", value=name, hint=hint)

    def areas(self) -> dict[str, tuple[NamedQuery, ...]]:
        """The queries of each area, areas in the order in which a reader meets them."""
        names = {query.area for query in self}
        order = [*(area for area in AREAS if area in names), *sorted(names - set(AREAS))]
        return {area: tuple(query for query in self if query.area == area) for area in order}


def read_query(path: Path, name: str = "") -> NamedQuery:
    """The query file at *path*, called *name*, else by its folder and file name.

    Raises:
        InvalidQueryFile: it is not valid; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise invalid_file(path, 1, f"it is not UTF-8: {error}") from None
    except OSError as error:
        raise InvalidQueryFile(f"{path}: {error.strerror}", value=path) from error
    return parse_query(name or f"{path.parent.name}/{path.stem}", text, path)


def load_catalogue(folder: Path | None = None) -> Catalogue:
    """The queries of *folder*, which holds `AREA/NAME.rq`; of this installation if it is not given.

    Raises:
        InvalidQueryFile: a file is not valid; the message names file and line.
    """
    root = bundled("queries") if folder is None else folder
    return Catalogue(tuple(read_query(path) for path in sorted(root.glob("*/*.rq"))))
