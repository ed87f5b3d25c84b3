"""Slices: parts of the rows that share a value, and those among them on which a model does worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

LEAST = 50
"""Rows that a slice must have to be looked at, unless a check says another number."""
TOP = 20
"""Values of a column that are slices of their own."""
FEW = 12
"""A whole number with up to so many values is told by value, with more by ranges."""
LEVEL = 0.05
SHOWN = 5
_ALONE, _LEAST_STEP = 200_000, 32
"""Multiplications of a product that stays on one thread, and rows that are worth one."""


class Slice(msgspec.Struct, frozen=True):
    """The rows, by a mask of shape (n,), in which columns have some value or lie in a range."""

    name: str
    columns: tuple[str, ...]
    rows: NDArray[np.bool_]


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """A slice that is answered worse than the rest by more than chance: the mean loss of both.

    `chance` is the probability of such a difference if there were none, times the slices that were looked
    at.
    """

    slice: str
    rows: int
    loss: float
    rest: float
    chance: float


def slices_of(frame: pl.DataFrame, least: int = LEAST) -> list[Slice]:
    """The slices of n rows by each of their columns: by value, or by quarters of a number's range of ranks.

    Nulls are a slice too. Only slices of at least `least` rows, and of less than all, are given.
    """
    found = [Slice(name, (column,), mask) for column in frame.columns for name, mask in _parts(frame[column])]
    return [each for each in found if least <= each.rows.sum() < frame.height]


def worst_slices(
    slices: Sequence[Slice], losses: NDArray[np.float64], least: int = LEAST, shown: int = SHOWN
) -> list[Worst]:
    """Up to `shown` slices, also where two columns meet, with a mean loss above that of all other rows.

    `losses` has shape (n,). Each slice is held against the rest by Welch's test, one-sided, and counts only
    where that holds at 5 % after Bonferroni's correction for all that were looked at; where two columns meet
    they must do worse than each alone. The largest effects come first.
    Source: Y. Chung et al., Slice Finder: automated data slicing for model validation (ICDE 2019).
    """
    n = len(losses)
    rows, sums, squares = _meeting(slices, losses)
    total, square = float(losses.sum()), float(losses @ losses)
    means = [sums[i, i] / max(1, rows[i, i]) for i in range(len(slices))]

    def bad(i: int, j: int) -> tuple[float, Worst] | None:
        inside, rest = int(rows[i, j]), n - int(rows[i, j])
        mean, other = float(sums[i, j]) / inside, (total - float(sums[i, j])) / rest
        if mean <= other or (i != j and mean <= max(means[i], means[j])):
            return None
        spread = max(0.0, float(squares[i, j]) - inside * mean**2) / max(1, inside - 1)
        apart = max(0.0, square - float(squares[i, j]) - rest * other**2) / max(1, rest - 1)
        error = math.sqrt(spread / inside + apart / rest)
        chance = math.erfc((mean - other) / error / math.sqrt(2)) / 2 if error else 0.0
        size = (mean - other) / math.sqrt((spread + apart) / 2 or 1.0)
        name = " and ".join(slices[each].name for each in dict.fromkeys((i, j)))
        return size, Worst(slice=name, rows=inside, loss=mean, rest=other, chance=chance)

    met = [
        (i, j)
        for i, j in combinations(range(len(slices)), 2)
        if rows[i, j] >= max(2, least) and slices[i].columns != slices[j].columns
    ]
    looked = len(slices) + len(met)
    found = [judged for i, j in [*((i, i) for i in range(len(slices))), *met] if (judged := bad(i, j))]
    sure = [each for each in found if each[1].chance * looked <= LEVEL]
    ranked = sorted(sure, key=lambda each: (-each[0], each[1].slice))
    return [
        msgspec.structs.replace(worst, chance=min(1.0, worst.chance * looked)) for _, worst in ranked[:shown]
    ]


def _meeting(
    slices: Sequence[Slice], losses: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """How many rows each two of S slices share, and the sum of their losses and of the squares of these, each
    of shape (S, S): of a slice and itself its own.

    In parts so small that they stay on one thread, which on a busy machine wait for one another otherwise.
    """
    found = np.zeros((3, len(slices), len(slices)))
    masks = np.array([each.rows for each in slices], dtype=np.bool_).reshape(len(slices), len(losses))
    step = max(_LEAST_STEP, _ALONE // max(1, len(slices)) ** 2)
    for start in range(0, len(losses), step):
        inside, loss = masks[:, start : start + step].astype(np.float64), losses[start : start + step]
        lost = inside * loss
        found[0] += inside @ inside.T
        found[1] += lost @ inside.T
        found[2] += lost @ lost.T  # of rows in both slices: elsewhere one of the two is 0
    return found[0], found[1], found[2]


def _parts(values: pl.Series) -> list[tuple[str, NDArray[np.bool_]]]:
    name, missing = values.name, values.is_null()
    if values.dtype.is_float():
        missing = (values.is_nan() | values.is_null()).fill_null(value=True)
    parts = [(f"{name} is missing", missing.to_numpy())] if missing.any() else []
    few = not values.dtype.is_float() and values.n_unique() <= FEW
    if values.dtype.is_numeric() and not few:
        return parts + _ranges(values, missing)
    if not (values.dtype.is_numeric() or values.dtype in {pl.Boolean, pl.String, pl.Categorical, pl.Enum}):
        return []
    text = values.cast(pl.String)
    commonest = text.drop_nulls().value_counts(sort=True, name="rows").head(TOP)[name].sort()
    return parts + [
        (f"{name} = {value}", (text == value).fill_null(value=False).to_numpy()) for value in commonest
    ]


def _ranges(values: pl.Series, missing: pl.Series) -> list[tuple[str, NDArray[np.bool_]]]:
    name = values.name
    numbers = values.cast(pl.Float64).set(missing, None)
    known = numbers.drop_nulls().to_numpy()
    if not known.size:
        return []
    edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="inverted_cdf"))
    edges = edges[edges < known.max()]
    bounds = [-math.inf, *edges.tolist(), math.inf]
    filled = numbers.fill_null(math.nan).to_numpy()
    with np.errstate(invalid="ignore"):
        return [
            (range_name(name, low, high), (filled > low) & (filled <= high)) for low, high in pairwise(bounds)
        ]


def range_name(name: str, low: float, high: float) -> str:
    """What the rows are called of which a number is above `low` and not above `high`."""
    if low == -math.inf:
        return f"{name} ≤ {high:g}"
    return f"{name} > {low:g}" if high == math.inf else f"{low:g} < {name} ≤ {high:g}"
