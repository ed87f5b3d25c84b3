"""Running pipelines, and what became of runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from penstock.cli.curves import measurements
from penstock.cli.face import (
    DEFAULT_HOME,
    Api,
    HomeOption,
    OnOption,
    ProjectOption,
    ServerOption,
    opened,
    prints,
    project_folder,
)
from penstock.cli.pages import Facts, Page, Stream, Table
from penstock.cli.rows import moment, parameters, read_parameters
from penstock.core.errors import InvalidValue, StepFailed
from penstock.core.human import exact

if TYPE_CHECKING:
    from penstock.app.workbench import Workbench
    from penstock.runs.drive import OnProgress
    from penstock.runs.types import Run

PANEL = "Runs"
POLL = 0.25
"""Seconds between looks at a log that is followed."""
LONG = 40
"""A run of more steps than these is shown by those that have not succeeded, and the slowest."""
SLOWEST = 10
RunArgument = Annotated[str, typer.Argument(metavar="ID", help="The run's number.")]


def register(app: typer.Typer) -> None:
    """Add the commands of runs."""
    for command in (run, runs, logs, retry, cancel):
        app.command(rich_help_panel=PANEL)(command)


@prints
def run(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="`package.module:pipeline`, or the word `show` and a run's number."
        ),
    ],
    shown: Annotated[str, typer.Argument(metavar="ID", help="The run to show.")] = "",
    *,
    params: Annotated[
        list[str] | None, typer.Option("-p", "--param", metavar="K=V", help="A parameter of the pipeline.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--params", metavar="FILE", help="TOML with parameters; -p goes before it.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Run nothing: show the graph, what would run and why.")
    ] = False,
    explain: Annotated[
        str, typer.Option("--explain", metavar="STEP", help="Run nothing: what a step would do, and why.")
    ] = "",
    priority: Annotated[
        int, typer.Option("--priority", help="Higher goes first where there is not room for all.")
    ] = 0,
    as_of: Annotated[
        str,
        typer.Option("--as-of", metavar="TIME", help="Read sources as they were known at this time (UTC)."),
    ] = "",
    on: OnOption = "local",
    home: HomeOption = DEFAULT_HOME,
    server: ServerOption = "",
) -> Page:
    """Run a pipeline of the project in this folder, without a server; or show a run."""
    if target == "show" and shown:
        with opened(home, server) as api:
            return show(api.get(f"/runs/{shown}"))
    if shown or ":" not in target:
        raise InvalidValue(expected="package.module:pipeline, or show ID", found=f"{target} {shown}".strip())
    given = {**(read_parameters(file) if file else {}), **parameters(params)}
    then = moment(as_of)
    if plan or explain:
        return _plan_here(target, given, home, explain, then)
    return _run_here(target, given, home, on, priority=priority, as_of=then)


def _run_here(target: str, params: dict[str, Any], home: Path, on: str, **asked: Any) -> Page:
    from penstock.app.ready import ready_executor

    folder = project_folder()
    with ready_executor(home, on, folder) as executor:
        from penstock.app.local import run_target  # while a worker starts
        from penstock.app.workbench import open_workbench

        with open_workbench(home, executor=executor) as bench:
            return to_its_end(
                bench,
                lambda on_progress: run_target(bench, target, folder, params, on_progress, **asked),
                shown=on != "inline",
            )


def to_its_end(
    bench: Workbench,
    carry_out: Callable[[OnProgress], Run],
    *,
    shown: bool = True,
    program: str = "penstock",
) -> Page:
    """Carry a run out in this process and show it; `program` is what a person types to see more.

    Raises StepFailed when it did not succeed.
    """
    import rich.table  # noqa: F401 what shows the run is imported while a worker starts

    from penstock.app.api.runs import ROUTES
    from penstock.cli.progress import steps_progress

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cancels as Ctrl-C does
    with steps_progress(shown=shown) as on_progress:
        finished = carry_out(on_progress)
    data = ROUTES.call(bench, "GET", f"/runs/{finished.id}")
    if finished.status != "succeeded":
        raise StepFailed(
            what=f"Run {finished.id} failed: {data['error']}"
            if finished.status == "failed"
            else f"Run {finished.id} is {data['error']}",
            fix=_more(finished.id, program),
        )
    return show(data, program)


def _plan_here(target: str, params: dict[str, str], home: Path, step: str, as_of: datetime | None) -> Page:
    from penstock.app.local import plan_target
    from penstock.app.sources import source_change
    from penstock.app.workbench import open_workbench
    from penstock.cli.plans import explained, planned

    with open_workbench(home) as bench:
        graph, explanations = plan_target(bench, target, project_folder(), params, as_of)
        then = as_of.isoformat() if as_of else ""
        if not step:
            return planned(graph, explanations, target, then)
        patch = source_change(bench, graph, project_folder(), step)
        return explained(explanations, step, target, patch, then)


def show(data: dict[str, Any], program: str = "penstock") -> Page:
    """A run with its steps and metrics."""
    columns = ("run=id", "pipeline", "project", "environment", "status", "params", "as of=as_of", "created")
    steps = (
        "step=name",
        "status",
        "seconds",
        "cpu",
        "memory",
        "attempt",
        "cached from=cached_from",
        "why",
        "error",
    )
    measured = Table(
        measurements(data["metrics"]), ("step", "metric=name", "value", "over time"), "No metric was logged."
    )
    told = {**data, "as_of": exact(data.get("as_of", ""))}
    facts = Facts(told, (*columns, "started", "finished", "release", "firing", "actor", "error", "tags"))
    shown = _worth_a_line(data["steps"])
    spent = [{**step, "memory": f"{step['memory'] / 2**20:.0f} MiB"} for step in shown]
    left = len(data["steps"]) - len(shown)
    note = f"And {left} more steps that succeeded in less time; --json has them all.\n" if left else ""
    if not data["graph"]["target"]:
        files = Table(data["files"], ("file=path", "bytes"), "It has no files.")
        used = Table(data["data"], ("data=name", "digest", "source_type", "tags"), "It named no data.")
        return Page(data, (facts, "A client carries it out and tells of it here.", measured, files, used))
    table = Table(spent, steps, "It has no steps.")
    parts = (facts, table, note, measured) if note else (facts, table, measured)
    return Page(data, parts, (_more(data["id"], program),))


def _worth_a_line(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps that a person wants to see, in their order: those without success, and the slowest."""
    if len(steps) <= LONG:
        return steps
    wanted = sorted(steps, key=lambda step: (step["status"] == "succeeded", -step["seconds"]))
    trouble = sum(step["status"] != "succeeded" for step in steps)
    names = {step["name"] for step in wanted[: max(SLOWEST, trouble)]}
    return [step for step in steps if step["name"] in names]


def _more(run_id: str, program: str = "penstock") -> str:
    return f"{program} run show {run_id}, {program} logs {run_id}"


@prints
def runs(
    api: Api,
    *,
    project: ProjectOption = "",
    pipeline: Annotated[str, typer.Option("--pipeline", help="Only runs of this pipeline.")] = "",
    environment: Annotated[str, typer.Option("--in", help="Only this environment.")] = "",
    status: Annotated[
        str, typer.Option("--status", help="Only runs that are queued, running, succeeded, …")
    ] = "",
    params: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", metavar="K=V", help="Only runs with this value of a parameter."),
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="CHECK", help="A bound such as `roc_auc >= 0.7`.")
    ] = None,
    order: Annotated[
        str, typer.Option("--order", metavar="METRIC", help="The best by this metric first.")
    ] = "",
    minimize: Annotated[
        bool, typer.Option("--minimize", help="Less is better; known of well-known metrics.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 20,
) -> Page:
    """Runs, the newest first, or the best by a metric."""
    items = api.items(
        "/runs",
        project=project,
        pipeline=pipeline,
        environment=environment,
        status=status,
        params=urlencode(parameters(params)),
        where=",".join(where or ()),
        order=order,
        minimize=minimize or None,
        limit=limit,
    )
    value = (f"{order}=value",) if order else ()
    columns = (
        "run=id",
        *value,
        "project",
        "pipeline",
        "environment",
        "status",
        "as of=as_of",
        "actor",
        "error",
    )
    asked = order or where or params or pipeline or environment or status
    none = "No run is like that." if asked else "There are no runs: penstock run package.module:pipeline."
    return Page({"items": items}, (Table(items, columns, none),), (_more(items[0]["id"]),) if items else ())


@prints
def logs(
    api: Api,
    run: RunArgument,
    step: Annotated[str, typer.Argument(metavar="[STEP]", help="Only this step.")] = "",
    follow: Annotated[
        bool,
        typer.Option("-f", "--follow", help="Go on until the run ends; with --json, a line of JSON each."),
    ] = False,
) -> Page | Stream:
    """What a run's steps printed, warned of, measured and drew."""
    lines = _log_lines(api, run, step, follow=follow)
    if follow:
        return Stream(lines, _as_said)
    items = list(lines)
    said = tuple(_as_said(item) for item in items)
    return Page({"items": items}, said or (f"The steps of run {run} said nothing.",))


def _log_lines(api: Api, run: str, step: str, *, follow: bool) -> Iterator[dict[str, Any]]:
    """The lines of a run, up to now or to its end."""
    told: dict[str, Any] = {"next": ""}
    while True:
        told = api.get(f"/runs/{run}/logs", step=step, after=told["next"])
        yield from told["items"]
        if told["ended"] or not (follow or told["items"]):
            return
        if not told["items"]:
            time.sleep(POLL)


def _as_said(item: Mapping[str, Any]) -> str:
    mark = "" if item["stream"] in {"stdout", "stderr"} else f"[{item['stream']}] "
    return f"{item['step']} | {mark}{item['text']}"


@prints
def retry(run: RunArgument, *, home: HomeOption = DEFAULT_HOME, server: ServerOption = "") -> Page:
    """Run again what failed, or what a killed process left undone; what succeeded is taken from before."""
    from penstock.app.home import Home
    from penstock.app.local import retry_run
    from penstock.app.workbench import open_workbench

    if server or Home(home).server():
        with opened(home, server) as api:
            found = api.post(f"/runs/{run}/retry")
        return Page(found, (f"Run {run} goes on.",), (_more(run),))
    with open_workbench(home, create=False) as bench:
        return to_its_end(bench, lambda on_progress: retry_run(bench, run, on_progress))


@prints
def cancel(api: Api, run: RunArgument) -> Page:
    """Stop a run and every process of it."""
    found = api.post(f"/runs/{run}/cancel")
    return Page(found, (f"Run {run} is cancelled.",), (_more(run),))
