"""Metrics of answers against the truth, with the interval that chance allows them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue, UndefinedMetric
from penstock.core.words import meant

Numbers = NDArray[np.float64]
Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: two-sided 95 %."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A way to measure n answers against the truth; the functions take truth and score, shape (n,).

    Where the metric is a mean over rows, `rows` gives the number of each, and `shown` how their mean is told.
    """

    value: Callable[[Numbers, Numbers], float]
    interval: Callable[[Numbers, Numbers], tuple[float, float]]
    rows: Callable[[Numbers, Numbers], Numbers] | None = None
    shown: Callable[[float], float] = float


def measure(name: str, truth: ArrayLike, score: ArrayLike) -> float:
    """The metric `name` of n answers; `truth` and `score` have shape (n,).

    For a binary metric truth is 0 or 1 and score the probability of 1 (for `roc_auc`, any number
    that ranks). Raises InvalidValue for an unknown metric or impossible numbers, UndefinedMetric
    where the rows do not define it: none at all, or only one class for `roc_auc`.
    """
    return measure_of(name).value(*checked(truth, score))


def interval(name: str, truth: ArrayLike, score: ArrayLike) -> tuple[float, float]:
    """The 95 % confidence interval of `measure`, cut to the values that the metric can have.

    Raises as `measure` does, and UndefinedMetric for a mean of fewer than two rows.
    """
    return measure_of(name).interval(*checked(truth, score))


def losses(name: str, truth: ArrayLike, score: ArrayLike) -> Numbers:
    """How bad each of n answers is by a metric that is a mean over rows, shape (n,). Raises as `measure`."""
    measured = measure_of(name)
    if measured.rows is None:
        raise InvalidValue(what=f"{name} is no mean over rows", found=name)
    return measured.rows(*checked(truth, score))


def measure_of(name: str) -> Measure:
    """The way to measure by `name`. Raises InvalidValue."""
    if name not in METRICS:
        raise InvalidValue(what="This is not a known metric", found=repr(name), fix=meant(name, METRICS))
    return _MEASURES[name]


def checked(truth: ArrayLike, score: ArrayLike) -> tuple[Numbers, Numbers]:
    """Truth and score as arrays of shape (n,). Raises as `measure`."""
    happened, answered = np.asarray(truth, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if happened.ndim != 1 or happened.shape != answered.shape:
        raise InvalidValue(
            expected="truth and score with one value per row",
            found=f"shapes {happened.shape} and {answered.shape}",
        )
    if not happened.size:
        raise UndefinedMetric(expected="at least one row", found="none")
    if not (np.isfinite(happened).all() and np.isfinite(answered).all()):
        raise InvalidValue(expected="finite numbers", found="NaN or infinity")
    return happened, answered


def _roc_auc(truth: Numbers, score: Numbers) -> float:
    """The chance that a positive row ranks above a negative one, ties counting half (Mann-Whitney)."""
    positive = _binary(truth) == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if not n1 or not n0:
        raise UndefinedMetric(expected="rows of both classes", found=f"{n1} positive and {n0} negative")
    _, place, ties = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def roc_auc_drawn(truth: Numbers, score: Numbers) -> Callable[[Numbers], float]:
    """ROC-AUC of a draw of n rows, given how often it draws each, shape (n,); NaN for a draw of one class.

    Rows are sorted once for all draws.
    """
    order = np.argsort(score, kind="stable")
    ranked, positive = score[order], (_binary(truth) == 1)[order]
    hits, misses = order[positive], order[~positive]
    below, upto = (np.searchsorted(ranked[~positive], ranked[positive], side=s) for s in ("left", "right"))

    def of(counts: Numbers) -> float:
        passed = np.concatenate([[0.0], np.cumsum(counts[misses])])
        drawn = counts[hits]
        pairs = drawn.sum() * passed[-1]
        return float(drawn @ (passed[below] + passed[upto]) / (2 * pairs)) if pairs else np.nan

    return of


def _roc_auc_interval(truth: Numbers, score: Numbers) -> tuple[float, float]:
    """Hanley and McNeil (1982), The meaning and use of the area under a ROC curve."""
    auc = _roc_auc(truth, score)
    n1 = int((truth == 1).sum())
    n0 = len(truth) - n1
    both_above, both_below = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n1 - 1) * (both_above - auc**2) + (n0 - 1) * (both_below - auc**2)
    return _around(auc, float(np.sqrt(max(variance, 0.0) / (n1 * n0))), high=1.0)


def _log_losses(truth: Numbers, score: Numbers) -> Numbers:
    smallest = np.finfo(np.float64).eps
    sure = np.clip(_probability(score), smallest, 1 - smallest)
    losses: Numbers = -np.where(_binary(truth) == 1, np.log(sure), np.log1p(-sure))
    return losses


def _brier_losses(truth: Numbers, score: Numbers) -> Numbers:
    return _squares(_binary(truth), _probability(score))


def _hits(truth: Numbers, score: Numbers) -> Numbers:
    """1 where the likelier class happened; a score of exactly 0.5 says 0, as scikit-learn does."""
    hits: NDArray[np.bool_] = (_probability(score) > 0.5) == (_binary(truth) == 1)
    return hits.astype(np.float64)


def _squares(truth: Numbers, score: Numbers) -> Numbers:
    return (score - truth) ** 2


def _distances(truth: Numbers, score: Numbers) -> Numbers:
    return np.abs(score - truth)


def _mean_of(
    rows: Callable[[Numbers, Numbers], Numbers],
    *,
    high: float = np.inf,
    shown: Callable[[float], float] = float,
) -> Measure:
    """The mean of a number per row, `shown` through an increasing function; its interval is normal."""

    def value(truth: Numbers, score: Numbers) -> float:
        return shown(float(rows(truth, score).mean()))

    def spread(truth: Numbers, score: Numbers) -> tuple[float, float]:
        numbers = rows(truth, score)
        if len(numbers) < 2:
            raise UndefinedMetric(expected="at least two rows for an interval", found="one")
        low, above = _around(float(numbers.mean()), float(numbers.std(ddof=1) / np.sqrt(len(numbers))), high)
        return shown(low), shown(above)

    return Measure(value=value, interval=spread, rows=rows, shown=shown)


def _around(value: float, error: float, high: float) -> tuple[float, float]:
    return max(0.0, value - Z * error), min(high, value + Z * error)


def _binary(truth: Numbers) -> Numbers:
    if not np.isin(truth, (0.0, 1.0)).all():
        raise InvalidValue(expected="a truth of 0 or 1", found=str(truth[~np.isin(truth, (0.0, 1.0))][0]))
    return truth


def _probability(score: Numbers) -> Numbers:
    if score.min() < 0 or score.max() > 1:
        raise InvalidValue(expected="probabilities from 0 to 1", found=f"{score.min():g} to {score.max():g}")
    return score


_MEASURES: dict[str, Measure] = {
    "roc_auc": Measure(value=_roc_auc, interval=_roc_auc_interval),
    "log_loss": _mean_of(_log_losses),
    "brier": _mean_of(_brier_losses, high=1.0),
    "accuracy": _mean_of(_hits, high=1.0),
    "rmse": _mean_of(_squares, shown=lambda mean: float(np.sqrt(mean))),
    "mae": _mean_of(_distances),
}
