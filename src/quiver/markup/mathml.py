"""Formulas as safe MathML.

What comes from a source, or from `latex2mathml` (which copies `\\text{<script>}`, `\\href` and `\\style` into its
output), is not trusted: the output is written anew from a whitelist of elements and of attribute values, and every
text is escaped.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError, fromstring

from quiver.markup import symbols
from quiver.markup.tree import Node, Styled, Text

_MAX_SOURCE = 2000
_MAX_DEPTH = 60

ELEMENTS = frozenset({
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msup", "msub", "msubsup", "mfrac", "msqrt", "mroot", "mover",
    "munder", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom",
})  # fmt: skip
_LEAVES = frozenset({"mi", "mn", "mo", "mtext"})
_TOGGLE = re.compile(r"true|false")
# Nothing that could move or cover what is around a formula: no negative or large lengths, no colours.
ATTRIBUTES = {
    "mathvariant": re.compile(r"[a-z]+(?:-[a-z]+){0,3}"),
    "display": re.compile(r"block|inline"),
    "stretchy": _TOGGLE,
    "fence": _TOGGLE,
    "separator": _TOGGLE,
    "accent": _TOGGLE,
    "accentunder": _TOGGLE,
    "movablelimits": _TOGGLE,
    "displaystyle": _TOGGLE,
    "columnalign": re.compile(r"(?:left|right|center)(?: (?:left|right|center)){0,20}"),
    "linethickness": re.compile(r"0(?:px|em)?"),
    "width": re.compile(r"[0-2](?:\.[0-9]{1,4})?em"),
}
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_FUNCTIONS_OF_AUTHORS = frozenset(
    {"arg", "argmax", "argmin", "softmax", "sign", "sgn", "tr", "rank", "diag", "polylog"}
)
_ENTITY = re.compile(r"&#x[0-9A-Fa-f]{2,6};")
_PREFIXED = re.compile(r"(</?)([a-z]+):")
_LESS_THAN = re.compile(r"<(?!/?[A-Za-z])")
_NAMESPACE = re.compile(r"\{[^}]*\}")
_ATTRIBUTE_PREFIX = re.compile(r"""\s[a-z]+:[A-Za-z-]+=(?:"[^"]*"|'[^']*')""")


class _UnfitError(Exception):
    """What the converter made is not fit to be shown."""


def _name(element: Element) -> str:
    return _NAMESPACE.sub("", element.tag) if isinstance(element.tag, str) else ""


def _text(text: str | None) -> str:
    # The library leaves character references in its text.
    return html.escape(_ENTITY.sub(lambda match: html.unescape(match[0]), text or ""), quote=True)


def _write(element: Element, out: list[str], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise _UnfitError
    name = _name(element)
    name = name if name in ELEMENTS and (name != "math" or depth == 0) else "mrow"
    attributes = "".join(
        f' {key}="{value}"'
        for key, value in sorted(element.attrib.items())
        if key in ATTRIBUTES and ATTRIBUTES[key].fullmatch(value)
    )
    out.append(f"<{name}{attributes}>")
    text = (element.text or "").strip("\n") if name in _LEAVES else (element.text or "").strip()
    if text.startswith("\\") and len(text) > 1:
        raise _UnfitError  # a command that the library does not know
    if text:
        out.append(_text(text) if name in _LEAVES else f"<mtext>{_text(text)}</mtext>")
    for child in element:
        if name in _LEAVES:
            out.append(_text("".join(child.itertext())))
        else:
            _write(child, out, depth + 1)
        if child.tail and child.tail.strip():
            out.append(_text(child.tail) if name in _LEAVES else f"<mtext>{_text(child.tail.strip())}</mtext>")
    out.append(f"</{name}>")


def _serialise(element: Element, display: bool) -> str:
    element.attrib.pop("display", None)
    if display:
        element.set("display", "block")
    out: list[str] = []
    _write(element, out, 0)
    return "".join(out)


def _known_to_library(match: re.Match[str]) -> str:
    name = match[1]
    if name in _FUNCTIONS_OF_AUTHORS:
        return f"\\operatorname{{{name}}}"
    if symbols.symbol(name) is None and not symbols.is_known(name) and (glued := symbols.split_glued(name)):
        return f"\\{glued} {name[len(glued) :]}"
    return match[0]


@lru_cache(maxsize=2048)
def tex_to_mathml(source: str, display: bool = False) -> str | None:
    """A `<math>` element for the TeX in *source*; None where there is no good one.

    >>> tex_to_mathml("k")
    '<math><mrow><mi>k</mi></mrow></math>'
    >>> tex_to_mathml(r"\\frac{") is None
    True
    """
    if len(source) > _MAX_SOURCE or not source.strip():
        return None
    # Imported late: reading its tables takes 75 ms, and a build makes no HTML.
    from latex2mathml.converter import convert_to_element

    try:
        return _serialise(convert_to_element(_COMMAND.sub(_known_to_library, source.replace("ˆ", "^"))), display)
    except Exception:  # noqa: BLE001 - foreign code on foreign text: its errors have no base, and any may escape
        return None


def _parse(source: str) -> Element | None:
    """The `<math>` element in *source*, prefixes ignored; None where it does not parse."""
    if len(source) > 10 * _MAX_SOURCE or "<!" in source:
        return None
    # The entities of the source have been resolved before.
    plain = _LESS_THAN.sub("&lt;", source.replace("&", "&amp;"))
    plain = _PREFIXED.sub(r"\1", _ATTRIBUTE_PREFIX.sub("", plain))
    try:
        # No document type can be declared ("<!" is refused), so there are no entities to expand.
        return fromstring(plain)  # noqa: S314
    except ParseError:
        return None


def mathml_to_mathml(source: str, display: bool = False) -> str | None:
    """The `<math>` element in *source* written anew from the whitelist; None where it does not parse.

    >>> mathml_to_mathml('<mml:math><mml:mi onclick="x">k</mml:mi></mml:math>')
    '<math><mi>k</mi></math>'
    """
    element = _parse(source)
    if element is None:
        return None
    try:
        return _serialise(element, display)
    except (_UnfitError, RecursionError):
        return None


def _nodes(element: Element, depth: int) -> tuple[Node, ...]:
    name = _name(element)
    if depth > _MAX_DEPTH or name in ("annotation", "annotation-xml"):
        return ()
    parts = [_nodes(child, depth + 1) for child in element]
    if name in ("msup", "mover") and len(parts) == 2:
        return (*parts[0], Styled("sup", parts[1]))
    if name in ("msub", "munder") and len(parts) == 2:
        return (*parts[0], Styled("sub", parts[1]))
    if name in ("msubsup", "munderover") and len(parts) == 3:
        return (*parts[0], Styled("sub", parts[1]), Styled("sup", parts[2]))
    if name == "mfrac" and len(parts) == 2:
        return (*parts[0], Text("/"), *parts[1])
    if name == "msqrt":
        return (Text("√"), *(node for part in parts for node in part))
    out: list[Node] = [Text(element.text.strip())] if element.text and element.text.strip() else []
    for child, part in zip(element, parts, strict=True):
        out += part
        if child.tail and child.tail.strip():
            out.append(Text(child.tail))
    return tuple(out)


def mathml_nodes(source: str) -> tuple[Node, ...] | None:
    """The text of the `<math>` element in *source* as nodes; None where it does not parse."""
    element = _parse(source)
    return None if element is None else _nodes(element, 0)
