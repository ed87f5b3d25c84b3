"""How good champions have been lately, as triggers ask it again and again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from penstock.core.clock import midnight
from penstock.core.durations import duration
from penstock.deployments.types import GateReport
from penstock.lineage.ports import Between, Blobs, Reader
from penstock.models.types import Placement, Version
from penstock.monitoring.estimators import Estimators
from penstock.monitoring.lately import Lately
from penstock.monitoring.types import Figure, Prediction, Window
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
        self._lately = Lately()
        self._versions: dict[str, Version] = {}
        self._estimated: dict[_Seen, tuple[_Seen, dict[str, Figure]]] = {}

    def standing(
        self, reader: Reader, champion: Placement, condition: WorseCondition, now: datetime
    ) -> Standing:
        """How a champion stands over the span of a condition, since it took over."""
        version = self._version(reader, champion)
        span = _Span(start=max(now - duration(condition.over), champion.since), end=now)
        lately = self._lately.over(
            reader,
            version,
            champion.environment,
            condition.metric,
            duration(condition.over),
            span.start,
            condition.slice,
        )
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

    def _version(self, reader: Reader, champion: Placement) -> Version:
        """What a champion is; versions never change, and one is read again and again."""
        key = f"{champion.model}@{champion.number}"
        if key not in self._versions:
            self._versions[key] = reader.get(Version, key)
        return self._versions[key]

    def _estimate(
        self, reader: Reader, champion: Placement, condition: WorseCondition, span: _Span, now: datetime
    ) -> dict[str, Figure]:
        """Of the days that are over: each answer of today would change it, and there may be very many."""
        start, end = midnight(span.start + _DAY - timedelta(microseconds=1)), midnight(now)
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
