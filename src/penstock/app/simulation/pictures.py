"""A simulation as an HTML file that needs nothing else: no script, no network, no other file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from penstock.app.experiments.plots import COLOURS
from penstock.core.human import human

WIDE, HALF, HEIGHT = 1100, 540, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 14, 40
Place = Callable[[float, float], tuple[float, float]]

_pages = Environment(
    loader=PackageLoader("penstock.app.simulation"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters["human"] = human


def simulation_html(told: Mapping[str, Any]) -> str:
    """The page of a simulation, which is `told` as `penstock simulate --json` prints it."""
    names = [row["policy"] for row in told["policies"]]
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(names)}
    return _pages.get_template("simulation.html").render(
        told=told,
        colours=colours,
        by_week=Markup(_by_week(told, colours)),  # noqa: S704 drawn here
        by_cost=Markup(_by_cost(told, colours)),  # noqa: S704 drawn here
        by_age=Markup(_by_age(told)),  # noqa: S704 drawn here
    )


def _by_week(told: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    """A line for each policy, with a dot on it where a training was started."""
    lines = {
        row["policy"]: [(_day(w["start"]), w["value"]) for w in row["weeks"] if w["value"] is not None]
        for row in told["policies"]
    }
    points = [point for line in lines.values() for point in line]
    place, parts = _axes(
        WIDE, points, str(told["metric"]), "week", lambda day: f"{datetime.fromordinal(int(day)):%d %b}"
    )
    for row in told["policies"]:
        name, line = row["policy"], lines[row["policy"]]
        parts.append(_line([place(*point) for point in line], colours[name], name))
        for firing in row["firings"]:
            day = _day(firing["time"])
            if line[0][0] < day <= line[-1][0] and firing["kind"] != "deployed":
                x, y = place(day, _at(line, day))
                title = escape(f"{name}, {firing['time'][:10]}: {firing['why']}")
                dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colours[name]}">'
                parts.append(f"{dot}<title>{title}</title></circle>")
    return _svg(WIDE, parts)


def _by_cost(told: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    """A dot for each policy; those that no other beats are joined."""
    rows = sorted(told["policies"], key=lambda row: row["seconds"])
    points = [(row["seconds"], row["quality"]) for row in rows]
    place, parts = _axes(
        HALF, points, str(told["metric"]), "seconds of training", lambda x: f"{max(0.0, x):.3g}", margin=0.08
    )
    front = [place(*point) for row, point in zip(rows, points, strict=True) if row["front"]]
    parts.append(_line(front, "#9aa7b4", "the front", dashed=True))
    for row, point in zip(rows, points, strict=True):
        (x, y), name = place(*point), row["policy"]
        ring = ' stroke="#1b2733" stroke-width="2"' if name == told["recommended"] else ""
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colours[name]}"{ring}/>')
        side = ("end", -10) if x > HALF * 0.75 else ("start", 10)
        parts.append(
            f'<text x="{x + side[1]:.1f}" y="{y + 16:.1f}" text-anchor="{side[0]}">{escape(name)}</text>'
        )
    return _svg(HALF, parts)


def _by_age(told: Mapping[str, Any]) -> str:
    """The mean loss by age, and the band in which eight of ten lie."""
    ages = told["ageing"]
    if len(ages) < 2:
        return ""
    points = [(age["weeks"], age[side]) for age in ages for side in ("low", "high")] + [(0, 0.0)]
    place, parts = _axes(HALF, points, f"{told['metric']} lost", "weeks older", lambda x: f"{x:.0f}")
    there = [place(age["weeks"], age["high"]) for age in ages]
    back = [place(age["weeks"], age["low"]) for age in reversed(ages)]
    band = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*there, *back))
    parts.insert(0, f'<polygon points="{band}" fill="#1f7ab8" fill-opacity="0.18"/>')
    parts.append(_line([place(0, 0.0), place(ages[-1]["weeks"], 0.0)], "#9aa7b4", "no loss", dashed=True))
    parts.append(_line([place(age["weeks"], age["loss"]) for age in ages], "#1f7ab8", "mean"))
    return _svg(HALF, parts)


def _axes(  # noqa: PLR0917 - a picture's frame, whole
    width: int,
    points: Sequence[tuple[float, float]],
    up: str,
    along: str,
    tick: Callable[[float], str],
    margin: float = 0.0,
) -> tuple[Place, list[str]]:
    (left, right), (low, high) = (_span([p[axis] for p in points], margin) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - left) / (right - left) * (width - LEFT - RIGHT)
        return across, TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)

    bottom = HEIGHT - BOTTOM
    parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{width - RIGHT}" fill="none" stroke="#9aa7b4"/>']
    for step in range(5):
        y = low + (high - low) * step / 4
        at = place(left, y)[1]
        parts.append(f'<path d="M{LEFT} {at:.1f}H{width - RIGHT}" stroke="#eceff2"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y:.3f}</text>')
        x = left + (right - left) * step / 4
        end = ("start", "middle", "middle", "middle", "end")[step]
        parts.append(
            f'<text x="{place(x, low)[0]:.1f}" y="{bottom + 16}" text-anchor="{end}">{tick(x)}</text>'
        )
    parts.append(f'<text x="{LEFT + 6}" y="{TOP + 10}">{escape(up)}</text>')
    parts.append(f'<text x="{width - RIGHT}" y="{bottom + 32}" text-anchor="end">{escape(along)}</text>')
    return place, parts


def _span(values: Sequence[float], margin: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * margin or (0.0 if high > low else max(abs(high), 1.0) * 0.05)
    return low - room, high + room


def _at(line: Sequence[tuple[float, float]], day: float) -> float:
    """The height of a line at a day within it."""
    after = next(n for n, point in enumerate(line) if point[0] >= day)
    (x0, y0), (x1, y1) = line[after - 1], line[after]
    return y0 + (y1 - y0) * (day - x0) / (x1 - x0)


def _line(points: Iterable[tuple[float, float]], colour: str, title: str, *, dashed: bool = False) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    look = ' stroke-dasharray="4 4"' if dashed else ""
    return (
        f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{look}>'
        f"<title>{escape(title)}</title></polyline>"
    )


def _day(moment: str) -> float:
    when = datetime.fromisoformat(moment)
    return when.toordinal() + (when.hour * 60 + when.minute) / 1440


def _svg(width: int, parts: Iterable[str]) -> str:
    size = f'width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}"'
    look = 'font-size="12" font-family="system-ui, sans-serif" fill="#5c6b7a" role="img"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {look}>{"".join(parts)}</svg>'
