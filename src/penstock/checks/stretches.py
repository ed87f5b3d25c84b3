"""Stretches of several days in a row, as a moving window passes over them, and how much they tell."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

LAGS = 4
"""Up to how many lengths of a stretch later another is looked at for what lasted until then."""


class Telling(msgspec.Struct, frozen=True):
    """As much as D stretches tell of how stretches differ, that many independent ones would tell: of their
    `spread`, and of their `mean`.
    """

    spread: float
    mean: float

    def widened(self, random: np.random.Generator, resamples: int, columns: int = 1) -> NDArray[np.float64]:
        """How much further than the spread of these the next may be, of each of C columns, shape (R, C).

        Student's predictive distribution: the spread of a few may be too small, and their mean is off, from
        which theirs was taken.
        """
        freedom = max(2.0, self.spread - 1)
        scale = freedom / random.chisquare(freedom, (resamples, columns))
        widened: NDArray[np.float64] = np.sqrt(scale * (self.mean + 1) / max(1.0, self.mean - 1))
        return widened


def sums(days: NDArray[Any], span: int) -> NDArray[Any]:
    """The sum of each stretch of `span` of D days, shape (D, ...) to (D - span + 1, ...)."""
    upto = np.concatenate([np.zeros_like(days[:1]), np.cumsum(days, axis=0)])
    found: NDArray[Any] = upto[span:] - upto[:-span]
    return found


def telling(values: NDArray[np.float64], span: int) -> Telling:
    """What D stretches of `span` days tell, of which C numbers are known, shape (D, C).

    Stretches overlap, and what is common to a day may last to the next; both show in how far a stretch is
    like those that follow. All numbers are taken together, for one of a few days tells little of that. Taking
    away the mean makes stretches that follow one another seem less alike, which is given back.
    Source: M. Bartlett, On the theoretical specification and sampling properties of autocorrelated
    time-series (1946).
    """
    count, off = len(values), values - values.mean(axis=0)
    spread = np.sqrt((off**2).mean(axis=0))
    off = off[:, spread > 0] / spread[spread > 0]
    most = min(LAGS * span, count // 4)
    if not off.size:
        return Telling(count, count)
    naive = np.array([(off[lag:] * off[: count - lag]).sum() / off.size for lag in range(most + 1)])
    alike = naive
    for _ in range(10):
        lost = alike[0] / count * max(1.0, 1 + 2 * alike[1:].sum() / alike[0])
        alike = naive + lost
    alike = alike[1:] / alike[0]
    squares = (np.maximum(0.0, alike) ** 2).sum()
    return Telling(float(count / (1 + 2 * squares)), float(count / (1 + 2 * max(0.0, alike.sum()))))
