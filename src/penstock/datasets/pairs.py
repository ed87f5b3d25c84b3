"""How columns of numbers go together, by the ranks of their values: sums that merge, and correlations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.datasets.types import ColumnProfile, Products, Profile

MOST = 64
"""Columns that are looked at together, the first."""
ROWS = 5000
"""Rows of a table that are looked at, evenly spread over it: more tell little more."""
FEWEST = 10
"""Rows below which a correlation is not known."""
_STILL = 1e-9
"""The variance of ranks of a column that stood still."""
_UNIT, _UNKNOWN = 10_000, -32768
_ALONE = 250_000
"""Multiplications that BLAS does on one thread, a few less."""
Numbers = NDArray[np.float64]


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """How the P pairs of some columns went together on each of D days, of so many `rows` each.

    `correlations` are those of the ranks in ten-thousandths, little-endian int16 of shape (D, P), -32768
    where nobody knows. `spread` is how they scatter by chance within a day, times the root of the rows,
    little-endian float32 of shape (P,), not-a-number where nobody knows.
    """

    names: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    correlations: bytes = b""
    spread: bytes = b""


def cell_of_numbers(values: Numbers, edges: Sequence[float]) -> NDArray[np.uint8]:
    """How many edges each of n values is above, shape (n,)."""
    place = np.zeros(values.shape, dtype=np.uint8)
    for edge in edges:  # of which there are few: sooner than a search
        place += (values > edge).view(np.uint8)
    return place


def pairs_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """The P pairs of some columns, in the order of everything here."""
    return list(combinations(names, 2))


def products(frame: pl.DataFrame, reference: Profile) -> Products | None:
    """The sums of a table's columns of numbers by their ranks in a reference, None unless there are two.

    A rank is the share of the reference's values below, straight between the edges of its bins, so that no
    value however large is more than the last. What is missing has the middle rank: that weakens a relation
    here as in the reference, and how much is missing is watched of each column. Of many rows ROWS are taken;
    `size_of` tells how many were.
    """
    columns = _numeric(reference)
    if len(columns) < 2:
        return None
    sums = _summed(_ranks(_some(frame.select(column.name for column in columns)), columns))
    upper = np.triu_indices(len(sums))
    return Products(names=tuple(column.name for column in columns), sums=sums[upper].astype("<f8").tobytes())


def added(a: Products | None, b: Products | None) -> Products | None:
    """The sums over the rows of both, of the columns that both have; None unless there are two."""
    names = tuple(name for name in a.names if name in b.names) if a and b else ()
    if not a or not b or len(names) < 2:
        return None
    sums = _square(a, names) + _square(b, names)
    return Products(names=names, sums=sums[np.triu_indices(len(sums))].tobytes())


def size_of(products: Products) -> int:
    """Of how many rows the sums are."""
    return int(np.frombuffer(products.sums, "<f8", count=1)[0])


def correlations(products: Products, names: Sequence[str]) -> Numbers:
    """The correlation of each pair of some of its columns, shape (P,), not-a-number where nobody knows."""
    found: Numbers = _correlated(_square(products, names))[np.triu_indices(len(names), 1)]
    return found


def paired(frame: pl.DataFrame, place: NDArray[np.int64], days: int, reference: Profile) -> Pairs:
    """How columns of a table go together on each of its days, where row i is of day `place[i]`."""
    columns = _numeric(reference)
    if len(columns) < 2:
        return Pairs()
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(days + 1))
    upper = np.triu_indices(len(columns), 1)
    frame = frame.select(column.name for column in columns)
    rows = np.minimum(np.diff(bounds), ROWS)
    each = np.full((days, len(upper[0])), np.nan)
    total, weight = np.zeros(len(upper[0])), np.zeros(len(upper[0]))
    for day, count in enumerate(rows):
        ours = order[bounds[day] : bounds[day + 1]]
        ranks = _ranks(frame[ours[_spread(len(ours))]], columns)
        together = _correlated(_summed(ranks))
        each[day] = together[upper]
        noise = _noise(ranks, together)[upper]
        there = np.isfinite(noise)
        total[there] += count * noise[there]
        weight += count * there
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(total / weight)
    kept = np.where(np.isfinite(each), np.round(each * _UNIT), _UNKNOWN)
    return Pairs(
        names=tuple(column.name for column in columns),
        rows=tuple(rows.tolist()),
        correlations=kept.astype("<i2").tobytes(),
        spread=np.round(spread, 4).astype("<f4").tobytes(),
    )


def of_days(pairs: Pairs, names: Sequence[str]) -> tuple[NDArray[np.int64], Numbers, Numbers]:
    """Of some of its columns the rows of each day, shape (D,), the correlations of their pairs, shape (D, P),
    and their spread, shape (P,).
    """
    place = {pair: index for index, pair in enumerate(pairs_of(pairs.names))}
    ours = [place[pair] for pair in pairs_of(names)]
    kept = np.frombuffer(pairs.correlations, "<i2").reshape(len(pairs.rows), len(place))[:, ours]
    found = np.where(kept == _UNKNOWN, np.nan, kept / _UNIT)
    spread = np.frombuffer(pairs.spread, "<f4")[ours].astype(np.float64)
    return np.array(pairs.rows, dtype=np.int64), found, spread


def _some(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if frame.height <= ROWS else frame[_spread(frame.height)]


def _spread(rows: int) -> NDArray[np.int64]:
    """The places of the rows that are looked at."""
    count = min(rows, ROWS)
    return np.arange(count) * rows // max(1, count)


def _numeric(reference: Profile) -> list[ColumnProfile]:
    return [column for column in reference.columns if column.edges and column.std > 0][:MOST]


def _ranks(frame: pl.DataFrame, columns: Sequence[ColumnProfile]) -> Numbers:
    """The rank of each value among those of the reference less a half, shape (C, n), of nulls 0."""
    found = np.empty((len(columns), frame.height))
    for ranks, column in zip(found, columns, strict=True):
        values = frame[column.name].cast(pl.Float64).to_numpy()  # of nulls not-a-number
        edges, below = np.array(column.edges), np.cumsum(column.bins[:-1]) / sum(column.bins)
        at = cell_of_numbers(values, column.edges).astype(np.intp)
        with np.errstate(invalid="ignore", over="ignore"):  # infinity beyond the last edge is no number
            wide = np.array([np.inf, *np.diff(edges), np.inf]).take(at)
            inside = (values - np.array([edges[0], *edges]).take(at)) / wide
        start, rise = np.array([below[0], *below]), np.array([0.0, *np.diff(below), 0.0])
        ranks[:] = start.take(at) + rise.take(at) * inside - 0.5
    found[~np.isfinite(found)] = 0.0
    return found


def _summed(ranks: Numbers) -> Numbers:
    """The sums of products of 1 and each column, shape (C + 1, C + 1)."""
    return _crossed(np.vstack([np.ones(ranks.shape[1]), ranks]))


def _crossed(values: Numbers) -> Numbers:
    """The product with its transpose, in parts so small that they stay on one thread: on a busy machine
    several wait for one another fifty times as long as all of it takes.
    """
    step = max(1, _ALONE // len(values) ** 2)
    whole = values.shape[1] // step * step
    parts = values[:, :whole].reshape(len(values), -1, step).transpose(1, 0, 2)
    rest = values[:, whole:]
    crossed: Numbers = (parts @ parts.transpose(0, 2, 1)).sum(axis=0) + rest @ rest.T
    return crossed


def _square(products: Products, names: Sequence[str]) -> Numbers:
    """The whole matrix of sums, of some of the columns."""
    size = len(products.names) + 1
    ours = [0, *(products.names.index(name) + 1 for name in names)]
    upper = np.triu_indices(size)
    whole = np.empty((size, size))
    whole[upper] = np.frombuffer(products.sums, "<f8")
    whole.T[upper] = whole[upper]
    return whole[ours][:, ours]


def _correlated(sums: Numbers) -> Numbers:
    rows = sums[0, 0]
    if rows < FEWEST:
        return np.full((len(sums) - 1, len(sums) - 1), np.nan)
    mean = sums[0, 1:] / rows
    variance = np.diagonal(sums)[1:] / rows - mean**2
    spread = np.sqrt(np.where(variance > _STILL, variance, np.nan))
    found: Numbers = (sums[1:, 1:] / rows - np.outer(mean, mean)) / np.outer(spread, spread)
    return np.clip(found, -1.0, 1.0)


def _noise(ranks: Numbers, together: Numbers) -> Numbers:
    """The variance of correlations of n rows, times n, shape (C, C), whatever the distribution.

    Source: J. Steiger and A. Hakstian, The asymptotic distribution of elements of a correlation matrix:
    theory and application (1982).
    """
    rows = ranks.shape[1]
    apart = ranks - ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((apart**2).mean(axis=1, keepdims=True))
    x = apart / np.where(spread > 0, spread, 1.0)
    square = x * x
    squares, cubes = square @ square.T / rows, (square * x) @ x.T / rows
    fourth = np.diagonal(squares)
    sides = fourth[:, None] + fourth
    variance = squares - together * (cubes + cubes.T) + together**2 / 4 * (sides + 2 * squares)
    noise: Numbers = np.maximum(variance, 0.0)
    return noise
