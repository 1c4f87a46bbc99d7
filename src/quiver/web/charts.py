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
    # Escaped piece by piece and joined once: formatting `Markup` took half of a venue's page.
    heading, about, name = escape(title), escape(description), escape(chart_id)
    pieces = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {base + _LABEL_HEIGHT}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{heading}</title><desc id="{name}-desc">{about}</desc>'
    ]
    for place, (label, count) in enumerate(points):
        centre = step * (place + 0.5)
        height = round(_HEIGHT * count / most, 1)
        if count:
            height = max(height, 1.5)
            pieces.append(
                f'<g><title>{escape(label)}: {count:,}</title><rect x="{centre - bar / 2:.1f}" '
                f'y="{base - height:.1f}" width="{bar:.1f}" height="{height}"/>'
            )
            if every == 1:
                pieces.append(_text(centre, base - height - 5, f"{count:,}", "count"))
            pieces.append("</g>")
        if place % every == 0:
            pieces.append(_text(centre, base + 16, label, "label"))
    pieces.append(f'<line x1="0" y1="{base}" x2="{_WIDTH}" y2="{base}"/></svg>')
    return Markup("".join(pieces))  # noqa: S704 - every text in it is escaped above


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
