"""How far correlations of pairs are from those of a reference, beside what they are on its days."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
FEWEST_DAYS = 20
"""Days on which a pair must be known."""
_SLIGHT = 0.01
"""The least spread of a pair, of Fisher's z: no day is more like another."""
_LIMIT = 0.995
"""The closest correlation that is told from a closer one."""


class RelatedDays(msgspec.Struct, frozen=True):
    """How the P pairs of C columns went together on D days: the rows of each, shape (D,), correlations of
    shape (D, P), not-a-number where nobody knows, and their spread by chance, of one row, shape (P,).
    `window` is of how many rows those of a window are told.
    """

    names: tuple[str, ...]
    rows: NDArray[np.int64]
    correlations: Numbers
    spread: Numbers
    window: int


class Related(msgspec.Struct, frozen=True):
    """What correlations come out at in windows in which nothing changed: by Fisher's z the `usual` ones and
    how far they scatter, shape (P,), not-a-number where nobody knows.

    Of all pairs at once two numbers are looked at, the furthest and the root of the mean square, so that one
    pair is seen that moved far, and many that moved a little; `centre` and `spread` are theirs, shape (2,).
    """

    names: tuple[str, ...]
    usual: Numbers
    scatter: Numbers
    centre: Numbers
    spread: Numbers

    @property
    def correlations(self) -> Numbers:
        """The usual correlations, shape (P,)."""
        return np.tanh(self.usual)

    @property
    def matrix(self) -> Numbers:
        """The usual correlations of the C columns, shape (C, C), of no pair where nobody knows."""
        matrix = np.eye(len(self.names))
        upper = np.triu_indices(len(matrix), 1)
        matrix[upper] = matrix.T[upper] = np.nan_to_num(self.correlations)
        return matrix

    @property
    def least(self) -> tuple[float, float]:
        """The least spread of both numbers: about what P pairs have that are independent."""
        return 0.25, float(1 / np.sqrt(2 * len(self.usual)))

    def off(self, correlations: Numbers) -> Numbers:
        """By how many spreads each pair is off, shape (P,), 0 where nobody knows."""
        return np.nan_to_num((_fisher(correlations) - self.usual) / self.scatter)

    def sizes(self, away: Numbers) -> Numbers:
        """Both numbers of R windows that are so far away, shape (R, P) to (2, R)."""
        return _sizes(np.nan_to_num(away / self.scatter))

    def height(self, off: Numbers) -> float:
        """By how many spreads the furthest of both numbers is above its centre."""
        return float(((_sizes(off) - self.centre) / self.spread).max())


def related(days: RelatedDays) -> Related:
    """What is usual in windows, but for `centre` and `spread`, which take draws."""
    usual, own, chance = _usual(days)
    scatter = np.sqrt(chance / _size(days) + own)
    return Related(days.names, usual, np.maximum(scatter, _SLIGHT), np.zeros(2), np.ones(2))


def strayed(days: RelatedDays) -> Numbers:
    """How far each day's pairs are from the usual, shape (D, P), as they would be if it had a window's rows.

    What a day differs by is its own doing and the chance of its rows. The latter is known, so that the day is
    brought to the variance that a window has.
    """
    usual, own, chance = _usual(days)
    away = _fisher(days.correlations) - usual
    before = chance / np.maximum(days.rows, 1)[:, None] + own
    after = chance / _size(days) + own
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(after / before)
    return np.nan_to_num(away * scale)


def _usual(days: RelatedDays) -> tuple[Numbers, Numbers, Numbers]:
    """The mean of days, the variance between them that is not chance, and that by chance of a row, all (P,).

    Fisher's z rises by 1 / (1 - r²) with a correlation r.
    """
    z = _fisher(days.correlations)
    there = np.isfinite(z)
    weights = np.where(there, days.rows[:, None], 0)
    total = weights.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = np.where(
            there.sum(axis=0) >= FEWEST_DAYS, np.where(there, z * weights, 0).sum(axis=0) / total, np.nan
        )
        chance = (days.spread / (1 - np.tanh(usual) ** 2)) ** 2
        apart = (z - usual) ** 2 - chance / np.maximum(days.rows, 1)[:, None]
        more = np.where(there, weights * apart, 0.0).sum(axis=0) / total
    return usual, np.maximum(more, 0.0), chance


def _size(days: RelatedDays) -> float:
    """The rows of a window, less what is not known of the reference."""
    return float(1 / (1 / days.window + 1 / max(1, days.rows.sum())))


def _fisher(correlations: Numbers) -> Numbers:
    return np.arctanh(np.clip(correlations, -_LIMIT, _LIMIT))


def _sizes(off: Numbers) -> Numbers:
    return np.array([np.abs(off).max(axis=-1), np.sqrt((off**2).mean(axis=-1))])
