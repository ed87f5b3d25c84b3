"""Comparing two versions while answers still come: a verdict that may be looked for as often as one likes.

A test that is made for one look says "different" of equals far more often than it promises when it is
repeated. Confidence sequences hold at all times at once, so that whoever stops when they have seen enough is
right as often as was promised (Howard, Ramdas, McAuliffe and Sekhon 2021, Time-uniform, nonparametric,
nonasymptotic confidence sequences).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.core.errors import InvalidValue

Numbers = NDArray[np.float64]
Verdict = Literal["better", "worse", "open"]
ALPHA = 0.05
"""How often at most two equal versions are ever told apart, however long they are compared."""
BURN_IN = 500
"""Blocks before losses without bounds are judged: what is said of them is right for many only.
"""
_TUNED = 1000
"""Blocks at which the interval of losses without bounds is narrowest."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The loss of the challenger less that of the champion: its mean over `blocks`, and the bounds between
    which it surely lies; `verdict` is of the challenger.
    """

    blocks: int
    mean: float
    low: float
    high: float
    verdict: Verdict


def _log_losses(truth: Numbers, score: Numbers) -> Numbers:
    smallest = np.finfo(np.float64).eps
    sure = np.clip(np.where(truth == 1, score, 1 - score), smallest, 1.0)
    losses: Numbers = -np.log(sure)
    return losses


LOSSES: dict[str, tuple[Callable[[Numbers, Numbers], Numbers], bool]] = {
    "accuracy": (lambda truth, score: ((score > 0.5) != (truth == 1)).astype(np.float64), True),
    "brier": (lambda truth, score: (score - truth) ** 2, True),
    "log_loss": (_log_losses, False),
    "mae": (lambda truth, score: np.abs(score - truth), False),
    "rmse": (lambda truth, score: (score - truth) ** 2, False),
}
"""The loss of each row by metric, and whether it lies between 0 and 1. A metric that is no mean has none."""


def losses_of(metric: str, truth: ArrayLike, score: ArrayLike) -> Numbers:
    """The loss of n rows, shape (n,); for `rmse` the squares.

    Raises InvalidValue for a metric that is no mean over rows.
    """
    if metric not in LOSSES:
        raise InvalidValue(
            what=f"Nobody can look at {metric} again and again",
            expected=f"a mean over rows: {', '.join(LOSSES)}",
            found=metric,
        )
    return LOSSES[metric][0](np.asarray(truth, dtype=np.float64), np.asarray(score, dtype=np.float64))


def in_blocks(challenger: Numbers, champion: Numbers, share: int) -> Numbers:
    """Differences of mean losses between blocks of the two, as large as their shares of the traffic have it,
    in the order in which the labels came. Each has the mean of the whole, whatever the others were.
    """
    ours = max(1, round(share / max(1, 100 - share)))
    theirs = max(1, round((100 - share) / max(1, share)))
    blocks = min(len(challenger) // ours, len(champion) // theirs)
    mine = challenger[: blocks * ours].reshape(blocks, ours).mean(axis=1) if blocks else np.empty(0)
    other = champion[: blocks * theirs].reshape(blocks, theirs).mean(axis=1) if blocks else np.empty(0)
    differences: Numbers = mine - other
    return differences


def judged(differences: Sequence[float] | Numbers, *, bounded: bool, alpha: float = ALPHA) -> Difference:
    """What differences of losses say so far. `bounded` ones lie between -1 and 1."""
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    if not n:
        return Difference(blocks=0, mean=0.0, low=-1.0, high=1.0, verdict="open")
    low, high = (bernstein if bounded else gaussian)(values, alpha)
    verdict: Verdict = "worse" if low[-1] > 0 else "better" if high[-1] < 0 else "open"
    wide = float(np.abs(values).max()) if not bounded else 1.0
    return Difference(
        blocks=n,
        mean=float(values.mean()),
        low=float(max(low[-1], -wide)),
        high=float(min(high[-1], wide)),
        verdict=verdict,
    )


def bernstein(values: Numbers, alpha: float = ALPHA) -> tuple[Numbers, Numbers]:
    """Lower and upper bounds of the mean of values from -1 to 1 after each of them, shape (n,), right at all
    times at once with probability 1 - `alpha`.

    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, theorem 2: the
    predictable plug-in empirical Bernstein confidence sequence; what once was excluded stays so.
    """
    x = (values + 1) / 2
    t = np.arange(1, len(x) + 1)
    means = (0.5 + np.cumsum(x)) / (t + 1)
    spreads = (0.25 + np.cumsum((x - means) ** 2)) / (t + 1)
    before_mean = np.concatenate([[0.5], means[:-1]])
    before_spread = np.concatenate([[0.25], spreads[:-1]])
    bets = np.minimum(np.sqrt(2 * np.log(2 / alpha) / (before_spread * t * np.log(1 + t))), 0.5)
    cost = (x - before_mean) ** 2 * (-np.log1p(-bets) - bets)
    total = np.cumsum(bets)
    centre, width = np.cumsum(bets * x) / total, (np.log(2 / alpha) + np.cumsum(cost)) / total
    return np.maximum.accumulate(2 * (centre - width) - 1), np.minimum.accumulate(2 * (centre + width) - 1)


def gaussian(values: Numbers, alpha: float = ALPHA) -> tuple[Numbers, Numbers]:
    """The same for values without bounds, infinitely wide before BURN_IN of them.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory and asymptotic
    confidence sequences, theorem 2.2: Robbins' normal mixture with the spread as it is estimated.
    """
    t = np.arange(1, len(values) + 1)
    means = np.cumsum(values) / t
    spreads = np.sqrt(np.maximum(np.cumsum(values**2) / t - means**2, 0.0))
    rho = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / _TUNED
    width = spreads * np.sqrt(2 * (t * rho + 1) / (t**2 * rho) * np.log(np.sqrt(t * rho + 1) / alpha))
    width[: BURN_IN - 1] = np.inf
    return np.maximum.accumulate(means - width), np.minimum.accumulate(means + width)
