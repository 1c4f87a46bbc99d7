"""What differs between SPARQL engines, in one table: how one is known, where it is written to, its own ways.

Oxigraph and Virtuoso 7.2 were tried with the tests of this package; the others' rows are from their documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class Engine:
    """One row: the engine's name and the word by which its Server field begins (in lower case; "" for none).

    `update` and `graph_store` are where it is written to: a path in place of the ending `queries` of the endpoint's
    own path; None where there is no such thing. `needs_graph`: without a named graph a query sees all graphs at once,
    so that the release has one of its own. `insert_triples`: the most that one INSERT DATA takes. `cut_fields` are
    response fields by which it says that an answer is not whole, `cuts_graphs` that it does not for graphs;
    `own_schemes` begin the IRIs of its own functions, which users are refused;
    `numbers_for_booleans`: what an expression finds true is 1. `tried`: whether our tests run on it.
    """

    name: str
    server: str = ""
    queries: str = ""
    update: str | None = ""
    graph_store: str | None = None
    needs_graph: bool = False
    insert_triples: int = 2_000
    cut_fields: tuple[str, ...] = ()
    cuts_graphs: bool = False
    own_schemes: tuple[str, ...] = ()
    numbers_for_booleans: bool = False
    tried: bool = False

    def update_address(self, endpoint: str) -> str | None:
        """Where the engine at *endpoint* takes SPARQL Update."""
        return self._beside(endpoint, self.update)

    def graph_store_address(self, endpoint: str) -> str | None:
        """Where the engine at *endpoint* has its Graph Store Protocol.

        >>> recognise("Oxigraph/0.5.13").graph_store_address("http://localhost:7878/query")
        'http://localhost:7878/store'
        """
        return self._beside(endpoint, self.graph_store)

    def _beside(self, endpoint: str, path: str | None) -> str | None:
        if path is None:
            return None
        parts = urlsplit(endpoint)
        if self.queries and not parts.path.endswith(self.queries):
            return None
        root = parts.path.removesuffix(self.queries) if path else parts.path
        return urlunsplit((parts.scheme, parts.netloc, root + path, "", ""))


ENGINES: Final[tuple[Engine, ...]] = (
    Engine("Oxigraph", "oxigraph", "/query", "/update", "/store", insert_triples=10_000, tried=True),
    Engine(
        "Virtuoso",
        "virtuoso",
        "/sparql",
        "/sparql",
        "/sparql-graph-crud",
        needs_graph=True,
        # Its compiler refuses longer texts: SQ074, "Line 10,000".
        insert_triples=500,
        # ResultSetMaxRows, and "anytime" answers.
        cut_fields=("x-sparql-maxrows", "x-sql-state"),
        cuts_graphs=True,
        own_schemes=("bif:", "sql:"),
        numbers_for_booleans=True,
        tried=True,
    ),
    Engine("Fuseki", "apache jena fuseki", "/query", "/update", "/data"),
    Engine("GraphDB", "graphdb", "", "/statements", "/rdf-graphs/service"),
    Engine("Blazegraph", "blazegraph", "", "", None),
)
# Whatever does not say what it is: updates at the endpoint itself, unless another address is given.
OTHER: Final = Engine("a SPARQL 1.1 engine")


def recognise(server: str) -> Engine:
    """The engine whose responses have this Server field.

    >>> recognise("Virtuoso/07.20.3229 (Linux) x86_64-pc-linux-gnu").name, recognise("nginx").name
    ('Virtuoso', 'a SPARQL 1.1 engine')
    """
    said = server.casefold()
    return next((one for one in ENGINES if one.server and said.startswith(one.server)), OTHER)
