"""Triggers: what they last decided and why, and asking for a run by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.notify import ACTIONS
from penstock.cli.pages import Page, Table
from penstock.cli.rows import parameters

PipelineArgument = Annotated[str, typer.Argument(help="The pipeline's name.")]
EnvironmentOption = Annotated[str, typer.Option("--in", metavar="ENV", help="The environment.")]
ParametersOption = Annotated[
    list[str] | None, typer.Option("-p", "--param", metavar="K=V", help="A parameter.")
]

triggers = group(help="Triggers and their firings; fire, pause, resume or explain one.")


def register(app: typer.Typer) -> None:
    """Add the commands of triggers."""
    triggers.callback(invoke_without_command=True)(listed)
    for command in (fire, pause, resume, explain):
        triggers.command()(command)
    app.add_typer(triggers, name="triggers", rich_help_panel="Runs")


@prints
def listed(api: Api, project: ProjectOption = "") -> Page:
    """Triggers and their firings; fire, pause, resume or explain one."""
    states = api.items("/triggers", project=project)
    firings = api.items("/firings", project=project)
    actions = api.items("/actions", project=project, fired=True)
    columns = ("pipeline", "environment", "paused", "fired", "checked", "why=explanation")
    fired = ("firing=id", "time", "pipeline", "environment", "kind", "why", "then", "run")
    parts = (
        Table(
            states, columns, "There are no triggers: penstock.toml names none, or nothing is deployed yet."
        ),
        Table(firings, fired, "No trigger has fired yet."),
        *([Table(actions, ACTIONS, "")] if actions else []),
    )
    runs = [firing["run"] for firing in firings if firing["run"]]
    hints = (f"penstock run show {runs[0]}",) if runs else ()
    return Page({"triggers": states, "firings": firings, "actions": actions}, parts, hints)


@prints
def fire(
    *,
    api: Api,
    pipeline: PipelineArgument,
    environment: EnvironmentOption,
    params: ParametersOption = None,
    why: Annotated[str, typer.Option("--why", help="The reason, kept in the ledger.")] = "",
    priority: Annotated[
        int | None,
        typer.Option("--priority", help="Higher goes first; without, what is usual in the environment."),
    ] = None,
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Ask for a run of the release that an environment holds."""
    found = api.post(
        "/triggers/fire",
        project=project,
        pipeline=pipeline,
        environment=environment,
        params=parameters(params),
        why=why,
        priority=priority,
        actor=actor,
    )
    return Page(
        found, (f"Asked for a run of {pipeline} in {environment}.",), ("penstock triggers", "penstock runs")
    )


@prints
def pause(
    api: Api,
    pipeline: PipelineArgument,
    environment: EnvironmentOption,
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Keep a trigger from firing until it is resumed."""
    found = api.post(
        "/triggers/pause", project=project, pipeline=pipeline, environment=environment, actor=actor
    )
    return Page(found, (f"Paused {pipeline} in {environment}.",), ("penstock triggers resume",))


@prints
def resume(
    api: Api,
    pipeline: PipelineArgument,
    environment: EnvironmentOption,
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Let a paused trigger fire again."""
    found = api.post(
        "/triggers/resume", project=project, pipeline=pipeline, environment=environment, actor=actor
    )
    return Page(found, (f"Resumed {pipeline} in {environment}.",), ("penstock triggers",))


@prints
def explain(
    api: Api,
    pipeline: Annotated[str, typer.Argument(help="Only this pipeline.")] = "",
    last: Annotated[int, typer.Option("--last", min=0, help="How many earlier explanations to show.")] = 10,
    project: ProjectOption = "",
) -> Page:
    """Why each trigger fired, or did not: now, and before."""
    states = [s for s in api.items("/triggers", project=project) if pipeline in {"", s["pipeline"]}]
    parts: list[Table | str] = []
    items = []
    for state in states:
        told = api.items("/explanations", trigger=state["id"], limit=last) if last else []
        items.append({**state, "explanations": told})
        parts.append(f"{state['pipeline']} in {state['environment']}: {state['explanation']}")
        parts.append(
            Table(told, ("since", "until", "looks", "firing", "explanation"), "It was not looked at yet.")
        )
    return Page({"items": items}, tuple(parts) or ("There is no such trigger.",))
