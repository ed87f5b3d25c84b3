"""Access tokens: who has one, making one, revoking one."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.pages import Page, Table

tokens = group(help="Access tokens for the system and git over HTTP; create or revoke one.")


def register(app: typer.Typer) -> None:
    """Add the commands of tokens."""
    tokens.callback(invoke_without_command=True)(listed)
    for command in (create, revoke):
        tokens.command()(command)
    app.add_typer(tokens, name="tokens", rich_help_panel="Delivery")


@prints
def listed(api: Api, project: ProjectOption = "") -> Page:
    """Access tokens for the system and git over HTTP; create or revoke one."""
    items = api.items("/tokens", project=project)
    columns = ("token=id", "for=actor", "role", "project", "environment", "created", "expires", "revoked")
    empty = "There are no tokens: nobody at this machine needs one, and from elsewhere all is refused."
    return Page({"items": items}, (Table(items, columns, empty),))


@prints
def create(
    *,
    api: Api,
    owner: Annotated[str, typer.Option("--for", metavar="NAME", help="Whom it belongs to.")],
    role: Annotated[
        str, typer.Option("--role", help="viewer, ml_expert, operator, admin or service.")
    ] = "ml_expert",
    expires: Annotated[str, typer.Option("--expires", metavar="SPAN", help="Such as 90d; else never.")] = "",
    project: Annotated[str, typer.Option("--project", help="Only this project; else all.")] = "",
    environment: Annotated[
        str, typer.Option("--in", metavar="ENV", help="Only verbs in this environment; else all.")
    ] = "",
    actor: ActorOption = "",
) -> Page:
    """Make an access token and show it, this once."""
    found = api.post(
        "/tokens",
        owner=owner,
        role=role,
        expires=expires,
        project=project,
        environment=environment,
        actor=actor,
    )
    lines = (
        found["token"],
        "Keep it: it is not shown again. Commands take it from PENSTOCK_TOKEN, git as the password.",
    )
    return Page(found, lines, ("penstock tokens",))


@prints
def revoke(
    api: Api,
    token: Annotated[str, typer.Argument(help="The token's number, as penstock tokens lists it.")],
    actor: ActorOption = "",
) -> Page:
    """Let an access token be worth nothing from now on."""
    found = api.post(f"/tokens/{token}/revoke", actor=actor)
    return Page(found, (f"Revoked token {token}.",), ("penstock tokens",))
