"""A simulation from what is wanted to what is to be told."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from penstock.app.simulation.advice import front, gap, recommended
from penstock.app.simulation.beside import beside, shared_out
from penstock.app.simulation.measure import (
    Weeks,
    ageing,
    alarmed,
    alarms,
    intervals,
    quality,
    retrains,
    worst,
)
from penstock.app.simulation.part import Part, live_through
from penstock.app.simulation.replay import OnInstant, instants
from penstock.app.simulation.types import Wanted
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue
from penstock.monitoring.measure import ENOUGH_LABELS

PATIENCE = 0.2
"""Seconds between looks at how far other processes are."""


def simulate(folder: Path, wanted: Wanted, on_instant: OnInstant, processes: int = 1) -> dict[str, Any]:
    """Live through history under every policy, in so many processes at most; what came of it as data.

    `folder` keeps what was trained. Stopped at any moment, the same call finds what was trained before and
    gives the same, in however many processes. Raises StepFailed, InvalidValue, and Conflict when another
    simulation goes on there.
    """
    moments = instants(wanted)
    mine, *theirs = (replace(wanted, policies=each) for each in shared_out(wanted, moments, processes))
    with ExitStack() as stack:
        others = [
            stack.enter_context(beside(folder / f"beside-{number}", each, moments))
            for number, each in enumerate(theirs, 1)
        ]

        def told_on(over: int, total: int, _moment: datetime) -> None:
            for other in others:
                other.hear()
            slowest = min([over, *(other.over for other in others)])
            on_instant(slowest, total, moments[max(0, slowest - 1)])

        part, weeks = live_through(folder, mine, moments, told_on)
        parts = [part]
        for other in others:
            while other.part is None:
                other.hear(PATIENCE)
                told_on(len(moments), len(moments), wanted.end)
            parts.append(other.part)
    told = _told(wanted, reduce(_joined, parts), weeks)
    found: dict[str, Any] = to_builtins(told)
    return found


def _joined(one: Part, other: Part) -> Part:
    return Part(
        lived=one.lived | other.lived,
        seconds=one.seconds | other.seconds,
        refused=one.refused | other.refused,
        asked=one.asked + other.asked,
        made=other.made | one.made,
        aged=other.aged | one.aged,
        predictions=one.predictions,
    )


def _told(wanted: Wanted, part: Part, weeks: Weeks) -> dict[str, Any]:
    lived = {policy.name: part.lived[policy.name] for policy in wanted.policies}
    better = METRICS[weeks.metric].greater_is_better
    cost = {name: part.seconds[name] for name in lived}
    weekly = {name: weeks.of(each.score) for name, each in lived.items()}
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
            "refused": part.refused[name],
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
    spent, ages = (
        sum(part.made.values()),
        ageing([part.aged[artifact] for artifact in sorted(part.aged)], weeks.metric),
    )
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
        "trainings": {"asked": part.asked, "made": len(part.made), "seconds": spent},
        "recommended": recommended(cost, times, gaps),
        "predictions": part.predictions,
        "ageing": ages,
        "intervals": intervals(ages, spent / max(1, len(part.made)), wanted.price),
    }
