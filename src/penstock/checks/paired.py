"""Two models on the same rows: how much better one is, with the interval that chance allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

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
    pair = _Pair(name, truth, challenger, champion)
    [drawn] = _differences([pair], seed, resamples)
    return pair.gain(drawn)


def gains(
    names: Sequence[str], truth: ArrayLike, challenger: ArrayLike, champion: ArrayLike, *, seed: int
) -> dict[str, Gain]:
    """The same of several metrics on the same draws, of those that the rows define."""
    pairs = []
    for name in names:
        with suppress(UndefinedMetric):
            pairs.append(_Pair(name, truth, challenger, champion))
    found = {}
    for pair, drawn in zip(pairs, _differences(pairs, seed, RESAMPLES), strict=True):
        with suppress(UndefinedMetric):
            found[pair.name] = pair.gain(drawn)
    return found


class _Pair:
    """Two models on the same rows by one metric. Raises as `measures.measure`."""

    def __init__(self, name: str, truth: ArrayLike, challenger: ArrayLike, champion: ArrayLike) -> None:
        measure = measure_of(name)
        happened, new = checked(truth, challenger)
        _, old = checked(truth, champion)
        self.name = name
        self.rows = len(happened)
        self._sign = 1.0 if METRICS[name].greater_is_better else -1.0
        self._now, self._before = measure.value(happened, new), measure.value(happened, old)
        self._of_new, self._of_old = _drawn(name, happened, new), _drawn(name, happened, old)

    def difference(self, counts: Numbers) -> float:
        """How much better the challenger is on a draw."""
        return self._sign * (self._of_new(counts) - self._of_old(counts))

    def gain(self, drawn: Numbers) -> Gain:
        """The gain with the interval that draws give it."""
        defined = drawn[np.isfinite(drawn)]
        if len(defined) < LEAST * len(drawn):
            raise UndefinedMetric(
                what=f"{self.name} is not defined on most draws of {self.rows} rows",
                expected="more rows of each class",
            )
        low, high = np.quantile(defined, [0.025, 0.975])
        return Gain(
            challenger=self._now,
            champion=self._before,
            gain=self._sign * (self._now - self._before),
            low=float(low),
            high=float(high),
            rows=self.rows,
            resamples=len(drawn),
        )


def _differences(pairs: Sequence[_Pair], seed: int, resamples: int) -> Numbers:
    """What each pair differs by on each draw, shape (pairs, resamples)."""
    if not pairs:
        return np.empty((0, resamples))
    random, rows = np.random.default_rng(seed), pairs[0].rows
    draws = (
        np.bincount(random.integers(0, rows, rows), minlength=rows).astype(np.float64)
        for _ in range(resamples)
    )
    return np.array([[pair.difference(counts) for pair in pairs] for counts in draws]).T


def _drawn(name: str, truth: Numbers, score: Numbers) -> Callable[[Numbers], float]:
    """The metric of a draw, given how often it draws each of n rows, shape (n,)."""
    measure = measure_of(name)
    if measure.rows is None:
        return roc_auc_drawn(truth, score)
    losses = measure.rows(truth, score)
    # Not `@`: BLAS shares so short a sum between threads, which on a busy machine wait longer than it takes.
    return lambda counts: measure.shown(float(np.einsum("i,i", counts, losses)) / len(losses))
