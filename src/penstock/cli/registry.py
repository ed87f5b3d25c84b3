"""The registry: finding versions, putting them side by side, and what people say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.compare import sections
from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.pages import Page, Table, written
from penstock.cli.rows import parameters
from penstock.core.errors import InvalidValue

VersionArgument = Annotated[str, typer.Argument(metavar="NAME@N", help="A version, such as delay@3.")]
InOption = Annotated[
    str, typer.Option("--in", metavar="ENV", help="Whose gate, if not the one that judged it last.")
]
COMPARED = ("about", "metrics", "slices", "data", "params", "dependencies")
COLUMNS = ("version=id", "stage", "roles", "added", "expires", "metrics", "tags")
ROLES = ("environment", "version=number", "since=time", "actor", "why")


def register_on(models: typer.Typer) -> None:
    """Add the commands to the group `models`."""
    for command in (search, card, history, sign, waive, tag, archive, restore, protect, unprotect):
        models.command()(command)
    models.command("compare")(compare_versions)


@prints
def search(
    api: Api,
    *,
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="In names, tags, metadata and intended use.")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="Versions of this model only.")] = "",
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY[=VALUE]", help="With this tag.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="CHECK", help="With this metric, such as 'roc_auc >= 0.7'."),
    ] = None,
    stage: Annotated[str, typer.Option("--stage", help="development, staging, production or archived.")] = "",
    order: Annotated[str, typer.Option("--order", metavar="METRIC", help="The best by it first.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many to show.")] = 20,
    project: ProjectOption = "",
) -> Page:
    """Find versions by text, tag, metric and stage, the newest or best first."""
    items = api.items(
        "/versions",
        text=text,
        model=model,
        tags=",".join(tags or ()),
        where=",".join(where or ()),
        stage=stage,
        order=order,
        limit=limit,
        project=project,
    )
    hints = [f"penstock models show {items[0]['id']}"] if items else []
    if len(items) > 1:
        hints.append(f"penstock models compare {items[0]['id']} {items[1]['id']}")
    return Page({"items": items}, (Table(items, COLUMNS, "There are no such versions."),), tuple(hints))


@prints
def compare_versions(
    api: Api,
    versions: Annotated[list[str], typer.Argument(metavar="NAME@N NAME@N ...", help="The versions.")],
    everything: Annotated[bool, typer.Option("--all", help="Also the packages that are the same.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a file with plots as well.")
    ] = None,
) -> Page:
    """Metrics, slices, data, parameters and dependencies of versions side by side."""
    data = api.get(f"/models/{','.join(versions)}/compare")
    if html:
        from penstock.app.experiments.html import comparison_html

        written(html, comparison_html(data, dict.fromkeys(data["versions"], ()), "version"))
    tables = sections(data, COMPARED, "version", without=() if everything else ("dependencies",))
    hints = () if html else (f"penstock models compare {' '.join(versions)} --html FILE",)
    return Page(data, (*tables, *((f"{html} has them with plots.",) if html else ())), hints)


@prints
def card(
    api: Api,
    ref: Annotated[str, typer.Argument(metavar="NAME@N", help="NAME@3, NAME@production or NAME.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a file with plots as well.")
    ] = None,
) -> Page:
    """The model card of a version as Markdown: all that is on record of it, in one page."""
    from penstock.app.cards.markdown import card_markdown

    data = api.get(f"/models/{ref}/card")
    if html:
        from penstock.app.cards.html import card_file

        written(html, card_file(data))
        return Page(data, (f"{html} has the card of {data['identity']['id']} with plots.",))
    return Page(data, (card_markdown(data).rstrip("\n"),))


@prints
def history(
    api: Api,
    model: Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")],
    at: Annotated[
        str, typer.Option("--at", metavar="TIME", help="Who was champion then, such as 2026-03-01T00:00Z.")
    ] = "",
) -> Page:
    """Which version had which role when; with --at, the champions of that moment."""
    if at:
        items = api.items(f"/models/{model}/champions", at=at)
        return Page({"items": items}, (Table(items, ROLES, f"{model} had no champion then."),))
    items = api.items(f"/models/{model}/history")
    columns = ("time", "environment", "version=number", "role", "actor", "why")
    return Page({"items": items}, (Table(items, columns, "No version has had a role yet."),))


@prints
def sign(
    api: Api,
    version: VersionArgument,
    why: Annotated[str, typer.Option("--why", help="The reason.")],
    environment: InOption = "",
    actor: ActorOption = "",
) -> Page:
    """Say that a version may go live where a gate asks for `sign_off`."""
    told = api.post(f"/models/{version}/sign", why=why, environment=environment, actor=actor)
    said = f"{version} is signed by {told['actor']}: the gate of {told['environment']} looks at it once more."
    return Page(told, (said,), (f"penstock models show {version}",))


@prints
def waive(
    api: Api,
    version: VersionArgument,
    check: Annotated[str, typer.Argument(metavar="CHECK", help="One that it failed, as its gate has it.")],
    *,
    why: Annotated[str, typer.Option("--why", help="The reason.")],
    span: Annotated[str, typer.Option("--for", metavar="SPAN", help="How long, such as 7d.")],
    environment: InOption = "",
    actor: ActorOption = "",
) -> Page:
    """Excuse a version from a check that it failed, for a while."""
    told = api.post(
        f"/models/{version}/waive", check=check, span=span, why=why, environment=environment, actor=actor
    )
    said = (
        f"{told['check']} is waived until {told['until']}: the gate of {told['environment']} looks once more."
    )
    return Page(told, (said,), (f"penstock models show {version}",))


@prints
def tag(
    api: Api,
    ref: Annotated[str, typer.Argument(metavar="NAME[@N]", help="A model or a version.")],
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]", help="Texts to attach.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="KEY", help="One to remove.")
    ] = None,
    actor: ActorOption = "",
) -> Page:
    """Attach texts to a model or a version, by which it is found."""
    if not tags and not remove:
        raise InvalidValue(expected="tags such as team=shop, or --remove KEY", found="none")
    told = api.post(f"/models/{ref}/tag", tags=parameters(tags), remove=remove or [], actor=actor)
    rows = [{"tag": key, "value": value} for key, value in told["tags"].items()]
    return Page(told, (Table(rows, ("tag", "value"), f"{ref} has no tags."),))


@prints
def archive(
    api: Api,
    version: VersionArgument,
    why: Annotated[str, typer.Option("--why", help="The reason, for the history.")] = "",
    actor: ActorOption = "",
) -> Page:
    """Put a version away: it waits for no gate, is not loaded, and cannot be promoted."""
    told = api.post(f"/models/{version}/archive", why=why, actor=actor)
    return Page(told, (f"{version} is archived.",), (f"penstock models restore {version}",))


@prints
def restore(api: Api, version: VersionArgument, actor: ActorOption = "") -> Page:
    """Give an archived version the roles back that it had."""
    told = api.post(f"/models/{version}/restore", actor=actor)
    return Page(told, (_table(told["items"]),), (f"penstock models show {version}",))


@prints
def protect(
    api: Api,
    version: VersionArgument,
    why: Annotated[str, typer.Option("--why", help="The reason.")],
    actor: ActorOption = "",
) -> Page:
    """Keep a version, its training rows and all that its run made, until that is ended."""
    told = api.post(f"/models/{version}/protect", why=why, actor=actor)
    return Page(
        told,
        (f"{version} is protected: gc keeps it with its run, and nobody archives or withdraws it.",),
        (f"penstock models unprotect {version}",),
    )


@prints
def unprotect(api: Api, version: VersionArgument, actor: ActorOption = "") -> Page:
    """End the protection of a version."""
    told = api.post(f"/models/{version}/unprotect", actor=actor)
    return Page(told, (f"{version} is not protected any more.",))


def _table(placements: list[dict[str, Any]]) -> Table:
    return Table(placements, ("environment", "version=number", "role", "why"), "It has no roles.")
