"""The whole loop on real flights: a year of New York departures under a virtual clock."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from penstock.cli.demo.delivery import deliver
from penstock.cli.demo.project import Project
from penstock.cli.demo.replay import replay
from penstock.cli.demo.report import gather, show, write
from penstock.cli.demo.stage import START, Stage
from penstock.cli.demo.system import System

REPORT = Path("demo-report.json")
EVERY = 9
"""One flight in so many asks for a prediction: about 31,000 of March to December."""


def run(home: Path, example: Path, *, keep: bool, every: int = EVERY, json: bool = False) -> None:
    """Tell the whole story on a home, or the rest of it if it was stopped before its end.

    Prints the timeline and writes `demo-report.json` in the working directory. Unless `keep`,
    the system is stopped and the home removed at the end.
    """
    folder = home.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=json)
    system = System(folder / "home", START, (0, 0))
    project = Project(example.resolve(), folder / "flights")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
    )
    done = False
    try:
        with Progress(*columns, console=console) as progress:
            line = progress.add_task("Preparing the flights of 2013", total=100)

            def say(text: str) -> None:
                progress.console.print(f"[dim]•[/dim] {text}")
                progress.update(line, description=text.split(":", maxsplit=1)[0], advance=2)

            project.prepare()
            project.data()
            say("Starting the system")
            system.start()
            stage = Stage(system, folder, say)
            deliver(stage, project)
            say("Replaying March to December: flights ask, land and tell")
            requests = project.requests(every)
            replay(stage, requests, lambda share: progress.update(line, completed=20 + 80 * share))
            say("Living through the year under other policies of retraining")
            simulation = project.simulate(system.home.folder)
            stage.remember()
            report = gather(system, stage.memory, simulation)
        write(report, REPORT)
        if json:
            print(REPORT.read_text())
        else:
            show(report, console)
        console.print(f"The same as JSON: {REPORT}")
        done = True
    finally:
        if keep:
            console.print(
                f"The system stays up: {system.url()}. Look with: penstock models --home {system.home.folder}"
            )
        else:
            system.stop()
        if done and not keep:
            shutil.rmtree(folder, ignore_errors=True)
        elif not done:
            console.print(f"Go on with the same command: what was done is kept in {folder}.")
