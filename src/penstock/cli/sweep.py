"""Searching the parameters of a pipeline."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.face import DEFAULT_HOME, HomeOption, OnOption, prints, project_folder
from penstock.cli.pages import Facts, Page, Table
from penstock.cli.rows import as_toml, parameters
from penstock.core.errors import StepFailed

PANEL = "Runs"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=PANEL)(sweep)


@prints
def sweep(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="`package.module:pipeline`.")],
    *,
    params: Annotated[
        list[str],
        typer.Option(
            "-p", "--param", metavar="K=SPACE", help="`0.01..0.3`, `0.01..0.3:log`, `3,5,7` or `0.1`."
        ),
    ],
    metric: Annotated[str, typer.Option("--metric", help="The metric that is to be the best.")],
    minimize: Annotated[
        bool, typer.Option("--minimize", help="Less is better; known of well-known metrics.")
    ] = False,
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many runs.")] = 20,
    parallel: Annotated[int, typer.Option("--parallel", min=1, help="How many at a time.")] = 2,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Write the best parameters for penstock run --params."),
    ] = None,
    on: OnOption = "local",
    home: HomeOption = DEFAULT_HOME,
) -> Page:
    """Search the parameters with the best metric; after a stop the same command goes on."""
    from penstock.app.api.runs import ROUTES
    from penstock.app.sweeps import sweep_target
    from penstock.app.workbench import open_workbench
    from penstock.cli.progress import trials_progress

    with open_workbench(home, on=on) as bench:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops it as Ctrl-C does
        try:
            with trials_progress(trials) as on_trial:
                finished = sweep_target(
                    bench,
                    target,
                    project_folder(),
                    parameters(params),
                    metric=metric,
                    minimize=minimize,
                    trials=trials,
                    parallel=parallel,
                    on_trial=on_trial,
                )
        except KeyboardInterrupt:
            raise StepFailed(
                what="The sweep is stopped and its trials are cancelled.",
                fix="The same command goes on with it.",
            ) from None
        data = ROUTES.call(bench, "GET", f"/sweeps/{finished.id}")
    best = data["results"][0]
    if best["value"] is None:
        raise StepFailed(
            what=f"No trial of sweep {finished.id} gave the metric {metric}",
            found=best["error"] or f"run {best['run']}, which {best['status']}",
            fix=f"penstock run show {best['run']}",
        )
    if write:
        write.write_text(as_toml(best["params"]), encoding="utf-8")
    return _page(data, best, write)


def _page(data: dict[str, Any], best: dict[str, Any], write: Path | None) -> Page:
    columns = (
        "run",
        "status",
        f"{data['metric']}=value",
        *(f"{name}=params.{name}" for name in data["space"]),
    )
    given = " ".join(f"-p {name}={best['params'][name]}" for name in (*data["space"], *data["fixed"]))
    again = f"--params {write}" if write else given
    facts = Facts(data, ("sweep=id", "pipeline", "metric", "status"))
    hints = (f"penstock run {data['target']} {again}", f"penstock run show {best['run']}")
    return Page(data, (facts, Table(data["results"], columns, "There was no trial.")), hints)
