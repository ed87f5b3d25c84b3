"""Small plots as SVG, drawn here so that a file shows them without JavaScript and without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import cycle, pairwise

Points = Sequence[Sequence[float]]
"""Pairs of x and y, in order of x."""

COLOURS = ("#1f7ab8", "#c2571a", "#2b8a57", "#8a4fb0", "#b0304a", "#6b6f1d", "#3c5fd0", "#7a5a3a")
WIDTH, HEIGHT = 460, 200
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 26
BAR = 22


def curves(named: Sequence[tuple[str, Points]]) -> str:
    """A line for each name over a common scale; a name without points has its colour and no line."""
    xs = [point[0] for _, points in named for point in points]
    ys = [point[1] for _, points in named for point in points]
    if not xs:
        return ""
    (left, right), (low, high) = _span(xs), _span(ys)

    def place(point: Sequence[float]) -> str:
        x = LEFT + (point[0] - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        y = TOP + (high - point[1]) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM}" text-anchor="end">{low:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{high:.4g}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 8}">{left:g}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{right:g}</text>',
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#9aa7b4"/>',
    ]
    for (name, points), colour in zip(named, cycle(COLOURS), strict=False):
        line = " ".join(place(point) for point in points)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(name)}</title></polyline>"
        )
    return _svg(HEIGHT, parts)


def bars(named: Sequence[tuple[str, float | None]], colours: Sequence[str] = COLOURS) -> str:
    """A bar for each name, from 0; none where there is no value. Colours come again after the last."""
    values = [value for _, value in named if value is not None]
    if not values:
        return ""
    low, high = min(0.0, *values), max(0.0, *values)
    scale = (WIDTH - LEFT - 90) / ((high - low) or 1.0)
    zero = LEFT - low * scale
    parts = []
    for number, ((name, value), colour) in enumerate(zip(named, cycle(colours), strict=False)):
        y = TOP + number * BAR
        parts.append(f'<text x="{LEFT - 6}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        if value is not None:
            x, width = min(zero, zero + value * scale), abs(value) * scale
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="16" fill="{colour}"/>')
            parts.append(f'<text x="{x + width + 6:.1f}" y="{y + 13}">{_value(value)}</text>')
    return _svg(TOP + len(named) * BAR + 6, parts)


def histogram(
    edges: Sequence[float], counts: Sequence[float], shown: Callable[[float], str] = "{:.4g}".format
) -> str:
    """Bins between E edges with their E - 1 counts as areas, high where values lie dense; edges as `shown`.

    A bin narrower than a hundredth of the whole joins the next, since a single value has no density.
    """
    left, right = edges[0], edges[-1]
    scale, bottom = (WIDTH - LEFT - RIGHT) / ((right - left) or 1.0), HEIGHT - BOTTOM
    bins: list[tuple[float, float, float]] = []
    for (a, b), count in zip(pairwise(edges), counts, strict=True):
        sliver = bool(bins) and bins[-1][1] - bins[-1][0] < (right - left) / 100
        start, _, before = bins.pop() if sliver else (a, a, 0.0)
        bins.append((start, b, before + count))
    highest = max(count / ((b - a) or 1.0) for a, b, count in bins) or 1.0
    parts = [
        f'<text x="{LEFT}" y="{HEIGHT - 8}">{shown(left)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{shown(right)}</text>',
        f'<path d="M{LEFT} {bottom}H{WIDTH - RIGHT}" stroke="#9aa7b4"/>',
    ]
    for a, b, count in bins:
        x, wide = LEFT + (a - left) * scale, (b - a) * scale
        tall = count / ((b - a) or 1.0) / highest * (bottom - TOP)
        place = f'x="{x:.1f}" y="{bottom - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
        title = f"<title>{shown(a)} to {shown(b)}: {count:g} rows</title>"
        parts.append(f'<rect {place} fill="{COLOURS[0]}" stroke="#fff" stroke-width="0.5">{title}</rect>')
    return _svg(HEIGHT, parts)


def _svg(height: int, parts: Iterable[str]) -> str:
    body = "".join(parts)
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    look = 'font-size="11" fill="#5c6b7a" role="img"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {look}>{body}</svg>'


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _value(value: float) -> str:
    """A count with all its digits, any other number with four."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
