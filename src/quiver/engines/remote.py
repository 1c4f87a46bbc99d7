"""A release in a SPARQL endpoint: look-ups as queries with VALUES, one for many resources; what was read is remembered.

A release never changes, so what an endpoint said of a resource is not asked twice while it is in the small memory here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import pyoxigraph as ox

from quiver.catalogue import BoundQuery
from quiver.catalogue.answers import Result
from quiver.catalogue.standalone import query_form
from quiver.engines.client import EndpointClient
from quiver.engines.facts import Facts, KnownFacts
from quiver.engines.queries import (
    DataSet,
    Form,
    asking,
    counted,
    cut_off,
    engine_behind,
    iri_list,
    parsing,
    read_table,
    read_triples,
    triple_of,
    with_booleans,
)
from quiver.engines.reader import GraphReader
from quiver.engines.target import Target
from quiver.errors import EndpointFailed, MalformedQuery, QueryRefused
from quiver.manifest import Manifest
from quiver.namespaces import term

# Resources in one VALUES block.
_BATCH: Final = 500
# Statements about a resource that are read and remembered together; those with more are asked property by property.
_MOST_STATEMENTS: Final = 5_000
_REMEMBERED: Final = 2_000
# How many triples of a pattern are read at first, then, then all: most callers want a few.
_STRETCHES: Final = (100, 5_000, 0)
_FORMS: Final[dict[str, Form]] = {"construct": "graph", "describe": "graph", "ask": "boolean"}
# Counts of a manifest -> the classes whose members they count.
COUNTED: Final = {
    "papers": "q:Paper",
    "signatures": "q:AuthorSignature",
    "name_clusters": "q:NameCluster",
    "author_rows": "q:AuthorRow",
    "venue_series": "q:VenueSeries",
    "venue_editions": "q:VenueEdition",
    "sources": "q:Source",
}

Pattern = tuple[str | None, str | None, str | None]


class EndpointReader(GraphReader):
    """Reads the release *manifest* describes from the endpoint of *target*."""

    def __init__(self, target: Target, manifest: Manifest) -> None:
        self._client = EndpointClient(
            target.url, target.credentials, timeout_s=target.timeout_s, max_bytes=target.max_bytes
        )
        self.engine = engine_behind(self._client)
        graph = target.graph_of(manifest.id, manifest.base, needed=self.engine.needs_graph)
        self._graphs = DataSet((graph,) if graph else ())
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[ox.Triple, ...] | None] = OrderedDict()
        self._check(manifest)

    def _check(self, manifest: Manifest) -> None:
        """Nothing, where the endpoint holds this release as far as the size of one class tells.

        Raises:
            EndpointFailed: it holds another one, or none.
        """
        expected = {key: count for key in ("papers", "sources") if (count := manifest.counts.get(key, 0))}
        for key, count in expected.items():
            found = counted(self._select(f"SELECT (COUNT(?s) AS ?n) WHERE {{ ?s a <{term(COUNTED[key])}> }}"))
            if found != count:
                place = f" in the graph <{self._graphs.default[0]}>" if self._graphs.default else ""
                raise EndpointFailed(
                    f"The endpoint does not hold release {manifest.id}{place}: {found:,} {key.replace('_', ' ')}, "
                    f"where the release has {count:,}.",
                    value=found,
                    hint="`quiver load LIBRARY --endpoint URL` writes it there.",
                )
        if not expected and manifest.quads and not self.answers():
            raise EndpointFailed(
                f"The endpoint holds nothing of release {manifest.id}.",
                hint="`quiver load LIBRARY --endpoint URL` writes it there.",
            )

    # -- the reader

    def answers(self) -> bool:
        return bool(self._select("SELECT ?s WHERE { ?s ?p ?o } LIMIT 1"))

    def holds(self, iri: str) -> bool:
        try:
            ox.NamedNode(iri)
        except ValueError:
            return False
        known = self._statements([iri])[iri]
        return known is None or bool(known)

    def about(self, iri: str) -> Facts:
        return self.about_all([iri])[iri]

    def about_all(self, iris: Iterable[str]) -> dict[str, Facts]:
        return {
            iri: KnownFacts(known) if known is not None else _AskedFacts(self, iri)
            for iri, known in self._statements(list(dict.fromkeys(iris))).items()
        }

    def triples(
        self, subject: str | None = None, predicate: str | None = None, object_: str | None = None
    ) -> Iterator[ox.Triple]:
        if subject is not None and (known := self._statements([subject])[subject]) is not None:
            return (
                triple
                for triple in known
                if (predicate is None or triple.predicate.value == predicate)
                and (object_ is None or triple.object == ox.NamedNode(object_))
            )
        return self._stretches((subject, predicate, object_))

    def texts(self, iris: Iterable[str], *curies: str) -> dict[str, str]:
        wanted = list(dict.fromkeys(iris))
        order = {term(curie): place for place, curie in enumerate(curies)}
        found: dict[str, tuple[int, str]] = {}
        unknown = []
        for iri in wanted:
            with self._lock:
                known = self._known.get(iri)
            if known is None:
                unknown.append(iri)
            else:
                _keep_first(found, order, known)
        for batch in _batches(unknown):
            for property_ in order:
                # One constant property at a time: two VALUES make Oxigraph scan (3 s where this takes 3 ms).
                text = f"SELECT ?s ?o WHERE {{ VALUES ?s {{ {iri_list(batch)} }} ?s <{property_}> ?o }}"
                for row in self._select(text):
                    subject, value = row["s"], row["o"]
                    assert isinstance(subject, ox.NamedNode)
                    assert value is not None
                    _keep_first(found, order, [ox.Triple(subject, ox.NamedNode(property_), value)])
        return {iri: found[iri][1] for iri in wanted if iri in found}

    def objects(self, iris: Iterable[str], curie: str) -> set[str]:
        found: set[str] = set()
        for batch in _batches(list(dict.fromkeys(iris))):
            text = f"SELECT DISTINCT ?o WHERE {{ VALUES ?s {{ {iri_list(batch)} }} ?s <{term(curie)}> ?o }}"
            found.update(node.value for row in self._select(text) if isinstance(node := row["o"], ox.NamedNode))
        return found

    def members(self, class_: str, limit: int, offset: int) -> list[str]:
        text = f"SELECT ?s WHERE {{ ?s a {ox.NamedNode(class_)} }} LIMIT {limit:d} OFFSET {offset:d}"
        return [node.value for row in self._select(text) if isinstance(node := row["s"], ox.NamedNode)]

    def run(self, bound: BoundQuery) -> Result:
        if bound.searches:
            raise QueryRefused("The text index has not been asked for this query.", hint="Send it to the endpoint.")
        form = _FORMS.get(query_form(bound.text), "solutions")
        try:
            with asking(self._client, bound.text, form, self._graphs) as reply:
                if reply.is_cut:
                    raise cut_off(reply)
                if form == "graph":
                    store = ox.Store()
                    store.extend(ox.Quad(*triple) for triple in read_triples(reply))
                    return store.query("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }")
                # Read to its end here: a result is used after the connection has gone back.
                data = reply.read_all()
                if bound.booleans and form == "solutions" and self.engine.numbers_for_booleans:
                    data = with_booleans(data, bound.booleans)
                return read_table(reply, form, data)
        except MalformedQuery as error:
            raise _not_taken(error) from None

    # -- asking

    def _select(self, text: str) -> list[ox.QuerySolution]:
        try:
            with asking(self._client, text, "solutions", self._graphs) as reply:
                if reply.is_cut:
                    raise cut_off(reply)
                table = read_table(reply, "solutions")
                assert isinstance(table, ox.QuerySolutions)
                with parsing(reply):
                    found = list(table)
                reply.read_all()
                return found
        except MalformedQuery as error:
            raise _not_taken(error) from None

    def _stretches(self, pattern: Pattern) -> Iterator[ox.Triple]:
        """The triples of a pattern; a longer stretch is asked for when a shorter one was not enough."""
        given = set()
        for most in _STRETCHES:
            count = 0
            for triple in self._stretch(pattern, most):
                count += 1
                if triple not in given:
                    given.add(triple)
                    yield triple
            if not most or count < most:
                return

    def _stretch(self, pattern: Pattern, most: int) -> Iterator[ox.Triple]:
        terms = [ox.NamedNode(iri) if iri else None for iri in pattern]
        where = " ".join(str(node) if node else f"?{name}" for node, name in zip(terms, "spo", strict=True))
        names = " ".join(f"?{name}" for node, name in zip(terms, "spo", strict=True) if node is None)
        text = f"SELECT {names or '(1 AS ?n)'} WHERE {{ {where} }}" + (f" LIMIT {most:d}" if most else "")
        with asking(self._client, text, "solutions", self._graphs) as reply:
            table = read_table(reply, "solutions")
            assert isinstance(table, ox.QuerySolutions)
            with parsing(reply):
                for row in table:
                    parts = [node or row[name] for node, name in zip(terms, "spo", strict=True)]
                    if not isinstance(parts[0], ox.Literal) and isinstance(parts[1], ox.NamedNode) and parts[0]:
                        assert parts[2] is not None
                        yield ox.Triple(parts[0], parts[1], parts[2])
            reply.read_all()
            if reply.is_cut and not most:
                raise cut_off(reply)

    # -- what is remembered

    def _statements(self, iris: Sequence[str]) -> dict[str, tuple[ox.Triple, ...] | None]:
        """All statements about each resource; None for one that has too many to be read together."""
        found: dict[str, tuple[ox.Triple, ...] | None] = {}
        with self._lock:
            for iri in iris:
                if iri in self._known:
                    self._known.move_to_end(iri)
                    found[iri] = self._known[iri]
        unknown = [iri for iri in iris if iri not in found]
        for batch in _batches(unknown, 100):
            found.update(self._read_statements(batch))
        with self._lock:
            for iri in unknown:
                self._known[iri] = found[iri]
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return {iri: found[iri] for iri in iris}

    def _read_statements(self, iris: Sequence[str]) -> dict[str, tuple[ox.Triple, ...] | None]:
        most = _MOST_STATEMENTS
        text = f"SELECT ?s ?p ?o WHERE {{ VALUES ?s {{ {iri_list(iris)} }} ?s ?p ?o }} LIMIT {most + 1:d}"
        rows = self._select(text)
        if len(rows) > most:
            if len(iris) == 1:
                return {iris[0]: None}
            middle = len(iris) // 2
            return self._read_statements(iris[:middle]) | self._read_statements(iris[middle:])
        by_subject: dict[str, list[ox.Triple]] = {iri: [] for iri in iris}
        for row in rows:
            triple = triple_of(row)
            assert isinstance(triple.subject, ox.NamedNode)
            by_subject[triple.subject.value].append(triple)
        return {iri: tuple(triples) for iri, triples in by_subject.items()}


class _AskedFacts(Facts):
    """Facts of a resource with very many: each property is asked for by itself."""

    def __init__(self, reader: EndpointReader, iri: str) -> None:
        self._reader = reader
        self._iri = iri
        self._values: dict[str, list[str]] = {}

    def all(self, curie: str) -> list[str]:
        values = self._values.get(curie)
        if values is None:
            found = self._reader.triples(self._iri, term(curie))
            values = self._values[curie] = sorted(
                triple.object.value for triple in found if not isinstance(triple.object, ox.Triple)
            )
        return values


def _not_taken(error: MalformedQuery) -> EndpointFailed:
    return EndpointFailed(f"The engine does not take a query of ours. {error.message}", value=error.value)


def _keep_first(found: dict[str, tuple[int, str]], order: dict[str, int], triples: Iterable[ox.Triple]) -> None:
    """Note the value of the first property, in *order*, that each subject has."""
    for triple in triples:
        place = order.get(triple.predicate.value)
        if place is None or isinstance(triple.object, ox.Triple) or not isinstance(triple.subject, ox.NamedNode):
            continue
        iri = triple.subject.value
        if iri not in found or place < found[iri][0]:
            found[iri] = (place, triple.object.value)


def _batches(iris: Sequence[str], size: int = _BATCH) -> Iterator[list[str]]:
    rest = iter(iris)
    while batch := list(islice(rest, size)):
        yield batch
