"""Where the names of a network stand: near to those they share papers with, and no label over another.

The distances follow the ties (stress majorisation: Gansner, Koren, North, 2004), then labels that cover each other are
pushed apart. There is no chance in it: the same ties give the same picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin
from typing import Final

# Of two names without ties to each other, and the most that a way over others counts for.
_APART: Final = 3.0
_SWEEPS: Final = 14
_PASSES: Final = 160
# What stays free between two labels, across and down.
GAP_X: Final = 8.0
GAP_Y: Final = 3.0


@dataclass(frozen=True, slots=True)
class Tie:
    """Two nodes, by their places in the list, and the papers that both are on."""

    one: int
    other: int
    papers: int


@dataclass(frozen=True, slots=True)
class Box:
    """What a node takes up around its point: to the left, to the right, and to either side of its line."""

    left: float
    right: float
    half_height: float


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
        if len(left) > 1 and left.index(tie.one) < len(left) / 2:
            left.reverse()
        if len(right) > 1 and right.index(tie.other) >= len(right) / 2:
            right.reverse()
        left += right
        for node in right:
            chain_of[node] = first
    return [node for chain in sorted(chains.values(), key=lambda chain: (-len(chain), min(chain))) for node in chain]


def place_nodes(boxes: Sequence[Box], ties: Sequence[Tie], width: float) -> tuple[list[tuple[float, float]], float]:
    """The point of each node, and the height of the picture; all boxes are in it, and none covers another."""
    count = len(boxes)
    line = max((2 * box.half_height for box in boxes), default=0) + GAP_Y
    height = line * max(5, 0.85 * count)
    points = _fit(_by_stress(count, ties), boxes, width, height)
    if not _push_apart(points, boxes, width, height):
        return _in_columns(boxes, string_together(count, ties), width, line)
    return points, height


def covers(one: tuple[float, float], box: Box, other: tuple[float, float], theirs: Box) -> bool:
    """Whether two boxes at these points have more in common than their edges."""
    return (
        one[0] - box.left < other[0] + theirs.right
        and other[0] - theirs.left < one[0] + box.right
        and abs(one[1] - other[1]) < box.half_height + theirs.half_height
    )


def _distances(count: int, ties: Sequence[Tie]) -> list[list[float]]:
    """How far each is to be from each other: steps along ties, strong ones a little shorter."""
    near: list[list[int]] = [[] for _ in range(count)]
    for tie in ties:
        near[tie.one].append(tie.other)
        near[tie.other].append(tie.one)
    table = [[_APART] * count for _ in range(count)]
    for start in range(count):
        row, ahead = table[start], deque([start])
        row[start] = 0.0
        while ahead:
            node = ahead.popleft()
            for beside in near[node]:
                if row[node] + 1 < row[beside]:
                    row[beside] = row[node] + 1
                    ahead.append(beside)
    most = max((tie.papers for tie in ties), default=1)
    for tie in ties:
        table[tie.one][tie.other] = table[tie.other][tie.one] = 1 - 0.4 * tie.papers / most
    return table


def _by_stress(count: int, ties: Sequence[Tie]) -> list[list[float]]:
    distances = _distances(count, ties)
    points = [[0.0, 0.0] for _ in range(count)]
    for turn, node in enumerate(string_together(count, ties)):
        angle = 2 * pi * turn / count
        points[node] = [1.6 * cos(angle), 1.6 * sin(angle)]
    for _ in range(_SWEEPS):
        for node, (x, y) in enumerate(points):
            sum_x = sum_y = weights = 0.0
            row = distances[node]
            for other, (other_x, other_y) in enumerate(points):
                if other == node:
                    continue
                wanted = row[other]
                across, down = x - other_x, y - other_y
                found = hypot(across, down) or 1e-9
                weight = 1 / (wanted * wanted)
                sum_x += weight * (other_x + wanted * across / found)
                sum_y += weight * (other_y + wanted * down / found)
                weights += weight
            if weights:
                points[node] = [sum_x / weights, sum_y / weights]
    return points


def _fit(points: list[list[float]], boxes: Sequence[Box], width: float, height: float) -> list[tuple[float, float]]:
    """The points stretched over the picture, as far as their boxes let them."""
    found = []
    lows = [min(point[axis] for point in points) for axis in (0, 1)]
    spans = [max(point[axis] for point in points) - lows[axis] or 1.0 for axis in (0, 1)]
    for (x, y), box in zip(points, boxes, strict=True):
        free = width - box.left - box.right
        room = height - 2 * box.half_height
        found.append((box.left + free * (x - lows[0]) / spans[0], box.half_height + room * (y - lows[1]) / spans[1]))
    return found


def _push_apart(points: list[tuple[float, float]], boxes: Sequence[Box], width: float, height: float) -> bool:
    """Move *points* until no box is nearer to another than the gaps; whether that came about."""
    count = len(points)
    for _ in range(_PASSES):
        moved = False
        for one in range(count):
            for other in range(one + 1, count):
                (x, y), box = points[one], boxes[one]
                (other_x, other_y), theirs = points[other], boxes[other]
                down = box.half_height + theirs.half_height + GAP_Y - abs(y - other_y)
                if down <= 1e-6:
                    continue
                from_left = x + box.right - (other_x - theirs.left) + GAP_X
                from_right = other_x + theirs.right - (x - box.left) + GAP_X
                across = min(from_left, from_right)
                if across <= 1e-6:
                    continue
                moved = True
                if down <= across:
                    step = down / 2 * (1 if (y, one) > (other_y, other) else -1)
                    points[one], points[other] = (x, y + step), (other_x, other_y - step)
                else:
                    step = across / 2 * (-1 if from_left <= from_right else 1)
                    points[one], points[other] = (x + step, y), (other_x - step, other_y)
        for node, box in enumerate(boxes):
            x, y = points[node]
            points[node] = (
                min(max(x, box.left), width - box.right),
                min(max(y, box.half_height), height - box.half_height),
            )
        if not moved:
            return True
    return False


def _in_columns(
    boxes: Sequence[Box], order: Sequence[int], width: float, line: float
) -> tuple[list[tuple[float, float]], float]:
    """Two columns in this order: what is left where there is no room for more."""
    half = (len(order) + 1) // 2
    points = [(0.0, 0.0)] * len(order)
    for turn, node in enumerate(order):
        start = 0 if turn < half else width / 2
        points[node] = (start + boxes[node].left, line * (turn % half + 0.5))
    return points, line * half
