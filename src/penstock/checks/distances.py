"""How far apart two distributions of answers surely are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

SURE = 0.001
"""How often chance alone may make a distance out of none."""


def distance(left: Sequence[float], right: Sequence[float]) -> float:
    """The largest gap between the distribution functions of two samples of numbers, 0 to 1
    (Kolmogorov and Smirnov); 0 where one of them is empty.
    """
    if not left or not right:
        return 0.0
    a, b = np.sort(np.asarray(left, dtype=np.float64)), np.sort(np.asarray(right, dtype=np.float64))
    values = np.concatenate([a, b])
    gaps = np.searchsorted(a, values, "right") / len(a) - np.searchsorted(b, values, "right") / len(b)
    return float(np.abs(gaps).max())


def distance_of_classes(left: Mapping[str, int], right: Mapping[str, int]) -> float:
    """Half of what the shares of classes differ by (total variation), 0 to 1; 0 where one side is empty."""
    n, m = sum(left.values()), sum(right.values())
    if not n or not m:
        return 0.0
    return sum(abs(left.get(each, 0) / n - right.get(each, 0) / m) for each in {*left, *right}) / 2


def beyond_chance(found: float, n: int, m: int, classes: int = 0) -> float:
    """What is left of a distance between samples of n and m when chance is allowed for, at least 0.

    Of numbers by the inequality of Dvoretzky, Kiefer and Wolfowitz with the constant of Massart (1990), of
    `classes` by that of Bretagnolle, Huber and Carol (van der Vaart and Wellner 1996, A.6.6).
    """
    if not n or not m:
        return 0.0
    wide = np.log(4 / SURE) if not classes else classes * np.log(2) + np.log(2 / SURE)
    chance = sum(np.sqrt(wide / (2 * size)) for size in (n, m))
    return float(max(0.0, found - chance))
