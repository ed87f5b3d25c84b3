"""All commands, in the order in which `penstock --help` tells of them, each imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand

from penstock.cli.help import Group, group

PARTS = {
    "system": ("up", "demo", "status", "clock", "gc"),
    "project": ("new", "check", "connect"),
    "runs": ("run", "runs", "logs", "retry", "cancel"),
    "compare": ("compare",),
    "sweep": ("sweep",),
    "simulate": ("simulate",),
    "delivery": (
        "revisions",
        "environments",
        "deployments",
        "approve",
        "merge",
        "promote",
        "rollback",
        "hold",
        "unhold",
    ),
    "builds": ("builds",),
    "releases": ("releases",),
    "secrets": ("secrets",),
    "tokens": ("tokens",),
    "models": ("models", "predict", "labels", "monitor"),
    "batch": ("batch",),
    "rollouts": ("rollouts",),
    "tests": ("tests",),
    "features": ("features",),
    "data": ("data",),
    "triggers": ("triggers",),
    "notify": ("notify",),
    "history": ("why", "audit"),
}
"""The modules of this package, and the commands that each registers."""


class Commands(Mapping[str, TyperCommand]):
    """The commands by name."""

    def __init__(self) -> None:
        self._parts = {name: part for part, names in PARTS.items() for name in names}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            part = group(callback=_nothing)
            import_module(f"penstock.cli.{self._parts[name]}").register(part)
            self._made |= typer.main.get_group(part).commands
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


class Program(Group):
    """The program: a group whose commands are made when they are needed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast("dict[str, Any]", Commands())  # nobody adds to it


def _nothing() -> None:
    pass


app = typer.Typer(
    cls=Program,
    callback=_nothing,
    name="penstock",
    help="From a git push to continuously learning software.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
