"""Day profiles: how the rows of a table fell into the bins of a reference on each day."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.datasets.pairs import Pairs, cell_of_numbers, paired
from penstock.datasets.profiles import cells
from penstock.datasets.texts import TextDays, text_days
from penstock.datasets.types import ColumnProfile, Profile

MOST_DAYS = 400
"""Days that are kept, the newest: more than a year tells no more of how one differs from another."""


SCORE = "score"
"""The name under which answers stand beside the inputs; an input of this name takes its place."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of which the means of days are watched and nothing else: by name the sum of each of the D
    `days`, and that of the squares, over so many `rows`.
    """

    days: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    sums: dict[str, tuple[float, ...]] = {}
    squares: dict[str, tuple[float, ...]] = {}


class Days(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of rows by day and bin, for each column of `profile`, whose bins they are.

    `counts` has a list for each of the D `days` (UTC, in order) with a number for each of the column's cells:
    its bins or categories, for categories one more for all others, and one more for nulls. `means` are those
    of the D days for columns of numbers, and that of all where a day has none. `relation` is how the truth
    of held-out rows lay beside what was expected of it (see `monitoring.relation`), `pairs` how columns of
    numbers went together on each of the D days, `texts` what those of a column were about.
    """

    profile: Profile
    days: tuple[str, ...]
    counts: dict[str, tuple[tuple[int, ...], ...]]
    means: dict[str, tuple[float, ...]] = {}
    relation: Sums = Sums()
    pairs: Pairs = Pairs()
    texts: dict[str, TextDays] = {}


def summed(days: pl.Series, numbers: Mapping[str, NDArray[np.float64]]) -> Sums:
    """Numbers of n rows, each of shape (n,), by the UTC day of each row."""
    stamps = days.dt.convert_time_zone("UTC").dt.date()
    place = stamps.rank("dense").cast(pl.Int64).to_numpy() - 1
    known = stamps.unique().sort()
    return Sums(
        days=tuple(str(day) for day in known),
        rows=tuple(np.bincount(place, minlength=known.len()).tolist()),
        sums={name: tuple(np.bincount(place, weights=each).tolist()) for name, each in numbers.items()},
        squares={name: tuple(np.bincount(place, weights=each**2).tolist()) for name, each in numbers.items()},
    )


def followed(first: Sums, then: Sums) -> Sums:
    """The days of both, one after another. A name that only one of them has is left out."""
    if not first.days or not then.days:
        return first if first.days else then
    names = [name for name in first.sums if name in then.sums]
    return Sums(
        days=first.days + then.days,
        rows=first.rows + then.rows,
        sums={name: first.sums[name] + then.sums[name] for name in names},
        squares={name: first.squares[name] + then.squares[name] for name in names},
    )


def daily(frame: pl.DataFrame, time: str, reference: Profile) -> Days:
    """The rows of a table, by the UTC day of its column `time`, in the bins of the reference."""
    stamps = frame[time].dt.convert_time_zone("UTC").dt.date()
    days = stamps.unique().sort().tail(MOST_DAYS)
    if stamps.n_unique() > days.len():
        kept = stamps.is_in(days.implode())
        frame, stamps = frame.filter(kept), stamps.filter(kept)
    place = stamps.rank("dense").cast(pl.Int64).to_numpy() - 1
    counts, means = {}, {}
    for column in reference.columns:
        cells = cells_of(column)
        at = place * cells + cell_of_each(frame[column.name], column)
        table = np.bincount(at, minlength=days.len() * cells).reshape(days.len(), cells)
        counts[column.name] = tuple(tuple(row) for row in table.tolist())
        if column.edges:
            sizes = table[:, :-1].sum(axis=1)
            means[column.name] = _means(_numbers(frame[column.name]), place, sizes, column.mean)
    return Days(
        profile=reference,
        days=tuple(str(day) for day in days),
        counts=counts,
        means=means,
        pairs=paired(frame, place, days.len(), reference),
        texts={each.name: text_days(frame[each.name], place, days.len(), each) for each in reference.texts},
    )


def _means(
    numbers: NDArray[np.float64], place: NDArray[np.int64], sizes: NDArray[np.int64], usual: float
) -> tuple[float, ...]:
    known = np.where(np.isfinite(numbers), numbers, 0.0)
    sums = np.bincount(place, weights=known, minlength=len(sizes))
    found = np.where(sizes > 0, sums / np.maximum(sizes, 1), usual)
    return tuple(found.tolist())


def _numbers(values: pl.Series) -> NDArray[np.float64]:
    """Nulls as not-a-number."""
    numbers: NDArray[np.float64] = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return numbers


def cells_of(column: ColumnProfile) -> int:
    """How many cells a column's values fall into."""
    return len(column.bins) + 1 if column.edges else len(column.top) + 2


def cell_of_each(values: pl.Series, column: ColumnProfile) -> NDArray[np.int64]:
    """The cell that each of n values falls into, shape (n,)."""
    last = cells_of(column) - 1
    if column.edges:
        numbers = _numbers(values)
        place = cell_of_numbers(numbers, column.edges)
        place[~np.isfinite(numbers)] = last
        return place.astype(np.int64)
    known = {value: index for index, value in enumerate(column.top)}
    text = values.cast(pl.String)
    others = pl.repeat(last - 1, values.len(), dtype=pl.Int64, eager=True)
    found = text.replace_strict(known, default=last - 1, return_dtype=pl.Int64) if known else others
    cells: NDArray[np.int64] = found.set(text.is_null(), last).to_numpy()
    return cells


def continued(days: Days, name: str, more: Mapping[str, ColumnProfile]) -> Days:
    """A column of some days alone, and after these others, by any name, counted in the same cells."""
    [reference] = [column for column in days.profile.columns if column.name == name]
    counts = (*days.counts[name], *(tuple(cells(each, reference)) for each in more.values()))
    means = days.means.get(name, ())
    if means:
        means += tuple(each.mean if each.count else reference.mean for each in more.values())
    return Days(
        profile=Profile(rows=days.profile.rows, columns=(reference,)),
        days=(*days.days, *more),
        counts={name: counts},
        means={name: means} if means else {},
    )


def with_column(days: Days, more: Days) -> Days:
    """Days with the columns of others, which may know fewer days: then the columns have no rows there."""
    place = {day: index for index, day in enumerate(more.days)}
    added = [column for column in more.profile.columns if column.name not in days.counts]
    counts, means = dict(days.counts), dict(days.means)
    for column in added:
        none = (0,) * cells_of(column)
        known = more.counts[column.name]
        counts[column.name] = tuple(known[place[day]] if day in place else none for day in days.days)
        if usual := more.means.get(column.name):
            means[column.name] = tuple(usual[place[d]] if d in place else column.mean for d in days.days)
    profile = msgspec.structs.replace(days.profile, columns=(*days.profile.columns, *added))
    return msgspec.structs.replace(days, profile=profile, counts=counts, means=means)
