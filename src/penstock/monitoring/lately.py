"""How good champions have been lately: kept up to date as labels come, for those who ask again and again."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.checks.measures import interval, measure
from penstock.core.clock import midnight
from penstock.core.errors import UndefinedMetric
from penstock.deployments.truth import METRICS_OF, answered_numbers
from penstock.lineage.ports import Between, Reader
from penstock.models.types import Task, Version
from penstock.monitoring.measure import EVER, part_of
from penstock.monitoring.types import Performance, Prediction, Window

_MICROSECOND = timedelta(microseconds=1)
Key = tuple[Any, ...]


class _Day(msgspec.Struct, frozen=True):
    """The n answers of a window whose truth was known after so many `tellings`: when they were given, in
    microseconds since 1970, and both sides of what metrics compare; each of shape (n,).
    """

    tellings: int
    time: NDArray[np.int64]
    truth: NDArray[np.float64]
    answered: NDArray[np.float64]

    def since(self, start: int) -> _Day:
        """Those of its answers that were not given before a moment."""
        inside = self.time >= start
        if inside.all():
            return self
        return _Day(self.tellings, self.time[inside], self.truth[inside], self.answered[inside])


class Lately:
    """Measures champions over a span that ends now and slides.

    Only days of which labels were told since the last time are read again, and a metric is calculated again
    only where an answer came into the span or left it, or a truth is another.
    """

    def __init__(self) -> None:
        self._days: dict[Key, dict[str, _Day]] = {}
        self._measured: dict[Key, tuple[Key, Performance]] = {}

    def over(  # noqa: PLR0917 the words of a condition
        self,
        reader: Reader,
        version: Version,
        environment: str,
        metric: str,
        over: timedelta,
        start: datetime,
        part: str = "",
    ) -> Performance:
        """The metric of a champion's answers since `start`, of all whose truth is known or of those of them
        in a slice; `over` is how long the span is once the champion has answered for so long.

        `predictions` and `completeness` are told of the days that the span touches, as a whole.
        """
        key = (environment, version.model, over, part)
        windows = _windows(reader, version, environment, start, part)
        before = self._days.get(key, {})
        days = {}
        for window in windows:
            known = before.get(window.id)
            if known is None or known.tellings != window.tellings:
                known = _read(reader, version, environment, window, part)
            days[window.id] = known
        self._days[key] = days
        told = [day.since(_microseconds(start)) for day in days.values()]
        seen = (metric, *((name, day.tellings, len(day.time)) for name, day in zip(days, told, strict=True)))
        found = self._measured.get((*key, metric))
        if found is None or found[0] != seen:
            found = self._measured[*key, metric] = (seen, _performance(metric, version.signature.task, told))
        asked, labelled = sum(w.predictions for w in windows), sum(w.labelled for w in windows)
        completeness = labelled / asked if asked else 0.0
        return msgspec.structs.replace(found[1], predictions=asked, completeness=completeness)


class _Told(msgspec.Struct, frozen=True):
    """What is read of a window: its answers, and those of known truth; of a slice, where one is asked of."""

    id: str
    start: datetime
    end: datetime
    tellings: int
    predictions: int
    labelled: int


def _windows(reader: Reader, version: Version, environment: str, start: datetime, part: str) -> list[_Told]:
    """The windows that a span touches, the oldest first."""
    first = midnight(start)
    fields = ("id", "start", "end", "tellings", "predictions", "labelled", *(("slices",) if part else ()))
    rows = reader.pick(Window, fields, **_answers(version, environment), start=Between(first), order="start")
    if not part:
        return [_Told(*row) for row in rows]
    found = []
    for name, begun, end, tellings, _, _, slices in rows:
        inside = next((each for each in slices if each.slice == part), None)
        if inside:
            found.append(_Told(name, begun, end, tellings, inside.predictions, inside.labelled))
    return found


def _read(reader: Reader, version: Version, environment: str, window: _Told, part: str) -> _Day:
    fields = ("time", "truth", "score", "label", *(("slices",) if part else ()))
    where = {**_answers(version, environment), "time": Between(window.start, window.end)}
    rows = reader.pick(Prediction, fields, truth_known=Between(EVER), **where) if window.labelled else []
    rows = part_of(part, rows)
    time, truth, score, label, *_ = zip(*rows, strict=True) if rows else ((), (), (), ())
    happened, answered = answered_numbers(version.signature, truth, score, label)
    given = np.array([_microseconds(each) for each in time], dtype=np.int64)
    return _Day(window.tellings, given, happened, answered)


def _performance(metric: str, task: Task, days: list[_Day]) -> Performance:
    value = low = high = None
    labelled = sum(len(day.time) for day in days)
    if labelled and metric in METRICS_OF[task]:
        numbers = np.concatenate([d.truth for d in days]), np.concatenate([d.answered for d in days])
        with suppress(UndefinedMetric):
            value = measure(metric, *numbers)
            low, high = interval(metric, *numbers)
    return Performance(
        metric=metric, value=value, low=low, high=high, predictions=0, labelled=labelled, completeness=0.0
    )


def _answers(version: Version, environment: str) -> dict[str, Any]:
    """What tells the answers of a champion from others, and its windows."""
    return {
        "model": version.model,
        "environment": environment,
        "version": version.number,
        "variant": "champion",
    }


def _microseconds(time: datetime) -> int:
    return (time - EVER) // _MICROSECOND
