"""How far many columns of numbers are off at once, each beside what the others let expect of it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.checks.stretches import sums

Numbers = NDArray[np.float64]
BEYOND = 1.5
"""By how many spreads a column must be off to count."""
FOLDS = 10
"""Parts of the days, each of which is looked at by what the others have in common."""
ALONE = 0.25
"""The least part of its own spread within which a column is expected from the others."""


class JointDays(msgspec.Struct, frozen=True):
    """Of K columns of numbers the rows of D days, shape (D,), the means, shape (D, K), the spread of rows
    within days, shape (K,), and how rows of a day are correlated, shape (K, K).
    """

    names: tuple[str, ...]
    rows: NDArray[np.int64]
    means: Numbers
    within: Numbers
    correlated: Numbers


class Joint(msgspec.Struct, frozen=True):
    """What the means of K columns are usually and how far they `scatter`, shape (K,); what they `shared` so
    far, by how much of each another is expected to be off, shape (K, K); and the spread `left`, shape (K,).

    One number is looked at: the sum of squares of how far columns are off beyond BEYOND spreads. So a few of
    many are seen that moved a little, and many that moved less; `centre` and `spread` are its own.
    """

    names: tuple[str, ...]
    usual: Numbers
    scatter: Numbers
    shared: Numbers
    left: Numbers
    centre: float
    spread: float

    def height(self, means: Mapping[str, float]) -> float:
        """By how many spreads the sum is above its centre."""
        return (float(_sums(self._off(means)[1])) - self.centre) / self.spread

    def apart(self, means: Mapping[str, float]) -> float:
        """How many times as far the means are from the usual as those of windows are without change."""
        return float(np.sqrt((self._off(means)[0] ** 2).mean()))

    def most(self, means: Mapping[str, float], count: int) -> list[str]:
        """The columns that moved most, so many at most: by themselves, and in the same direction beside what
        others let expect, that no column is named from which others moved away.
        """
        alone, beside = self._off(means)
        both = np.where(alone * beside > 0, np.minimum(np.abs(alone), np.abs(beside)), 0.0)
        most = [index for index in np.argsort(-both)[:count] if both[index] >= both.max() / 2]
        return [self.names[index] for index in most]

    def _off(self, means: Mapping[str, float]) -> tuple[Numbers, Numbers]:
        """By how many spreads each column is off, by itself and beside what others let expect, shape (K,)."""
        alone = (np.array([means[name] for name in self.names]) - self.usual) / self.scatter
        return alone, (alone - alone @ self.shared) / self.left

    @property
    def least(self) -> float:
        """The least spread of the sum: about half of what K independent columns have."""
        return 0.25 * float(np.sqrt(len(self.names)))


def joint(
    days: JointDays,
    window: int,
    *,
    picked: NDArray[np.int64],
    weights: Numbers,
    widened: Numbers,
    random: np.random.Generator,
    span: int = 1,
) -> tuple[Joint, Numbers, Numbers]:
    """What is usual, but for `centre` and `spread`, and the sums of R windows of `window` rows, of both kinds
    that `calibrate` draws: of the days `picked`, shape (R,), and of all days by `weights`, shape (R, D), both
    `widened`, shape (R, K), since the spread of a column may be too small by chance, each by itself. Where
    windows are of `span` days, stretches of as many days in a row are picked and weighed in place of days.

    What rows of a day have in common by chance is drawn too, where days had more rows than a window. Had they
    fewer, a window is looked at as if it had as many: it scatters less in every direction than what is drawn,
    and so alarms no more often (T. Anderson, The integral of a symmetric unimodal function, 1955).
    Columns go together, of days and by chance, and as far as that is sure it is taken away: a direction whose
    variance is beyond what so few days show of independent columns (V. Marchenko and L. Pastur, 1967) is
    brought to that of the others. So the few that moved stand out (P. Hall and J. Jin, Innovated higher
    criticism, 2010). The sum of what is beyond a threshold is from J. Fan, Test of significance based on
    wavelet thresholding and Neyman's truncation (1996). Each day is looked at by what *other* days have in
    common, as a window is, and so is a stretch of days: there are more days than stretches that do not
    overlap, and a direction is the same in both.
    """
    rows = np.maximum(days.rows, 1)
    usual = np.average(days.means, axis=0, weights=rows)
    each = _apart(days, rows, days.means - usual, window / span)
    if span == 1:
        whole = each
    else:
        together = sums(rows, span)
        means = sums(days.means * rows[:, None], span) / together[:, None]
        whole = _apart(days, together, means - usual, window)
    off, lacking = whole.off, whole.lacking

    def shared(some: NDArray[np.bool_]) -> Numbers:
        found = each.off[some]
        return _shared(found.T @ found / len(found) + each.lacking[some].mean() * each.noise, len(found))

    unshared = np.eye(len(days.names)) - shared(np.ones(len(rows), dtype=bool))
    place, at, alone = np.arange(len(off)) * FOLDS // len(off), np.arange(len(rows)), np.empty_like(off)
    for fold in np.unique(place):
        ours = np.flatnonzero(place == fold)
        others = (at < ours[0]) | (at >= ours[-1] + span)
        alone[ours] = off[ours] @ (np.eye(len(days.names)) - shared(others))
    values, vectors = np.linalg.eigh(whole.noise)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T @ unshared
    real, made = (
        widened * moved + np.sqrt(more)[:, None] * (random.normal(size=(len(picked), len(root))) @ root)
        for moved, more in (
            (alone[picked], lacking[picked]),
            (weights @ alone, np.full(len(picked), lacking.mean())),
        )
    )
    left = np.maximum(ALONE, np.sqrt((alone**2).mean(axis=0) + lacking.mean() * (root**2).sum(axis=0)))
    known = Joint(days.names, usual, whole.scatter, np.eye(len(days.names)) - unshared, left, 0.0, 1.0)
    return known, _sums(real / left), _sums(made / left)


class _Apart(msgspec.Struct, frozen=True):
    """How far days, or stretches of them, are `off` in spreads of a window, shape (D, K), which are
    `scatter`, shape (K,); how much of the variance of a row they lack beside a window, shape (D,), and what
    rows have in common by chance, of one row (`noise`), shape (K, K).
    """

    off: Numbers
    scatter: Numbers
    lacking: Numbers
    noise: Numbers


def _apart(days: JointDays, rows: NDArray[np.int64], off: Numbers, window: float) -> _Apart:
    """How far days of so many rows are off, as they would be if they had a window's."""
    size, chance = min(window, int(np.median(rows))), days.within**2
    own = np.maximum(0.0, np.average(off**2 - chance / rows[:, None], axis=0, weights=rows))
    before, after = chance / rows[:, None] + own, chance / size + own
    scatter = np.sqrt(after) + 1e-12 + 1e-9 * np.abs(days.means).max(axis=0)
    return _Apart(
        off * np.sqrt(np.minimum(1.0, after / np.maximum(before, 1e-300))) / scatter,
        scatter,
        np.maximum(0.0, 1 / size - 1 / rows),
        days.correlated * np.outer(days.within / scatter, days.within / scatter),
    )


def _shared(covariance: Numbers, days: int) -> Numbers:
    """By how much of each column others are expected to be off, shape (K, K)."""
    values, vectors = np.linalg.eigh(covariance)
    sure = values > (1 + np.sqrt(len(values) / days)) ** 2
    others = float(values[~sure].mean()) if not sure.all() else 0.0
    taken = 1 - others / values[sure]
    shared: Numbers = (vectors[:, sure] * taken) @ vectors[:, sure].T
    return shared


def _sums(off: Numbers) -> Numbers:
    sums: Numbers = (np.maximum(np.abs(off) - BEYOND, 0.0) ** 2).sum(axis=-1)
    return sums
