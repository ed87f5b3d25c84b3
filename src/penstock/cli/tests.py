"""Tests in production: a version beside the champion, as a shadow or by its share of the traffic."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.pages import Facts, Page, Table
from penstock.core.errors import InvalidValue

NumberArgument = Annotated[str, typer.Argument(help="The test's number.")]
COLUMNS = (
    *("test=id", "environment", "model", "number", "champion"),
    *("kind", "share", "status", "verdict", "why"),
)
MEASURED = ("version=number", "requests", "errors", "dropped", "p50", "p95", "p99")

tests = group(help="Versions tried in production beside a champion; start, stop or show one.")


def register(app: typer.Typer) -> None:
    """Add the commands of tests in production."""
    tests.callback(invoke_without_command=True)(listed)
    for command in (start, stop, show):
        tests.command()(command)
    app.add_typer(tests, name="tests", rich_help_panel="Models")


@prints
def listed(api: Api, project: ProjectOption = "") -> Page:
    """Versions tried in production beside a champion; start, stop or show one."""
    items = api.items("/tests", project=project)
    empty = "Nothing was tried in production yet: penstock tests start MODEL@N --shadow."
    hints = (f"penstock tests show {items[0]['id']}",) if items else ()
    return Page({"items": items}, (Table(items, COLUMNS, empty),), hints)


@prints
def start(
    *,
    api: Api,
    version: Annotated[str, typer.Argument(metavar="MODEL@N", help="The version to try.")],
    shadow: Annotated[bool, typer.Option("--shadow", help="Ask it too, and let nobody hear it.")] = False,
    share: Annotated[int, typer.Option("--share", help="Percent of the keys that it answers, 1 to 50.")] = 0,
    metric: Annotated[
        str, typer.Option("--metric", help="What decides: accuracy, brier, log_loss, mae or rmse.")
    ] = "",
    after: Annotated[str, typer.Option("--after", metavar="SPAN", help="End after so long, as 7d.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="End at this moment.")] = "",
    environment: Annotated[
        str, typer.Option("--in", metavar="ENV", help="The environment, if not the model's last.")
    ] = "",
    actor: ActorOption = "",
) -> Page:
    """Try a version beside the champion: as a shadow, or in an A/B test. The champion stays what it is."""
    if shadow == bool(share):
        raise InvalidValue(expected="--shadow or --share PERCENT", found="both" if shadow else "neither")
    if after and until:
        raise InvalidValue(expected="--after or --until", found="both")
    found = api.post(
        "/tests/start",
        version=version,
        share=share,
        metric=metric,
        after=after,
        until=until,
        environment=environment,
        actor=actor,
    )
    beside = f"beside {found['model']}@{found['champion']} in {found['environment']}"
    waits = " It waits for its gate." if found["status"] == "waiting" else ""
    return Page(
        found, (f"Test {found['id']} of {version} {beside}.{waits}",), (f"penstock tests show {found['id']}",)
    )


@prints
def stop(api: Api, number: NumberArgument, actor: ActorOption = "") -> Page:
    """End a test: the champion answers everything again, at once."""
    found = api.post(f"/tests/{number}/stop", actor=actor)
    return Page(found, (f"Stopped test {number}.",), (f"penstock tests show {number}",))


@prints
def show(api: Api, number: NumberArgument) -> Page:
    """What a test has shown so far. It may be looked at as often as one likes."""
    found = api.get(f"/tests/{number}")
    difference = found["difference"]
    about = ("test=id", "model", "environment", "kind", "share", "metric", "status", "started", "until")
    says = {**found, **{f"loss {name}": value for name, value in (difference or {}).items()}}
    loss = f"{found['metric']} as a loss, challenger less champion"
    seen = (f"{loss}=loss mean", "surely from=loss low", "to=loss high", "blocks=loss blocks")
    parts = (
        Facts(says, (*about, "ended", "verdict", *seen, "why")),
        Table(found["measured"], MEASURED, "Nothing is being measured."),
        Table(found["guards"], ("guard=check", "state", "why"), "No guard is being asked."),
    )
    version = f"{found['model']}@{found['number']}"
    better = f"penstock promote {version} --to {found['environment']}      # an operator"
    hints = (better,) if found["verdict"] == "better" else (f"penstock models show {version}",)
    return Page(found, parts, hints)
