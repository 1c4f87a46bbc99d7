"""Prefixes and terms: the one place with namespace strings."""

from __future__ import annotations

from typing import Final

PREFIXES: Final[dict[str, str]] = {
    "q": "https://w3id.org/quiver/ontology#",
    "qs": "https://w3id.org/quiver/shapes#",
    "bibo": "http://purl.org/ontology/bibo/",
    "dblp": "https://dblp.org/rdf/schema#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcterms": "http://purl.org/dc/terms/",
    "fabio": "http://purl.org/spar/fabio/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
    "sd": "http://www.w3.org/ns/sparql-service-description#",
    "sh": "http://www.w3.org/ns/shacl#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "void": "http://rdfs.org/ns/void#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def term(curie: str) -> str:
    """The IRI of a prefixed name.

    Raises:
        KeyError: the prefix is not in `PREFIXES`.

    >>> term("dcterms:title")
    'http://purl.org/dc/terms/title'
    """
    prefix, _, local = curie.partition(":")
    return PREFIXES[prefix] + local


def curie(iri: str) -> str | None:
    """The shortest prefixed name of *iri* by our prefixes, or None.

    >>> curie("http://purl.org/dc/terms/title")
    'dcterms:title'
    """
    best = ""
    for prefix, namespace in PREFIXES.items():
        if iri.startswith(namespace) and len(namespace) > len(PREFIXES.get(best, "")):
            best = prefix
    if not best:
        return None
    local = iri[len(PREFIXES[best]) :]
    return f"{best}:{local}" if local and "/" not in local and "#" not in local else None


def sparql_prologue() -> str:
    """PREFIX lines for all of `PREFIXES`, each ended by a newline."""
    return "".join(f"PREFIX {prefix}: <{namespace}>\n" for prefix, namespace in PREFIXES.items())
