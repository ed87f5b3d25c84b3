"""What is measured of policies that were lived: quality by week, cost, alarms, and how models age."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from penstock.app.simulation.advice import Difference
from penstock.app.simulation.past import Numbers, Oracle, Past
from penstock.app.simulation.replay import Lived
from penstock.checks.measures import Z, measure
from penstock.checks.metrics import METRICS
from penstock.checks.paired import gain
from penstock.core.errors import UndefinedMetric
from penstock.monitoring.measure import ENOUGH_LABELS
from penstock.triggers.types import Firing

WEEK = timedelta(days=7)
SOON = timedelta(days=30)
"""How long after a change an alarm is still about it."""
ALARMS = ("worse", "drift")
RESAMPLES = 200
"""Draws from which the standard error of a week's difference is taken."""


class Week(msgspec.Struct, frozen=True):
    """Seven days of answers; `value` is None where their labels are too few or do not define the metric."""

    start: datetime
    labels: int
    value: float | None


class Alarms(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms held against known changes: `delay` is that of those found, in days, on average."""

    found: int
    missed: int
    false: int
    delay: float | None


class Age(msgspec.Struct, frozen=True, kw_only=True):
    """How much worse a model was that was `weeks` older than the youngest one of the same week.

    `loss` is the mean, above 0 for worse whatever the metric; eight of ten lie from `low` to `high`.
    """

    weeks: int
    loss: float
    low: float
    high: float
    pairs: int


class Weeks:
    """The weeks of a simulation: which questions belong to each, and how good answers to them were."""

    def __init__(self, past: Past, truth: Numbers, metric: str, start: datetime, end: datetime) -> None:
        self.starts = [start]
        while self.starts[-1] + WEEK < end:
            self.starts.append(self.starts[-1] + WEEK)
        edges = [moment.timestamp() for moment in (*self.starts, end)]
        self.spans = np.searchsorted(past.asked, edges, side="right")
        self._truth = truth
        self.metric = metric

    def of(self, answers: Numbers, first: int = 0) -> list[Week]:
        """The weeks of answers to the questions from `first` on, NaN where there was none."""
        return [self._week(number, answers, first) for number in range(len(self.starts))]

    def behind(self, answers: Numbers, best: Numbers) -> list[Difference]:
        """How much worse answers are than the best ones in each week in which that can be told."""
        found = []
        for start, end in pairwise(self.spans.tolist()):
            truth, mine, other = self._truth[start:end], answers[start:end], best[start:end]
            there = ~(np.isnan(truth) | np.isnan(mine) | np.isnan(other))
            if there.sum() < ENOUGH_LABELS:
                continue
            if np.array_equal(mine[there], other[there]):
                found.append((0.0, 0.0))
                continue
            with suppress(UndefinedMetric):
                beaten = gain(
                    self.metric, truth[there], other[there], mine[there], seed=start, resamples=RESAMPLES
                )
                found.append((beaten.gain, (beaten.high - beaten.low) / (2 * Z)))
        return found

    def _week(self, number: int, answers: Numbers, first: int) -> Week:
        start, end = self.spans[number : number + 2]
        if start < first:
            return Week(self.starts[number], 0, None)
        truth, score = self._truth[start:end], answers[start - first : end - first]
        there = ~(np.isnan(truth) | np.isnan(score))
        value = None
        if there.sum() >= ENOUGH_LABELS:
            with suppress(UndefinedMetric):
                value = measure(self.metric, truth[there], score[there])
        return Week(self.starts[number], int(there.sum()), value)


def quality(weeks: Sequence[Week]) -> float | None:
    """The mean of the weeks that have a value, each by its labels."""
    known = [week for week in weeks if week.value is not None]
    return float(np.average([w.value for w in known], weights=[w.labels for w in known])) if known else None


def worst(weeks: Sequence[Week], metric: str) -> Week | None:
    """The week in which the answers were worst."""
    known = [week for week in weeks if week.value is not None]
    sign = 1 if METRICS[metric].greater_is_better else -1
    return min(known, key=lambda week: sign * (week.value or 0.0), default=None)


def retrains(lived: Lived) -> list[Firing]:
    """The firings after the first training, which every policy has."""
    return [firing for firing in lived.firings if firing.kind != "deployed"]


def alarmed(lived: Lived) -> list[datetime]:
    """When a policy trained again because of an alarm."""
    return [firing.time for firing in lived.firings if _kinds(firing) & set(ALARMS)]


def alarms(lived: Lived, changes: Sequence[datetime]) -> Alarms:
    """The alarms of a policy, held against the moments at which something has moved."""
    raised = alarmed(lived)
    first = [
        next((at - change for at in raised if change <= at <= change + SOON), None) for change in changes
    ]
    delays = [delay / timedelta(days=1) for delay in first if delay is not None]
    false = sum(not any(change <= at <= change + SOON for change in changes) for at in raised)
    return Alarms(
        found=len(delays),
        missed=len(changes) - len(delays),
        false=false,
        delay=float(np.mean(delays)) if delays else None,
    )


def aged(oracle: Oracle, weeks: Weeks) -> dict[str, tuple[float, list[Week]]]:
    """By artifact the moment of each model's rows, in seconds since 1970, and the weeks after it."""
    found = {}
    for artifact, (moment, version) in oracle.trained.items():
        first, answers = oracle.compared(version)
        found[artifact] = moment, weeks.of(answers, first)
    return found


def ageing(models: Iterable[tuple[float, list[Week]]], metric: str) -> list[Age]:
    """How models age: all of them (see `aged`) in each week after them, beside the youngest there was."""
    sign = 1 if METRICS[metric].greater_is_better else -1
    by_week: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for moment, weeks in models:
        for number, week in enumerate(weeks):
            if week.value is not None:
                by_week[number].append((moment, week.value))
    losses: dict[int, list[float]] = defaultdict(list)
    for found in by_week.values():
        youngest, best = max(found)
        for moment, value in found:
            losses[round((youngest - moment) / WEEK.total_seconds())].append(sign * (best - value))
    return [
        Age(
            weeks=older,
            loss=float(np.mean(found)),
            low=float(np.quantile(found, 0.1)),
            high=float(np.quantile(found, 0.9)),
            pairs=len(found),
        )
        for older, found in sorted(losses.items())
    ]


def intervals(ages: Sequence[Age], seconds: float, price: float) -> list[dict[str, Any]]:
    """What training every so many weeks would lose on average, and what it would cost in a year."""
    if not ages:
        return []
    curve = np.interp(range(ages[-1].weeks + 1), [age.weeks for age in ages], [age.loss for age in ages])
    return [
        {
            "weeks": weeks,
            "loss": float(np.mean(curve[:weeks])),
            "trainings": round(365 / 7 / weeks, 1),
            "seconds": 365 / 7 / weeks * seconds,
            "money": 365 / 7 / weeks * seconds / 3600 * price,
        }
        for weeks in (1, 2, 4, 8, 13, 26)
        if weeks <= len(curve)
    ]


def seconds_of(lived: Lived, spent: Callable[[str], float]) -> float:
    """What the trainings after the first one took, whether or not another policy had made them before."""
    return sum(spent(firing.run) for firing in retrains(lived))


def _kinds(firing: Firing) -> set[str]:
    reasons: Sequence[Mapping[str, Any]] = firing.evidence.get("reasons", ())
    return {firing.kind, *(reason["kind"] for reason in reasons)}
