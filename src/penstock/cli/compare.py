"""Runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.face import Api, prints
from penstock.cli.pages import Page, Table, written

PANEL = "Runs"
SECTIONS = ("about", "params", "metrics", "data", "code", "environment")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=PANEL)(compare)


@prints
def compare(
    api: Api,
    runs: Annotated[list[str], typer.Argument(metavar="ID ID ...", help="The runs' numbers.")],
    everything: Annotated[bool, typer.Option("--all", help="Also the packages that are the same.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a file with plots as well.")
    ] = None,
) -> Page:
    """Parameters, metrics, data, code and environment of runs side by side."""
    data = api.get(f"/compare/{','.join(runs)}")
    if html:
        from penstock.app.experiments.html import comparison_html

        figures = {run: api.items(f"/runs/{run}/figures") for run in runs}
        written(html, comparison_html(data, figures))
    tables = sections(data, SECTIONS, "run", without=() if everything else ("environment",))
    patches = tuple(
        f"run {data['runs'][0]} → run {run}\n{text.rstrip()}"
        for run, text in zip(data["runs"], data["sources"], strict=True)
        if text
    )
    hints = () if html else (f"penstock compare {' '.join(runs)} --html FILE",)
    return Page(data, (*tables, *patches, *((f"{html} has them with plots.",) if html else ())), hints)


def sections(
    data: dict[str, Any], names: Sequence[str], noun: str, *, without: Sequence[str]
) -> tuple[Table, ...]:
    """A table for each section that there is; `without` the rows of some in which nothing differs."""
    return tuple(_section(data, name, noun, everything=name not in without) for name in names if data[name])


def _section(data: dict[str, Any], name: str, noun: str, *, everything: bool) -> Table:
    shown = [row for row in data[name] if everything or row["differs"]]
    headings = [f"{noun} {each}" for each in data[f"{noun}s"]]
    rows = [
        {
            name: row["name"],
            "≠": "≠" if row["differs"] else "",
            **dict(zip(headings, row["values"], strict=True)),
        }
        for row in shown
    ]
    return Table(rows, (name, "≠", *headings), f"The same {name}: {len(data[name])} packages and versions.")
