"""Channels: who is told of what, what was told, and trying one."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.pages import Page, Table

notify = group(help="Channels that are told of events, and what they were told; try one.")


def register(app: typer.Typer) -> None:
    """Add the commands of channels."""
    notify.callback(invoke_without_command=True)(listed)
    notify.command("test")(try_)
    app.add_typer(notify, name="notify", rich_help_panel="Runs")


@prints
def listed(
    api: Api,
    project: ProjectOption = "",
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the last messages to show.")] = 20,
) -> Page:
    """Channels that are told of events, and what they were told; try one. Addresses are secrets."""
    channels = api.items("/channels", project=project)
    actions = api.items("/actions", project=project, what="notify", limit=last)
    parts = (
        Table(
            channels,
            ("project", "channel=name", "kind", "secret=address", "signed by=sign", "events", "environments"),
            "There are no channels: the release that came furthest has no table such as [notify.team].",
        ),
        Table(actions, ACTIONS, "Nothing was to be told yet."),
    )
    hints = (f"penstock notify test {channels[0]['name']}",) if channels else ()
    return Page({"channels": channels, "actions": actions}, parts, hints)


@prints
def try_(
    api: Api,
    channel: Annotated[str, typer.Argument(help="The channel's name in penstock.toml.")],
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Tell a channel that this is a test, and whether it took it."""
    found = api.post(f"/channels/{channel}/test", project=project, actor=actor)
    return Page(found, (f"{channel} took the message.",), ("penstock notify",))


ACTIONS = ("made", "what", "target", "firing", "event=cause", "status", "attempts", "result", "problem")
"""What is shown of actions."""
