"""Results on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.frame.results import Row

console = Console()
if not console.is_terminal:
    console.width = 200
MARKS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def say(text: str) -> None:
    """A line of progress."""
    console.print(text, style="dim", highlight=False, markup=False)


def show(title: str, rows: Sequence[Row]) -> None:
    """The rows as a table."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "beside", "unit"):
        table.add_column(column)
    for column in ("ours", "theirs", "times better"):
        table.add_column(column, justify="right")
    for column in ("bar", "", "note"):
        table.add_column(column, max_width=40 if column == "note" else None)
    for row in rows:
        beside = f"{row.peer_name} {row.peer_version}".strip()
        numbers = (number_text(row.ours), number_text(row.peer), number_text(row.ratio))
        table.add_row(row.name, beside, row.unit, *numbers, row.bar, MARKS[row.met], row.note)
    console.print(table)


def number_text(value: float | None) -> str:
    """Three figures that count."""
    return "—" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
