"""How good champions have been lately, as triggers ask it again and again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from penstock.core.durations import duration
from penstock.deployments.types import GateReport
from penstock.lineage.ports import Between, Blobs, Reader
from penstock.models.types import Placement, Version
from penstock.monitoring.estimators import Estimators
from penstock.monitoring.measure import performance
from penstock.monitoring.types import Figure, Performance, Prediction, Window
from penstock.revisions.config import WorseCondition
from penstock.triggers.decide import Standing

_Seen = tuple[Any, ...]
_DAY = timedelta(days=1)


class _Span(msgspec.Struct, frozen=True, kw_only=True):
    start: datetime
    end: datetime


class Champions:
    """Measures and estimates performance again only when there is something new to be seen of it."""

    def __init__(self, blobs: Blobs) -> None:
        self._estimators = Estimators(blobs)
        self._measured: dict[_Seen, tuple[_Seen, datetime, Performance]] = {}
        self._estimated: dict[_Seen, tuple[_Seen, dict[str, Figure]]] = {}

    def standing(
        self, reader: Reader, champion: Placement, condition: WorseCondition, now: datetime
    ) -> Standing:
        """How a champion stands over the span of a condition, since it took over."""
        version = reader.get(Version, f"{champion.model}@{champion.number}")
        span = _Span(start=max(now - duration(condition.over), champion.since), end=now)
        lately = self._lately(reader, champion, condition, span, now)
        few = lately.labelled < condition.labels
        if few and condition.estimated:
            estimate = self._estimate(reader, champion, condition, span, now).get(condition.metric)
            lately = msgspec.structs.replace(lately, estimate=estimate)
        return Standing(
            champion=champion.number,
            baseline=_baseline(reader, champion, version, condition),
            lately=lately,
            labelled_until=_labelled_until(reader, champion, span) if not lately.labelled else None,
        )

    def _lately(
        self, reader: Reader, champion: Placement, condition: WorseCondition, span: _Span, now: datetime
    ) -> Performance:
        where = {**_answers_of(champion), "time": Between(span.start, span.end)}
        labels: dict[str, Any] = {"truth_known": Between(None, now + timedelta(microseconds=1))}
        predictions = reader.count(Prediction, **where)
        labelled = reader.count(Prediction, **where, **labels)
        if labelled < condition.labels:
            return Performance(
                metric=condition.metric,
                value=None,
                low=None,
                high=None,
                predictions=predictions,
                labelled=labelled,
                completeness=labelled / predictions if predictions else 0.0,
            )
        [(told,)] = reader.pick(
            Prediction, ("truth_known",), order="-truth_known", limit=1, **where, **labels
        )
        key = (champion.environment, champion.model, condition.metric, condition.over, condition.slice)
        seen = (champion.number, predictions, labelled, told)
        before = self._measured.get(key)
        # in the moment in which it was measured more labels may still have come
        if before is None or before[0] != seen or told >= before[1]:
            lately = performance(
                reader,
                champion.model,
                champion.environment,
                condition.metric,
                Between(span.start, span.end),
                version=champion.number,
                part=condition.slice,
            )
            before = self._measured[key] = (seen, now, lately)
        return before[2]

    def _estimate(
        self, reader: Reader, champion: Placement, condition: WorseCondition, span: _Span, now: datetime
    ) -> dict[str, Figure]:
        """Of the days that are over: each answer of today would change it, and there may be very many."""
        start, end = _midnight(span.start + _DAY - timedelta(microseconds=1)), _midnight(now)
        days = Between(start, max(start, end))
        answers = reader.count(Prediction, **_answers_of(champion), time=days)
        key = (champion.environment, champion.model, condition.over)
        seen = (champion.number, days.start, days.end, answers)
        before = self._estimated.get(key)
        if before is None or before[0] != seen:
            found = self._estimators.over(
                reader,
                champion.model,
                champion.environment,
                days,
                version=champion.number,
                variant="champion",
            )
            before = self._estimated[key] = (seen, found)
        return before[1]


def _baseline(
    reader: Reader, champion: Placement, version: Version, condition: WorseCondition
) -> float | None:
    """The metric on the holdout: of all of it, or of a slice as its gate measured that."""
    if not condition.slice:
        return version.metrics.get(condition.metric)
    reports = reader.find(GateReport, id=f"{champion.environment}:{champion.model}@{champion.number}")
    parts = reports[0].quality.get("slices", []) if reports else []
    found = (part["metrics"].get(condition.metric) for part in parts if part["slice"] == condition.slice)
    return next(found, None)


def _answers_of(champion: Placement) -> dict[str, Any]:
    return {
        "model": champion.model,
        "environment": champion.environment,
        "version": champion.number,
        "variant": "champion",
    }


def _midnight(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _labelled_until(reader: Reader, champion: Placement, span: _Span) -> datetime | None:
    """The end of the newest day of which labels are known, if it lies before all of a span."""
    if span.start == champion.since:
        return None
    newest = reader.pick(
        Window,
        ("end",),
        model=champion.model,
        environment=champion.environment,
        variant="champion",
        labelled=Between(1),
        order="-start",
        limit=1,
    )
    return newest[0][0] if newest and newest[0][0] <= span.start else None
