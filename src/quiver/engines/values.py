"""Literals by value: engines may give back another form of a number, a year or a truth value than they took."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import pyoxigraph as ox

from quiver.namespaces import PREFIXES

Node = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple

_XSD: Final = PREFIXES["xsd"]
_NUMBERS: Final = frozenset(
    f"{_XSD}{name}" for name in ("integer", "decimal", "int", "long", "short", "nonNegativeInteger", "double", "float")
)
_BOOLEANS: Final = {"true": "true", "1": "true", "false": "false", "0": "false"}


def same_value(first: Node, second: Node) -> bool:
    """Whether two nodes are the same, literals by value.

    >>> year = ox.NamedNode("http://www.w3.org/2001/XMLSchema#gYear")
    >>> same_value(ox.Literal("2024", datatype=year), ox.Literal("2024Z", datatype=year))
    True
    >>> same_value(ox.Literal("a"), ox.Literal("A"))
    False
    """
    if first == second:
        return True
    return isinstance(first, ox.Literal) and isinstance(second, ox.Literal) and _value(first) == _value(second)


def _value(literal: ox.Literal) -> tuple[str, str, str]:
    datatype, text = literal.datatype.value, literal.value
    if datatype in _NUMBERS:
        try:
            return "number", format(Decimal(text.strip()).normalize(), "f"), ""
        except (InvalidOperation, ValueError):
            return datatype, text, ""
    if datatype == f"{_XSD}boolean":
        return datatype, _BOOLEANS.get(text.strip(), text), ""
    if datatype == f"{_XSD}gYear":
        # A zone says nothing that a year needs.
        return datatype, text.strip().removesuffix("Z").removesuffix("+00:00"), ""
    return datatype, text, (literal.language or "").lower()
