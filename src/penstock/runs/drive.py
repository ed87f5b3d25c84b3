"""Carrying one run to its end from a program that has nothing else to do."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.clock import Clock
from penstock.runs.service import Runs
from penstock.runs.types import Run, StepRun
from penstock.runs.views import ACTIVE

PATIENCE = 1.0
"""Seconds to wait for a task before what others do to the run is looked at."""

OnProgress = Callable[[Run, list[StepRun]], None]


def run_to_end(runs: Runs, run: str, clock: Clock, on_progress: OnProgress | None = None) -> Run:
    """Tick until a run has ended, telling `on_progress` after each change; gives the ended run."""
    while True:
        changed = runs.tick(clock.now())
        found, steps = runs.seen(run)
        if changed and on_progress:
            on_progress(found, steps)
        if found.status not in ACTIVE:
            return found
        runs.wait(PATIENCE)
