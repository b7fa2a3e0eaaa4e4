"""Charts as SVG text: they follow the page's colours, print sharply and need no program to be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

WIDTH, HEIGHT = 360, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 40
MOST_POINTS = 400

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Series:
    """A line, or dots.

    Attributes:
        name: For the legend.
        points: (x, y) each.
        colour: Number of the colour in the page's palette.
        kind: ``line``, ``step``, ``dots`` or ``dashed``.
    """

    name: str
    points: Points
    colour: int = 0
    kind: str = "line"


@dataclass(frozen=True)
class Band:
    """A region between two lines: (x, low, high) each."""

    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Axis:
    """An axis: its label, its ends and the places of its ticks."""

    label: str
    low: float = 0.0
    high: float = 1.0
    ticks: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def axis(label: str, values: Sequence[float], *, zero: bool = False) -> Axis:
    """An axis around some values, with round ticks."""
    low, high = min([*values, 0.0] if zero else values), max(values)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    step = 10 ** math.floor(math.log10(high - low))
    step = next(one for one in (step / 5, step / 2, step, 2 * step) if (high - low) / one <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [number * step for number in range(first, last + 1)]
    return Axis(label, ticks[0], ticks[-1], ticks)


def line_chart(
    title: str, x: Axis, y: Axis, series: Sequence[Series], *, band: Band | None = None, described: str
) -> Markup:
    """Draw lines.

    Args:
        title: Of the chart.
        x, y: Axes.
        series: In the order of the legend.
        band: Drawn below the lines.
        described: What the chart shows, in words, for those who do not see it.
    """
    parts = [_frame(x, y)]
    if band is not None and band.points:
        upper = [_place(px, high, x, y) for px, _, high in band.points]
        lower = [_place(px, low, x, y) for px, low, _ in reversed(band.points)]
        parts.append(f'<polygon class="band" points="{_joined([*upper, *lower])}"/>')
    parts += [_series(one, x, y) for one in series]
    return _svg(title, described, parts, [(one.name, one.colour, one.kind) for one in series if one.name])


def histogram(title: str, x: Axis, groups: Sequence[tuple[str, Sequence[float]]], *, described: str) -> Markup:
    """Draw the distribution of each group's values as shares of the group, side by side in bins."""
    bins = 20
    width = (x.high - x.low) / bins
    shares = []
    for _, values in groups:
        counts = [0] * bins
        for value in values:
            counts[min(bins - 1, max(0, int((value - x.low) / width)))] += 1
        shares.append([count / max(1, len(values)) for count in counts])
    y = axis("share of the class", [0.0, max((share for one in shares for share in one), default=1.0)], zero=True)
    parts = [_frame(x, y)]
    for number, one in enumerate(shares):
        for place, share in enumerate(one):
            if share:
                left, top = _place(x.low + (place + 0.5 * number) * width, share, x, y)
                right, floor = _place(x.low + (place + 0.5 * (number + 1)) * width, 0.0, x, y)
                size = f'width="{max(0.5, right - left - 0.5):.1f}" height="{floor - top:.1f}"'
                parts.append(f'<rect class="fill c{number}" x="{left:.1f}" y="{top:.1f}" {size}/>')
    return _svg(title, described, parts, [(name, number, "fill") for number, (name, _) in enumerate(groups)])


def nothing(title: str, why: str) -> Markup:
    """Say why there is no chart, in its place."""
    words = f"<figcaption>{escape(title)}</figcaption><p>No chart: {escape(why)}.</p>"
    return Markup(f'<figure class="chart">{words}</figure>')


def _frame(x: Axis, y: Axis) -> str:
    parts = []
    for tick in x.ticks:
        place, floor = _place(tick, y.low, x, y)
        parts.append(f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{floor:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{place:.1f}" y="{floor + 14:.1f}" text-anchor="middle">{_number(tick)}</text>'
        )
    for tick in y.ticks:
        left, place = _place(x.low, tick, x, y)
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{left - 6:.1f}" y="{place + 3.5:.1f}" text-anchor="end">{_number(tick)}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>')
    centre = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="label" x="11" y="{centre}" text-anchor="middle" transform="rotate(-90 11 {centre})">'
        f"{escape(y.label)}</text>"
    )
    return "".join(parts)


def _series(one: Series, x: Axis, y: Axis) -> str:
    places = [_place(px, py, x, y) for px, py in _thinned(one.points)]
    if one.kind == "dots":
        return "".join(f'<circle class="fill c{one.colour}" cx="{px:.1f}" cy="{py:.1f}" r="3.5"/>' for px, py in places)
    if one.kind == "step":
        places = [corner for before, after in pairwise(places) for corner in (before, (before[0], after[1]), after)]
    dashed = " dashed" if one.kind == "dashed" else ""
    return f'<polyline class="line c{one.colour}{dashed}" points="{_joined(places)}"/>'


def _thinned(points: Points) -> Points:
    if len(points) <= MOST_POINTS:
        return points
    every = len(points) / MOST_POINTS
    return [points[int(number * every)] for number in range(MOST_POINTS)] + [points[-1]]


def _place(px: float, py: float, x: Axis, y: Axis) -> tuple[float, float]:
    across = min(1.0, max(0.0, (px - x.low) / (x.high - x.low)))
    up = min(1.0, max(0.0, (py - y.low) / (y.high - y.low)))
    return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def _joined(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{px:.1f},{py:.1f}" for px, py in places)


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) > 1e-9 else "0"


def _svg(title: str, described: str, parts: Sequence[str], legend: Sequence[tuple[str, int, str]]) -> Markup:
    keys = "".join(
        f'<li><span class="key c{colour} {kind}" aria-hidden="true"></span>{escape(name)}</li>'
        for name, colour, kind in legend
    )
    return Markup(
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(described)}">{"".join(parts)}</svg>'
        + (f'<ul class="legend">{keys}</ul>' if keys else "")
        + "</figure>"
    )
