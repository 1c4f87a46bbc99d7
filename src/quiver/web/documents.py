"""RDF documents: the statements about one resource, and apart from them a description of the document itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import pyoxigraph as ox

from quiver.descriptions import document_description
from quiver.namespaces import PREFIXES, term
from quiver.web.graph import Graph
from quiver.web.jsonld import published_context, to_jsonld

_LABEL: Final = term("rdfs:label")
_SIGNATURE: Final = term("q:hasSignature")


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What a document of one kind holds besides the resource's own statements.

    *parts* lead to fragments of the same document, which are described in full; *inbound* are properties by which
    others point here: those statements are given, with the label of the other, but not the others' own descriptions.
    """

    parts: tuple[str, ...] = ()
    inbound: tuple[str, ...] = ()


# First segment of the path -> neighbourhood. Rows and papers of a source are too many to be listed from there.
NEIGHBOURHOODS: Final[dict[str, Neighbourhood]] = {
    "paper": Neighbourhood(parts=("q:hasSignature",), inbound=("q:listsPaper",)),
    "name": Neighbourhood(inbound=("q:aboutCluster", "q:homonymOf", "q:inNameCluster")),
    "author": Neighbourhood(inbound=("q:authorRow",)),
    "venue": Neighbourhood(inbound=("q:ofSeries", "q:venue", "q:edition")),
    "source": Neighbourhood(inbound=("prov:hadPrimarySource",)),
    "page": Neighbourhood(),
    "rule": Neighbourhood(parts=("prov:qualifiedAssociation",)),
}

SERIALISATIONS: Final[dict[str, ox.RdfFormat]] = {
    "ttl": ox.RdfFormat.TURTLE,
    "nt": ox.RdfFormat.N_TRIPLES,
    "rdf": ox.RdfFormat.RDF_XML,
}


@dataclass(frozen=True, slots=True)
class Document:
    """The statements about *topic*, and whether neighbours were left for another page."""

    topic: str
    triples: tuple[ox.Triple, ...]
    page: int
    page_size: int
    more: bool


def gather(graph: Graph, iri: str, kind: str, *, page: int, page_size: int) -> Document:
    """The document about *iri*: its own statements, a page of its neighbours, and the labels of all that is named."""
    neighbourhood = NEIGHBOURHOODS[kind]
    own = list(graph.triples(subject=iri))
    wanted = {term(curie) for curie in neighbourhood.parts}
    parts = sorted(
        (t.object.value for t in own if t.predicate.value in wanted and isinstance(t.object, ox.NamedNode)),
        key=lambda part: (len(part), part),
    )
    start = (page - 1) * page_size
    shown = parts[start : start + page_size]
    triples = [*own, *(triple for part in shown for triple in graph.triples(subject=part))]
    room = page_size - len(shown)
    skipped = max(0, start - len(parts))
    found = list(islice(_inbound(graph, iri, neighbourhood), skipped, skipped + room + 1))
    more = len(parts) > start + page_size or len(found) > room
    for statement in found[:room]:
        triples.append(statement)
        if isinstance(statement.subject, ox.NamedNode) and "#" in statement.subject.value:
            paper = ox.NamedNode(statement.subject.value.partition("#")[0])
            triples.append(ox.Triple(paper, ox.NamedNode(_SIGNATURE), statement.subject))
    triples += _labels(graph, iri, triples)
    return Document(iri, tuple(_by_subject(triples)), page, page_size, more)


def _by_subject(triples: Iterable[ox.Triple]) -> Iterator[ox.Triple]:
    """Each triple once, those about one subject together, subjects in the order in which they come up."""
    groups: dict[str, dict[ox.Triple, None]] = {}
    for triple in triples:
        groups.setdefault(str(triple.subject), {})[triple] = None
    for group in groups.values():
        yield from group


def _inbound(graph: Graph, iri: str, neighbourhood: Neighbourhood) -> Iterator[ox.Triple]:
    for curie in neighbourhood.inbound:
        yield from graph.triples(predicate=term(curie), object_=iri)


def _labels(graph: Graph, iri: str, triples: list[ox.Triple]) -> list[ox.Triple]:
    named = [
        node.value
        for triple in triples
        for node in (triple.subject, triple.object)
        if isinstance(node, ox.NamedNode) and node.value.startswith(graph.base) and node.value != iri
    ]
    label = ox.NamedNode(_LABEL)
    return [ox.Triple(ox.NamedNode(node), label, ox.Literal(text)) for node, text in graph.labels(named).items()]


def describe_document(graph: Graph, document: Document, url: str, licence: str) -> list[ox.Triple]:
    """What the document at *url* says about itself: topic, dataset, licence, and whether it is a page of several."""
    triples = document_description(url, document.topic, graph.manifest, licence=licence)
    if document.more or document.page > 1:
        start = (document.page - 1) * document.page_size + 1
        after = f" More follows: add ?page={document.page + 1} to this address." if document.more else ""
        text = (
            f"A page of several: of what points to the topic, or is a part of it, numbers {start} to "
            f"{start + document.page_size - 1} are here.{after}"
        )
        triples.append(ox.Triple(ox.NamedNode(url), ox.NamedNode(term("rdfs:comment")), ox.Literal(text)))
    return triples


def serialise(document: Document, description: list[ox.Triple], extension: str) -> bytes:
    """Both in the syntax that *extension* names (`ttl`, `nt`, `rdf` or `jsonld`), the description last."""
    triples = [*document.triples, *description]
    if extension == "jsonld":
        return to_jsonld(triples, published_context())
    used = {node for triple in triples for node in _iris(triple)}
    prefixes = {name: space for name, space in PREFIXES.items() if any(iri.startswith(space) for iri in used)}
    data = ox.serialize(triples, format=SERIALISATIONS[extension], prefixes=prefixes)
    assert data is not None
    return data


def _iris(triple: ox.Triple) -> Iterator[str]:
    for node in (triple.subject, triple.predicate, triple.object):
        if isinstance(node, ox.NamedNode):
            yield node.value
        elif isinstance(node, ox.Literal):
            yield node.datatype.value
