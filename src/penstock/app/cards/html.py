"""A model card as HTML that needs nothing else: no script, no network, no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from penstock.app.cards.sections import SHOWN, sections_of
from penstock.app.experiments.plots import COLOURS, bars, curves, histogram

ROOM = 9
"""Letters that fit beside a bar."""
_pages = Environment(
    loader=PackageLoader("penstock.app.cards"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
Plot = tuple[str, Markup]


def card_html(card: Mapping[str, Any]) -> str:
    """The card as a piece of a page: `card` as `/models/{ref}/card` answers."""
    plots = {
        "Training data": list(_labels(card)),
        "Schema and signature": list(_profiles(card)),
        "Calibration": list(_calibration(card)),
        "In service": list(_windows(card)),
    }
    return _pages.get_template("card.html").render(sections=sections_of(card), plots=plots)


def card_file(card: Mapping[str, Any]) -> str:
    """The card as a file of its own."""
    look = Markup(card_html(card))  # noqa: S704 rendered there
    return _pages.get_template("file.html").render(title=card["identity"]["id"], look=look)


def _bars(counts: Mapping[str, int]) -> Markup:
    """The first of some values with their counts, their names cut to the room that there is."""
    shown = list(counts.items())[:SHOWN]
    names = [(name if len(name) <= ROOM else f"{name[: ROOM - 1]}…", count) for name, count in shown]
    return Markup(bars(names, COLOURS[:1]))  # noqa: S704 drawn here


def _labels(card: Mapping[str, Any]) -> Iterator[Plot]:
    counts = card["training"]["labels"]["counts"]
    if counts:
        yield "labels in training", _bars(counts)


def _profiles(card: Mapping[str, Any]) -> Iterator[Plot]:
    for column in card["profile"]:
        name, edges = column["name"], column["edges"]
        if column["low"] < column["high"]:
            drawn = histogram([column["low"], *edges[1:]], column["bins"][1:-1])
            yield f"{name} in training", Markup(drawn)  # noqa: S704
        elif column["top"]:
            yield f"{name} in training", _bars(column["top"])


def _calibration(card: Mapping[str, Any]) -> Iterator[Plot]:
    points = [(each["answered"], each["happened"]) for each in card["reliability"]]
    if len(points) > 1:
        ends = [min(map(min, points)), max(map(max, points))]
        drawn = curves([("answered and happened", points), ("perfect", [(end, end) for end in ends])])
        yield "happened, by what was answered; in orange where both are the same", Markup(drawn)  # noqa: S704


def _windows(card: Mapping[str, Any]) -> Iterator[Plot]:
    """Each live metric by day, a line for each environment."""
    windows = card["windows"]
    for metric in sorted({name for window in windows for name in window["metrics"]}):
        measured = [each for each in windows if each["metrics"].get(metric) is not None]
        days = {each["start"]: datetime.fromisoformat(each["start"]) for each in measured}
        if len(days) < 2:
            continue
        first, last = min(days.values()), max(days.values())
        lines: dict[str, list[tuple[float, float]]] = {}
        for each in measured:
            day = (days[each["start"]] - first).total_seconds() / 86400
            lines.setdefault(each["environment"], []).append((day, each["metrics"][metric]))
        where = ", ".join(lines)
        said = f"{metric} by day in {where}, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        yield said, Markup(curves(list(lines.items())))  # noqa: S704 drawn here
