"""Rows that every contender makes for itself out of the same seed, with NumPy alone."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

NUMBERS, CATEGORIES = 40, 10
LEVELS = ("a", "b", "c", "d", "e")
COMMON = np.log([0.4, 0.25, 0.2, 0.1, 0.05])
"""The logarithms of the usual shares of the categories."""
RELATED = 0.5
"""What columns of a row have in common."""
LIVE = 10_000
"""The number of the first day after the reference."""
NAMES = [f"n{index}" for index in range(NUMBERS)] + [f"c{index}" for index in range(CATEGORIES)]

Rows = dict[str, NDArray[np.generic]]


def day(
    seed: int, number: int, rows: int, *, daily: float, shift: float = 0.0, apart: float = 0.0, moved: int = 5
) -> Rows:
    """The rows of a day: numbers of spread 1 and categories.

    `daily` is the spread of what rows of a day share in each column, half of it in all of them at once; the
    first `moved` numbers are off by `shift` spreads, and lost the share `apart` of what they have in common
    with others, each being as it was by itself.
    """
    random = np.random.default_rng([seed, number])
    both, own = random.normal(), random.normal(size=NUMBERS + CATEGORIES)
    effect = daily * (both + own) / np.sqrt(2)
    common = random.normal(size=rows) * RELATED
    found: Rows = {}
    for index in range(NUMBERS):
        kept = 1.0 - apart if index < moved else 1.0
        values = kept * common + random.normal(size=rows) * np.sqrt(1 - (kept * RELATED) ** 2)
        found[f"n{index}"] = values + effect[index] + (shift if index < moved else 0.0)
    for index in range(CATEGORIES):
        chances = np.exp(COMMON + effect[NUMBERS + index] * np.arange(len(LEVELS)))
        place = np.searchsorted(np.cumsum(chances / chances.sum()), random.random(rows))
        found[f"c{index}"] = np.array(LEVELS)[np.minimum(place, len(LEVELS) - 1)]
    return found


def reference(seed: int, days: int, rows: int, *, daily: float) -> Rows:
    """The rows of so many days, one after another."""
    each = [day(seed, number, rows, daily=daily) for number in range(days)]
    return {name: np.concatenate([part[name] for part in each]) for name in NAMES}


def digest(rows: Rows) -> str:
    """What tells rows from others, so that contenders can be seen to have had the same."""
    summed = hashlib.sha256()
    for name in NAMES:
        column = rows[name]
        summed.update(np.ascontiguousarray(column[:1000]).astype("U1" if name[0] == "c" else "f8").tobytes())
    return summed.hexdigest()[:12]
