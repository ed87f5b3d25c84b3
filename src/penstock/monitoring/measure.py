"""How good answers were, once the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from penstock.checks.measures import interval, measure
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue, UndefinedMetric
from penstock.deployments.truth import METRICS_OF, answered_numbers, metrics_of
from penstock.lineage.ports import Between, Reader
from penstock.models.types import Signature, Version
from penstock.monitoring.types import Figure, Performance, Prediction, Reading, Scored, Service, Window

HALF = 0.5
"""Completeness from which on a window tells how its estimates came out."""
EVER = datetime(1970, 1, 1, tzinfo=UTC)
ENOUGH_LABELS = 30
"""Labels below which a window has no metrics."""


Answers = tuple[list[float], list[float], list[str]]
"""The truth, the score and the label of n answers whose truth is known."""


def measured(window: Window, answers: Answers, signature: Signature, now: datetime) -> Window:
    """A window measured anew on all answers whose truth is known by now."""
    truth, _, _ = answers
    metrics, bands = told_of(signature, answers)
    return msgspec.structs.replace(
        window,
        labelled=len(truth),
        completeness=len(truth) / window.predictions,
        metrics=metrics,
        bands=bands,
        measured=now,
        tellings=window.tellings + 1,
    )


def told_of(
    signature: Signature, answers: Answers
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Metrics and their bands; none of fewer than ENOUGH_LABELS answers."""
    if len(answers[0]) < ENOUGH_LABELS:
        return {}, {}
    metrics = metrics_of(signature, *answers)
    numbers = answered_numbers(signature, *answers)
    return metrics, {name: interval(name, *numbers) for name in metrics}


def reading_of(window: Window) -> Reading:
    """What a window tells on the day on which it was measured."""
    return Reading(
        id=f"{window.id}/{window.measured.astimezone(UTC).date()}",
        window=window.id,
        time=window.measured,
        labelled=window.labelled,
        completeness=window.completeness,
        metrics=window.metrics,
        bands=window.bands,
    )


def answers_of(reader: Reader, part: str = "", /, **where: Any) -> Answers:
    """The answers among some predictions, or those in a slice, whose truth is known, in order of arrival."""
    fields = ("truth", "score", "label", *(("slices",) if part else ()))
    rows = reader.pick(Prediction, fields, truth_known=Between(EVER), **where)
    inside = part_of(part, rows)
    truth, score, label, *_ = zip(*inside, strict=True) if inside else ((), (), ())
    return list(truth), list(score), list(label)


def _count(reader: Reader, part: str, **where: Any) -> int:
    if not part:
        return reader.count(Prediction, **where)
    return len(part_of(part, reader.pick(Prediction, ("slices",), **where)))


def part_of(part: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows of a slice, of rows whose last field are their slices; all where none is named."""
    return [row for row in rows if part in row[-1]] if part else rows


def scores_of(reader: Reader, window: Window) -> list[float]:
    """The scores of all answers of a window."""
    return [score for (score,) in reader.pick(Prediction, ("score",), **within(window))]


def within(window: Window) -> dict[str, Any]:
    """What tells the predictions of a window from others."""
    return {
        "model": window.model,
        "environment": window.environment,
        "version": window.version,
        "variant": window.variant,
        "time": Between(window.start, window.end),
    }


def performance(
    reader: Reader,
    model: str,
    environment: str,
    metric: str,
    span: Between,
    *,
    version: int | None = None,
    variant: str = "champion",
    part: str = "",
) -> Performance:
    """A metric over the predictions made in `span` whose labels are known, or over those of a slice.

    `version` None means whichever answered, and `part` is the name of a slice. The value is None where labels
    do not define it. Raises InvalidValue for a metric that is not one of the model's task.
    """
    where: dict[str, Any] = {"model": model, "environment": environment, "variant": variant}
    if version is not None:
        where["version"] = version
    if span.start or span.end:
        where["time"] = span
    predictions = _count(reader, part, **where)
    answered = reader.pick(Prediction, ("version",), limit=1, **where)
    if metric not in METRICS:
        raise InvalidValue(expected="a metric among " + ", ".join(METRICS), found=metric)
    low = high = value = None
    labelled = 0
    if answered:
        signature = reader.get(Version, f"{model}@{answered[0][0]}").signature
        _require_metric(metric, signature)
        answers = answers_of(reader, part, **where)
        labelled = len(answers[0])
        with suppress(UndefinedMetric):
            numbers = answered_numbers(signature, *answers)
            value = measure(metric, *numbers)
            low, high = interval(metric, *numbers)
    return Performance(
        metric=metric,
        value=value,
        low=low,
        high=high,
        predictions=predictions,
        labelled=labelled,
        completeness=labelled / predictions if predictions else 0.0,
    )


def service_of(windows: Sequence[Window]) -> Service:
    """What a version did, from the windows in which it was champion, in any order."""
    newest_first = sorted(windows, key=lambda window: window.start, reverse=True)
    return Service(
        predictions=sum(window.predictions for window in windows),
        labelled=sum(window.labelled for window in windows),
        first=min((window.start for window in windows), default=None),
        last=max((window.end for window in windows), default=None),
        metrics=next((window.metrics for window in newest_first if window.metrics), {}),
        drift=next((window.drift for window in newest_first if window.drift), {}),
    )


def _require_metric(metric: str, signature: Signature) -> None:
    if metric not in METRICS_OF[signature.task]:
        raise InvalidValue(
            expected=f"a metric of a {signature.task} model: " + ", ".join(METRICS_OF[signature.task]),
            found=metric,
        )


def unsaid_of(windows: Sequence[Window]) -> list[dict[str, Any]]:
    """Of what of champions nothing is said, and why: as the newest window of each tells that is judged."""
    newest: dict[tuple[str, int], Window] = {}
    for window in sorted(windows, key=lambda window: window.start):
        if window.variant == "champion" and (window.unsaid or window.estimated):
            newest[window.environment, window.version] = window
    return [
        {
            "environment": window.environment,
            "version": window.version,
            "day": window.start,
            **msgspec.structs.asdict(each),
        }
        for window in newest.values()
        for each in window.unsaid
    ]


def scored(windows: Sequence[Window]) -> list[Scored]:
    """How the estimates of windows came out, by metric, of those that have at least half of their labels."""
    known = [window for window in windows if window.completeness >= HALF]
    both: dict[str, list[tuple[float, Figure]]] = {}
    for window in known:
        for name in window.metrics.keys() & window.estimated.keys():
            both.setdefault(name, []).append((window.metrics[name], window.estimated[name]))
    return [
        Scored(
            metric=name,
            windows=len(pairs),
            inside=sum(figure.low <= value <= figure.high for value, figure in pairs),
            above=sum(value - figure.value for value, figure in pairs) / len(pairs),
        )
        for name, pairs in sorted(both.items())
    ]
