"""Runs as HTML that needs nothing else: no script, no network, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from penstock.app.experiments.plots import COLOURS, bars, curves
from penstock.core.human import human

SECTIONS = {
    "run": ("about", "params", "metrics", "data", "code", "environment"),
    "version": ("about", "metrics", "slices", "data", "params", "dependencies"),
}
"""What each noun is compared in."""

_pages = Environment(
    loader=PackageLoader("penstock.app.experiments"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters["human"] = human


def comparison_html(
    compared: Mapping[str, Any], figures: Mapping[str, Sequence[Mapping[str, Any]]], noun: str = "run"
) -> str:
    """A file with runs, or versions, side by side: `compared` as `/compare/{runs}` or
    `/models/{versions}/compare` answers, and the figures of each.
    """
    names = compared[f"{noun}s"]
    plots = [
        (row["name"], Markup(bars(list(zip(names, row["values"], strict=True)))))  # noqa: S704 drawn here
        for row in compared["metrics"]
    ] + [
        (f"{curve['name']} over time", Markup(curves(list(zip(names, curve["points"], strict=True)))))  # noqa: S704 drawn here
        for curve in compared.get("curves", ())
    ]
    return _pages.get_template("comparison.html").render(
        compared=compared,
        names=names,
        noun=noun,
        sections=SECTIONS[noun],
        plots=plots,
        figures=figures,
        colours=COLOURS,
    )


def run_html(run: Mapping[str, Any], figures: Sequence[Mapping[str, Any]]) -> str:
    """A run as a piece of a page, for a notebook: `run` as `/runs/{id}` answers."""
    points: dict[str, list[tuple[int, float]]] = {}
    for metric in run["metrics"]:
        points.setdefault(f"{metric['step']}.{metric['name']}".removeprefix("."), []).append(
            (metric["index"], metric["value"])
        )
    series = {name: sorted(found) for name, found in points.items()}
    plots = [
        (name, Markup(curves([(run["id"], found)])))  # noqa: S704 drawn here
        for name, found in series.items()
        if len(found) > 1
    ]
    last = {name: found[-1][1] for name, found in series.items()}
    return _pages.get_template("run.html").render(run=run, metrics=last, plots=plots, figures=figures)
