"""Charts made on the server: plain SVG that takes its colours from the style sheet, beside the table that it draws.

Places across are in percent and heights in pixels, so that a chart is as wide as its column and its words stay as
large as words are. Everything drawn has a title of its own, which a browser shows where the pointer rests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

# The column in which a chart stands is about so wide on a desk, and on a phone.
WIDE: Final = 640
NARROW: Final = 280
# Of a character in a label; and what is free between two labels.
_CHARACTER: Final = 7.0
_BETWEEN: Final = 10
_HEIGHT: Final = 120
_LABEL_HEIGHT: Final = 22
_TOP: Final = 18
_LEAST_STEPS: Final = 6
_MOST_BARS: Final = 80
_ROW: Final = 36
_LONGEST_LABEL: Final = 34

# The fills of a stack from below, told apart by pattern and not by colour alone: pieces of a tile of 6 by 6.
FILLS: Final[dict[str, str]] = {
    "solid": '<rect class="dark" width="6" height="6"/>',
    "hatched": '<rect class="ground" width="6" height="6"/><path class="stroke" d="M-1 7 7-1M-1 1 1-1M5 7 7 5"/>',
    "light": '<rect class="light" width="6" height="6"/>',
    "dotted": '<rect class="ground" width="6" height="6"/><circle class="dark" cx="2" cy="2" r="1.5"/>'
    '<circle class="dark" cx="5" cy="5" r="1.5"/>',
    "ruled": '<rect class="light" width="6" height="6"/><path class="stroke" d="M0 2H6M0 5H6"/>',
    "crossed": '<rect class="ground" width="6" height="6"/><path class="stroke" d="M0 3H6M3 0V6"/>',
    "rest": '<rect class="grey" width="6" height="6"/>',
    "none": '<rect class="ground" width="6" height="6"/><circle class="quiet" cx="3" cy="3" r="0.8"/>',
}
# Fills of series that stand for themselves, in their order; then there are those for all others and for none.
SERIES_FILLS: Final = ("solid", "hatched", "light", "dotted", "ruled", "crossed")


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing in a stack: its label and the fill that marks it, a key of `FILLS`."""

    label: str
    fill: str


@dataclass(frozen=True, slots=True)
class Share:
    """One row of a chart of shares: label, count, and where the label leads."""

    label: str
    count: int
    href: str = ""


def fill_years(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The points by year, oldest first, with a zero for each year between that has none.

    >>> fill_years([(2022, 2), (2020, 1)])
    [(2020, 1), (2021, 0), (2022, 2)]
    """
    counts = dict(points)
    if not counts or max(counts) - min(counts) >= _MOST_BARS:
        return sorted(counts.items())
    return [(year, counts.get(year, 0)) for year in range(min(counts), max(counts) + 1)]


def fold_tail(points: Sequence[tuple[int, int]], most: int = 30) -> list[tuple[str, int]]:
    """The points by number from the least on, zeros between; all beyond *most* together, so that steps stay equal.

    >>> fold_tail([(1, 5), (3, 2), (40, 1), (900, 1)], 3)
    [('1', 5), ('2', 0), ('3', 2), ('over 3', 2)]
    """
    counts = dict(points)
    near = [number for number in counts if number <= most]
    folded = [(str(number), counts.get(number, 0)) for number in (range(min(near), max(near) + 1) if near else ())]
    tail = sum(count for number, count in counts.items() if number > most)
    return [*folded, (f"over {most}", tail)] if tail else folded


def bar_chart(points: Sequence[tuple[str, int]], *, chart_id: str, title: str, description: str) -> Markup:
    """Upright bars, one a point, each with its own title; *title* and *description* are for screen readers."""
    stacks = [(label, (count,)) for label, count in points]
    return stacked_chart(stacks, (), chart_id=chart_id, title=title, description=description)


def stacked_chart(
    points: Sequence[tuple[str, Sequence[int]]],
    series: Sequence[Series],
    *,
    chart_id: str,
    title: str,
    description: str,
    links: Mapping[str, str] | None = None,
) -> Markup:
    """Upright bars, one a point, each a stack of the counts of *series*; without series each is one plain bar.

    *links*: label -> where its bar leads.
    """
    if not points:
        return Markup("")
    # Escaped piece by piece and joined once: formatting `Markup` took half of a venue's page.
    step = 100 / max(len(points), _LEAST_STEPS)
    width = min(step * 0.72, 44 * 100 / WIDE)
    base = _TOP + _HEIGHT
    scale = _HEIGHT / max(1, *(sum(counts) for _, counts in points))
    every, every_narrow = (_every([label for label, _ in points], step, room) for room in (WIDE, NARROW))
    sums = [f"{sum(counts):,}" for _, counts in points]
    counted, counted_narrow = (_every(sums, step, room) == 1 for room in (WIDE, NARROW))
    pieces = [_definitions(chart_id, series)]
    for place, (label, counts) in enumerate(points):
        centre = step * (place + 0.5)
        bars, top = _stack(label, counts, series, chart_id, centre - width / 2, width, base, scale)
        if bars and counted:
            bars += _text(centre, top - 5, sums[place], "count" if counted_narrow else "count wide-only")
        named = f"{label}: {sums[place]}" if series else ""
        pieces.append(_narrowing(bars, (links or {}).get(label, ""), named))
        if place % every == 0:
            pieces.append(_label(label, place, step, base, wide_only=place % every_narrow != 0))
    pieces.append(f'<line x1="0" y1="{base}" x2="100%" y2="{base}"/>')
    return picture(
        "chart",
        _size(base + _LABEL_HEIGHT),
        pieces,
        chart_id=chart_id,
        title=title,
        description=description,
        linked=bool(links),
    )


def paired_chart(
    points: Sequence[tuple[str, Sequence[int]]],
    series: Sequence[Series],
    *,
    chart_id: str,
    title: str,
    description: str,
) -> Markup:
    """Upright bars beside each other, one a series, at each point."""
    if not points:
        return Markup("")
    step = 100 / max(len(points), _LEAST_STEPS)
    width = min(step * 0.76, 56 * 100 / WIDE) / len(series)
    base = _TOP + _HEIGHT
    scale = _HEIGHT / max(1, *(max(counts) for _, counts in points))
    every, every_narrow = (_every([label for label, _ in points], step, room) for room in (WIDE, NARROW))
    pieces = [_definitions(chart_id, series)]
    for place, (label, counts) in enumerate(points):
        centre = step * (place + 0.5)
        left = centre - width * len(series) / 2
        for number, (one, count) in enumerate(zip(series, counts, strict=True)):
            bar, _ = _stack(label, (count,), (one,), chart_id, left + width * number, width, base, scale)
            pieces.append(bar)
        if place % every == 0:
            pieces.append(_label(label, place, step, base, wide_only=place % every_narrow != 0))
    pieces.append(f'<line x1="0" y1="{base}" x2="100%" y2="{base}"/>')
    return picture(
        "chart",
        _size(base + _LABEL_HEIGHT),
        pieces,
        chart_id=chart_id,
        title=title,
        description=description,
        linked=False,
    )


def share_chart(shares: Sequence[Share], whole: int, *, chart_id: str, title: str, description: str) -> Markup:
    """Level bars, one a row below its label and count, as long as its share of *whole*."""
    if not shares or whole < 1:
        return Markup("")
    linked = any(share.href for share in shares)
    pieces = []
    for place, share in enumerate(shares):
        y = _ROW * place
        part = 100 * share.count / whole
        said = f"{share.count:,} · {percent(share.count, whole)}"
        short = share.label if len(share.label) <= _LONGEST_LABEL else share.label[: _LONGEST_LABEL - 1] + "…"
        bar = f'<rect class="track" y="{y + 20}" width="100%" height="8"/>'
        bar += f'<rect y="{y + 20}" width="{min(part, 100):.2f}%" height="8"/>'
        words = f'<text class="label" x="0" y="{y + 14}">{escape(short)}</text>'
        words += f'<text class="count" x="100%" y="{y + 14}">{said}</text>'
        about = f"<title>{escape(share.label)}: {share.count:,} of {whole:,} papers</title>"
        row = about + bar + words
        pieces.append(f'<a href="{escape(share.href)}">{row}</a>' if share.href else f"<g>{row}</g>")
    return picture(
        "chart shares",
        _size(_ROW * len(shares)),
        pieces,
        chart_id=chart_id,
        title=title,
        description=description,
        linked=linked,
    )


def picture(
    kind: str, size: str, pieces: Iterable[str], *, chart_id: str, title: str, description: str, linked: bool
) -> Markup:
    """The SVG made of *pieces*, in which every text is escaped; *title* and *description* are escaped here.

    *size* is the attributes that say how large it is; *linked* says whether there are links in it.
    """
    name = escape(chart_id)
    # What an image holds is not offered to screen readers, so one with links in it is a group.
    role = "group" if linked else "img"
    return Markup(  # noqa: S704 - what is not escaped here is escaped piece by piece
        f'<svg class="{kind}" {size} role="{role}" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
        f"{''.join(pieces)}</svg>"
    )


def swatch(chart_id: str, fill: str) -> Markup:
    """A small square in the fill of a series, for the legend of the chart *chart_id* on the same page."""
    return Markup(  # noqa: S704 - what is not our own is escaped
        f'<svg class="swatch" width="14" height="14" aria-hidden="true" focusable="false">'
        f'<rect width="14" height="14" fill="url(#{escape(chart_id)}-{escape(fill)})"/></svg>'
    )


def percent(count: int, whole: int) -> str:
    """A share in words that claim no more than it knows.

    >>> percent(1, 3), percent(1, 1000), percent(999, 1000), percent(5, 5)
    ('33 %', 'under 1 %', 'over 99 %', '100 %')
    """
    share = 100 * count / whole
    if 0 < share < 1:
        return "under 1 %"
    if 99 < share < 100:
        return "over 99 %"
    return f"{share:.0f} %"


def _stack(
    label: str,
    counts: Sequence[int],
    series: Sequence[Series],
    chart_id: str,
    x: float,
    width: float,
    base: float,
    scale: float,
) -> tuple[str, float]:
    """The pieces of one bar from below, and where its top is; what there is of anything can be seen."""
    pieces, top = [], base
    for place, count in enumerate(counts):
        if not count:
            continue
        height = max(round(count * scale, 1), 1.5)
        top = max(top - height, 0)
        named = f"{escape(label)}, {escape(series[place].label)}" if series else escape(label)
        fill = f' fill="url(#{escape(chart_id)}-{series[place].fill})"' if series else ""
        pieces.append(
            f'<g><title>{named}: {count:,}</title><rect x="{x:.2f}%" y="{top:.1f}" width="{width:.2f}%" '
            f'height="{height:.1f}"{fill}/></g>'
        )
    return "".join(pieces), top


def _every(labels: Sequence[str], step: float, room: int) -> int:
    """How many steps a label takes, where all are at most as wide as the widest."""
    widest = max(map(len, labels)) * _CHARACTER + _BETWEEN
    return max(1, -(-int(widest) // max(1, int(step * room / 100))))


def _label(label: str, place: int, step: float, base: int, *, wide_only: bool) -> str:
    """The label below a bar; the first one begins with the chart where it would begin before it."""
    kind = "label wide-only" if wide_only else "label"
    if place == 0 and len(label) * _CHARACTER > step * NARROW / 100:
        return _text(0, base + 16, label, f"{kind} first")
    return _text(step * (place + 0.5), base + 16, label, kind)


def _size(height: int) -> str:
    return f'width="100%" height="{height}"'


def _definitions(chart_id: str, series: Sequence[Series]) -> str:
    patterns = [
        f'<pattern id="{escape(chart_id)}-{one.fill}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f"{FILLS[one.fill]}</pattern>"
        for one in series
    ]
    return f"<defs>{''.join(patterns)}</defs>" if patterns else ""


def _narrowing(pieces: str, link: str, name: str) -> str:
    """The *pieces* as a link that narrows a list, called *name* where no title in them says what it is."""
    if not pieces or not link:
        return pieces
    title = f"<title>{escape(name)}</title>" if name else ""
    return f'<a href="{escape(link)}" rel="nofollow">{title}{pieces}</a>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.2f}%" y="{y:.1f}">{escape(text)}</text>'
