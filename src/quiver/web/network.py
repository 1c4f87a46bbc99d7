"""The network of a name's co-authors as a ring: names that share papers stand near each other, lines cross the middle.

The places follow from the data alone: names are strung together along their strongest ties, and the string is laid
down the right side and up the left one, a line of text to each. So no label covers another, however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from markupsafe import Markup, escape

from quiver.names import split_homonym

WIDTH: Final = 780
# From one label to the next on the same side.
LINE: Final = 25
_MARGIN: Final = 18
# How far the ring reaches to each side of the middle, where it is widest and at its ends.
_REACH: Final = 190
_LEAST_REACH: Final = 70
_LEAST_RADIUS: Final = 3.0
_MOST_RADIUS: Final = 9.0
_THINNEST: Final = 1.0
_THICKEST: Final = 7.0
# What a label may have, so that the widest one ends within the picture.
LONGEST_LABEL: Final = 24
_GAP: Final = 6
# How far lines bend towards the middle.
_BEND: Final = 0.65


@dataclass(frozen=True, slots=True)
class Node:
    """A co-author: label, where it leads, and the papers in common with the name whose network it is."""

    label: str
    href: str
    papers: int


@dataclass(frozen=True, slots=True)
class Tie:
    """Two nodes, by their places in the list, and the papers that both are on."""

    one: int
    other: int
    papers: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is drawn, and on which side its label stands."""

    x: float
    y: float
    radius: float
    on_right: bool


def string_together(count: int, ties: Sequence[Tie]) -> list[int]:
    """The nodes 0 to *count* - 1 in an order in which the strongest ties are short.

    >>> string_together(4, [Tie(0, 3, 9), Tie(1, 3, 5)])
    [1, 3, 0, 2]
    """
    chains = {node: [node] for node in range(count)}
    chain_of = list(range(count))
    for tie in sorted(ties, key=lambda tie: (-tie.papers, tie.one, tie.other)):
        first, second = chain_of[tie.one], chain_of[tie.other]
        if first == second:
            continue
        left, right = chains[first], chains.pop(second)
        # Turn either about, so that the two come as near to each other as their chains let them.
        if left.index(tie.one) < len(left) / 2 and len(left) > 1:
            left.reverse()
        if right.index(tie.other) >= len(right) / 2 and len(right) > 1:
            right.reverse()
        left += right
        for node in right:
            chain_of[node] = first
    return [node for chain in sorted(chains.values(), key=lambda chain: (-len(chain), min(chain))) for node in chain]


def lay_out(nodes: Sequence[Node], ties: Sequence[Tie]) -> tuple[list[Place], int]:
    """Where each node is drawn, and the height of the picture."""
    order = string_together(len(nodes), ties)
    right = (len(nodes) + 1) // 2
    height = LINE * max(right, 4) + 2 * _MARGIN
    middle = height / 2
    most = max(node.papers for node in nodes)
    places: dict[int, Place] = {}
    for turn, node in enumerate(order):
        on_right = turn < right
        step, steps = (turn, right) if on_right else (len(nodes) - 1 - turn, len(nodes) - right)
        y = middle + LINE * (step - (steps - 1) / 2)
        out = _LEAST_REACH + (_REACH - _LEAST_REACH) * sqrt(max(0.0, 1 - ((y - middle) / middle) ** 2))
        radius = _LEAST_RADIUS + (_MOST_RADIUS - _LEAST_RADIUS) * sqrt(nodes[node].papers / most)
        places[node] = Place(WIDTH / 2 + (out if on_right else -out), y, radius, on_right)
    return [places[node] for node in range(len(nodes))], height


def draw_network(nodes: Sequence[Node], ties: Sequence[Tie], *, chart_id: str, title: str, description: str) -> Markup:
    """The picture; *title* and *description* are for screen readers, each node is a link."""
    if not nodes:
        return Markup("")
    places, height = lay_out(nodes, ties)
    name = escape(chart_id)
    pieces = [
        f'<svg class="network" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="group" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc><g>'
    ]
    most = max((tie.papers for tie in ties), default=1)
    # Weak ties first, so that strong ones are drawn over them.
    for tie in sorted(ties, key=lambda tie: (tie.papers, tie.one, tie.other)):
        pieces.append(_line(tie, nodes, places, height, most))
    pieces.append("</g>")
    # Down the right side and up the left one, which is the order of the keyboard as well.
    pieces += [_point(number, nodes[number], places[number]) for number in string_together(len(nodes), ties)]
    pieces.append("</svg>")
    return Markup("".join(pieces))  # noqa: S704 - every text in it is escaped


def _line(tie: Tie, nodes: Sequence[Node], places: Sequence[Place], height: int, most: int) -> str:
    one, other = places[tie.one], places[tie.other]
    bend_x = (one.x + other.x) / 2 * (1 - _BEND) + WIDTH / 2 * _BEND
    bend_y = (one.y + other.y) / 2 * (1 - _BEND) + height / 2 * _BEND
    width = _THINNEST + (_THICKEST - _THINNEST) * (tie.papers - 1) / max(1, most - 1)
    said = f"{nodes[tie.one].label} and {nodes[tie.other].label}: {tie.papers:,}"
    return (
        f'<path class="tie" data-ends="{tie.one} {tie.other}" stroke-width="{width:.1f}" '
        f'd="M{one.x:.1f} {one.y:.1f}Q{bend_x:.1f} {bend_y:.1f} {other.x:.1f} {other.y:.1f}">'
        f"<title>{escape(said)}</title></path>"
    )


def _point(number: int, node: Node, place: Place) -> str:
    bare, homonym = split_homonym(node.label)
    short = bare if len(bare) <= LONGEST_LABEL else bare[: LONGEST_LABEL - 1] + "…"
    mark = f'<tspan class="homonym" dy="-4">{escape(homonym)}</tspan>' if homonym else ""
    figure = f'<tspan class="count"{" dy=" + chr(34) + "4" + chr(34) if homonym else ""}> {node.papers:,}</tspan>'
    x = place.x + (place.radius + _GAP) * (1 if place.on_right else -1)
    side = "right" if place.on_right else "left"
    return (
        f'<a href="{escape(node.href)}" data-node="{number}"><title>{escape(node.label)}: {node.papers:,}</title>'
        f'<circle cx="{place.x:.1f}" cy="{place.y:.1f}" r="{place.radius:.1f}"/>'
        f'<text class="{side}" x="{x:.1f}" y="{place.y + 4:.1f}">{escape(short)}{mark}{figure}</text></a>'
    )
