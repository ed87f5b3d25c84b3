"""Profiles: the compact statistics of tables, which merge, and how far apart two of them are."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.core.errors import InvalidValue
from penstock.datasets.columns import column_type
from penstock.datasets.pairs import added
from penstock.datasets.texts import is_text, merged, text_like, text_profile
from penstock.datasets.types import LONGEST, ColumnProfile, Prior, Profile

BINS = 10
"""Bins of equal share that a number's reference is cut into; below and above it there is one more each."""
TOP = 50
"""Categories that are counted one by one."""
MOST_CLASSES = 100
"""Values of a label that are counted one by one."""
MANY, VAST = 20_000, 200_000
"""Rows from which on it is worth it to profile several columns at once, and to count them in known bins,
which is many short turns.
"""
_BLOCK = 8192
_CANCELLED = 1e-3
"""The share of the mean square below which a variance is not told by what the mean's square leaves of it."""


def profile(frame: pl.DataFrame, columns: Sequence[str] = ()) -> Profile:
    """The statistics of some columns, or of all that are numbers, booleans or text."""
    names = columns or [
        name for name, dtype in frame.schema.items() if column_type(dtype) not in {"time", "other"}
    ]
    many = frame.height >= MANY
    known = _each(lambda name: _reference(frame[name]), names, at_once=many)
    texts = tuple(text_profile(frame[each.name]) for each in known if is_text(frame[each.name], each))
    return Profile(rows=frame.height, columns=known, texts=texts)


def unnamed(profile: Profile, columns: Collection[str]) -> Profile:
    """A profile that does not name the values of some of its columns, nor words: those are counted as one."""
    replace = msgspec.structs.replace
    told = [
        replace(each, top={}, other=each.other + sum(each.top.values())) if each.name in columns else each
        for each in profile.columns
    ]
    texts = tuple(each for each in profile.texts if each.name not in columns)
    return replace(profile, columns=tuple(told), texts=texts)


def only(profile: Profile, names: Collection[str]) -> Profile:
    """A profile of some of its columns."""
    columns = tuple(column for column in profile.columns if column.name in names)
    texts = tuple(text for text in profile.texts if text.name in names)
    return msgspec.structs.replace(profile, columns=columns, texts=texts)


def prior_of(labels: pl.Series) -> Prior:
    """What a label was, as text and, where it is a number, on average."""
    known = labels.drop_nulls()
    values = _numbers(known)[0] if column_type(known.dtype) in {"int", "float"} else np.empty(0)
    counts = _ordered(_counted(known)) if known.n_unique() <= MOST_CLASSES else []
    return Prior(
        rows=known.len(),
        mean=float(values.mean()) if values.size else None,
        median=float(np.median(values)) if values.size else None,
        counts=dict(counts),
    )


def profile_like(frame: pl.DataFrame, reference: Profile) -> Profile:
    """The statistics of the reference's columns, with its bins and its categories.

    Such profiles of several tables merge exactly. Raises InvalidValue when a column is missing.
    """
    for column in reference.columns:
        if column.name not in frame.columns:
            raise InvalidValue(what=f"The table has no column `{column.name}` to profile.")
    known = {column.name: column for column in reference.columns}
    marks = _marks({value for column in reference.columns for value in column.top})
    columns = _each(lambda name: _like(frame[name], known[name], marks), known, at_once=frame.height >= VAST)
    texts = tuple(text_like(frame[each.name], each) for each in reference.texts)
    return Profile(rows=frame.height, columns=columns, texts=texts)


def merge(a: Profile, b: Profile) -> Profile:
    """The profile of both tables together. Raises InvalidValue unless columns and bins are the same."""
    if [column.name for column in a.columns] != [column.name for column in b.columns]:
        raise InvalidValue(what="Profiles of different columns cannot be merged.")
    pairs = zip(a.columns, b.columns, strict=True)
    return Profile(
        rows=a.rows + b.rows,
        columns=tuple(_merged(left, right) for left, right in pairs),
        products=added(a.products, b.products),
        texts=merged(a.texts, b.texts),
    )


def psi(reference: ColumnProfile, current: ColumnProfile) -> float:
    """The population stability index: the sum of (c - r) ln(c / r) over the shares of bins or categories.

    Nulls are one more bin, and half a count is added to each so that none is empty. 0 for equal
    shares; 0.1 is commonly called a small shift and 0.25 a large one. 0 when nothing was counted.
    Raises InvalidValue when the two do not have the same bins.
    Source: B. Yurdakul, Statistical Properties of Population Stability Index (2018).
    """
    if reference.edges != current.edges:
        raise InvalidValue(what=f"The profiles of `{reference.name}` have different bins.")
    if not (reference.count + reference.nulls) or not (current.count + current.nulls):
        return 0.0
    expected, found = _shares(reference, reference), _shares(current, reference)
    return float(np.sum((found - expected) * np.log(found / expected)))


def cells(column: ColumnProfile, reference: ColumnProfile) -> list[int]:
    """How many values of a column fell into each of the reference's bins or categories, into none of these
    (for categories), and were null.
    """
    if reference.edges:
        return [*column.bins, column.nulls]
    named = [column.top.get(value, 0) for value in reference.top]
    return [*named, column.count - sum(named), column.nulls]


def _each(
    of: Callable[[str], ColumnProfile], names: Iterable[str], *, at_once: bool
) -> tuple[ColumnProfile, ...]:
    """The statistics of each column, several at once where they hold each other up less than they gain."""
    if not at_once:
        return tuple(of(name) for name in names)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return tuple(threads.map(of, names))


def _shares(column: ColumnProfile, reference: ColumnProfile) -> NDArray[np.float64]:
    smooth = np.asarray(cells(column, reference), dtype=np.float64) + 0.5
    shares: NDArray[np.float64] = smooth / smooth.sum()
    return shares


def _reference(series: pl.Series) -> ColumnProfile:
    kind = column_type(series.dtype)
    if kind not in {"int", "float"}:
        kept = _kept(series)
        return _categorical(series, kind, kept, _marks(kept))
    values = _numbers(series)[0]
    if not values.size:
        return ColumnProfile(
            name=series.name, dtype=kind, count=0, nulls=series.len(), edges=(0.0,), bins=(0, 0)
        )
    ordered = np.sort(values)
    at = np.maximum(np.ceil(values.size * np.linspace(0, 1, BINS + 1)[1:] - 1), 0).astype(np.int64)
    below = np.nextafter(ordered[0], -np.inf)
    edges = np.unique(np.concatenate([[below], ordered[at]])) + 0.0  # no -0
    return _numeric(series, kind, tuple(edges.tolist()))


def _like(series: pl.Series, reference: ColumnProfile, marks: Mapping[str, int]) -> ColumnProfile:
    if reference.edges:
        return _numeric(series, reference.dtype, reference.edges)
    return _categorical(series, reference.dtype, reference.top, marks)


def _numeric(series: pl.Series, kind: str, edges: tuple[float, ...]) -> ColumnProfile:
    """Bin i holds values v with edge i-1 < v <= edge i; the first and last are open."""
    values, square = _numbers(series)
    known = bool(values.size)
    low, high = (float(values.min()), float(values.max())) if known else (0.0, 0.0)
    mean, std = _moments(values, square) if known else (0.0, 0.0)
    bins = -np.diff([values.size, *(_above(values, edge, low, high) for edge in edges), 0])
    return ColumnProfile(
        name=series.name,
        dtype=kind,
        count=values.size,
        nulls=series.len() - values.size,
        mean=mean,
        std=std,
        low=low,
        high=high,
        edges=edges,
        bins=tuple(bins.tolist()),
    )


def _numbers(series: pl.Series) -> tuple[NDArray[np.float64], float]:
    """Finite values, and the sum of their squares: not-a-number and infinity count as missing."""
    there = series.drop_nulls() if series.has_nulls() else series
    values: NDArray[np.float64] = there.cast(pl.Float64).to_numpy()
    square = _squares(values)
    if np.isfinite(square):  # which takes less than asking each
        return values, square
    values = values[np.isfinite(values)]
    return values, _squares(values)


def _above(values: NDArray[np.float64], edge: float, low: float, high: float) -> int:
    """How many of values that range from `low` to `high` are above an edge."""
    if edge < low or edge >= high:
        return values.size if edge < low else 0
    return int(np.count_nonzero(values > edge))


def _moments(values: NDArray[np.float64], square: float) -> tuple[float, float]:
    """The mean and the standard deviation of values, of which there are some."""
    mean, square = float(values.mean()), square / values.size
    variance = square - mean**2
    if variance > _CANCELLED * square:
        return mean, math.sqrt(variance)
    return mean, float(values.std(mean=mean))


def _squares(values: NDArray[np.float64]) -> float:
    """The sum of squares, block by block, which keeps it on one thread."""
    whole = len(values) // _BLOCK * _BLOCK
    blocks, rest = values[:whole].reshape(-1, _BLOCK), values[whole:]
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.vecdot(blocks, blocks).sum() + rest @ rest)


def _categorical(
    series: pl.Series, kind: str, kept: Collection[str], marks: Mapping[str, int]
) -> ColumnProfile:
    known = series.drop_nulls() if series.has_nulls() else series
    total = known.len()
    found = known.cast(pl.String).hash().to_numpy()  # to compare numbers takes a tenth of comparing text
    counts = (int(np.count_nonzero(found == marks[value])) for value in kept)
    top = dict(zip(kept, counts, strict=True))
    return ColumnProfile(
        name=series.name,
        dtype=kind,
        count=total,
        nulls=series.null_count(),
        top=top,
        other=total - sum(top.values()),
    )


def _marks(values: Collection[str]) -> dict[str, int]:
    """By what each value is known in a column that is hashed."""
    texts = list(values)
    return dict(zip(texts, pl.Series(texts, dtype=pl.String).hash().to_list(), strict=True))


def _kept(series: pl.Series) -> list[str]:
    """The values that are counted by name, the commonest first."""
    counts = _counted(series)
    if counts.height > TOP:
        counts = counts.filter(pl.col("count") > 1)
    named = counts.filter(pl.col("value").str.len_chars() <= LONGEST)
    return [value for value, _ in _ordered(named)[:TOP]]


def _ordered(counts: pl.DataFrame) -> list[tuple[str, int]]:
    """Values with their counts, the commonest first and equal ones by name."""
    return counts.sort("count", "value", descending=[True, False]).rows()


def _counted(series: pl.Series) -> pl.DataFrame:
    """Values as text with their counts, in no order."""
    return series.drop_nulls().cast(pl.String).rename("value").value_counts(name="count")


def _merged(a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    if a.edges != b.edges:
        raise InvalidValue(what=f"The profiles of `{a.name}` have different bins.")
    if not (a.count and b.count):
        known, nulls = (a if a.count else b), a.nulls + b.nulls
        return msgspec.structs.replace(known, nulls=nulls)
    total = a.count + b.count
    mean = (a.mean * a.count + b.mean * b.count) / total
    spread = a.count * (a.std**2 + (a.mean - mean) ** 2) + b.count * (b.std**2 + (b.mean - mean) ** 2)
    return ColumnProfile(
        name=a.name,
        dtype=a.dtype,
        count=total,
        nulls=a.nulls + b.nulls,
        mean=mean,
        std=math.sqrt(spread / total),
        low=min(a.low, b.low),
        high=max(a.high, b.high),
        edges=a.edges,
        bins=tuple(left + right for left, right in zip(a.bins, b.bins, strict=True)),
        top={value: a.top.get(value, 0) + b.top.get(value, 0) for value in a.top | b.top},
        other=a.other + b.other,
    )
