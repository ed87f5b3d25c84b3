"""The runs under way as this process last saw them, so that not every tick reads every step."""

from __future__ import annotations

from datetime import datetime

from penstock.lineage.ports import Reader
from penstock.runs.decide import Progress
from penstock.runs.types import Run, StepRun

ACTIVE = ("queued", "running")


class Views:
    """What is known of runs.

    A view is used again only while its run is unchanged and nobody else holds a step of it. It may still
    be out of date; whoever writes on its strength compares it with the store first, and forgets it
    when it is.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._seen: dict[str, tuple[Run, list[StepRun]]] = {}

    def under_way(self, reader: Reader, now: datetime) -> list[Progress]:
        """The progress of every run that has not ended, in the order in which they were submitted."""
        runs = reader.find(Run, status=ACTIVE)
        self._seen = {run.id: self._current(reader, run) for run in runs}
        return [Progress(run, steps, now) for run, steps in self._seen.values()]

    def last(self, run: str) -> tuple[Run, list[StepRun]] | None:
        """A run with its steps as they were last seen or stored, None for one that is not known."""
        return self._seen.get(run)

    def keep(self, progress: Progress) -> None:
        """Remember a run as it was just stored."""
        self._seen[progress.run.id] = progress.run, list(progress.steps.values())

    def forget(self, progress: Progress) -> None:
        """Read a run anew the next time: it is not what it was thought to be."""
        del self._seen[progress.run.id]

    def _current(self, reader: Reader, run: Run) -> tuple[Run, list[StepRun]]:
        before, steps = self._seen.get(run.id, (None, []))
        if before == run and all(step.lease is None or step.lease.owner == self._owner for step in steps):
            return run, steps
        return run, reader.find(StepRun, run=run.id)
