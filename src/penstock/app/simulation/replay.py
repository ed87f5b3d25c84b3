"""History replayed: questions are answered, labels arrive, and at each instant the ticks decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from cronsim import CronSim
from numpy.typing import NDArray

from penstock.app.simulation.kept import forget_tables
from penstock.app.simulation.past import Numbers, Oracle, Past
from penstock.app.simulation.policies import world_config
from penstock.app.simulation.types import Wanted
from penstock.app.simulation.world import World
from penstock.core.errors import StepFailed
from penstock.deployments.types import GateReport
from penstock.models.types import Version
from penstock.revisions.config import ScheduleCondition, parse_config
from penstock.runs.types import Run
from penstock.serving.types import LogRecord
from penstock.triggers.types import Firing, TriggerState

OnInstant = Callable[[int, int, datetime], None]
"""Told after each instant: how many are over, of how many, and which moment it is."""


class Lived(msgspec.Struct, frozen=True):
    """What became of a policy: its `firings` in order, their `runs` by number, and who answered.

    `by` is the number of the version that answered question i, 0 before there was one; `score` its answer as
    metrics compare it. Both have shape (n,).
    """

    firings: list[Firing]
    runs: dict[str, Run]
    by: NDArray[np.int64]
    score: Numbers


def replay(
    world: World,
    wanted: Wanted,
    past: Past,
    oracle: Oracle,
    *,
    moments: Sequence[datetime],
    on_instant: OnInstant,
) -> dict[str, Lived]:
    """Live through the history once, under every policy that is wanted, and look at these moments.

    At an instant, first what was asked since the last one is answered by the version that was champion then,
    then labels are told that have become known, then the ticks go on until nothing is left to do. So no
    version answers what it may have been trained on, and nothing is decided by a label that has not arrived.
    Raises StepFailed where the first training gives no model.
    """
    replaying = _Replaying(world, wanted, past, oracle)
    world.deploy()
    replaying.settle()
    _require_champions(world, wanted)
    for number, moment in enumerate(moments, 1):
        world.clock.advance(moment)
        replaying.answer(moment)
        replaying.tell(moment)
        replaying.settle()
        on_instant(number, len(moments), moment)
    return {policy.name: replaying.lived(policy.name) for policy in wanted.policies}


def instants(wanted: Wanted) -> list[datetime]:
    """When it is looked: every so often, at the hours of the schedules, and at the end."""
    found = {wanted.end}.union(*scheduled(wanted).values())
    moment = wanted.start + wanted.every
    while moment < wanted.end:
        found.add(moment)
        moment += wanted.every
    return sorted(found)


def scheduled(wanted: Wanted) -> dict[str, list[datetime]]:
    """The slots of the schedules of each policy."""
    config = parse_config(world_config(wanted))
    return {
        policy.name: [
            slot
            for trigger in config.inside(policy.name).triggers
            for condition in trigger.every
            if isinstance(condition, ScheduleCondition)
            for slot in _slots(condition, wanted)
        ]
        for policy in wanted.policies
    }


def _slots(condition: ScheduleCondition, wanted: Wanted) -> Iterator[datetime]:
    for slot in CronSim(condition.cron, wanted.start.astimezone(ZoneInfo(condition.zone))):
        if slot > wanted.end:
            return
        yield slot.astimezone(UTC)


class _Replaying:
    """Where the replay stands: the first question that was not asked yet, and the first label not told."""

    def __init__(self, world: World, wanted: Wanted, past: Past, oracle: Oracle) -> None:
        self.oracle = oracle
        self._world = world
        self._wanted = wanted
        self._past = past
        self._next = self._told = 0
        self._champions: dict[str, Version] = {}
        self._versions: dict[int, Version] = {}
        self._by = {p.name: np.zeros(len(past.ids), dtype=np.int64) for p in wanted.policies}
        self._cleared: set[str] = set()

    def answer(self, moment: datetime) -> None:
        """Have everything answered that was asked until a moment, by the champions of the last instant."""
        past, start = self._past, self._next
        end = self._next = int(np.searchsorted(past.asked, moment.timestamp(), side="right"))
        if start == end:
            return
        spans = [
            (where[0], where[-1] + 1)
            for _, group in groupby(range(start, end), key=past.asked.__getitem__)
            if (where := list(group))
        ]
        for policy, version in self._champions.items():
            score, label = self.oracle.answers(version, start, end)
            self._by[policy][start:end] = version.number
            self._world.answered.append(
                [
                    LogRecord(
                        ids=tuple(f"{policy}/{name}" for name in past.ids[first:last]),
                        time=past.times[first],
                        model=version.model,
                        environment=policy,
                        version=version.number,
                        variant="champion",
                        inputs=past.columns(version, first, last),
                        score=tuple(score[first - start : last - start].tolist()),
                        label=tuple(label[first - start : last - start]),
                    )
                    for first, last in spans
                ]
            )

    def tell(self, moment: datetime) -> None:
        """Tell the labels that have become known until a moment."""
        past, start = self._past, self._told
        end = self._told = int(np.searchsorted(past.known, moment.timestamp(), side="right"))
        items = [
            {"prediction": f"{policy}/{past.ids[about]}", "value": past.values[at]}
            for at, about in enumerate(past.about[start:end].tolist(), start)
            for policy, by in self._by.items()
            if by[about]
        ]
        if items:
            self._world.monitoring.label(self._wanted.model, items)

    def settle(self) -> None:
        """Let the ticks decide, and forget the rows of trainings that are over."""
        self._world.live()
        self._champions = self._world.champions()
        self._versions |= {version.number: version for version in self._champions.values()}
        with self._world.store.read() as reader:
            over = {run for (run,) in reader.pick(Run, ("id",))} - self._cleared
            forget_tables(reader, self._world.blobs, over)
        self._cleared |= over

    def lived(self, policy: str) -> Lived:
        """What became of a policy."""
        with self._world.store.read() as reader:
            firings = reader.find(Firing, environment=policy)
            runs = {run.id: run for run in reader.find(Run, environment=policy)}
        by = self._by[policy]
        score = np.full(len(by), np.nan)
        for number in np.unique(by[by > 0]).tolist():
            first, answers = self.oracle.compared(self._versions[number])
            here = np.flatnonzero(by == number)
            score[here] = answers[here - first]
        return Lived(firings, runs, by, score)


def _require_champions(world: World, wanted: Wanted) -> None:
    there = world.champions()
    if len(there) == len(wanted.policies):
        return
    with world.store.read() as reader:
        failed = [run.error for run in reader.find(Run, status="failed")]
        verdicts = [
            f"{verdict.check}: {verdict.why}"
            for report in reader.find(GateReport)
            for verdict in report.verdicts
            if not verdict.passed
        ]
        waits = [state.explanation for state in reader.find(TriggerState)]
    found = next(iter([*failed, *verdicts, *waits]), "nothing was published")
    raise StepFailed(
        what=f"No model can be live on {wanted.start:%Y-%m-%d}, where the simulation begins",
        found=found,
        fix="Begin later with --from, when there is more history to train on.",
    )
