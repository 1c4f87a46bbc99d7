"""Going straight: what a text identifies, if it is an identifier and exactly one thing has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final
from urllib.parse import unquote

import pyoxigraph as ox
from flask import request

from quiver.errors import InvalidIdentifier
from quiver.identifiers import is_absolute_iri, parse_arxiv, parse_doi, parse_isbn, parse_issn, parse_orcid
from quiver.namespaces import PREFIXES, term
from quiver.negotiation import split_extension
from quiver.web.graph import Graph

_LONGEST: Final = 1000
_FILE: Final = re.compile(r"(?<=[^/])\.(?:pdf|html)/?$", re.IGNORECASE)
_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)
# The addresses of a paper itself; not the links that its abstract holds.
_ADDRESSES: Final = ("foaf:page", "q:pdf")
_MOST_SIGNATURES: Final = 1000
# DataCite's DOIs of arXiv.
_ARXIV_DOI: Final = "10.48550/arxiv."
# Prefixes by which a text says that it is an identifier; the index knows the keys without them.
_PREFIXED: Final = re.compile(r"(?:acl|dblp|arxiv|doi|isbn|issn)[:/]\s*(?=\S)|https?://dblp\.org/rec/", re.IGNORECASE)

_PARSERS: Final[tuple[Callable[[str], str], ...]] = (
    lambda text: parse_doi(text).value,
    parse_arxiv,
    parse_isbn,
    parse_issn,
)


def as_identifier(text: str) -> str:
    """*text* as the index has it, if it is a DOI, an arXiv identifier, an ISBN or an ISSN; else as it is.

    >>> as_identifier("doi: 10.1000/XYZ"), as_identifier("ISBN 0-306-40615-2"), as_identifier("attention")
    ('10.1000/xyz', '9780306406157', 'attention')
    """
    return next(_parsed(text), text)


def straight_to(graph: Graph, text: str) -> str | None:
    """The path, which may have a fragment, of the one thing that *text* identifies; None for none or several.

    An IRI of ours may be written with the release's base or the present host, and with a format's extension. A key
    that says of itself no more than a word does is taken for one only if a search for it finds nothing else.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return None
    if _SCHEME.match(text):
        found = _own(graph, text) or _one(_with_address(graph, text))
        if found:
            return found
    if orcid := _orcid(text):
        return _one({iri.removeprefix(graph.base) for iri in names_with_orcid(graph, orcid)})
    keys = set(_parsed(text))
    keys |= {key.removeprefix(_ARXIV_DOI) for key in keys} | {_ARXIV_DOI + key for key in keys}
    prefix = _PREFIXED.match(text)
    keys_as_stated = {text, text[prefix.end() :] if prefix else text, _FILE.sub("", text)}
    found = _one(graph.search.identified(keys | keys_as_stated))
    plain = not keys and prefix is None and not _SCHEME.match(text)
    if found and plain and graph.search.search(text, limit=0).total > 1:
        return None
    return found


def names_with_orcid(graph: Graph, text: str) -> list[str]:
    """The IRIs, in order, of the name clusters beside whose names the ORCID iD *text* is stated; empty if it is none.

    An iD belongs to somebody; the names it stands beside are names all the same.
    """
    orcid = _orcid(text)
    if not orcid:
        return []
    signatures = graph.triples(predicate=term("dblp:signatureOrcid"), object_=orcid)
    return sorted(
        {
            cluster.object.value
            for signature in islice(signatures, _MOST_SIGNATURES)
            if isinstance(signature.subject, ox.NamedNode)
            for cluster in graph.triples(signature.subject.value, term("q:inNameCluster"))
            if isinstance(cluster.object, ox.NamedNode)
        }
    )


def _one(found: set[str] | tuple[str, ...]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None


def _parsed(text: str) -> Iterator[str]:
    for parse in _PARSERS:
        try:
            yield parse(text)
        except InvalidIdentifier:
            continue


def _orcid(text: str) -> str:
    try:
        return parse_orcid(text).iri
    except InvalidIdentifier:
        return ""


def _own(graph: Graph, text: str) -> str | None:
    """The path of the thing of ours that has the IRI, or the document at the address, *text*."""
    vocabulary = PREFIXES["q"]
    if text.startswith(vocabulary):
        return f"ontology#{text.removeprefix(vocabulary)}"
    rest = _SCHEME.sub("", text)
    for root in (graph.base, request.url_root):
        start = _SCHEME.sub("", root)
        if rest.startswith(start):
            path = unquote(re.split(r"[?#]", rest.removeprefix(start), maxsplit=1)[0])
            for candidate in (path, split_extension(path)[0]):
                if candidate and graph.holds(graph.base + candidate):
                    return candidate
    return None


def _with_address(graph: Graph, text: str) -> set[str]:
    """The paths of the papers whose page or file is at the address *text*, with or without slash, secure or not."""
    rest = _SCHEME.sub("", text).rstrip("/")
    addresses = [f"{scheme}://{rest}{end}" for scheme in ("https", "http") for end in ("", "/")]
    return {
        triple.subject.value.removeprefix(graph.base)
        for address in addresses
        if is_absolute_iri(address)
        for curie in _ADDRESSES
        for triple in islice(graph.triples(predicate=term(curie), object_=address), 2)
        if isinstance(triple.subject, ox.NamedNode)
    }
