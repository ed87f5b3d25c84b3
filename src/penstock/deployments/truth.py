"""What really happened, as a number, and how answers measure against it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.checks.measures import measure
from penstock.core.errors import InvalidValue, UndefinedMetric
from penstock.models.types import Signature, Task

METRICS_OF: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "brier", "accuracy"),
    "multiclass": ("accuracy",),
    "regression": ("rmse", "mae"),
}


def truth_number(signature: Signature, value: Any) -> float:
    """A label as a number: 1.0 or 0.0 for binary, the class's place for multiclass, the value itself.

    A class may be written as its name, and a binary one also as true, false, 1 or 0.
    Raises InvalidValue for anything else.
    """
    if signature.task == "regression":
        if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
            return float(value)
        raise InvalidValue(expected="a finite number as the label", found=repr(value))
    if str(value) in signature.classes:
        return float(signature.classes.index(str(value)))
    if signature.task == "binary":
        spoken = str(value).lower()
        if spoken in {"true", "1", "1.0"}:
            return 1.0
        if spoken in {"false", "0", "0.0"}:
            return 0.0
    raise InvalidValue(
        what="This is not a label of the model",
        expected="one of " + ", ".join(signature.classes),
        found=repr(value),
    )


def metrics_of(
    signature: Signature, truth: Sequence[float], score: Sequence[float], label: Sequence[str]
) -> dict[str, float]:
    """The metrics of the model's task over n answers, without those that the answers do not define."""
    happened, answered = answered_numbers(signature, truth, score, label)
    metrics = {}
    for name in METRICS_OF[signature.task]:
        with suppress(UndefinedMetric):
            metrics[name] = measure(name, happened, answered)
    return metrics


def answered_numbers(
    signature: Signature, truth: Sequence[float], score: Sequence[float], label: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Truth and answer as arrays of shape (n,) that metrics compare.

    For multiclass the truth is 1 throughout and the answer 1 where the class was right,
    which makes accuracy the same question for every classifier.
    """
    happened = np.asarray(truth, dtype=np.float64)
    if signature.task != "multiclass":
        return happened, np.asarray(score, dtype=np.float64)
    chosen = np.asarray([signature.classes.index(name) for name in label], dtype=np.float64)
    return np.ones_like(happened), (chosen == happened).astype(np.float64)
