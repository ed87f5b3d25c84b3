"""What came of some of the policies, lived through in one world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from penstock.app.simulation.measure import Week, Weeks, aged, seconds_of
from penstock.app.simulation.past import Oracle, read_past
from penstock.app.simulation.replay import Lived, OnInstant, replay
from penstock.app.simulation.types import Wanted
from penstock.app.simulation.world import World, open_world
from penstock.deployments.truth import METRICS_OF
from penstock.models.types import Placement, Signature
from penstock.revisions.config import parse_config
from penstock.runs.types import StepRun


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What came of policies, by name: how they were `lived`, the `seconds` of their trainings after the
    first, and how many versions were `refused`.

    `asked` runs published a model; `made` has the seconds of those that differ, by the cache key of what they
    published, and `aged` the moment of the rows of each model, in seconds since 1970, and its weeks.
    """

    lived: dict[str, Lived]
    seconds: dict[str, float]
    refused: dict[str, int]
    asked: int
    made: dict[str, float]
    aged: dict[str, tuple[float, list[Week]]]
    predictions: int


def live_through(
    folder: Path, wanted: Wanted, moments: Sequence[datetime], on_instant: OnInstant
) -> tuple[Part, Weeks]:
    """Live through history under the policies that are wanted. `folder` keeps what was trained.

    Raises StepFailed, and Conflict when another simulation goes on there.
    """
    with open_world(folder, wanted) as world:
        past = read_past(wanted, world.executor, world.blobs, max(datetime.now(UTC), wanted.end))
        oracle = Oracle(past, world.answers)
        lived = replay(world, wanted, past, oracle, moments=moments, on_instant=on_instant)
        _, version = next(iter(oracle.trained.values()))
        metric = _metric(wanted, version.signature)
        weeks = Weeks(past, past.compared_with(version), metric, wanted.start, wanted.end)
        return _part(world, lived, oracle, weeks, len(past.ids)), weeks


def _metric(wanted: Wanted, signature: Signature) -> str:
    """The metric that the model is watched by, or the first of its task where it has another one."""
    declared = parse_config(wanted.config).inside(wanted.environment).models.get(wanted.model)
    known = METRICS_OF[signature.task]
    return declared.monitor if declared and declared.monitor in known else known[0]


def _part(world: World, lived: dict[str, Lived], oracle: Oracle, weeks: Weeks, predictions: int) -> Part:
    with world.store.read() as reader:
        steps = [(step, step.cached_from or step.id) for step in reader.find(StepRun)]
        new = {step.id for step in reader.find(StepRun, status="succeeded") if step.run.isdecimal()}
        rejected = [place.environment for place in reader.find(Placement, role="rejected")]
    took = {step.id: step.seconds for step, _ in steps}
    by_run: dict[str, float] = defaultdict(float)
    for step, origin in steps:
        by_run[step.run] += took[origin]
    published = [step for step, _ in steps if step.name == "publish" and step.id in new]
    return Part(
        lived=lived,
        seconds={name: seconds_of(each, by_run.__getitem__) for name, each in lived.items()},
        refused={name: rejected.count(name) for name in lived},
        asked=len(published),
        made={step.key: by_run[step.run] for step in reversed(published)},
        aged=aged(oracle, weeks),
        predictions=predictions,
    )
