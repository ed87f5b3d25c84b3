"""Help as plain text: Rich's, which Typer would take, needs as long to import as all else together."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class Group(TyperGroup):
    """A group whose help tells what every command does to its end, under the headings of their panels."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, each panel in its order."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            panel = getattr(command, "rich_help_panel", None)
            said = command.get_short_help_str(limit=1_000)
            panels.setdefault(panel if isinstance(panel, str) else "Commands", []).append((name, said))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


def group(**settings: Any) -> typer.Typer:
    """Commands under one name; `settings` are Typer's."""
    return typer.Typer(cls=Group, **settings, rich_markup_mode=None, pretty_exceptions_enable=False)
