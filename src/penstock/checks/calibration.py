"""Calibration: whether what was given a chance of 30 % happens in 30 % of cases."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from penstock.checks.measures import checked

BINS = 10


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows with a like chance: what was answered on average, and the share in which it happened."""

    rows: int
    answered: float
    happened: float


def reliability(truth: ArrayLike, chance: ArrayLike, bins: int = BINS) -> tuple[Bin, ...]:
    """The reliability of n chances, shape (n,), against a truth of 0 or 1: up to `bins` bins of like size.

    Equal chances are never parted. Bins of equal size, since bins of equal width leave some nearly empty:
    K. Nguyen and B. O'Connor, Posterior calibration and exploratory analysis for NLP models (EMNLP 2015).
    Raises as `measures.measure`.
    """
    happened, answered = checked(truth, chance)
    edges = np.unique(np.quantile(answered, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    place = np.searchsorted(edges, answered, side="left")
    members = [place == number for number in np.unique(place)]
    return tuple(
        Bin(rows=int(m.sum()), answered=float(answered[m].mean()), happened=float(happened[m].mean()))
        for m in members
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error: how far answered and happened are apart, on average over rows.

    Source: M. Naeini, G. Cooper and M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian
    binning (AAAI 2015).
    """
    rows = sum(each.rows for each in bins)
    return sum(each.rows / rows * abs(each.answered - each.happened) for each in bins)
