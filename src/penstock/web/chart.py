"""A small line chart as SVG, drawn here so that pages need no JavaScript and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

WIDTH, HEIGHT = 720, 180
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 24
FLOOR_OF_SPAN = 0.02
"""The least height of the scale, so that noise does not look like a collapse."""


class Point(msgspec.Struct, frozen=True):
    """A point of the chart in SVG units, with what its tooltip says."""

    x: float
    y: float
    title: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Points in order of time, marks of the axes, and where another version began to answer."""

    metric: str
    width: int
    height: int
    points: tuple[Point, ...]
    levels: tuple[tuple[float, str], ...]
    days: tuple[tuple[float, str], ...]
    swaps: tuple[tuple[float, str], ...]

    @property
    def line(self) -> str:
        """The points as SVG's `points`."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


def chart(windows: Sequence[Mapping[str, Any]], metric: str) -> Chart | None:
    """A metric over the windows of champions, in order of time; None for fewer than two of them."""
    told = sorted(
        (w for w in windows if w["variant"] == "champion" and w["metrics"].get(metric) is not None),
        key=lambda w: (w["start"], w["version"]),
    )
    if len(told) < 2:
        return None
    times = [datetime.fromisoformat(w["start"]).timestamp() for w in told]
    values = [float(w["metrics"][metric]) for w in told]
    low, high = min(values), max(values)
    margin = max(FLOOR_OF_SPAN - (high - low), (high - low) * 0.1, 0.0) / 2
    low, high = low - margin, high + margin
    span = times[-1] - times[0] or 1.0
    xs = [LEFT + (time - times[0]) / span * (WIDTH - LEFT - RIGHT) for time in times]

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    points = tuple(
        Point(
            x, y(value), f"{w['start'][:10]}: {value:.3f} of version {w['version']}, {w['labelled']} labels"
        )
        for x, value, w in zip(xs, values, told, strict=True)
    )
    starts = [0, *(i for i in range(1, len(told)) if told[i]["version"] != told[i - 1]["version"])]
    return Chart(
        metric=metric,
        width=WIDTH,
        height=HEIGHT,
        points=points,
        levels=tuple((y(level), f"{level:.3f}") for level in (low, (low + high) / 2, high)),
        days=tuple((xs[i], told[i]["start"][:10]) for i in (0, len(told) // 2, len(told) - 1)),
        swaps=tuple((xs[i], f"v{told[i]['version']}") for i in starts),
    )
