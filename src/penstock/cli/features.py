"""Feature views: where they are deployed, what is online, and bringing that up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.pages import Facts, Page, Table
from penstock.cli.rows import parameters

ViewArgument = Annotated[str, typer.Argument(help="The view's name.")]
InOption = Annotated[
    str, typer.Option("--in", metavar="ENV", help="The environment, if not the last one that it has reached.")
]
COLUMNS = (
    "view",
    "environment",
    "version",
    "read by=readers",
    "entity=keys",
    "source",
    "as of=as_of",
    "run",
    "error",
    "description",
)
FACTS = (
    "view",
    "project",
    "environment",
    "version",
    "read by=readers",
    "description",
    "owner",
    "tags",
    "target",
    "query",
    "tells of people=pii",
    "source",
    "entity=keys",
    "time to live (s)=ttl",
    "freshness (s)=freshness",
    "as of=as_of",
    "behind (s)=lag",
    "run",
    "loaded",
    "of rows=rows",
    "error",
    "ended=finished",
)

SKEW = (
    *("day=start", "environment", "model", "version", "view", "compared=rows", "wrong=skew", "stale"),
    *("behind (s)=lag", "failed", "nothing is said because=unsaid"),
)

features = group(help="Feature views where they are deployed; one of them, its online values.")


def register(app: typer.Typer) -> None:
    """Add the commands of features."""
    features.callback(invoke_without_command=True)(listed)
    for command in (show, get, search, materialize, skew):
        features.command()(command)
    app.add_typer(features, name="features", rich_help_panel="Models")


@prints
def listed(
    api: Api,
    project: ProjectOption = "",
    environment: Annotated[str, typer.Option("--in", metavar="ENV", help="Only this environment.")] = "",
) -> Page:
    """Feature views where they are deployed; one of them, its online values."""
    return _page(api.items("/features", project=project, environment=environment))


@prints
def search(
    api: Api,
    text: Annotated[str, typer.Argument(help="A part of a name, feature, description, owner or tag; pii.")],
    project: ProjectOption = "",
) -> Page:
    """The feature views in which a text is found."""
    return _page(api.items("/features", project=project, search=text), f"{text!r} is found in none of them.")


@prints
def show(api: Api, view: ViewArgument, environment: InOption = "", project: ProjectOption = "") -> Page:
    """A feature view: what it is, its features, and how fresh its online values are."""
    found = api.get(f"/features/{view}", environment=environment, project=project)
    rows = [{**each, "kind": "pii" if each["name"] in found["pii"] else ""} for each in found["features"]]
    columns = Table(
        rows, ("feature=name", "type=dtype", "tells of people=kind"), "It has no online values yet."
    )
    hint = f"penstock features materialize {view} --in {found['environment']}"
    return Page(found, (Facts(found, FACTS), columns), (hint,))


@prints
def get(
    api: Api,
    view: ViewArgument,
    entity: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="The entity's columns.")],
    environment: InOption = "",
    project: ProjectOption = "",
) -> Page:
    """The online values of one entity."""
    asked = ",".join(f"{name}={value}" for name, value in parameters(entity).items())
    found = api.get(f"/features/{view}/values", entity=asked, environment=environment, project=project)
    rows = [{"feature": name, **told} for name, told in found["features"].items()]
    parts = (
        Facts(found, ("happened=event", "known", "age (s)=age")),
        Table(rows, ("feature", "value", "status"), ""),
    )
    return Page(found, parts, (f"penstock features show {view}",))


@prints
def materialize(
    *,
    api: Api,
    view: Annotated[str, typer.Argument(help="Only this view.")] = "",
    environment: Annotated[str, typer.Option("--in", metavar="ENV", help="The environment.")],
    full: Annotated[
        bool, typer.Option("--full", help="Write all rows, not only those that changed.")
    ] = False,
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Bring online values up to date: what is new in the source is computed and written."""
    found = api.post(
        "/features/materialize", environment=environment, view=view, full=full, project=project, actor=actor
    )
    names = ", ".join(dict.fromkeys(each["view"] for each in found["items"]))
    hint = f"penstock features --in {environment}"
    return Page(
        found, (f"Asked for the newest values of {names} in {environment}.",), (hint, "penstock runs")
    )


@prints
def skew(
    api: Api,
    view: Annotated[
        str, typer.Argument(help="Only this view, with the newest figures of each feature.")
    ] = "",
    environment: Annotated[str, typer.Option("--in", metavar="ENV", help="Only this environment.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, help="How many days' figures to show.")] = 14,
) -> Page:
    """How many values that predictions read online are not those that training reads."""
    items = api.items("/skews", view=view, environment=environment, limit=days)
    table = Table(
        items, SKEW, "Nothing was compared yet: a day is, once it is over, if its answers read online."
    )
    newest = next((each for each in items if each["skew"] is not None), None)
    if not view or newest is None:
        hints = (f"penstock features skew {items[0]['view']}",) if items else ()
        return Page({"items": items}, (table,), hints)
    found = api.get(f"/skews/{newest['id']}")
    columns = Table(found["columns"], ("feature=column", "compared=rows", "wrong=differs", "stale"), "")
    examples = Table(
        found["examples"], ("feature=column", "entity=key", "read=time", "online", "offline"), ""
    )
    shown = (table, columns, *((examples,) if found["examples"] else ()))
    more = (f"penstock run show {found['run']}", f"penstock monitor {found['model']}")
    return Page({"items": items, "newest": found}, shown, more)


def _page(
    items: list[dict[str, object]],
    none: str = "There are none: nothing is deployed whose pipelines train on feature views.",
) -> Page:
    table = Table(items, COLUMNS, none)
    return Page({"items": items}, (table,), (f"penstock features show {items[0]['view']}",) if items else ())
