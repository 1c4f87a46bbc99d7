"""Titles and abstracts as plain text, and the links in them."""

from __future__ import annotations

from collections.abc import Sequence

from quiver.markup.links import mentions_link
from quiver.markup.numbers import join_decimals
from quiver.markup.parser import parse
from quiver.markup.repairs import collapse, needs_cleaning, repair_source
from quiver.markup.tags import without_comments
from quiver.markup.tree import Link, Node, Text, text_of


def tree_of(source: str) -> tuple[Node, ...]:
    """The tree of *source* after the repairs that work on text."""
    return parse(join_decimals(without_comments(repair_source(source))))


def plain_text(source: str) -> str:
    """*source* as clean text: no commands, tags or entities; broken numbers and links repaired; single spaces.

    What is not surely markup or damage stays as it is.

    >>> plain_text(r"A $\\textbf{M}\\text{ixture }$of \\emph{x} (\\eg, $k$=1), 20\\% by 11. 04 &amp; p < 0.05")
    'A Mixture of x (e.g., k=1), 20% by 11.04 & p < 0.05'
    >>> plain_text("at: https: //github. com/LeapLabTHU/MOSS. It costs $5 and $10")
    'at: https://github.com/LeapLabTHU/MOSS. It costs $5 and $10'
    """
    if not needs_cleaning(source):
        return collapse(source)
    return collapse(text_of(tree_of(source)))


def _links(nodes: Sequence[Node], found: dict[str, None]) -> None:
    for node in nodes:
        if isinstance(node, Link):
            found[node.iri] = None
        if not isinstance(node, Text):
            _links(node.children, found)


def find_links(source: str) -> tuple[str, ...]:
    """The http(s) links in *source* as valid IRIs, repaired, in order, each once.

    >>> find_links(r"See https: //github. com/a/b. And \\href{https://example.org/c}{this}.")
    ('https://github.com/a/b', 'https://example.org/c')
    """
    found: dict[str, None] = {}
    if mentions_link(source):
        _links(tree_of(source), found)
    return tuple(found)
