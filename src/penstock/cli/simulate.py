"""Trying policies of retraining on what has happened."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.face import DEFAULT_HOME, HomeOption, prints, project_folder
from penstock.cli.pages import Page, Table, written
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue, StepFailed

if TYPE_CHECKING:
    from penstock.app.simulation.types import Wanted

PANEL = "Runs"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=PANEL)(simulate)


@prints
def simulate(
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="POLICY",
            help="never, daily, weekly, monthly, quarterly, own, or a file with [[triggers]].",
        ),
    ] = None,
    start: Annotated[
        str, typer.Option("--from", metavar="DAY", help="The day on which the first model is live.")
    ],
    end: Annotated[str, typer.Option("--to", metavar="DAY", help="The day with which it ends.")],
    pipeline: Annotated[str, typer.Option("--pipeline", help="Where several publish a model.")] = "",
    environment: Annotated[
        str, typer.Option("--in", metavar="ENV", help="Whose rules hold; the last one by default.")
    ] = "",
    every: Annotated[str, typer.Option("--every", metavar="SPAN", help="How often is decided.")] = "1d",
    requests: Annotated[
        int,
        typer.Option(
            "--requests", min=100, help="Predictions at most under each policy; every n-th row asks."
        ),
    ] = 40_000,
    price: Annotated[float, typer.Option("--price", min=0, help="What an hour of training costs.")] = 0.0,
    change: Annotated[
        list[str] | None,
        typer.Option("--change", metavar="DAY", help="When the data are known to have changed."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with pictures.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Write the recommendation as a patch of penstock.toml."),
    ] = None,
    processes: Annotated[
        int,
        typer.Option("--processes", min=0, help="How many live through it at once; 0: one for each CPU."),
    ] = 0,
    home: HomeOption = DEFAULT_HOME,
) -> Page:
    """Live through past days under several policies at once, and recommend when to train again."""
    from penstock.adapters.executors.machine import cpus
    from penstock.app.alone import alone

    with alone():
        from penstock.app.simulation.simulate import simulate as carry_out
    from penstock.app.simulation.wanted import require_time, wanted_of
    from penstock.cli.drawing import draw_pipelines
    from penstock.cli.project import configuration

    folder = project_folder()
    configuration(folder)
    asked = (_day(start), _day(end), duration(every), tuple(map(_day, change or ())))
    require_time(*asked)
    first, last, often, changes = asked
    wanted = wanted_of(
        folder,
        draw_pipelines(folder),
        named=policy or (),
        pipeline=pipeline,
        environment=environment,
        start=first,
        end=last,
        every=often,
        requests=requests,
        price=price,
        changes=changes,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops it as Ctrl-C does
    try:
        with _progress() as on_instant:
            told = carry_out(home / "simulation", wanted, on_instant, processes or cpus())
    except KeyboardInterrupt:
        raise StepFailed(
            what="The simulation was stopped.", fix="The same command goes on: what was trained is kept."
        ) from None
    more = tuple(filter(None, (_with_pictures(told, html), _with_patch(told, wanted, write))))
    return simulated(told, more)


def _with_pictures(told: dict[str, Any], file: Path | None) -> str:
    if file is None:
        return ""
    from penstock.app.simulation.pictures import simulation_html

    written(file, simulation_html(told))
    return f"Its pictures are in {file}."


def _with_patch(told: dict[str, Any], wanted: Wanted, file: Path | None) -> str:
    if file is None:
        return ""
    from penstock.app.simulation.patch import patch

    [policy] = (policy for policy in wanted.policies if policy.name == told["recommended"])
    text = patch(wanted, policy)
    if not text:
        return "penstock.toml says so already: no patch was written."
    written(file, text)
    return f"git apply {file} puts it into penstock.toml."


def simulated(told: dict[str, Any], more: tuple[str, ...] = ()) -> Page:
    """The page of a simulation, and where more of it was written."""
    rows = told["policies"]
    metric, priced, changed = told["metric"], told["price"] > 0, rows[0]["alarms"] is not None
    shown = [_row(row) for row in rows]
    spent = ("policy", "retrains", "on alarm=alarmed", "refused", "training")
    good = ("policy", f"{metric}=quality", "behind", "worst week=worst", "")
    seen = ("policy", "found", "missed", "false", "delay")
    trainings = told["trainings"]
    ages = [
        {
            **each,
            "weeks": f"{each['weeks']} week{'s' * (each['weeks'] > 1)}",
            "loss": f"{each['loss']:+.4f}",
            "seconds": _long(each["seconds"]),
        }
        for each in told["intervals"]
    ]
    about = (
        f"{told['model']} of {told['project']} from {told['from'][:10]} to {told['to'][:10]}, "
        f"{told['predictions']:,} predictions under each policy; {trainings['asked']} trainings, of which "
        f"{trainings['made']} differ and were made once, in {_long(trainings['seconds'])}."
    )
    key = (
        "• no other policy is both cheaper and better. Behind: how much worse than the best, week by week, "
        "± what chance does."
    )
    parts: tuple[Any, ...] = (
        about,
        Table(shown, (*spent, "cost=money") if priced else spent, ""),
        *((Table(shown, seen, ""),) if changed else ()),
        Table(shown, good, ""),
        key,
        Table(
            ages,
            ("trained every=weeks", f"{metric} lost=loss", "trainings a year=trainings", "in a year=seconds"),
            "Too few models to tell how they age.",
        ),
        f"Recommended: {told['recommended']}, the cheapest that cannot be told from the best.",
        *more,
    )
    hints = () if more else ("penstock simulate … --html simulation.html --write better.patch",)
    return Page(told, parts, hints)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    worst = row["worst"]
    alarms = row["alarms"] or {}
    return {
        **row,
        "training": _long(row["seconds"]),
        "quality": f"{row['quality']:.4f}",
        "behind": f"{row['behind']:.4f} ± {row['chance']:.4f}",
        "worst": f"{worst['value']:.3f} from {worst['start'][:10]}",
        "money": f"{row['money']:.2f}",
        "": "•" if row["front"] else "",
        **{name: alarms.get(name) for name in ("found", "missed", "false")},
        "delay": "" if alarms.get("delay") is None else f"{alarms['delay']:.1f} d",
    }


def _long(seconds: float) -> str:
    return (
        f"{seconds:.1f} s"
        if seconds < 90
        else f"{seconds / 60:.1f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def _day(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValue(expected="a day such as 2013-03-01", found=repr(text)) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _progress() -> Iterator[Callable[[int, int, datetime], None]]:
    """A bar of the time that has passed, where a person sees standard error."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        line = progress.add_task("reading history", total=None)

        def on_instant(over: int, total: int, moment: datetime) -> None:
            progress.update(line, description=f"{moment:%Y-%m-%d}", total=total, completed=over)

        yield on_instant
