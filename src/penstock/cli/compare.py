"""Runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.face import Api, prints
from penstock.cli.pages import Page, Table

PANEL = "Runs"


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
        html.write_text(comparison_html(data, figures), encoding="utf-8")
    sections = ("about", "params", "metrics", "data", "code", "environment")
    tables = tuple(_section(data, name, everything=everything) for name in sections if data[name])
    patches = tuple(
        f"run {data['runs'][0]} → run {run}\n{text.rstrip()}"
        for run, text in zip(data["runs"], data["sources"], strict=True)
        if text
    )
    hints = () if html else (f"penstock compare {' '.join(runs)} --html FILE",)
    return Page(data, (*tables, *patches, *((f"{html} has them with plots.",) if html else ())), hints)


def _section(data: dict[str, Any], name: str, *, everything: bool) -> Table:
    shown = [row for row in data[name] if everything or name != "environment" or row["differs"]]
    rows = [
        {
            name: row["name"],
            "≠": "≠" if row["differs"] else "",
            **{f"run {run}": value for run, value in zip(data["runs"], row["values"], strict=True)},
        }
        for row in shown
    ]
    columns = (name, "≠", *(f"run {run}" for run in data["runs"]))
    return Table(rows, columns, f"The same {name}: {len(data[name])} packages and versions.")
