"""How good answers were, once the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from penstock.checks.measures import interval, measure
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue, UndefinedMetric
from penstock.deployments.truth import METRICS_OF, answered_numbers, metrics_of
from penstock.lineage.ports import Between, Reader
from penstock.models.types import Signature, Version
from penstock.monitoring.types import Performance, Prediction, Service, Window

ENOUGH_LABELS = 30
"""Labels below which a window has no metrics."""


def measured(
    window: Window, predictions: Sequence[Prediction], signature: Signature, now: datetime
) -> Window:
    """A window measured anew on all of its predictions."""
    labelled = [p for p in predictions if p.truth is not None]
    metrics: dict[str, float] = {}
    if len(labelled) >= ENOUGH_LABELS:
        metrics = metrics_of(
            signature, _truths(labelled), [p.score for p in labelled], [p.label for p in labelled]
        )
    return msgspec.structs.replace(
        window,
        labelled=len(labelled),
        completeness=len(labelled) / window.predictions,
        metrics=metrics,
        measured=now,
    )


def performance(
    reader: Reader,
    model: str,
    environment: str,
    metric: str,
    span: Between,
    *,
    version: int | None = None,
    variant: str = "champion",
) -> Performance:
    """A metric over the predictions made in `span` whose labels are known.

    `version` None means whichever answered. The value is None where labels do not define it.
    Raises InvalidValue for a metric that is not one of the model's task.
    """
    where: dict[str, Any] = {"model": model, "environment": environment, "variant": variant}
    if version is not None:
        where["version"] = version
    if span.start or span.end:
        where["time"] = span
    predictions = reader.find(Prediction, **where)
    labelled = [p for p in predictions if p.truth is not None]
    low = high = value = None
    if labelled:
        signature = reader.get(Version, f"{model}@{labelled[0].version}").signature
        _require_metric(metric, signature)
        truth, answer = answered_numbers(
            signature, _truths(labelled), [p.score for p in labelled], [p.label for p in labelled]
        )
        with suppress(UndefinedMetric):
            value = measure(metric, truth, answer)
            low, high = interval(metric, truth, answer)
    elif metric not in METRICS:
        raise InvalidValue(expected="a metric among " + ", ".join(METRICS), found=metric)
    return Performance(
        metric=metric,
        value=value,
        low=low,
        high=high,
        predictions=len(predictions),
        labelled=len(labelled),
        completeness=len(labelled) / len(predictions) if predictions else 0.0,
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


def _truths(labelled: Sequence[Prediction]) -> list[float]:
    return [p.truth for p in labelled if p.truth is not None]
