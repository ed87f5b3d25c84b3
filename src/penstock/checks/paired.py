"""Two models on the same rows: how much better one is, with the interval that chance allows."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from penstock.checks.measures import Numbers, checked, measure_of, roc_auc_drawn
from penstock.checks.metrics import METRICS
from penstock.core.errors import UndefinedMetric

RESAMPLES = 1000
LEAST = 0.95
"""The share of resamples in which the metric must be defined, such as with rows of both classes."""


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """How much better a challenger is than a champion on n rows: above 0 is better, whatever the metric.

    `low` and `high` bound it with 95 % confidence.
    """

    challenger: float
    champion: float
    gain: float
    low: float
    high: float
    rows: int
    resamples: int


def gain(
    name: str,
    truth: ArrayLike,
    challenger: ArrayLike,
    champion: ArrayLike,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Gain:
    """The difference of a metric between two models' scores of the same n rows, all of shape (n,).

    The interval is the percentile interval of a paired bootstrap: rows are drawn with replacement, and both
    models are measured on the same draw, so that what makes rows hard for both cancels out. The same seed
    gives the same interval. Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993),
    chapters 13 and 16. Raises as `measures.measure`.
    """
    measure = measure_of(name)
    happened, new = checked(truth, challenger)
    _, old = checked(truth, champion)
    sign = 1.0 if METRICS[name].greater_is_better else -1.0
    now, before = measure.value(happened, new), measure.value(happened, old)
    rows = len(happened)
    of_new, of_old = _drawn(name, happened, new), _drawn(name, happened, old)
    random = np.random.default_rng(seed)
    draws = (
        np.bincount(random.integers(0, rows, rows), minlength=rows).astype(np.float64)
        for _ in range(resamples)
    )
    drawn = np.array([sign * (of_new(counts) - of_old(counts)) for counts in draws])
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < LEAST * resamples:
        raise UndefinedMetric(
            what=f"{name} is not defined on most draws of {rows} rows", expected="more rows of each class"
        )
    low, high = np.quantile(defined, [0.025, 0.975])
    return Gain(
        challenger=now,
        champion=before,
        gain=sign * (now - before),
        low=float(low),
        high=float(high),
        rows=rows,
        resamples=resamples,
    )


def _drawn(name: str, truth: Numbers, score: Numbers) -> Callable[[Numbers], float]:
    """The metric of a draw, given how often it draws each of n rows, shape (n,)."""
    measure = measure_of(name)
    if measure.rows is None:
        return roc_auc_drawn(truth, score)
    losses = measure.rows(truth, score)
    return lambda counts: measure.shown(float(counts @ losses) / len(losses))
