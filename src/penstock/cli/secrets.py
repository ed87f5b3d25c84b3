"""Secrets of environments: which there are, setting one, removing one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from penstock.cli.delivery import EnvironmentOption
from penstock.cli.face import (
    DEFAULT_HOME,
    ActorOption,
    Api,
    HomeOption,
    ProjectOption,
    ServerOption,
    opened,
    prints,
    project_folder,
)
from penstock.cli.help import group
from penstock.cli.pages import Page, Table
from penstock.cli.project import configuration

secrets = group(help="Secrets that steps are given in an environment; set or remove one.")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As the step declares it: DB_PASSWORD.")]


def register(app: typer.Typer) -> None:
    """Add the commands of secrets."""
    secrets.callback(invoke_without_command=True)(listed)
    secrets.command("set")(set_)
    secrets.command()(remove)
    app.add_typer(secrets, name="secrets", rich_help_panel="Delivery")


@prints
def listed(
    api: Api,
    project: ProjectOption = "",
    environment: Annotated[str, typer.Option("--in", help="Only this environment.")] = "",
) -> Page:
    """Secrets that steps are given in an environment; set or remove one. Only their names are shown."""
    items = api.items("/secrets", project=project, environment=environment)
    columns = ("secret=name", "project", "environment", "set", "by=actor")
    return Page({"items": items}, (Table(items, columns, "There are no secrets yet."),))


@prints
def set_(
    *,
    name: NameArgument,
    environment: EnvironmentOption,
    project: ProjectOption = "",
    home: HomeOption = DEFAULT_HOME,
    server: ServerOption = "",
    actor: ActorOption = "",
) -> Page:
    """Keep a secret of an environment; its value is asked for, or read from standard input."""
    where = {"environment": environment, "project": project or _here()}
    value = _value(name)
    with opened(home, server, create=True) as api:
        found = api.post("/secrets", name=name, value=value, actor=actor, **where)
    return Page(found, (f"{environment} has the secret {name}.",), (f"penstock secrets --in {environment}",))


@prints
def remove(
    *,
    api: Api,
    name: NameArgument,
    environment: EnvironmentOption,
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Forget a secret of an environment."""
    where = {"environment": environment, "project": project or _here()}
    found = api.post("/secrets/remove", name=name, actor=actor, **where)
    return Page(found, (f"{environment} has no secret {name} any more.",))


def _value(name: str) -> str:
    """Never an argument: those are seen by everyone who lists processes, and kept by shells."""
    if sys.stdin.isatty():
        asked: str = typer.prompt(name, hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.read().removesuffix("\n")


def _here() -> str:
    """The project of this folder, empty outside of one."""
    folder = project_folder()
    return configuration(folder).name if (folder / "penstock.toml").exists() else ""
