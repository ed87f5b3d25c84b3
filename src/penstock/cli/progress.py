"""Shows the steps of a run while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.runs.types import Run, StepRun

DONE = frozenset({"succeeded", "failed", "cancelled", "skipped"})


@contextmanager
def steps_progress(*, shown: bool = True) -> Iterator[Callable[[Run, list[StepRun]], None]]:
    """A line per step, with its status and how long it has taken, where a person sees standard error.

    Not `shown` where the steps themselves use the terminal.
    """
    if not (shown and sys.stderr.isatty()):  # what nobody sees need not be imported
        yield lambda _run, _steps: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

    lines: dict[str, TaskID] = {}
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[status]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:

        def on_progress(_run: Run, steps: list[StepRun]) -> None:
            for step in steps:
                if step.name not in lines:
                    lines[step.name] = progress.add_task(step.name, total=1, status="", start=False)
                line = lines[step.name]
                if step.status == "running" or step.status in DONE:
                    progress.start_task(line)
                status = f"cached from {step.cached_from}" if step.cached_from else step.status
                progress.update(line, status=status, completed=int(step.status in DONE))

        yield on_progress


@contextmanager
def trials_progress(total: int) -> Iterator[Callable[[Run], None]]:
    """A bar of the trials that have ended, where a person sees standard error."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        line = progress.add_task("trials", total=total)
        yield lambda _run: progress.advance(line)
