"""Shows the steps of a run while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.runs.types import Run, StepRun

DONE = frozenset({"succeeded", "failed", "cancelled", "skipped"})


@contextmanager
def steps_progress(*, shown: bool = True) -> Iterator[Callable[[Run, list[StepRun]], None]]:
    """A line per step of the graph, with its status and its time, where a person sees standard error.

    Not `shown` where the steps themselves use the terminal.
    """
    if not (shown and sys.stderr.isatty()):  # what nobody sees need not be imported
        yield lambda _run, _steps: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

    from penstock.runs.instances import is_instance

    lines: dict[str, TaskID] = {}
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[status]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:

        def on_progress(_run: Run, steps: list[StepRun]) -> None:
            elements = elements_of(steps)
            for step in steps:
                if is_instance(step.name):
                    continue
                if step.name not in lines:
                    lines[step.name] = progress.add_task(step.name, total=1, status="", start=False)
                line, own = lines[step.name], elements.get(step.name, [])
                if any(each.status == "running" or each.status in DONE for each in (step, *own)):
                    progress.start_task(line)
                progress.update(line, status=status_of(step, own), completed=int(step.status in DONE))

        yield on_progress


def elements_of(steps: Iterable[StepRun]) -> dict[str, list[StepRun]]:
    """The steps of single elements by the step that goes over them."""
    from penstock.runs.instances import is_instance, node_of

    found: dict[str, list[StepRun]] = {}
    for step in steps:
        if is_instance(step.name):
            found.setdefault(node_of(step.name), []).append(step)
    return found


def status_of(step: StepRun, elements: Sequence[StepRun]) -> str:
    """How far a step is; one that goes over a list has a line for all of its elements."""
    if elements and step.status not in DONE:
        return f"{sum(each.status in DONE for each in elements)} of {len(elements)} elements"
    return f"cached from {step.cached_from}" if step.cached_from else step.status


@contextmanager
def trials_progress(total: int) -> Iterator[Callable[[Run], None]]:
    """A bar of the trials that have ended, where a person sees standard error."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        line = progress.add_task("trials", total=total)
        yield lambda _run: progress.advance(line)
