"""Rollouts: how versions take over, what is measured of them, and pausing or ending one."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.pages import Facts, Page, Table

ModelArgument = Annotated[str, typer.Argument(help="The model's name.")]
EnvironmentOption = Annotated[str, typer.Option("--in", metavar="ENV", help="The environment.")]
COLUMNS = ("rollout=id", "environment", "model", "number", "champion", "status", "share", "since", "why")

rollouts = group(help="Versions that take over from a champion, step by step; or one of them.")


def register(app: typer.Typer) -> None:
    """Add the commands of rollouts."""
    rollouts.callback(invoke_without_command=True)(listed)
    for command in (show, pause, resume, abort):
        rollouts.command()(command)
    app.add_typer(rollouts, name="rollouts", rich_help_panel="Models")


@prints
def listed(api: Api, project: ProjectOption = "") -> Page:
    """Versions that take over from a champion, step by step; or one of them."""
    items = api.items("/rollouts", project=project)
    empty = "There was no rollout yet: penstock.toml declares how a model's versions take over."
    hints = (f"penstock rollouts show {items[0]['id']}",) if items else ()
    return Page({"items": items}, (Table(items, COLUMNS, empty),), hints)


@prints
def show(api: Api, number: Annotated[str, typer.Argument(help="The rollout's number.")]) -> Page:
    """Who answers which share, how the guards stand, and all that happened."""
    found = api.get(f"/rollouts/{number}")
    about = ("rollout=id", "model", "environment", "status", "waits", "steps", "every", "requests", "started")
    parts = (
        Facts(found, (*about, "key", "ended", "why")),
        Table(found["shares"], ("variant", "version", "share", "requests", "errors", "p50", "p99"), ""),
        Table(found["guards"], ("guard=check", "state", "why"), "No guard is being asked."),
        Table(found["history"], ("time", "what", "share", "by", "why", "guards"), ""),
    )
    where = f"{found['model']} --in {found['environment']}"
    hints = () if found["ended"] else (f"penstock rollouts pause {where}", f"penstock rollouts abort {where}")
    return Page(found, parts, hints)


@prints
def pause(api: Api, model: ModelArgument, environment: EnvironmentOption, actor: ActorOption = "") -> Page:
    """Let a rollout stay at its share; it still goes back when a guard fails."""
    found = api.post("/rollouts/pause", model=model, environment=environment, actor=actor)
    again = f"penstock rollouts resume {model} --in {environment}"
    return Page(found, (f"Paused the rollout of {model}@{found['number']} in {environment}.",), (again,))


@prints
def resume(api: Api, model: ModelArgument, environment: EnvironmentOption, actor: ActorOption = "") -> Page:
    """Let a paused rollout go on; its step takes its whole time again."""
    found = api.post("/rollouts/resume", model=model, environment=environment, actor=actor)
    return Page(
        found,
        (f"Resumed the rollout of {model}@{found['number']} in {environment}.",),
        (f"penstock rollouts show {found['id']}",),
    )


@prints
def abort(api: Api, model: ModelArgument, environment: EnvironmentOption, actor: ActorOption = "") -> Page:
    """End a rollout: the champion answers everything again, at once."""
    found = api.post("/rollouts/abort", model=model, environment=environment, actor=actor)
    told = f"{model}@{found['champion']} answers everything in {environment} again."
    return Page(found, (told,), (f"penstock rollouts show {found['id']}",))
