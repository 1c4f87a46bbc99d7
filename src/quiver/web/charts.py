"""Charts made on the server: plain SVG that takes its colours from the style sheet, beside the table that it draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

_HEIGHT: Final = 120
_LABEL_HEIGHT: Final = 22
_TOP: Final = 18
_WIDTH: Final = 640
_MOST_BARS: Final = 80


def fill_years(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The points by year, oldest first, with a zero for each year between that has none.

    >>> fill_years([(2022, 2), (2020, 1)])
    [(2020, 1), (2021, 0), (2022, 2)]
    """
    counts = dict(points)
    if not counts or max(counts) - min(counts) >= _MOST_BARS:
        return sorted(counts.items())
    return [(year, counts.get(year, 0)) for year in range(min(counts), max(counts) + 1)]


def bar_chart(points: Sequence[tuple[str, int]], *, chart_id: str, title: str, description: str) -> Markup:
    """Upright bars, one a point, each with its own title; title and description are for screen readers."""
    if not points:
        return Markup("")
    most = max(1, *(count for _, count in points))
    step = _WIDTH / max(len(points), 6)
    bar = min(step * 0.72, 44)
    base = _TOP + _HEIGHT
    every = max(1, -(-len(points) * 40 // _WIDTH))
    pieces = [
        Markup(
            '<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-labelledby="{i}-title {i}-desc">'
            '<title id="{i}-title">{title}</title><desc id="{i}-desc">{desc}</desc>'
        ).format(w=_WIDTH, h=base + _LABEL_HEIGHT, i=chart_id, title=title, desc=description)
    ]
    for place, (label, count) in enumerate(points):
        centre = step * (place + 0.5)
        height = round(_HEIGHT * count / most, 1)
        if count:
            height = max(height, 1.5)
            pieces.append(
                Markup('<g><title>{label}: {count}</title><rect x="{x}" y="{y}" width="{w}" height="{h}"/>').format(
                    label=label,
                    count=f"{count:,}",
                    x=f"{centre - bar / 2:.1f}",
                    y=f"{base - height:.1f}",
                    w=f"{bar:.1f}",
                    h=height,
                )
            )
            if every == 1:
                pieces.append(_text(centre, base - height - 5, f"{count:,}", "count"))
            pieces.append(Markup("</g>"))
        if place % every == 0:
            pieces.append(_text(centre, base + 16, label, "label"))
    pieces.append(Markup('<line x1="0" y1="{y}" x2="{w}" y2="{y}"/></svg>').format(y=base, w=_WIDTH))
    return Markup("").join(pieces)


def _text(x: float, y: float, text: str, kind: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, f"{x:.1f}", f"{y:.1f}", escape(text))
