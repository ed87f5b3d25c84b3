"""A small line chart as SVG, drawn here so that pages need no JavaScript and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

WIDTH, HEIGHT = 720, 180
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 24
_SMALL, _LARGE = 10, 100_000
FLOOR_OF_SPAN = 0.02
"""The least height of the scale, so that noise does not look like a collapse."""


class Point(msgspec.Struct, frozen=True):
    """A point of the chart in SVG units, with what its tooltip says."""

    x: float
    y: float
    title: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Points in order of time, marks of the axes, and where another version began to answer.

    `estimates` are the points of what was estimated without labels, and `band` its bounds, around them.
    """

    metric: str
    width: int
    height: int
    points: tuple[Point, ...]
    levels: tuple[tuple[float, str], ...]
    days: tuple[tuple[float, str], ...]
    swaps: tuple[tuple[float, str], ...]
    estimates: tuple[Point, ...] = ()
    band: tuple[Point, ...] = ()

    @property
    def line(self) -> str:
        """The points as SVG's `points`."""
        return _line(self.points)

    @property
    def dashes(self) -> str:
        """The estimates in the same way."""
        return _line(self.estimates)

    @property
    def area(self) -> str:
        """The band of the estimates in the same way."""
        return _line(self.band)


def _line(points: Sequence[Point]) -> str:
    return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in points)


def chart(windows: Sequence[Mapping[str, Any]], metric: str) -> Chart | None:
    """A metric over the windows of champions, in order of time, measured and estimated; None for fewer than
    two windows of either.
    """
    champions = sorted(
        (w for w in windows if w["variant"] == "champion"), key=lambda w: (w["start"], w["version"])
    )
    told = [w for w in champions if w["metrics"].get(metric) is not None]
    guessed = [w for w in champions if metric in w["estimated"]]
    if max(len(told), len(guessed)) < 2:
        return None
    drawn = [w for w in champions if w in told or w in guessed]
    times = [_time(w) for w in drawn]
    values = [float(w["metrics"][metric]) for w in told]
    figures = [w["estimated"][metric] for w in guessed]
    low, high = _scale([*values, *(figure[end] for figure in figures for end in ("low", "high"))])
    span = times[-1] - times[0] or 1.0

    def x(window: Mapping[str, Any]) -> float:
        return LEFT + (_time(window) - times[0]) / span * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return float(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM))

    def point(window: Mapping[str, Any], value: float, what: str) -> Point:
        title = f"{window['start'][:10]}: {value:.3f} of version {window['version']}, {what}"
        return Point(x(window), y(value), title)

    edges = [*zip(guessed, figures, strict=True)]
    starts = [0, *(i for i in range(1, len(drawn)) if drawn[i]["version"] != drawn[i - 1]["version"])]
    return Chart(
        metric=metric,
        width=WIDTH,
        height=HEIGHT,
        points=tuple(point(w, v, f"{w['labelled']} labels") for w, v in zip(told, values, strict=True)),
        levels=tuple((y(level), _level(level)) for level in (low, (low + high) / 2, high)),
        days=tuple((x(drawn[i]), drawn[i]["start"][:10]) for i in (0, len(drawn) // 2, len(drawn) - 1)),
        swaps=tuple((x(drawn[i]), f"v{drawn[i]['version']}") for i in starts),
        estimates=tuple(
            point(w, f["value"], f"estimated, from {f['low']:.3f} to {f['high']:.3f}") for w, f in edges
        ),
        band=(
            *(Point(x(w), y(f["high"]), "") for w, f in edges),
            *(Point(x(w), y(f["low"]), "") for w, f in reversed(edges)),
        ),
    )


def by_version(versions: Sequence[Mapping[str, Any]], metric: str) -> Chart | None:
    """A metric by which versions were measured on held-out rows; None for fewer than two."""
    told: list[Mapping[str, Any]] = sorted(
        (v for v in versions if v["metrics"].get(metric) is not None), key=lambda v: v["number"]
    )
    if len(told) < 2:
        return None
    values = [float(version["metrics"][metric]) for version in told]
    low, high = _scale(values)
    first, last = told[0]["number"], told[-1]["number"]

    def x(number: int) -> float:
        return float(LEFT + (number - first) / (last - first) * (WIDTH - LEFT - RIGHT))

    def y(value: float) -> float:
        return float(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM))

    marks = (told[0], told[len(told) // 2], told[-1])
    return Chart(
        metric=metric,
        width=WIDTH,
        height=HEIGHT,
        points=tuple(
            Point(x(each["number"]), y(value), f"{each['id']}: {value:.4g}, {each['added'][:10]}")
            for each, value in zip(told, values, strict=True)
        ),
        levels=tuple((y(level), _level(level)) for level in (low, (low + high) / 2, high)),
        days=tuple((x(each["number"]), f"v{each['number']}") for each in marks),
        swaps=(),
    )


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and highest value of the scale, with some room, but none below 0 or above 1 for what lies
    between them.
    """
    low, high = min(values), max(values)
    margin = max(FLOOR_OF_SPAN - (high - low), (high - low) * 0.1, 0.0) / 2
    return (
        max(0.0, low - margin) if low >= 0 else low - margin,
        min(1.0, high + margin) if high <= 1 else high + margin,
    )


def _level(value: float) -> str:
    """A mark of the scale, which is short enough to stand beside it."""
    if abs(value) < _SMALL:
        return f"{value:.3f}"
    return f"{value:.5g}" if abs(value) < _LARGE else f"{value:.1e}"


def _time(window: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(window["start"]).timestamp()
