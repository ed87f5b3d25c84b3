"""Carrying one run to its end from a program that has nothing else to do."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.clock import Clock
from penstock.core.errors import Unavailable
from penstock.runs.service import Runs
from penstock.runs.types import Run, StepRun
from penstock.runs.views import ACTIVE

PATIENCE = 1.0
"""Seconds to wait for a task before what others do to the run is looked at."""

TRIES = 3
"""How often in a row the store may not answer: each time it has been waited for already."""

OnProgress = Callable[[Run, list[StepRun]], None]


def run_to_end(runs: Runs, run: str, clock: Clock, on_progress: OnProgress | None = None) -> Run:
    """Tick until a run has ended, telling `on_progress` after each change; gives the ended run.

    A store that goes away meanwhile and comes back ends nothing. Raises Unavailable when it stays away.
    """
    unanswered = 0
    while True:
        try:
            changed = runs.tick(clock.now())
            found, steps = runs.seen(run)
        except Unavailable:
            unanswered += 1
            if unanswered == TRIES:
                raise
            continue
        unanswered = 0
        if changed and on_progress:
            on_progress(found, steps)
        if found.status not in ACTIVE:
            return found
        runs.wait(PATIENCE)
