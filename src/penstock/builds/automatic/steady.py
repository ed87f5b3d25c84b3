"""Whether the columns of a source keep their meaning: over time, and from one group to the next.

Data drift, swing with the seasons and differ between groups. What is asked here is narrower: a jump at one
moment that lasts, beside which all that the column did before and after is small, or one group that lies an
order of magnitude away where all others lie together.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from penstock.builds.automatic import groups
from penstock.builds.automatic.ports import Floats
from penstock.datasets.types import Source

SLICES = (20, 60)
"""Parts of equal count that the rows are cut into, in order of time: so many at least and at most."""
LEAST = 20
"""Rows of a slice, or of a group, from which something can be said."""
ENOUGH = 20_000
"""Rows, spread over all of them, that are looked at."""
_USUAL = 100
JUMP = 4.0
"""How many times larger than every other step of its column a jump is."""
SURE = 8.0
"""How many standard errors it is at least."""
_CODES = 30
_PAUSES = 3
_HARDLY = 0.01
_RATE = 0.1
_TWICE = 2.5
_GONE = 1e-9


class _Step(NamedTuple):
    """The greatest step of a series of slices: the slice after it, and the levels on both sides."""

    place: int
    before: float
    after: float


def steady(source: Source, rows: pl.DataFrame, aside: Collection[str], label: str = "") -> None:
    """Look for a column whose meaning changes at one moment, or is another in one group.

    `rows` are in order of event time; columns `aside`, such as keys, are not looked at as values. `label` is
    the column that is to be foretold, if there.
    Raises AssertionError with the column, the moment or group, and the values on both sides.
    """
    rows = rows.gather_every(max(1, rows.height // ENOUGH))
    rows = rows.drop_nulls(source.event_time).sort(source.event_time, maintain_order=True)
    if rows.height < SLICES[0] * LEAST:
        return
    hidden = {*aside, *source.key, source.event_time, source.known_time}
    for name, dtype in rows.schema.items():
        if name in hidden or not (dtype.is_numeric() or dtype in {pl.Boolean, pl.String}):
            continue
        if told := _over_time(rows[name], is_label=name == label):
            place, what = told
            moment = rows[source.event_time][min(place, rows.height - 1)]
            raise AssertionError(
                f"The column `{name}` of {source.name} is not what it was: {what} from {moment} UTC on. "
                "Expected one meaning for all rows: look for other units, other codes, values not yet known "
                "that are written as if they were, and for a delivery that ended."
            )
    for name in rows.columns:
        for group in groups.groupings(rows, name, hidden - set(aside)) if name not in hidden else ():
            if found := groups.far(rows[name], rows[group]):
                raise AssertionError(
                    f"The column `{name}` of {source.name} is of another order where `{group}` is {found}. "
                    "Expected one unit for all rows: look for other currencies, other units, or a code that "
                    "stands for more than one thing."
                )
            if found := groups.silent(rows[name], rows[group]) if name == label else "":
                raise AssertionError(
                    f"The label `{name}` of {source.name} is never {found}, though it often is everywhere "
                    f"else. Expected some: look for a `{group}` of which nobody tells what happened."
                )


def _over_time(column: pl.Series, *, is_label: bool) -> tuple[int, str] | None:
    """The row from which on a column is another, and in what."""
    there = column.drop_nulls()
    if there.len() < SLICES[0] * LEAST / 2:
        return None
    slices = min(SLICES[1], max(SLICES[0], column.len() // _USUAL))
    part = (np.arange(column.len()) * slices) // column.len()
    if gone := _gone(column, part):
        return gone
    if there.n_unique() <= _CODES:
        return _recoded(column) or (_rate(column, (part * SLICES[0]) // slices) if is_label else None)
    if not column.dtype.is_numeric():
        return None
    return _level(column, part) or _constant(column, (part * SLICES[0]) // slices)


def _gone(column: pl.Series, part: npt.NDArray[np.int64]) -> tuple[int, str] | None:
    """A column that is nearly always there until it never is again."""
    missing = column.is_null().to_numpy()
    share = _by_part(missing, part)
    last = int(np.flatnonzero(share < 1)[-1]) if (share < 1).any() else -1
    if last < len(share) - 2 and last > 0 and share[:last].max() < _RATE:
        return int(
            np.flatnonzero(~missing)[-1]
        ) + 1, f"it was null in {share[:last].mean():.0%} of the rows and is so in all"
    return None


def _recoded(column: pl.Series) -> tuple[int, str] | None:
    """Values that all end where others begin: whole numbers in a row, or every text at once."""
    table = (
        pl.DataFrame({"value": column})
        .with_row_index("row")
        .drop_nulls()
        .group_by("value")
        .agg(
            pl.col("row").min().cast(pl.Int64).alias("first"),
            pl.col("row").max().cast(pl.Int64).alias("last"),
            pl.col("row").cast(pl.Int64).diff().max().fill_null(column.len()).alias("pause"),
            pl.len().cast(pl.Int64).alias("count"),
        )
        .sort("value")
    )
    values = table["value"]
    if values.dtype.is_numeric():
        numbers = values.cast(pl.Float64).to_numpy()
        if (numbers != np.round(numbers)).any() or np.ptp(numbers) + 1 != len(numbers):
            return None
    elif values.dtype != pl.String:
        return None
    for old in table.rows(named=True):
        if not _ends(column, old["value"], old["count"], old["last"] + 1, old["pause"]):
            continue
        for new in table.filter(pl.col("first") > old["last"]).rows(named=True):
            begins = column.len() - new["first"]
            near = new["first"] - old["last"] <= old["pause"] + new["pause"]
            if not near or not _ends(column.reverse(), new["value"], new["count"], begins, new["pause"]):
                continue
            both = table.filter(pl.col("first") <= old["last"], pl.col("last") >= new["first"])["value"]
            if both.is_empty() or (values.dtype != pl.String and _apart(column, both, old["last"]) < _RATE):
                what = f"{old['value']!r} is never there again and {new['value']!r} is new"
                return int(new["first"]), what
    return None


def _ends(column: pl.Series, value: object, count: int, rows: int, pause: int) -> bool:
    """Whether a value that is there `count` times in the first `rows` is surely gone, and at once."""
    share, left = count / rows, column.len() - rows
    if (1 - share) ** left > _GONE or left < _PAUSES * pause:
        return False
    few = max(LEAST, column.len() // SLICES[0])
    last = column.slice(max(0, rows - few), few)
    return bool((last == value).sum() >= last.len() * share / 2)


def _apart(column: pl.Series, values: pl.Series, row: int) -> float:
    """How far the shares of these values differ before and after a row: half the sum of differences."""
    shares = []
    for part in (column.head(row + 1), column.slice(row + 1)):
        counts = np.array([(part == value).sum() for value in values], dtype=np.float64)
        shares.append(counts / max(1.0, counts.sum()))
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _by_part(values: npt.NDArray[np.generic], part: npt.NDArray[np.int64]) -> Floats:
    means: Floats = np.bincount(part, weights=values.astype(np.float64)) / np.bincount(part)
    return means


def _rate(column: pl.Series, part: npt.NDArray[np.int64]) -> tuple[int, str] | None:
    """A share of a class of the label that jumps."""
    texts = column.cast(pl.String)
    for value in texts.drop_nulls().unique().sort():
        is_it = (texts == value).fill_null(value=False).to_numpy().astype(np.float64)
        share = _by_part(is_it, part)
        if silent := _silent(is_it, share):
            return silent[0], f"{silent[1]:.0%} of its values were {value}, and none are"
        mean, size = is_it.mean(), len(is_it) / len(share)
        step = _step(share, math.sqrt(2 * mean * (1 - mean) / size))
        if step and abs(step.after - step.before) >= _RATE:
            low, high = sorted((step.before, step.after))
            if high >= _TWICE * low:
                place = int(np.flatnonzero(part == step.place)[0])
                return place, f"{step.before:.0%} of its values were {value} and {step.after:.0%} are"
    return None


def _constant(column: pl.Series, part: npt.NDArray[np.int64]) -> tuple[int, str] | None:
    """A value among fractions that is hardly ever there, and then again and again."""
    if not column.dtype.is_float():
        return None
    half = column.len() // 2
    numbers = column.cast(pl.Float64)
    halves = (numbers.head(half).drop_nulls(), numbers.tail(half).drop_nulls())
    for value in {
        each.value_counts(sort=True, name="_times")[column.name][0] for each in halves if each.len()
    }:
        is_it = (column == value).fill_null(value=False).to_numpy().astype(np.float64)
        share, mean = _by_part(is_it, part), is_it.mean()
        step = _step(share, math.sqrt(2 * mean * (1 - mean) * len(share) / len(is_it)))
        if step and step.before < _HARDLY and step.after >= _RATE:
            place = int(np.flatnonzero(part == step.place)[0])
            return place, f"{step.before:.0%} of its values were {value:g} and {step.after:.0%} are"
    return None


def _silent(is_it: Floats, share: Floats) -> tuple[int, float] | None:
    """Newest rows without a class, more of them than its rarest time before would ever give."""
    there = np.flatnonzero(is_it)
    last = int(there[-1]) + 1 if len(there) else 0
    whole, silence = share[: last * len(share) // len(is_it)], len(is_it) - last
    if len(whole) < len(share) / 2 or whole[-1] < np.median(whole) / 2:
        return None
    if (1 - whole.min()) ** silence > _GONE or silence < _PAUSES * np.diff(there).max():
        return None
    return last, float(whole.mean())


def _level(column: pl.Series, part: npt.NDArray[np.int64]) -> tuple[int, str] | None:
    """A number whose middle, or whose lower or upper quarter, jumps."""
    raw = column.cast(pl.Float64).fill_null(math.nan).to_numpy()
    scale = float(np.nanmedian(np.abs(raw))) or 1.0
    values = np.arcsinh(raw / scale)  # linear near zero, a logarithm far from it
    inside = [values[part == place] for place in range(part[-1] + 1)]
    inside = [each[~np.isnan(each)] for each in inside]
    if min(len(each) for each in inside) < LEAST / 2:
        return None
    quarters = np.array([np.quantile(each, (0.25, 0.5, 0.75)) for each in inside])
    width = float(np.median(quarters[:, 2] - quarters[:, 0]))
    if not width:
        return None
    error = 1.35 * width / math.sqrt(np.median([len(each) for each in inside]))
    for which in (1, 0, 2):
        step = _step(quarters[:, which], error)
        if step and abs(step.after - step.before) >= width:
            before, after = (float(np.sinh(level) * scale) for level in (step.before, step.after))
            place = int(np.flatnonzero(part == step.place)[0])
            what = (
                "a quarter of its values were below",
                "half of its values were below",
                "a quarter of its values were above",
            )[(0, 1, 2)[which]]
            return place, f"{what} {before:.4g}, and now {after:.4g},"
    return None


def _step(series: Floats, error: float) -> _Step | None:
    """The jump of a series over two slices, if it stands alone, is sure and lasts."""
    steps = np.abs(series[2:] - series[:-2])
    best = int(steps.argmax())
    others = np.delete(steps, np.arange(max(0, best - 2), min(len(steps), best + 3)))
    before, after = series[: best + 1], series[best + 2 :]
    if min(len(before), len(after)) < 2 or steps[best] < max(SURE * error, JUMP * float(others.max())):
        return None
    if max(after.min() - before.max(), before.min() - after.max()) < steps[best] / 2:
        return None
    middle = abs(series[best + 1] - series[best]) < abs(series[best + 2] - series[best + 1])
    return _Step(best + 1 + int(middle), float(np.median(before)), float(np.median(after)))
