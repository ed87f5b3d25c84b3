"""Whether a feature view loses what its rows hold: texts that it cannot read, differences, and gaps.

What is asked is narrow, so that lawful views pass: each time the columns hold something, the feature does
not, and other values in the same place show that it is made of them.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from penstock.builds.automatic.views import features_of
from penstock.features.views import FeatureView

LEAST = 300
"""Rows from which something can be said."""
_WRITTEN = r"^[^\p{L}\d]*\d[^\p{L}]*$"
"""Numbers, dates and times: digits, and anything but letters."""
_NEARLY = 0.98
_SHARE = (0.02, 0.98)
_SECOND = 0.01
_ENTITIES = 5
_OUTAGES = 2
_GAPS = (0.01, 0.5)


def lost_values(view: FeatureView, rows: pl.DataFrame) -> None:
    """Look for values of the source that are lost on the way into a feature.

    A text that is a number or a date gives nothing, where others of the same column do; a feature is the
    same in all rows, though a column that it is made of varies; what was recorded of nobody at some moments
    counts as zero.
    Raises AssertionError.
    """
    names = features_of(view, rows)
    if not names or rows.height < LEAST:
        return
    made = view(rows.lazy()).collect()
    _constant(view, rows, made, names)
    if made.height == rows.height:
        _unread(view, rows, made, names)
    _silence(view, rows, made, names)


def _columns(view: FeatureView, rows: pl.DataFrame) -> list[str]:
    source = view.settings.source
    aside = {*source.key, *view.settings.entity, source.event_time, source.known_time}
    return [name for name in rows.columns if name not in aside]


def _with(view: FeatureView, rows: pl.DataFrame, name: str, value: pl.Expr) -> pl.DataFrame | None:
    """The features when a column is another; None when the view cannot be made of it."""
    try:
        return view(rows.with_columns(value.cast(rows.schema[name]).alias(name)).lazy()).collect()
    except Exception:  # noqa: BLE001 - another test asks a view for strange rows
        return None


def _constant(view: FeatureView, rows: pl.DataFrame, made: pl.DataFrame, names: list[str]) -> None:
    same = [name for name in names if made[name].n_unique() == 1 and made[name].null_count() == 0]
    for column in _columns(view, rows) if same else []:
        counts = rows[column].value_counts(sort=True, name="_times")["_times"]
        if counts.len() < 2 or counts[0] > (1 - _SECOND) * rows.height:
            continue
        other = _with(view, rows, column, pl.lit(None))
        for name in same:
            if other is not None and not other[name].equals(made[name]):
                some = [repr(value) for value in rows[column].unique(maintain_order=True).head(3)]
                raise AssertionError(
                    f"`{name}` of {view.settings.name} is {made[name][0]} in all {made.height} rows, though "
                    f"`{column}`, of which it is made, is not always the same ({', '.join(some)}). "
                    "Expected a feature "
                    "that varies: look at what it is compared with, such as an empty text that is not null."
                )


def _unread(view: FeatureView, rows: pl.DataFrame, made: pl.DataFrame, names: list[str]) -> None:
    for column in _columns(view, rows):
        texts = rows[column]
        if texts.dtype != pl.String or texts.n_unique() < 10:
            continue
        there = texts.is_not_null() & (texts.str.strip_chars() != "")
        if (texts.filter(there).str.contains(_WRITTEN)).mean() < _NEARLY:  # type: ignore[operator]
            continue
        for name in names:
            lost, found = made[name].is_null() & there, made[name].is_not_null() & there
            share = int(lost.sum()) / max(1, int(there.sum()))
            if not _SHARE[0] < share < _SHARE[1]:
                continue
            bad, good = (texts.filter(which)[0] for which in (lost, found))
            tried = [_with(view, rows, column, pl.lit(value)) for value in (bad, good)]
            if any(each is None for each in tried):
                continue
            nulls = [each[name].is_null().mean() for each in tried if each is not None]
            if nulls[0] > _NEARLY and nulls[1] < share / 2:  # type: ignore[operator]
                raise AssertionError(
                    f"{view.settings.name} cannot read {share:.0%} of the texts in `{column}`: of {bad!r} "
                    "it makes "
                    f"no `{name}`, of {good!r} it does. Expected a value of each: look at the format that is "
                    "parsed, such as day and month in the other order, and at strict=False."
                )


def _silence(view: FeatureView, rows: pl.DataFrame, made: pl.DataFrame, names: list[str]) -> None:
    moment = view.settings.source.event_time
    for column in _columns(view, rows):
        if not rows.schema[column].is_numeric() or not _outages(rows, moment, column):
            continue
        zero, far = (
            _with(view, rows, column, pl.col(column).fill_null(value))
            for value in (pl.lit(0), pl.col(column).max())
        )
        gap = rows[column].null_count() / rows.height
        for name in names:
            if (
                made[name].null_count() < gap / 2 * made.height
                and zero is not None
                and far is not None
                and zero[name].equals(made[name])
                and not far[name].equals(made[name])
            ):
                raise AssertionError(
                    f"`{name}` of {view.settings.name} counts what was not recorded as 0: `{column}` is "
                    "null for all at some moments and for none at others, as when nobody measured, and "
                    "there are zeros beside. Expected something else of a gap than of a zero: look for "
                    "fill_null(0), and take means of what is there."
                )


def _outages(rows: pl.DataFrame, moment: str, column: str) -> bool:
    """Whether a column is null for all rows of some moments, for none of the others, and often 0."""
    numbers = rows[column]
    low, high = _GAPS
    if not low < numbers.null_count() / rows.height < high or (numbers == 0).mean() < _SECOND:  # type: ignore[operator]
        return False
    slots = (
        rows.group_by(moment)
        .agg(pl.len().alias("rows"), pl.col(column).is_null().mean().alias("gap"))
        .filter(pl.col("rows") >= _ENTITIES)
    )
    gaps = slots["gap"].to_numpy()
    return bool(
        slots["rows"].sum() > _NEARLY * rows.height
        and (gaps == 1).sum() >= _OUTAGES
        and np.isin(gaps, (0.0, 1.0)).all()
    )
