"""Why things are as they are, and whether the ledger can be trusted."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from penstock.cli.face import Api, prints
from penstock.cli.help import group
from penstock.cli.pages import Page, Table
from penstock.core.errors import Corrupt

PANEL = "History"
PAGE = 1000
"""Events that are asked for at a time."""

audit = group(help="The ledger: verify its hash chain, or export it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of history."""
    app.command(rich_help_panel=PANEL)(why)
    audit.command()(verify)
    audit.command()(export)
    app.add_typer(audit, name="audit", rich_help_panel=PANEL)


@prints
def why(
    api: Api,
    ref: Annotated[
        str, typer.Argument(help="`run:128`, `version:delay@3`, `delay@production`, or an event's number.")
    ],
) -> Page:
    """The chain of causes, from what is back to what started it."""
    items = api.items(f"/why/{ref}")
    columns = ("event=id", "time", "what=kind", "subject", "actor", "evidence")
    return Page({"items": items}, (Table(items, columns, f"Nothing is known of {ref}."),))


@prints
def verify(api: Api) -> Page:
    """Recompute the hash chain; exit 1 at the first event that was changed, naming it."""
    found = api.get("/audit")
    if not found["ok"]:
        raise Corrupt(
            what=f"The ledger is broken at event {found['broken_at']}.",
            expected="every event's digest to follow from its content and the event before",
            fix="Restore the home from a backup, and find out who wrote into the database.",
        )
    return Page(found, (f"All {found['count']} events are as they were sealed.",))


@prints
def export(api: Api) -> Page:
    """Every event, oldest first; `--json` gives digests and evidence as well."""
    items: list[dict[str, Any]] = []
    while page := api.items("/events", after=items[-1]["id"] if items else 0, limit=PAGE):
        items += page
        if len(items) > PAGE:
            sys.stderr.write(f"\r{len(items)} events")
    columns = ("event=id", "time", "what=kind", "subject", "actor", "cause", "digest")
    return Page(
        {"items": items}, (Table(items, columns, "The ledger is empty."),), ("penstock audit verify",)
    )
