"""Revisions and environments; approving, merging, promoting and rolling back."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.pages import Page, Table

PANEL = "Delivery"
EnvironmentOption = Annotated[str, typer.Option("--in", metavar="ENV", help="The environment to do it in.")]


def register(app: typer.Typer) -> None:
    """Add the commands of delivery."""
    for command in (
        revisions,
        environments,
        deployments,
        approve,
        merge,
        promote,
        rollback,
        hold,
        unhold,
    ):
        app.command(rich_help_panel=PANEL)(command)


@prints
def revisions(api: Api, project: ProjectOption = "") -> Page:
    """Commits that were pushed, the newest first, and who approved them."""
    items = api.items("/revisions", project=project)
    approvals = api.items("/approvals", project=project)
    for item in items:
        item["approvals"] = [
            approval["actor"]
            for approval in approvals
            if (approval["project"], approval["commit"]) == (item["project"], item["commit"])
            and approval["withdrawn"] is None
        ]
    columns = (
        "revision=commit",
        "project",
        "branch",
        "author",
        "message",
        "seen",
        "approvals",
        "superseded",
        "from=link",
    )
    table = Table(items, columns, "Nothing has been pushed yet: git push penstock dev.")
    waiting = [
        {**branch, "branch": branch["name"]}
        for branch in api.items("/branches", project=project)
        if branch["waits"]
    ] + [
        {**upstream, "project": upstream["id"], "branch": upstream["repository"]}
        for upstream in api.items("/upstreams", project=project)
        if upstream["waits"]
    ]
    data = {"items": items, "waiting": waiting}
    parts = (table, Table(waiting, ("project", "branch", "commit", "waits"), "")) if waiting else (table,)
    return Page(data, parts, ("penstock approve REVISION",) if items else ())


@prints
def environments(api: Api, project: ProjectOption = "") -> Page:
    """Environments, and the release and champions that each of them holds."""
    items = api.items("/environments", project=project)
    columns = ("project", "environment", "deploy", "branch", "release", "deployed", "champions", "waits")
    table = Table(items, columns, "There are no environments yet: the first release brings them.")
    return Page({"items": items}, (table,), ("penstock deployments",) if items else ())


@prints
def deployments(
    api: Api,
    project: ProjectOption = "",
    environment: Annotated[str, typer.Option("--in", help="Only this environment.")] = "",
) -> Page:
    """Which release was placed where, when, by whom and why."""
    items = api.items("/deployments", project=project, environment=environment)
    columns = (
        "deployment=id",
        "project",
        "environment",
        "release",
        "commit",
        "deployed",
        "active",
        "actor",
        "why",
    )
    return Page({"items": items}, (Table(items, columns, "Nothing has been deployed yet."),))


@prints
def approve(
    api: Api,
    revision: Annotated[str, typer.Argument(help="A commit, or enough of its first digits.")],
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Say yes to a revision, so that it may be merged."""
    found = api.post(f"/revisions/{revision}/approve", project=project, actor=actor)
    return Page(found, (f"Approved {revision}.",), ("penstock merge BRANCH",))


@prints
def merge(
    api: Api,
    branch: Annotated[str, typer.Argument(help="The branch to merge into the protected branch.")],
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Merge a branch whose newest commit is approved and whose build is green."""
    found = api.post("/merge", branch=branch, project=project, actor=actor)
    return Page(found, (f"Merged {branch}.",), ("penstock builds", "penstock environments"))


@prints
def promote(
    api: Api,
    what: Annotated[
        str, typer.Argument(metavar="RELEASE|MODEL@V", help="A release, or a version of a model.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="ENV", help="The environment to bring it to.")],
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what a release would change there, and what forbids it.")
    ] = False,
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Bring a release or a model version to an environment, if it has earned that."""
    if plan:
        return _plan(api.get(f"/releases/{what}/plan/{to}", project=project))
    found = api.post("/promote", what=what, environment=to, project=project, actor=actor)
    if found.get("role") == "candidate":
        said = f"{what} goes before the gate of {to} once more."
        return Page(found, (said,), (f"penstock models show {what}",))
    return Page(found, (f"Promoted {what} to {to}.",), ("penstock environments",))


def _plan(found: dict[str, Any]) -> Page:
    there = f"release {found['before']}" if found["before"] else "nothing"
    lines = [f"{found['environment']} has {there}; release {found['after']} would change:"]
    if found["against"]:
        lines.append(f"Not now: {found['against']}")
    table = Table(found["changes"], ("part", "name", "before", "after"), "Nothing.")
    return Page(found, (lines[0], table, *lines[1:]))


@prints
def rollback(
    api: Api,
    what: Annotated[
        str, typer.Argument(metavar="MODEL|PROJECT", help="A model, or a project for its release.")
    ],
    environment: EnvironmentOption,
    to: Annotated[
        str, typer.Option("--to", metavar="RELEASE", help="An earlier release, if not the previous.")
    ] = "",
    actor: ActorOption = "",
) -> Page:
    """Put the previous version back, at once; of a project the previous release, or any earlier one."""
    found = api.post("/rollback", what=what, environment=environment, to=to, actor=actor)
    return Page(found, (f"Rolled {what} back in {environment}.",), ("penstock environments",))


@prints
def hold(
    *,
    api: Api,
    environment: Annotated[str, typer.Argument(metavar="ENV", help="The environment to hold.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for everyone who is kept waiting.")],
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Let nothing be deployed to an environment, forth or back, until it is lifted with unhold."""
    found = api.post("/holds", environment=environment, why=why, project=project, actor=actor)
    return Page(found, (f"Held {environment}.",), (f"penstock unhold {environment}",))


@prints
def unhold(
    api: Api,
    environment: Annotated[str, typer.Argument(metavar="ENV", help="The environment that is held.")],
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Lift the hold on an environment; what waited for it goes out, the newest only."""
    found = api.post("/holds/lift", environment=environment, project=project, actor=actor)
    return Page(found, (f"Lifted the hold on {environment}.",), ("penstock environments",))
