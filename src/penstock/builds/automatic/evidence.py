"""How likely chance alone is to give what was found."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from penstock.builds.automatic.ports import Floats

_BINS = 10
_EXPECTED = 5


class Dependence(NamedTuple):
    """The chance of so much dependence among independent values, and where it is greatest."""

    chance: float
    where: str
    share: float
    """The mean there."""
    usual: float
    """The mean of all."""


def upper_tail(squares: float, freedom: int) -> float:
    """The chance that a chi-squared variable is larger. See Wilson and Hilferty (1931)."""
    if freedom < 1:
        return 1.0
    spread = 2 / (9 * freedom)
    return (
        two_sided((((squares / freedom) ** (1 / 3)) - (1 - spread)) / math.sqrt(spread)) / 2
        if squares > freedom
        else 1.0
    )


def two_sided(deviations: float) -> float:
    """The chance that a normal variable is as many standard deviations away, on either side."""
    return math.erfc(abs(deviations) / math.sqrt(2))


def dependence(column: pl.Series, values: Floats, within: npt.NDArray[np.generic]) -> Dependence:
    """Whether the mean of `values` depends on a column among rows that are alike in `within`.

    A number is cut into ranges of equal count; of other columns each value with enough rows counts.
    """
    codes, names = _ranges(column)
    squares, freedom, usual = 0.0, 0, float(values.mean())
    worst = (0.0, "", usual)
    for stratum in np.unique(within):
        inside = within == stratum
        spread = values[inside].var()
        if not spread:
            continue
        mean, used = values[inside].mean(), 0
        for code in np.unique(codes[inside]):
            there = values[inside & (codes == code)]
            if len(there) < 4 * _EXPECTED:
                continue
            square = len(there) * (there.mean() - mean) ** 2 / spread
            squares, used = squares + square, used + 1
            if square > worst[0]:
                worst = (square, names[code], float(there.mean()))
        freedom += max(0, used - 1)
    return Dependence(upper_tail(squares, freedom), worst[1], worst[2], usual)


def _ranges(column: pl.Series) -> tuple[npt.NDArray[np.int64], dict[int, str]]:
    name, dtype = column.name, column.dtype
    if (dtype.is_numeric() or dtype.is_temporal()) and column.n_unique() > 2 * _BINS:
        shown = column.drop_nulls()
        numbers = column.to_physical().cast(pl.Float64).fill_null(math.nan).to_numpy()
        cuts = np.unique(np.nanquantile(numbers, np.linspace(0, 1, _BINS + 1)[1:-1]))
        codes = np.where(np.isnan(numbers), -1, np.searchsorted(cuts, numbers, side="right"))
        names = {-1: f"`{name}` is null"}
        for code in range(len(cuts) + 1):
            inside = column.filter(pl.Series(codes == code)) if shown.len() else shown
            if inside.len():
                names[code] = f"`{name}` from {_short(inside.min())} to {_short(inside.max())}"
        return codes.astype(np.int64), names
    texts = column.cast(pl.String, strict=False).fill_null("null").to_list()
    known = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return np.array([known[text] for text in texts]), {
        place: f"`{name}` is {text}" for text, place in known.items()
    }


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
