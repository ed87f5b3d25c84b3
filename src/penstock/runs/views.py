"""The runs under way as this process last saw them, so that not every tick reads every step."""

from __future__ import annotations

from datetime import datetime

from penstock.lineage.ports import Reader
from penstock.runs.decide import Progress
from penstock.runs.types import Run, StepRun

ACTIVE = ("queued", "running")


def active(reader: Reader) -> tuple[str, ...]:
    """The runs under way, which alone have steps that are claimed."""
    return tuple(run for (run,) in reader.pick(Run, ("id",), status=ACTIVE))


class Views:
    """What is known of runs.

    A view is used again only while its run is unchanged and nobody else holds a step of it. It may still
    be out of date unless views are `sure`; whoever writes on its strength compares it with the store
    first, and forgets all views when it is.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._seen: dict[str, Progress] = {}
        self._all = False
        self.sure = False

    def as_seen(self, now: datetime) -> list[Progress] | None:
        """What `under_way` would give if nobody else has written; None unless views are sure."""
        if not (self.sure and self._all):
            return None
        known = [progress for progress in self._seen.values() if progress.run.status in ACTIVE]
        for progress in known:
            progress.resume(now)
        return known

    def under_way(self, reader: Reader, now: datetime) -> list[Progress]:
        """The progress of every run that has not ended, in the order in which they were submitted."""
        self._all = True
        found = reader.pick(Run, ("id", "status", "event"), status=ACTIVE)
        self._seen = {run: self._current(reader, run, (status, event), now) for run, status, event in found}
        return list(self._seen.values())

    def last(self, run: str) -> tuple[Run, list[StepRun]] | None:
        """A run with its steps as they were last seen or stored, None for one that is not known."""
        found = self._seen.get(run)
        return (found.run, list(found.steps.values())) if found else None

    def written(self, *, alone: bool) -> None:
        """What was decided is stored; `alone` tells that since the last time nobody else has written.

        After others have, every view is what it was before or after that: once they are quiet, all are
        read anew, and are sure until others write again.
        """
        if alone and not self.sure:
            self.forget_all()
        self.sure = alone

    def forget_all(self) -> None:
        """Read every run anew the next time: what was decided of them may not have been stored."""
        self._seen.clear()
        self._all = False

    def _current(self, reader: Reader, run: str, state: tuple[str, int], now: datetime) -> Progress:
        known = self._seen.get(run)
        if known and (known.run.status, known.run.event) == state and self._ours(known):
            known.resume(now)
            return known
        return Progress(reader.get(Run, run), reader.find(StepRun, run=run), now)

    def _ours(self, progress: Progress) -> bool:
        return all(step.lease is None or step.lease.owner == self._owner for step in progress.running())
