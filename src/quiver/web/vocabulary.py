"""The vocabulary and its shapes: pages made from the Turtle files of `ontology/`, and the files in every syntax."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import pyoxigraph as ox
from flask import Blueprint, Response, g, render_template, request

from quiver.config import bundled
from quiver.errors import NotAcceptable
from quiver.namespaces import PREFIXES, curie, term
from quiver.negotiation import HTML, JSONLD, NTRIPLES, RDFXML, TURTLE, Format, choose, split_extension
from quiver.web.graph import KnownFacts
from quiver.web.links import href, location
from quiver.web.panels import LinkedText
from quiver.web.responses import not_modified
from quiver.web.service import write_triples

FORMATS: Final = (HTML, TURTLE, NTRIPLES, JSONLD, RDFXML)
_FILES: Final = {"ontology": "quiver.ttl", "shapes": "shapes.ttl"}
# Files beside the vocabulary: the JSON-LD context of our documents, the JSON Schema of the interchange form.
_COMPANIONS: Final = {"context.jsonld": JSONLD.media_type, "record.schema.json": "application/schema+json"}
_NAMESPACES: Final = {"ontology": "q", "shapes": "qs"}
_TITLES: Final = {"ontology": "Vocabulary", "shapes": "Shapes"}
_SECTIONS: Final = (
    ("Classes", ("owl:Class", "rdfs:Class")),
    ("Properties", ("owl:ObjectProperty", "owl:DatatypeProperty", "owl:AnnotationProperty", "rdf:Property")),
    ("Shapes", ("sh:NodeShape",)),
    ("Individuals", ()),
)
_DEFINITIONS: Final = ("skos:definition", "rdfs:comment", "sh:description", "sh:message")
_ABOUT_FILE: Final = ("dcterms:description", "dcterms:abstract", "rdfs:comment")
# Shown as text or in the heading, so not among a term's facts.
_IN_HEADING: Final = ("rdf:type", "rdfs:label", "rdfs:isDefinedBy", *_DEFINITIONS)


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the vocabulary, or one shape, as the page sets it."""

    anchor: str
    name: str
    label: str
    definition: str
    facts: list[tuple[str, list[LinkedText]]]


@lru_cache(maxsize=2)
def vocabulary_triples(name: str) -> tuple[ox.Triple, ...]:
    """The triples of one file; it is part of the software and never changes while that runs."""
    text = (bundled("ontology") / _FILES[name]).read_bytes()
    return tuple(quad.triple for quad in ox.parse(input=text, format=ox.RdfFormat.TURTLE, base_iri=term("q:")))


def create_vocabulary() -> Blueprint:
    """The blueprint of `/ontology` and `/shapes`; Accept chooses in place, an extension beats it."""
    blueprint = Blueprint("vocabulary", __name__)

    @blueprint.get("/<any(ontology, shapes):name>")
    @blueprint.get("/<any(ontology, shapes):name>.<any(html, ttl, nt, jsonld, rdf):extension>")
    def file(name: str, extension: str = "") -> Response:
        chosen = split_extension(f".{extension}", FORMATS)[1] if extension else _negotiate()
        assert chosen is not None
        g.tagged = True
        return not_modified(chosen.media_type) or _answer(name, chosen)

    @blueprint.get("/ontology/<any('context.jsonld', 'record.schema.json'):name>")
    def companion(name: str) -> Response:
        media_type = _COMPANIONS[name]
        g.tagged = True
        return not_modified(media_type) or Response((bundled("ontology") / name).read_bytes(), content_type=media_type)

    return blueprint


def _negotiate() -> Format:
    g.negotiated = True
    chosen = choose(request.headers.get("Accept"), FORMATS)
    if chosen is None:
        raise NotAcceptable("it comes as " + ", ".join(one.media_type for one in FORMATS))
    return chosen


def _answer(name: str, chosen: Format) -> Response:
    if chosen is HTML:
        response = Response(_page(name))
    elif chosen is TURTLE:
        # The file itself, with its comments and its order.
        response = Response((bundled("ontology") / _FILES[name]).read_bytes(), content_type=TURTLE.content_type)
    else:
        response = Response(
            write_triples(list(vocabulary_triples(name)), chosen.extension), content_type=chosen.content_type
        )
    response.headers["Link"] = ", ".join(
        f'<{location(f"{name}.{one.extension}")}>; rel="alternate"; type="{one.media_type}"'
        for one in FORMATS
        if one is not chosen
    )
    return response


def _page(name: str) -> str:
    by_subject: dict[str, list[ox.Triple]] = {}
    for triple in vocabulary_triples(name):
        if isinstance(triple.subject, ox.NamedNode):
            by_subject.setdefault(triple.subject.value, []).append(triple)
    about = {iri: KnownFacts(triples) for iri, triples in by_subject.items()}
    namespace = PREFIXES[_NAMESPACES[name]]
    ours = {iri: facts for iri, facts in about.items() if iri.startswith(namespace) and iri != namespace}
    header = next((facts for facts in about.values() if term("owl:Ontology") in facts.all("rdf:type")), KnownFacts([]))
    sections = []
    for title, classes in _SECTIONS:
        wanted = {term(curie) for curie in classes}
        members = [iri for iri, facts in ours.items() if (wanted & set(facts.all("rdf:type")) if wanted else True)]
        sections.append((title, [_term(iri, ours.pop(iri)) for iri in sorted(members)]))
    return render_template(
        "vocabulary.html",
        title=_TITLES[name],
        lede=next((text for c in _ABOUT_FILE if (text := header.one(c))), ""),
        namespace=namespace,
        sections=[section for section in sections if section[1]],
        formats=[
            {"href": href(f"{name}.{one.extension}"), "label": one.label, "media_type": one.media_type}
            for one in FORMATS
            if one is not HTML
        ],
    )


def _term(iri: str, facts: KnownFacts) -> Term:
    local = iri.removeprefix(PREFIXES["q"]).removeprefix(PREFIXES["qs"])
    rows = [
        (curie(predicate) or predicate, [_value(value) for value in values])
        for predicate, values in facts.items()
        if (curie(predicate) or "") not in _IN_HEADING
    ]
    definition = next((text for c in _DEFINITIONS if (text := facts.one(c))), "")
    return Term(local, curie(iri) or iri, facts.one("rdfs:label") or facts.one("sh:name") or local, definition, rows)


def _value(value: str) -> LinkedText:
    name = curie(value)
    for page, prefix in _NAMESPACES.items():
        if name and name.startswith(f"{prefix}:"):
            return LinkedText(name, f"{page}#{name.partition(':')[2]}")
    return LinkedText(name or value)
