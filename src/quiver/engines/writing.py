"""Statements sent to an engine: by the Graph Store Protocol where it has one, else by INSERT DATA; and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

import pyoxigraph as ox

from quiver.engines.client import EndpointClient, Reply
from quiver.engines.queries import DataSet, asking, counted, engine_behind, failure_of, iri_list, read_table, triple_of
from quiver.engines.target import Target, check_address
from quiver.errors import EndpointFailed, MalformedQuery, QuiverError

_WRITTEN: Final = (200, 201, 202, 204)
_FULL: Final = (507,)
_FULL_WORDS: Final = ("no space left", "disk full", "out of disk", "enospc")
_READ_ONLY: Final = (403, 404, 405, 501)
# A batch of 50,000 statements takes seconds; an engine may be busy with others.
_WRITE_S: Final = 600.0
_COUNT_S: Final = 3600.0


class EngineWriter:
    """Writes into one graph of the engine at *target*, and counts what is there; for one release."""

    def __init__(self, target: Target, release_id: str, base: str, *, update: str = "", graph_store: str = "") -> None:
        for name, address in (("--update", update), ("--graph-store", graph_store)):
            if address:
                check_address(name, address)
        self._client = EndpointClient(
            target.url, target.credentials, timeout_s=target.timeout_s, max_bytes=target.max_bytes
        )
        self.engine = engine_behind(self._client)
        self.graph = target.graph_of(release_id, base, needed=self.engine.needs_graph)
        self.url = target.url
        # An update address alone means that updates are wanted.
        self._graph_store = graph_store or ("" if update else self.engine.graph_store_address(target.url) or "")
        self._update = update or self.engine.update_address(target.url) or target.url
        self._graphs = DataSet((self.graph,) if self.graph else ())

    @property
    def way(self) -> str:
        """How it is written to, in words."""
        return "the Graph Store Protocol" if self._graph_store else "INSERT DATA"

    @property
    def batch_statements(self) -> int:
        """How many statements one request takes."""
        return 50_000 if self._graph_store else self.engine.insert_triples

    def write(self, statements: Sequence[bytes], graph: str | None = None) -> None:
        """Add statements (lines of N-Triples) to *graph*, a named one, or to the graph of the release; twice is once.

        Raises:
            EndpointFailed: they are not, or not all, there.
        """
        graph = self.graph if graph is None else graph
        if self._graph_store:
            address = f"{self._graph_store}?{_graph_field(graph)}"
            # Virtuoso takes N-Triples under the name of Turtle alone; they are both.
            self._send("POST", address, b"".join(statements), {"Content-Type": "text/turtle; charset=utf-8"})
            return
        body = b"".join(statements)
        if graph:
            body = f"GRAPH {ox.NamedNode(graph)} {{\n".encode() + body + b"}"
        self._send_update(b"INSERT DATA {\n" + body + b"}")

    def clear(self) -> None:
        """Remove all statements of the graph of the release.

        Raises:
            EndpointFailed: it is not done.
        """
        if self._graph_store:
            address = f"{self._graph_store}?{_graph_field(self.graph)}"
            # No such graph is as good as an empty one.
            self._send("DELETE", address, b"", {}, (*_WRITTEN, 404))
        else:
            graph = f"GRAPH {ox.NamedNode(self.graph)}" if self.graph else "DEFAULT"
            self._send_update(f"CLEAR SILENT {graph}".encode())

    def count(self) -> int:
        """How many statements the graph of the release has."""
        return counted(self._rows("SELECT (COUNT(*) AS ?n) WHERE { ?s ?p ?o }"))

    def class_counts(self, classes: Sequence[str]) -> dict[str, int]:
        """How many members each of these classes has (full IRIs)."""
        return {
            class_: counted(self._rows(f"SELECT (COUNT(?s) AS ?n) WHERE {{ ?s a {ox.NamedNode(class_)} }}"))
            for class_ in classes
        }

    def about(self, iris: Sequence[str]) -> set[ox.Triple]:
        """All statements about these resources."""
        text = f"SELECT ?s ?p ?o WHERE {{ VALUES ?s {{ {iri_list(iris)} }} ?s ?p ?o }}"
        return {triple_of(row) for row in self._rows(text)}

    def _rows(self, text: str) -> list[ox.QuerySolution]:
        # Counting is a scan in most engines.
        with asking(self._client, text, "solutions", self._graphs, timeout_s=_COUNT_S) as reply:
            table = read_table(reply, "solutions", reply.read_all())
        assert isinstance(table, ox.QuerySolutions)
        return list(table)

    def _send_update(self, text: bytes) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._send("POST", self._update, urlencode({"update": text}).encode("ascii"), headers)

    def _send(
        self,
        method: str,
        address: str,
        body: bytes,
        headers: Mapping[str, str],
        fine: Sequence[int] = _WRITTEN,
    ) -> None:
        with self._client.send(method, address, body, headers, timeout_s=_WRITE_S) as reply:
            if reply.status in fine:
                reply.read_all()
                return
            raise _failure(reply, address.partition("?")[0])


def _graph_field(graph: str) -> str:
    return f"graph={quote(graph, safe='')}" if graph else "default"


def _failure(reply: Reply, address: str) -> QuiverError:
    error = failure_of(reply, address, openly=True)
    if reply.status in _FULL or any(word in error.message.lower() for word in _FULL_WORDS):
        return EndpointFailed(
            f"The engine's disk is full. {error.message}",
            value=reply.status,
            hint="Make room there; the same command goes on where it stopped.",
        )
    if reply.status in _READ_ONLY and reply.status != 403:
        return EndpointFailed(
            f"{address} takes no writing (status {reply.status}).",
            value=reply.status,
            hint="Is the engine read-only? --graph-store and --update give other addresses to write to.",
        )
    if isinstance(error, MalformedQuery):
        return EndpointFailed(f"{address} does not take the statements. {error.message}", value=reply.status)
    return error
