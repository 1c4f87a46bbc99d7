"""Titles and abstracts as safe HTML: elements and attributes come from here alone, every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

from quiver.markup.links import mentions_link
from quiver.markup.mathml import mathml_to_mathml, tex_to_mathml
from quiver.markup.plain import tree_of
from quiver.markup.repairs import collapse, needs_cleaning
from quiver.markup.tree import Formula, Link, Node, Styled, Text

_ELEMENTS = {"emphasis": "em", "strong": "strong", "code": "code", "sub": "sub", "sup": "sup"}
_MAX_FORMULAS = 300  # a page is to open; the abstracts of the ACL Anthology have at most a few dozen


class _Writer:
    def __init__(self) -> None:
        self.out: list[str] = []
        self._formulas = 0

    def write(self, nodes: Sequence[Node], in_link: bool) -> None:
        for node in nodes:
            match node:
                case Text(text):
                    self.out.append(html.escape(text))
                case Styled(style, children):
                    self._styled(style, children, in_link)
                case Link(iri, children):
                    if not in_link:
                        self.out.append(f'<a href="{html.escape(iri)}" rel="nofollow noopener">')
                    self.write(children, True)
                    if not in_link:
                        self.out.append("</a>")
                case Formula():
                    self.out.append(self._formula(node))

    def _styled(self, style: str, children: Sequence[Node], in_link: bool) -> None:
        name = _ELEMENTS.get(style)
        space = " " if style == "block" else ""
        self.out.append(f"<{name}>" if name else space)
        self.write(children, in_link)
        self.out.append(f"</{name}>" if name else space)

    def _formula(self, formula: Formula) -> str:
        self._formulas += 1
        convert = tex_to_mathml if formula.notation == "tex" else mathml_to_mathml
        shown = convert(formula.source, formula.display) if self._formulas <= _MAX_FORMULAS else None
        return shown or f"<code>{html.escape(formula.source)}</code>"


def to_html(source: str) -> str:
    """A fragment of HTML that shows *source*: emphasis, scripts, code, links, and formulas as MathML.

    Whatever *source* holds, the elements are em, strong, sub, sup, code, a (http and https only) and those of
    `mathml.ELEMENTS`. A formula that cannot be converted is shown as its source.

    >>> to_html("On <i>k</i> & <script>alert(1)</script>")
    'On <em>k</em> &amp; &lt;script&gt;alert(1)&lt;/script&gt;'
    """
    if not needs_cleaning(source) and not mentions_link(source):
        return html.escape(collapse(source))
    writer = _Writer()
    writer.write(tree_of(source), False)
    return collapse("".join(writer.out))
