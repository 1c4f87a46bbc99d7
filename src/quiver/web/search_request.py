"""What a search asks for: text, filters, order; read from the address, and written into links."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from flask import request

from quiver.errors import InvalidParameter
from quiver.search import SearchAnswer
from quiver.web.graph import Graph
from quiver.web.links import href
from quiver.web.straight import as_identifier

KIND_WORDS: Final = {"paper": "Papers", "name": "Names", "venue": "Venues"}
SORT_WORDS: Final = {
    "relevance": "by relevance",
    "newest": "newest first",
    "oldest": "oldest first",
    "title": "by title",
}
# What a link holds besides letters and digits; its query is encoded.
_SAFE: Final = "/-._~?&=%+:"
_YEARS: Final = re.compile(r"([0-9]{1,4})?(?:([-–])([0-9]{1,4})?)?")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search; what is empty is not asked for. `year` is 2024, 2020-2024, 2020- or -2024; `go` is "no" or empty."""

    q: str = ""
    kind: str = ""
    venue: str = ""
    year: str = ""
    sort: str = ""
    go: str = ""

    @property
    def filters(self) -> dict[str, str]:
        """The filters that are set."""
        chosen = {"kind": self.kind, "venue": self.venue, "year": self.year}
        return {name: value for name, value in chosen.items() if value}

    @property
    def years(self) -> tuple[int | None, int | None]:
        """The first and the last year, each None where it is open.

        Raises:
            InvalidParameter: `year` is none of its forms, or ends before it begins.
        """
        match = _YEARS.fullmatch(self.year)
        if match is None or self.year in ("-", "–"):
            raise InvalidParameter(
                f"{self.year!r} is no year", value=self.year, hint="Write 2024, 2020-2024, 2020- or -2024."
            )
        first, last = (int(text) if text else None for text in (match[1], match[3]))
        if match[2] is None:
            last = first
        if first is not None and last is not None and first > last:
            raise InvalidParameter(f"{self.year} ends before it begins", value=self.year, hint=f"Try {last}-{first}.")
        return first, last

    def search(
        self, graph: Graph, limit: int, offset: int = 0, *, snippets: bool = False, facets: bool = False
    ) -> SearchAnswer:
        """The answer of the release's index.

        Raises:
            InvalidSearch: the text does not parse.
            InvalidParameter: a filter or the order is none.
        """
        first, last = self.years
        return graph.search.search(
            as_identifier(self.q),
            kind=self.kind or None,
            venue=self.venue or None,
            year_from=first,
            year_to=last,
            offset=offset,
            limit=limit,
            sort=self.sort or "relevance",
            snippets=snippets,
            facets=facets,
        )

    def search_or_nearest(
        self, graph: Graph, limit: int, offset: int, *, snippets: bool = False
    ) -> tuple[SearchRequest, SearchAnswer]:
        """This search and its answer with facets; where it finds nothing, the search for the nearest text that does.

        Raises:
            InvalidSearch, InvalidParameter: as `search`.
        """
        answer = self.search(graph, limit, offset, snippets=snippets, facets=True)
        if answer.total or not (nearest := self._nearest(graph)):
            return self, answer
        shown = replace(self, q=nearest, go="")
        return shown, shown.search(graph, limit, offset, snippets=snippets, facets=True)

    def _nearest(self, graph: Graph) -> str | None:
        first, last = self.years
        return graph.search.nearest(
            self.q, kind=self.kind or None, venue=self.venue or None, year_from=first, year_to=last
        )

    def of_kind(self, kind: str) -> SearchRequest:
        """The same search for one kind of thing."""
        return replace(self, kind=kind)

    def newest_first(self) -> SearchRequest:
        """The same search in the order of a feed."""
        return replace(self, sort="newest", go="")

    @property
    def words(self) -> str:
        """The text and the filters in words; empty where everything is asked for."""
        text = f"“{self.q}”" if self.q else ""
        return ", ".join(filter(None, (text, KIND_WORDS.get(self.kind, self.kind), self.venue, self.year)))

    def given(self, **changes: str | int | None) -> dict[str, str | int | None]:
        """The parameters of an address for this search, with some of it changed; None takes one away."""
        parts: dict[str, str | int | None] = {
            "q": self.q, "kind": self.kind, "venue": self.venue, "year": self.year, "sort": self.sort, "go": self.go,
        }  # fmt: skip
        return {name: value for name, value in (parts | changes).items() if value not in (None, "")}

    def href(self, path: str = "search", /, **changes: str | int | None) -> str:
        """A link to this search at *path*, with some of it changed; None takes a part away."""
        return href(path, **self.given(**changes))


def read_request() -> SearchRequest:
    """The search that the present request asks for.

    `type` is another name of `kind`; `from` and `to`, which a form sends, are the ends of `year`.
    """
    asked = {name: value.strip() for name, value in request.args.items()}
    year = asked.get("year", "")
    if "from" in asked or "to" in asked:
        first, last = asked.get("from", ""), asked.get("to", "")
        year = first if first == last else f"{first}-{last}"
    return SearchRequest(
        q=asked.get("q", ""),
        kind=asked.get("kind") or asked.get("type") or "",
        venue=asked.get("venue", ""),
        year=year,
        sort=asked.get("sort", ""),
        go=asked.get("go", ""),
    )


def ascii_link(link: str) -> str:
    """*link* in the form that a header field needs."""
    return quote(link, safe=_SAFE)
