"""One document's statements, read from their text; and its document in the text index, as the mapping would make it.

Only what we wrote ourselves is read so: one statement a line, its terms in canonical form.
"""

from __future__ import annotations

import re
from typing import Final

from quiver.identifiers import Minter, decode_segment
from quiver.mapping import IDENTIFIER_TERMS
from quiver.names import name_key
from quiver.namespaces import term
from quiver.search import SearchDocument

_READ: Final = (
    *("rdfs:label", "dcterms:abstract", "q:abstractText", "q:year", "q:statedVenue", "q:statedName"),
    *("bibo:doi", "q:statedIdentifier", *(curie for curie, _ in IDENTIFIER_TERMS.values())),
    *("skos:prefLabel", "skos:altLabel", "q:paperCount", "prov:hadPrimarySource"),
    *("q:fileName", "dcat:byteSize", "q:sha256", "q:reader"),
)
_NAMES: Final = {term(curie): curie for curie in _READ}
_STATEMENT: Final = re.compile(
    r"^<[^>#]*(#?)[^>]*> <("
    + "|".join(re.escape(iri) for iri in _NAMES)
    + r')> (?:<([^>]*)>|"((?:[^"\\]|\\.)*)"\S*) \.$',
    re.MULTILINE,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t"}


class Statements:
    """The values of those properties of a document's subject, and of its fragments, that are ever asked for."""

    def __init__(self, document: bytes) -> None:
        self._own: dict[str, list[str]] = {}
        self._parts: dict[str, list[str]] = {}
        for fragment, iri, node, text in _STATEMENT.findall(document.decode("utf-8")):
            value = node or (_ESCAPE.sub(_unescaped, text) if "\\" in text else text)
            (self._parts if fragment else self._own).setdefault(_NAMES[iri], []).append(value)

    def all(self, curie: str) -> tuple[str, ...]:
        """The values that the subject has, in order."""
        return tuple(self._own.get(curie, ()))

    def one(self, curie: str) -> str:
        """The first of them, or nothing."""
        return next(iter(self._own.get(curie, ())), "")

    def of_parts(self, curie: str) -> tuple[str, ...]:
        """The values that its fragments have, in order."""
        return tuple(self._parts.get(curie, ()))


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _CONTROLS.get(match[3], match[3])


def subject_path(document: bytes, minter: Minter) -> str:
    """The path of the document below the base; empty where it is not there."""
    if not document.startswith(b"<"):
        return ""
    return minter.path(document[1 : document.index(b">")].decode()) or ""


def search_document(path: str, statements: Statements) -> SearchDocument | None:
    """The document of the text index that a paper, name or venue series at *path* has; None for anything else."""
    kind, _, key = path.partition("/")
    match kind:
        case "paper":
            return _paper(path, statements)
        case "name":
            return SearchDocument(
                path,
                kind,
                statements.one("skos:prefLabel"),
                names=statements.all("skos:altLabel"),
                weight=int(statements.one("q:paperCount")),
            )
        case "venue" if "/" not in key:
            return SearchDocument(path, kind, statements.one("rdfs:label"), weight=int(statements.one("q:paperCount")))
    return None


def _paper(path: str, statements: Statements) -> SearchDocument:
    clean = statements.all("q:abstractText")
    year = statements.one("q:year")
    known = [statements.all(curie) for curie, _ in IDENTIFIER_TERMS.values()]
    schemes = (stated.partition(":") for stated in statements.all("q:statedIdentifier"))
    return SearchDocument(
        path=path,
        kind="paper",
        label=statements.one("rdfs:label"),
        text=clean[0] if clean else statements.one("dcterms:abstract"),
        names=statements.of_parts("q:statedName"),
        venues=tuple(stated for stated in statements.all("q:statedVenue") if name_key(stated)),
        year=int(year) if year else None,
        identifiers=(
            *statements.all("bibo:doi"),
            *(value for values in known for value in values),
            # What has a property of its own stands there, and where it does not, it is none.
            *(value for scheme, _, value in schemes if scheme not in IDENTIFIER_TERMS and scheme != "doi"),
            decode_segment(path.split("/", 2)[2]),
        ),
    )
