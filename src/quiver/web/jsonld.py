"""Triples as JSON-LD with our context inline: one object a node, compact where the context has a term."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import pyoxigraph as ox

from quiver.config import bundled
from quiver.namespaces import PREFIXES, curie, term

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

_TYPE: Final = term("rdf:type")
_STRING: Final = term("xsd:string")
_INTEGER: Final = term("xsd:integer")


class Context:
    """A JSON-LD context (prefixes and terms without containers), and the term that it has for a property and value."""

    def __init__(self, definition: Mapping[str, Json]) -> None:
        self.definition: dict[str, Json] = dict(definition)
        self._prefixes = {
            name: value
            for name, value in definition.items()
            if isinstance(value, str) and not name.startswith("@") and value.endswith(("#", "/"))
        }
        # (property IRI, how values are coerced: "@id", a datatype or "") -> term
        self._terms: dict[tuple[str, str], str] = {}
        self._names: dict[str, str] = {}
        for name, value in definition.items():
            if name.startswith("@") or name in self._prefixes:
                continue
            iri, coercion, plain = self._read(value)
            if not iri or iri.startswith("@"):
                continue
            if plain:
                self._terms.setdefault((iri, coercion), name)
            if isinstance(value, str) or set(value if isinstance(value, dict) else ()) == {"@id"}:
                self._names.setdefault(iri, name)

    def _read(self, value: Json) -> tuple[str, str, bool]:
        if isinstance(value, str):
            return self.expand(value), "", True
        if not isinstance(value, dict) or not isinstance(value.get("@id"), str):
            return "", "", False
        coercion = value.get("@type", "")
        coerced = str(coercion) if str(coercion).startswith("@") else self.expand(str(coercion))
        # Terms with containers, languages or of inverse properties say more than a triple does.
        return self.expand(str(value["@id"])), coerced, set(value) <= {"@id", "@type"}

    def expand(self, name: str) -> str:
        prefix, colon, local = name.partition(":")
        namespace = self._prefixes.get(prefix)
        return namespace + local if colon and namespace else name

    def name(self, iri: str) -> str:
        """*iri* as a term of the vocabulary: the context's word, else a prefixed name, else itself."""
        if iri in self._names:
            return self._names[iri]
        short = curie(iri)
        return short if short and short.partition(":")[0] in self._prefixes else iri

    def property_and_value(self, predicate: str, value: ox.NamedNode | ox.BlankNode | ox.Literal) -> tuple[str, Json]:
        """The key and the value that together say one triple."""
        if isinstance(value, ox.Literal):
            return self._literal(predicate, value)
        identifier = value.value if isinstance(value, ox.NamedNode) else f"_:{value.value}"
        for coercion, shown in (("@vocab", self.name(identifier)), ("@id", identifier)):
            key = self._terms.get((predicate, coercion))
            if key:
                return key, shown
        return self._full_name(predicate), {"@id": identifier}

    def _literal(self, predicate: str, value: ox.Literal) -> tuple[str, Json]:
        datatype = value.datatype.value
        if value.language:
            return self._full_name(predicate), {"@value": value.value, "@language": value.language}
        if datatype == _STRING:
            return self._terms.get((predicate, "")) or self._full_name(predicate), value.value
        native: Json = value.value
        if datatype == _INTEGER and str(int(value.value)) == value.value:
            native = int(value.value)
        key = self._terms.get((predicate, datatype))
        if key:
            return key, native
        if isinstance(native, int):
            return self._terms.get((predicate, "")) or self._full_name(predicate), native
        return self._full_name(predicate), {"@value": value.value, "@type": self.name(datatype)}

    def _full_name(self, predicate: str) -> str:
        short = curie(predicate)
        return short if short and short.partition(":")[0] in self._prefixes else predicate


@lru_cache(maxsize=1)
def published_context() -> Context:
    """The context in `ontology/context.jsonld`; where an installation has none, the prefixes alone."""
    path = bundled("ontology") / "context.jsonld"
    if not path.is_file():
        return Context(dict(PREFIXES))
    return Context(json.loads(path.read_text(encoding="utf-8"))["@context"])


def to_jsonld(triples: Iterable[ox.Triple], context: Context) -> bytes:
    """The triples as one JSON-LD document: the context inline, then `@graph` with one object a subject."""
    nodes: dict[str, dict[str, list[Json]]] = {}
    for triple in triples:
        subject, object_ = triple.subject, triple.object
        if isinstance(subject, ox.Triple) or isinstance(object_, ox.Triple):
            continue
        identifier = subject.value if isinstance(subject, ox.NamedNode) else f"_:{subject.value}"
        node = nodes.setdefault(identifier, {})
        if triple.predicate.value == _TYPE and isinstance(object_, ox.NamedNode):
            node.setdefault("@type", []).append(context.name(object_.value))
            continue
        key, value = context.property_and_value(triple.predicate.value, object_)
        node.setdefault(key, []).append(value)
    graph: list[Json] = [
        {"@id": identifier, **{key: values[0] if len(values) == 1 else values for key, values in node.items()}}
        for identifier, node in nodes.items()
    ]
    document: Json = {"@context": context.definition, "@graph": graph}
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
