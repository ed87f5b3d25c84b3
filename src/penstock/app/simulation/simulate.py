"""A simulation from what is wanted to what is to be told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from penstock.app.simulation.advice import front, gap, recommended
from penstock.app.simulation.measure import (
    Weeks,
    ageing,
    alarmed,
    alarms,
    intervals,
    quality,
    retrains,
    seconds_of,
    worst,
)
from penstock.app.simulation.past import Oracle, read_past
from penstock.app.simulation.replay import Lived, OnInstant, replay
from penstock.app.simulation.types import Wanted
from penstock.app.simulation.world import World, open_world
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue
from penstock.deployments.truth import METRICS_OF
from penstock.models.types import Placement, Signature
from penstock.monitoring.measure import ENOUGH_LABELS
from penstock.revisions.config import parse_config
from penstock.runs.types import StepRun


def simulate(folder: Path, wanted: Wanted, on_instant: OnInstant) -> dict[str, Any]:
    """Live through history under every policy; what came of it as data. `folder` keeps what was trained.

    Stopped at any moment, the same call finds what was trained before and gives the same.
    Raises StepFailed, InvalidValue, and Conflict when another simulation goes on there.
    """
    with open_world(folder, wanted) as world:
        known_by = max(datetime.now(UTC), wanted.end)
        past = read_past(wanted, world.executor, world.blobs, known_by)
        oracle = Oracle(past, world.answers)
        lived = replay(world, wanted, past, oracle, on_instant)
        _, version = next(iter(oracle.trained.values()))
        metric = _metric(wanted, version.signature)
        weeks = Weeks(past, past.compared_with(version), metric, wanted.start, wanted.end)
        told = _told(wanted, lived, weeks, _spending(world), _refused(world))
        ages = ageing(oracle, weeks)
        each = told["trainings"]["seconds"] / max(1, told["trainings"]["made"])
        more = {"ageing": ages, "intervals": intervals(ages, each, wanted.price)}
        found: dict[str, Any] = msgspec.to_builtins(told | {"predictions": len(past.ids)} | more)
        return found


def _metric(wanted: Wanted, signature: Signature) -> str:
    """The metric that the model is watched by, or the first of its task where it has another one."""
    declared = parse_config(wanted.config).inside(wanted.environment).models.get(wanted.model)
    known = METRICS_OF[signature.task]
    return declared.monitor if declared and declared.monitor in known else known[0]


def _told(
    wanted: Wanted, lived: dict[str, Lived], weeks: Weeks, spending: Spending, refused: dict[str, int]
) -> dict[str, Any]:
    better = METRICS[weeks.metric].greater_is_better
    weekly = {name: weeks.of(each.score) for name, each in lived.items()}
    cost = {name: seconds_of(each, spending.of_run) for name, each in lived.items()}
    qualities = {name: value for name, each in weekly.items() if (value := quality(each)) is not None}
    if len(qualities) < len(lived):
        raise InvalidValue(
            what=f"{weeks.metric} cannot be measured of any week",
            expected=f"weeks with {ENOUGH_LABELS} labels and more, of more than one class",
            fix="Simulate a longer time, or ask more with --requests.",
        )
    ranked = {name: value if better else -value for name, value in qualities.items()}
    best = lived[max(ranked, key=lambda name: ranked[name])]
    gaps = {name: gap(weeks.behind(each.score, best.score)) for name, each in lived.items()}
    times = {name: len(retrains(each)) for name, each in lived.items()}
    unbeaten = front(cost, ranked)
    rows = [
        {
            "policy": name,
            "retrains": times[name],
            "refused": refused.get(name, 0),
            "failed": sum(run.status == "failed" for run in lived[name].runs.values()),
            "seconds": cost[name],
            "money": cost[name] / 3600 * wanted.price,
            "quality": qualities[name],
            "behind": gaps[name].behind,
            "chance": gaps[name].chance,
            "worst": worst(weekly[name], weeks.metric),
            "alarmed": len(alarmed(lived[name])),
            "alarms": alarms(lived[name], wanted.changes) if wanted.changes else None,
            "front": name in unbeaten,
            "weeks": weekly[name],
            "firings": [{"time": f.time, "kind": f.kind, "why": f.why} for f in lived[name].firings],
        }
        for name in lived
    ]
    return {
        "project": wanted.project,
        "pipeline": wanted.graph.pipeline,
        "model": wanted.model,
        "environment": wanted.environment,
        "metric": weeks.metric,
        "from": wanted.start,
        "to": wanted.end,
        "price": wanted.price,
        "policies": rows,
        "trainings": {"asked": spending.asked, "made": spending.made, "seconds": spending.seconds},
        "recommended": recommended(cost, times, gaps),
    }


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What trainings took: `of_run` gives the seconds of a run, also of steps that were made for another.

    `asked` runs published a model; `made` of these differ, and took `seconds` together.
    """

    of_run: Callable[[str], float]
    asked: int
    made: int
    seconds: float


def _spending(world: World) -> Spending:
    with world.store.read() as reader:
        steps = [(step, step.cached_from or step.id) for step in reader.find(StepRun)]
        new = {step.id for step in reader.find(StepRun, status="succeeded") if step.run.isdecimal()}
    seconds = {step.id: step.seconds for step, _ in steps}
    by_run: dict[str, float] = defaultdict(float)
    for step, origin in steps:
        by_run[step.run] += seconds[origin]
    published = [(step.run, origin) for step, origin in steps if step.name == "publish" and step.id in new]
    first = {origin: run for run, origin in reversed(published)}
    return Spending(
        of_run=by_run.__getitem__,
        asked=len(published),
        made=len(first),
        seconds=sum(by_run[run] for run in first.values()),
    )


def _refused(world: World) -> dict[str, int]:
    """How many versions did not pass their gate, by policy."""
    with world.store.read() as reader:
        rejected = [place.environment for place in reader.find(Placement, role="rejected")]
    return {name: rejected.count(name) for name in rejected}
