"""Whether means of a window are off by more than days are, where a few days are wild and most are not."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from penstock.checks.shifts import Calibration, Numbers

RESAMPLES = 10_000
"""More than of columns: what wild days come out at is a matter of the rarest draws."""
FREEDOM = 3
"""Degrees of freedom of how days scatter: Student's t with fewer has no spread that could be learnt."""
LASTING = 3
"""Days in a row that tell of the spread of days as much as one."""
_ROUNDS = 50


class Means(msgspec.Struct, frozen=True):
    """A number's mean on each of D days, and of how many rows, shape (D,); and the spread of a day's rows."""

    rows: Numbers
    means: Numbers
    within: float

    @property
    def noise(self) -> Numbers:
        """The variance of each day's mean by the chance of its own rows, shape (D,)."""
        variance: Numbers = self.within**2 / np.maximum(self.rows, 1)
        return variance


def calibrate_means(numbers: Mapping[str, Means], rows: int, *, seed: int) -> Calibration:
    """What means of windows of `rows` rows come out at if nothing has changed.

    A day counts as one, of however many rows it is, as far as days differ (the random effects model). How the
    next may be off is drawn in two kinds, as by `shifts.calibrate`: as one of the days was, and as none was.
    One factor scales all numbers. It says that days scatter as Student's t with FREEDOM degrees of freedom,
    since a few days do not tell how wild the rarest is; and how little is known of their spread, since days
    last, as weather does, and many in a row tell as little as few. The chance of a window's own rows is
    normal, so that rows whose days do not differ are judged as sharply as ever.
    Sources: R. DerSimonian and N. Laird, Meta-analysis in clinical trials (1986); K. Lange, R. Little and J.
    Taylor, Robust statistical modeling using the t distribution (1989).
    """
    random = np.random.default_rng(seed)
    days = len(next(iter(numbers.values())).rows)
    picked = random.integers(0, days, RESAMPLES)
    weights = random.normal(size=(RESAMPLES, days)) / np.sqrt(days)
    telling = days / LASTING - 1
    wild = np.sqrt((FREEDOM - 2) / random.chisquare(FREEDOM, RESAMPLES))
    wild *= np.sqrt(telling / random.chisquare(telling, RESAMPLES) * (days + 1) / (days - 1))
    usual, spread = np.empty(len(numbers)), np.empty(len(numbers))
    heights = np.empty((2, len(numbers), RESAMPLES))
    for index, number in enumerate(numbers.values()):
        usual[index], own = _days(number)
        off = (number.means - usual[index]) * np.sqrt(own / np.maximum(own + number.noise, 1e-300))
        noise = number.within * np.sqrt(1 / rows + 1 / max(1.0, float(number.rows.sum())))
        least = 1e-12 + 1e-9 * float(np.abs(number.means).max())
        spread[index] = max(np.sqrt(own + noise**2), least)
        for kind, moved in enumerate((off[picked], weights @ off)):
            heights[kind, index] = np.abs(wild * moved + random.normal(0, noise, RESAMPLES)) / spread[index]
    unused = np.full(len(numbers), np.nan)  # there are no cells
    return Calibration(
        names=tuple(numbers),
        reference={name: np.ones(1) for name in numbers},
        means=dict(zip(numbers, usual.tolist(), strict=True)),
        centre=np.array([unused, np.zeros(len(numbers))]),
        spread=np.array([np.ones(len(numbers)), spread]),
        largest=np.sort(heights.max(axis=1), axis=1),
        rows=rows,
    )


def _days(number: Means) -> tuple[float, float]:
    """The mean of all days, and the variance of days beyond the chance of their rows, which is found in
    rounds: it says how much each day counts.
    """
    own, usual = float(number.means.var()), 0.0
    for _ in range(_ROUNDS):
        weights = 1 / np.maximum(own + number.noise, 1e-300)
        usual = float(np.average(number.means, weights=weights))
        beyond = (number.means - usual) ** 2 + 1 / weights.sum() - number.noise
        own = max(0.0, float(np.average(beyond, weights=weights**2)))
    return usual, own
