"""What a release says of any resource, by property and in both directions; never more of it than is shown is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, Literal

import pyoxigraph as ox

from quiver.namespaces import curie, term
from quiver.web.graph import Graph
from quiver.web.vocabulary import vocabulary_triples

Node = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple
# Each is named as its query in `queries/explore/` is.
Direction = Literal["values", "subjects", "uses"]

# A group is counted up to here: a class may have millions of instances.
COUNTED: Final = 1_000
# Statements that are looked at for their properties where the release does not say which it uses.
SAMPLED: Final = 2_000
# What a reader wants to know first.
_FIRST: Final = ("rdf:type", "rdfs:label", "skos:prefLabel", "skos:altLabel", "dcterms:title")


@dataclass(frozen=True, slots=True)
class Group:
    """The statements of a resource with one property in one direction: the first few nodes at their other end.

    `count` is how many there are, unless `open_ended`: then there are at least so many.
    """

    predicate: str
    direction: Direction
    nodes: tuple[Node, ...]
    count: int
    open_ended: bool

    @property
    def is_whole(self) -> bool:
        return len(self.nodes) == self.count and not self.open_ended


def read_groups(
    graph: Graph, iri: str, direction: Literal["values", "subjects"], properties: Sequence[str] | None, shown: int
) -> list[Group]:
    """The groups of one direction, what a reader wants first in front; *shown* nodes of each.

    *properties* are those that the release uses. Without them the first `SAMPLED` statements have to tell.
    """
    if properties is None:
        pattern = (iri, None, None) if direction == "values" else (None, None, iri)
        found = islice(graph.triples(*pattern), SAMPLED)
        properties = list(dict.fromkeys(quad.predicate.value for quad in found))
    groups = (_group(graph, iri, property_, direction, shown) for property_ in properties)
    return sorted((group for group in groups if group.count), key=lambda group: order_of(group.predicate))


def order_of(property_: str) -> tuple[int, str]:
    """The place of a property among others."""
    name = curie(property_) or property_
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name.casefold())


def _group(graph: Graph, iri: str, property_: str, direction: Direction, shown: int) -> Group:
    nodes = list(islice(_nodes(graph, iri, property_, direction), COUNTED + 1))
    count = len(nodes)
    if count <= COUNTED:
        nodes.sort(key=_natural)
    return Group(property_, direction, tuple(nodes[:shown]), min(count, COUNTED), count > COUNTED)


def read_page(
    graph: Graph, iri: str, property_: str, direction: Direction, start: int, length: int
) -> tuple[list[Node], bool]:
    """A page of the nodes at the other end of a resource's statements with one property, and whether more follow.

    Up to `COUNTED` nodes are sorted, more are in the order of the store's index.
    """
    nodes = list(islice(_nodes(graph, iri, property_, direction), max(COUNTED, start + length) + 1))
    if len(nodes) <= COUNTED:
        nodes.sort(key=_natural)
    return nodes[start : start + length], len(nodes) > start + length


def _nodes(graph: Graph, iri: str, property_: str, direction: Direction) -> Iterator[Node]:
    if direction == "values":
        return (triple.object for triple in graph.triples(iri, property_))
    return (triple.subject for triple in graph.triples(None, property_, iri))


def read_uses(graph: Graph, property_: str) -> Iterator[tuple[Node, Node]]:
    """Subject and value of each statement with this property, in the order of the store's index."""
    return ((triple.subject, triple.object) for triple in graph.triples(predicate=property_))


def _natural(node: Node) -> tuple[int, str, str]:
    # Of IRIs the shorter first, so that the tenth signature stands after the ninth.
    return (len(node.value) if isinstance(node, ox.NamedNode) else 0, text_of_node(node), str(node))


def text_of_node(node: Node) -> str:
    """What a node reads as without a label."""
    return str(node) if isinstance(node, (ox.BlankNode, ox.Triple)) else node.value


def is_known(graph: Graph, iri: str) -> bool:
    """Whether *iri* stands anywhere in the release, or in the vocabulary."""
    patterns = ((iri, None, None), (None, None, iri), (None, iri, None))
    return any(next(graph.triples(*pattern), None) is not None for pattern in patterns) or bool(vocabulary_groups(iri))


def vocabulary_groups(iri: str) -> list[Group]:
    """What our vocabulary says about a term, its own or another's, and which of its terms refer to it."""
    groups = [
        Group(property_, direction, tuple(sorted(nodes, key=_natural)), len(nodes), False)
        for (direction, property_), nodes in _vocabulary().get(iri, {}).items()
    ]
    return sorted(groups, key=lambda group: (group.direction == "subjects", order_of(group.predicate)))


@lru_cache(maxsize=1)
def _vocabulary() -> dict[str, dict[tuple[Direction, str], list[Node]]]:
    found: dict[str, dict[tuple[Direction, str], list[Node]]] = {}

    def add(iri: str, direction: Direction, property_: str, node: Node) -> None:
        found.setdefault(iri, {}).setdefault((direction, property_), []).append(node)

    for triple in vocabulary_triples("ontology"):
        if isinstance(triple.subject, ox.NamedNode):
            add(triple.subject.value, "values", triple.predicate.value, triple.object)
            if isinstance(triple.object, ox.NamedNode):
                add(triple.object.value, "subjects", triple.predicate.value, triple.subject)
    return found


def labels_of(graph: Graph, iris: Iterable[str]) -> dict[str, str]:
    """The labels of these IRIs, in the release or in the vocabulary."""
    wanted = set(iris)
    own = vocabulary_labels()
    return {iri: own[iri] for iri in wanted if iri in own} | graph.labels(wanted)


@lru_cache(maxsize=1)
def vocabulary_labels() -> dict[str, str]:
    """The labels of the vocabulary's terms."""
    label = term("rdfs:label")
    return {
        iri: text_of_node(groups["values", label][0])
        for iri, groups in _vocabulary().items()
        if ("values", label) in groups
    }


def datatype_properties(graph: Graph, datatype: str, properties: Iterable[str]) -> list[str]:
    """Those of *properties* whose first statement has a value of this datatype: which all have cannot be looked up."""
    found = []
    for property_ in properties:
        first = next(graph.triples(predicate=property_), None)
        if first is not None and isinstance(first.object, ox.Literal) and first.object.datatype.value == datatype:
            found.append(property_)
    return sorted(found, key=order_of)
