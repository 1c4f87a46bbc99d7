"""RDF terms in SPARQL text, and the SPARQL tests of single values that SHACL's value components stand for."""

from __future__ import annotations

from pyoxigraph import Literal, NamedNode

from quiver.namespaces import PREFIXES, term
from quiver.validation.model import RdfTerm

_XSD = PREFIXES["xsd"]

# SHACL 4.1.2: a literal whose lexical form is not in the lexical space of its datatype has not that datatype. None
# means that every string is a lexical form. (Oxigraph gives well-formed numbers back in canonical form.)
_LEXICAL: dict[str, str | None] = {
    _XSD + "string": None,
    _XSD + "integer": r"^[+-]?[0-9]+$",
    _XSD + "decimal": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$",
    _XSD + "double": r"^([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?INF|NaN)$",
    _XSD + "boolean": r"^(true|false|0|1)$",
    _XSD + "gYear": r"^-?([1-9][0-9]{3,}|0[0-9]{3})(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?$",
    _XSD + "anyURI": None,
}

DATATYPES = frozenset(_LEXICAL)

_NODE_KINDS = {
    "IRI": "isIRI(?value)",
    "BlankNode": "isBlank(?value)",
    "Literal": "isLiteral(?value)",
    "BlankNodeOrIRI": "(isBlank(?value) || isIRI(?value))",
    "BlankNodeOrLiteral": "(isBlank(?value) || isLiteral(?value))",
    "IRIOrLiteral": "(isIRI(?value) || isLiteral(?value))",
}

NODE_KINDS = {term(f"sh:{name}"): test for name, test in _NODE_KINDS.items()}


def quote(text: str) -> str:
    r"""*text* as a SPARQL string.

    >>> quote('a "b" \\ c')
    '"a \\"b\\" \\\\ c"'
    """
    escapes = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


def in_sparql(value: RdfTerm) -> str:
    """*value* as it is written in a query, an IRI or a literal."""
    if isinstance(value, NamedNode):
        return f"<{value.value}>"
    assert isinstance(value, Literal)
    if value.language:
        return f"{quote(value.value)}@{value.language}"
    return f"{quote(value.value)}^^<{value.datatype.value}>"


def has_datatype(datatype: str) -> str:
    """The test that `?value` is a well-formed literal of *datatype* (one of `DATATYPES`); an error for an IRI."""
    lexical = _LEXICAL[datatype]
    test = f"DATATYPE(?value) = <{datatype}>"
    return test if lexical is None else f"{test} && REGEX(STR(?value), {quote(lexical)})"


def is_one_of(values: tuple[RdfTerm, ...]) -> str:
    """The test that `?value` is one of *values*, as terms: 1 and 1.0 differ, as SHACL 4.8.3 says."""
    return " || ".join(f"sameTerm(?value, {in_sparql(value)})" for value in values) or "false"


def matches(pattern: str, flags: str) -> str:
    """The test that the text of `?value` matches *pattern*; a blank node has no text."""
    extra = f", {quote(flags)}" if flags else ""
    return f"!isBlank(?value) && REGEX(STR(?value), {quote(pattern)}{extra})"


def has_length(operator: str, length: int) -> str:
    """The test of the number of characters of `?value`; a blank node has no text."""
    return f"!isBlank(?value) && STRLEN(STR(?value)) {operator} {length}"


def compares(operator: str, limit: RdfTerm) -> str:
    """The test of `?value` against *limit*; what does not compare fails (SHACL 4.3)."""
    return f"COALESCE(?value {operator} {in_sparql(limit)}, false)"
