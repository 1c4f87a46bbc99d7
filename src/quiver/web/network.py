"""The picture of a network of co-authors: a point and a label for each name, lines between those that share papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt
from typing import Final
from unicodedata import east_asian_width

from markupsafe import Markup, escape

from quiver.names import split_homonym
from quiver.web.charts import picture
from quiver.web.network_layout import Box, Tie, place_nodes

WIDTH: Final = 744
_MARGIN: Final = 6
_MOST_TIES: Final = 120
_LEAST_RADIUS: Final = 3.0
_MOST_RADIUS: Final = 9.0
_THINNEST: Final = 1.0
_THICKEST: Final = 7.0
# Of a label: the most that a name may take up, and about what its letters do in the type of the style sheet.
_WIDEST_NAME: Final = 190.0
_LETTER: Final = 7.6
_WIDE_LETTER: Final = 13.5
_HALF_LINE: Final = 10.0
_BESIDE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Node:
    """A co-author: label, where it leads, and the papers in common with the name whose network it is."""

    label: str
    href: str
    papers: int


@dataclass(frozen=True, slots=True)
class _Label:
    text: str
    homonym: str
    figure: str

    @property
    def width(self) -> float:
        return sum(map(_width_of, self.text)) + _LETTER * (len(self.homonym) + len(self.figure) + 1)


def strongest(ties: Sequence[Tie]) -> tuple[list[Tie], int]:
    """The ties that can be told apart in one picture, and the papers that each of them has at least."""
    papers = sorted((tie.papers for tie in ties), reverse=True)
    # Of ties alike in papers none is drawn before the others, so those that would be too many are all left out.
    least = papers[_MOST_TIES] + 1 if len(papers) > _MOST_TIES else 1
    return [tie for tie in ties if tie.papers >= least], least


def draw_network(nodes: Sequence[Node], ties: Sequence[Tie], *, chart_id: str, title: str, description: str) -> Markup:
    """The picture; *title* and *description* are for screen readers, each node is a link."""
    if not nodes:
        return Markup("")
    most = max(node.papers for node in nodes)
    radii = [_LEAST_RADIUS + (_MOST_RADIUS - _LEAST_RADIUS) * sqrt(node.papers / most) for node in nodes]
    labels = [_label(node) for node in nodes]
    boxes = [
        Box(radius, radius + _BESIDE + label.width, max(radius, _HALF_LINE))
        for radius, label in zip(radii, labels, strict=True)
    ]
    points, height = place_nodes(boxes, ties, WIDTH)
    frame = f"{-_MARGIN} {-_MARGIN} {WIDTH + 2 * _MARGIN} {height + 2 * _MARGIN:.0f}"
    size = f'width="{WIDTH + 2 * _MARGIN}" height="{height + 2 * _MARGIN:.0f}" viewBox="{frame}"'
    pieces = ["<g>"]
    heaviest = max((tie.papers for tie in ties), default=1)
    # Weak ties first, so that strong ones are drawn over them.
    for tie in sorted(ties, key=lambda tie: (tie.papers, tie.one, tie.other)):
        pieces.append(_line(tie, nodes, points, heaviest))
    pieces.append("</g>")
    for number, node in enumerate(nodes):
        pieces.append(_point(number, node, labels[number], points[number], radii[number]))
    return picture("network", size, pieces, chart_id=chart_id, title=title, description=description, linked=True)


def _label(node: Node) -> _Label:
    bare, homonym = split_homonym(node.label)
    room = [width for width in accumulate(map(_width_of, bare)) if width <= _WIDEST_NAME]
    short = bare if len(room) == len(bare) else bare[: len(room) - 1].rstrip() + "…"
    return _Label(short, homonym or "", f"{node.papers:,}")


def _width_of(letter: str) -> float:
    return _WIDE_LETTER if east_asian_width(letter) in "WF" else _LETTER


def _line(tie: Tie, nodes: Sequence[Node], points: Sequence[tuple[float, float]], heaviest: int) -> str:
    (x, y), (other_x, other_y) = points[tie.one], points[tie.other]
    width = _THINNEST + (_THICKEST - _THINNEST) * (tie.papers - 1) / max(1, heaviest - 1)
    said = f"{nodes[tie.one].label} and {nodes[tie.other].label}: {tie.papers:,}"
    return (
        f'<g class="tie" data-ends="{tie.one} {tie.other}"><title>{escape(said)}</title>'
        f'<path stroke-width="{width:.1f}" d="M{x:.1f} {y:.1f} {other_x:.1f} {other_y:.1f}"/></g>'
    )


def _point(number: int, node: Node, label: _Label, point: tuple[float, float], radius: float) -> str:
    x, y = point
    mark = f'<tspan class="homonym" dy="-4">{escape(label.homonym)}</tspan>' if label.homonym else ""
    back = ' dy="4"' if label.homonym else ""
    return (
        f'<a href="{escape(node.href)}" data-node="{number}"><title>{escape(node.label)}: {node.papers:,}</title>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'
        f'<text x="{x + radius + _BESIDE:.1f}" y="{y + 4:.1f}">{escape(label.text)}{mark}'
        f'<tspan class="count"{back}> {label.figure}</tspan></text></a>'
    )
