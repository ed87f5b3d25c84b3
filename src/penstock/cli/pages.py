"""What a command answers: data for programs, and the page that shows them to people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.core.errors import InvalidValue
from penstock.core.human import human

if TYPE_CHECKING:
    from rich.console import Console

GOOD = frozenset({"passed", "succeeded", "champion", "yes"})
BAD = frozenset({"failed", "rejected", "error", "cancelled"})
BUSY = frozenset({"queued", "running", "waiting", "open"})
PIPED_WIDTH = 200
"""Columns of a page that no terminal shows."""


@dataclass(frozen=True)
class Table:
    """Rows under headings. A column is a key (`status`), a path (`drift.hour`) or `heading=path`."""

    rows: Sequence[Mapping[str, Any]]
    columns: tuple[str, ...]
    empty: str

    def show(self, console: Console) -> None:
        """Print the rows, or the sentence for none."""
        from rich import box
        from rich.table import Table as RichTable

        if not self.rows:
            console.print(self.empty, style="dim", markup=False)
            return
        pairs = [column.partition("=") for column in self.columns]
        table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading, _, _ in pairs:
            table.add_column(heading, overflow="fold")
        for row in self.rows:
            table.add_row(*(styled(human(look_up(row, path or heading))) for heading, _, path in pairs))
        console.print(table)


@dataclass(frozen=True)
class Facts:
    """Names and values, one pair a line; columns are spelled as those of a table, empty ones left out."""

    of: Mapping[str, Any]
    columns: tuple[str, ...]

    def show(self, console: Console) -> None:
        """Print a line per fact."""
        from rich.table import Table as RichTable

        grid = RichTable.grid(padding=(0, 2))
        for column in self.columns:
            heading, _, path = column.partition("=")
            if value := human(look_up(self.of, path or heading)):
                grid.add_row(f"[dim]{heading}[/dim]", styled(value))
        console.print(grid)


@dataclass(frozen=True)
class Page:
    """An answer: `data` as JSON, `parts` for people, and `hints`, the commands that show or do more."""

    data: Any
    parts: tuple[Table | Facts | str, ...] = ()
    hints: tuple[str, ...] = ()

    def show(self, console: Console) -> None:
        """Print the parts and, dimmed, the hints."""
        for part in self.parts:
            if isinstance(part, str):
                console.print(part, markup=False, highlight=False, soft_wrap=True)
            else:
                part.show(console)
        for hint in self.hints:
            console.print(f"→ {hint}", style="dim", markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Stream:
    """An answer that goes on: items as they come, each a line for people as `text` says it."""

    items: Iterable[Mapping[str, Any]]
    text: Callable[[Mapping[str, Any]], str]

    def show(self, console: Console) -> None:
        """Print each item when it comes."""
        for item in self.items:
            console.print(self.text(item), markup=False, highlight=False, soft_wrap=True)


def written(file: Path, text: str) -> None:
    """Write a file that was asked for. Raises InvalidValue where that cannot be."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"{file} cannot be written: {error.strerror}."
        raise InvalidValue(what=what, fix="Name a file in a folder that there is.") from None


def look_up(row: Mapping[str, Any], path: str) -> Any:
    """The value at a path of keys joined by dots; None where there is none."""
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def styled(text: str) -> str:
    """The text as Rich markup, coloured where it is a status."""
    from rich.markup import escape

    colour = "green" if text in GOOD else "red" if text in BAD else "yellow" if text in BUSY else ""
    return f"[{colour}]{text}[/{colour}]" if colour else escape(text)


def terminal() -> Console:
    """The console on standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)
