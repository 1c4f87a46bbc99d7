"""What a change touches of a release, as stores in memory small enough to ask a query of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import pyoxigraph as ox

from quiver.catalogue.queries import NamedQuery

Node = ox.NamedNode | ox.BlankNode | ox.Triple
Term = Node | ox.Literal
Row = tuple[Term | None, ...]

# So many terms are asked for in one query.
_BATCH: Final = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """What went and what came between two releases.

    `whole` is the release as it is now; `documents` are the IRIs of the documents that went, came or differ, each whole
    in `gone` as it was and in `came` as it is; `ground` those that any query may rest on without naming them. Groups of
    more than `most_members` nodes in all are not looked up.
    """

    whole: ox.Store
    gone: ox.Store
    came: ox.Store
    documents: frozenset[str]
    base: str
    ground: frozenset[str] = frozenset()
    most_members: int = 1_000_000


class TooManyMembers(Exception):
    """The groups that a change touches have so many nodes that it is less work to ask the query of everything."""


class Surroundings:
    """The documents that changed, and what does not change but counts with them in the answer of a query.

    That is, of each group that the change touches, all nodes; what a node names, and so on; as far as the query speaks
    of it. Of a property that makes groups there are no other statements, so that each group is whole.

    Raises:
        TooManyMembers: now or when rows are included.
    """

    def __init__(self, change: Change, query: NamedQuery) -> None:
        self._change = change
        self._properties = frozenset(map(ox.NamedNode, query.speaks_of))
        self._filter = f"FILTER(?property IN ({', '.join(map(str, self._properties))}))"
        self._values: dict[ox.NamedNode, set[Term]] = {ox.NamedNode(iri): set() for iri in query.groups}
        self._around = ox.Store()
        self._asked: set[str] = set()
        self._members: set[str] = set()
        self._left = change.most_members
        self._ask_nodes(
            {*change.ground, *self._named(self._changed(change.gone)), *self._named(self._changed(change.came))}
        )
        for name in self._values:
            self._touch(name, {q.object for store in (change.gone, change.came) for q in _statements(store, name)})

    def concern(self, row: Row) -> bool:
        """Whether *row* names a document that changed, or belongs to a group that is touched."""
        if any(term in values for values in self._values.values() for term in row):
            return True
        documents = named_documents([row])
        return not (self._change.documents.isdisjoint(documents) and self._members.isdisjoint(documents))

    def include(self, rows: Iterable[Row]) -> None:
        """Take in what *rows* name, and the whole of their groups."""
        nodes = {term for row in rows for term in row if isinstance(term, ox.NamedNode)}
        self._ask_nodes(node.value for node in nodes if node.value.startswith(self._change.base))
        for name in self._values:
            values: set[Term] = set(nodes)
            for node in nodes:
                values.update(q.object for q in self._change.whole.quads_for_pattern(node, name, None, None))
            self._touch(name, values)

    def before(self) -> ox.Store:
        """All of it as it was."""
        return self._with(self._change.gone)

    def after(self) -> ox.Store:
        """All of it as it is."""
        return self._with(self._change.came)

    def _with(self, changed: ox.Store) -> ox.Store:
        store = ox.Store()
        store.extend(self._changed(changed))
        store.extend(self._around)
        return store

    def _changed(self, changed: ox.Store) -> Iterator[ox.Quad]:
        return (quad for name in self._properties for quad in _statements(changed, name))

    def _touch(self, name: ox.NamedNode, values: set[Term]) -> None:
        """Take in all nodes whose *name* is one of *values*."""
        new = values - self._values[name]
        self._values[name] |= new
        self._left -= sum(self._count(name, batch) for batch in _batches(new))
        if self._left < 0:
            raise TooManyMembers
        self._ask_nodes(self._ask(f"VALUES ?value {{ %s }} ?node {name} ?value .", new, members=True))

    def _ask_nodes(self, iris: Iterable[str]) -> None:
        """Take in what is said of the nodes *iris*, of those that they name, and so on."""
        left = set(iris) - self._asked
        while left:
            self._asked |= left
            left = self._ask("VALUES ?node { %s }", [ox.NamedNode(iri) for iri in left])

    def _ask(self, pattern: str, terms: Iterable[Term], *, members: bool = False) -> set[str]:
        """Take in what is said of the nodes of *pattern*, with *terms* in its place; which others they name."""
        named: set[str] = set()
        for batch in _batches(terms):
            found = self._change.whole.query(
                f"CONSTRUCT {{ ?node ?property ?object }} WHERE {{ {pattern % batch}"
                f" ?node ?property ?object {self._filter} }}"
            )
            assert isinstance(found, ox.QueryTriples)
            quads = list(self._unchanged(found, members))
            self._around.extend(quads)
            named.update(self._named(quads))
        return named

    def _count(self, name: ox.NamedNode, values: str) -> int:
        query = f"SELECT (COUNT(*) AS ?members) WHERE {{ VALUES ?value {{ {values} }} ?node {name} ?value }}"
        result = self._change.whole.query(query)
        assert isinstance(result, ox.QuerySolutions)
        ((count,),) = result
        assert isinstance(count, ox.Literal)
        return int(count.value)

    def _unchanged(self, found: Iterable[ox.Triple], members: bool) -> Iterator[ox.Quad]:
        for triple in found:
            assert isinstance(triple.subject, ox.NamedNode)
            document = document_of(triple.subject)
            if document in self._change.documents:
                continue
            if members:
                self._members.add(document)
            values = self._values.get(triple.predicate)
            if values is None or triple.object in values:
                yield ox.Quad(triple.subject, triple.predicate, triple.object)

    def _named(self, quads: Iterable[ox.Quad]) -> Iterator[str]:
        """The nodes of the release that *quads* name and that have not been asked for."""
        for quad in quads:
            node = quad.object
            if (
                isinstance(node, ox.NamedNode)
                and node.value not in self._asked
                and node.value.startswith(self._change.base)
                and document_of(node) not in self._change.documents
            ):
                yield node.value


def _batches(terms: Iterable[Term]) -> Iterator[str]:
    left = list(terms)
    for start in range(0, len(left), _BATCH):
        yield " ".join(map(str, left[start : start + _BATCH]))


def _statements(store: ox.Store, name: ox.NamedNode) -> Iterable[ox.Quad]:
    return store.quads_for_pattern(None, name, None, None)


def document_of(node: ox.NamedNode) -> str:
    """The IRI of the document that *node* is described in: a fragment is in that of the whole."""
    return node.value.partition("#")[0]


def named_documents(rows: Iterable[Row]) -> set[str]:
    """The IRIs of documents that *rows* name."""
    return {document_of(term) for row in rows for term in row if isinstance(term, ox.NamedNode)}
