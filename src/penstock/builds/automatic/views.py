"""What every feature view is asked: no future, no infinities, one row per key, values that arrive in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from penstock.datasets.columns import keeps_corrections, known
from penstock.datasets.types import Source
from penstock.features.joins import join
from penstock.features.types import TrainingSet
from penstock.features.views import FeatureView

MOMENTS = 8
"""Moments at which the features of the past are compared with those that the future was there for."""
ENTITIES = 500
FEW = 300
"""Rows that a view is given in strange variants."""
HUGE = 1e6
"""How many times larger than any seen a number may come."""
SILENCE = 20
"""A value is stale when it is so many times older than the longest usual pause of its source."""
_ROUNDING = 1e-9
_ARRIVE = 0.02
_USUAL = 0.5
_STALE = 0.01
_AGAIN = 0.01
_NEWEST = 20_000


def no_future(view: FeatureView, rows: pl.DataFrame, label: str = "", moments: int = MOMENTS) -> None:
    """Compare, at moments spread over the rows, the features from all rows with those from the past alone.

    `rows` are rows of the view's source with times in UTC. A view that looks ahead, such as one that
    subtracts the mean of a whole column, gives different values as soon as later rows are there; one that
    counts a row's own `label` in gives different values when that is another.
    Raises AssertionError with the first difference.
    """
    source, entity = view.settings.source, list(view.settings.entity)
    times = rows[source.event_time].drop_nulls().unique().sort()
    entities = view(rows.lazy()).select(entity).drop_nulls().unique().sort(entity).head(ENTITIES).collect()
    for moment in _moments(times, moments):
        spine = entities.with_columns(pl.lit(moment).cast(times.dtype).alias(source.event_time))
        past = rows.filter(known(source, moment))
        honest, found = (joined(view, spine, table) for table in (past, rows))
        if place := differs(honest, found):
            row, name = place
            raise AssertionError(
                f"{view.settings.name} sees the future: at {moment} UTC `{name}` of {entities.row(row)} "
                f"is {found[name][row]} with later rows and {honest[name][row]} without them. "
                "Look for a shift, rolling window, mean or fill that reaches rows after its own."
            )
        if label in rows.columns and (
            place := differs(honest, joined(view, spine, _other(past, label, moment, source)))
        ):
            row, name = place
            raise AssertionError(
                f"{view.settings.name} contains the label that it is to foretell: at {moment} UTC `{name}` "
                f"of {entities.row(row)} depends on the `{label}` of a row of that moment. Leave the row "
                "itself out of what is aggregated, as with `.shift(1)` over the entity, or declare the "
                "source's known_time."
            )


def finite(view: FeatureView, rows: pl.DataFrame) -> None:
    """Give a view rows that are empty, constant, null, or far larger than usual, and look at its numbers.

    Raises AssertionError for the first NaN or infinity, or when the view fails on such rows.
    """
    few = rows.head(FEW)
    for what, strange in _strange(few, view.settings.source, view.settings.entity):
        try:
            features = view(strange.lazy()).collect()
        except Exception as error:  # whatever a user's function raises is the finding
            raise AssertionError(
                f"{view.settings.name} fails on {what}: "
                f"{str(error).splitlines()[0] if str(error) else error!r}. Requests will bring such rows."
            ) from error
        if name := not_finite(features):
            raise AssertionError(
                f"{view.settings.name} gives NaN or infinity in `{name}` from {what}: expected a number or "
                "null. Look for a division, a logarithm or a root, and say with `when` what it is there."
            )


def not_finite(table: pl.DataFrame) -> str:
    """The first column of a table that holds NaN or infinity, or nothing."""
    for name, dtype in table.schema.items():
        if dtype.is_float() and not table[name].is_finite().fill_null(value=True).all():
            return name
    return ""


def unique_keys(source: Source, rows: pl.DataFrame, *, trained_on: bool = True) -> None:
    """Raises AssertionError when the declared key of a source does not tell its rows apart.

    Nor may it tell apart rows that are the same in all else, where they have a number that hardly repeats.
    A correction has the key of the row that it corrects, and is told apart by when it became known: in a
    source that keeps corrections, and in one that is not `trained_on` but has features made of it.
    """
    key = list(source.key)
    if key and source.known_time and (keeps_corrections(source) or not trained_on):
        key = list(dict.fromkeys([*key, source.known_time]))
    twice = rows.group_by(key).len().filter(pl.col("len") > 1).sort(key) if key else rows.head(0)
    if key and twice.height:
        raise AssertionError(
            f"{source.name} has {twice.height} keys more than once, such as {twice.row(0)[:-1]}: expected "
            f"one row for each {', '.join(key)}. The same row in training and holdout flatters the model: "
            "drop duplicates where the rows are written."
        )
    rest = [name for name in rows.columns if name not in {*key, source.known_time}]
    rich = [name for name in rest if rows.schema[name].is_float() and rows[name].n_unique() > rows.height / 2]
    if key and rich and source.event_time not in key:
        rows = rows.unique(source.key, keep="last", maintain_order=True).tail(_NEWEST)
        again = rows.filter(~pl.struct(rest).is_first_distinct())
        if again.height > _AGAIN * rows.height:
            raise AssertionError(
                f"{again.height} of {rows.height} rows of {source.name} are there again under another "
                "key, such "
                f"as {again.select(key).row(0)}: expected one row for each thing that happened. Look for "
                "a delivery "
                "that was repeated, and for a join that multiplies rows."
            )


def arrives(view: FeatureView, rows: pl.DataFrame, made: TrainingSet, event_time: str) -> None:
    """Whether the features that a view makes are found, and are fresh, where rows are joined with them.

    Raises AssertionError when nearly all are missing, there or in the holdout alone, or when a view without
    `ttl` hands on values from before its source fell silent. Aggregates are always there, and say themselves
    how long an event counts.
    """
    if view.settings.aggregates:
        return
    table = pl.concat([made.train, made.holdout])
    features = view(rows.lazy()).collect()
    for name in features_of(view, rows):
        there, found = (1 - column.null_count() / column.len() for column in (features[name], table[name]))
        if found < _ARRIVE < there / 2:
            raise AssertionError(
                f"{view.settings.name} hardly ever arrives: `{name}` is there in {there:.0%} of its own "
                f"rows and in {found:.0%} of the training rows. Compare the values of "
                f"{', '.join(view.settings.entity)} on both sides, their times, and the view's ttl."
            )
        learned, asked = (1 - part[name].null_count() / part.height for part in (made.train, made.holdout))
        if asked < _ARRIVE and learned > _USUAL:
            raise AssertionError(
                f"{view.settings.name} no longer arrives: `{name}` is there in {learned:.0%} of the training "
                f"rows and in {asked:.0%} of the holdout. Expected what was learned from to be there "
                "when the "
                f"model is asked: see whether {view.settings.source.name} is still delivered."
            )
    if not view.settings.ttl:
        _fresh(view, features, table, event_time)


def features_of(view: FeatureView, rows: pl.DataFrame) -> list[str]:
    """The columns that a view makes of these rows, without entity and times; none when it fails."""
    aside = {*view.settings.entity, view.settings.source.event_time, view.settings.source.known_time}
    try:
        columns = view(rows.lazy()).collect_schema().names()
    except Exception:  # noqa: BLE001 - another test tells what a user's function raised
        return []
    return [name for name in columns if name not in aside]


def _fresh(view: FeatureView, features: pl.DataFrame, table: pl.DataFrame, event_time: str) -> None:
    moment, entity = view.settings.source.event_time, list(view.settings.entity)
    events = features.select(*entity, pl.col(moment).alias("_seen")).drop_nulls().unique().sort("_seen")
    pause: timedelta | None = events.select(pl.col("_seen").diff().over(entity).quantile(0.95)).item()
    if pause is None or not pause:
        return
    ages = (
        table.select(*entity, pl.col(event_time).alias("_at"))
        .sort("_at")
        .join_asof(
            events, left_on="_at", right_on="_seen", by=entity, strategy="backward", check_sortedness=False
        )
        .select((pl.col("_at") - pl.col("_seen")).alias("age"))["age"]
        .drop_nulls()
    )
    stale = ages.filter(ages > SILENCE * pause)
    if stale.len() > _STALE * table.height:
        raise AssertionError(
            f"{view.settings.name} has no ttl and hands on values of sources that fell silent: "
            f"{stale.len()} of {table.height} training rows get one that is up to {_days(stale.max())} "
            f"old, though a new one comes every {_days(pause)}. Say how long a value counts: ttl=."
        )


def _days(span: object) -> str:
    assert isinstance(span, timedelta)  # noqa: S101 - durations of Polars come so
    return f"{span.days} days" if span.days else f"{span.seconds // 60} minutes"


def _moments(times: pl.Series, most: int) -> list[datetime]:
    """Moments of a sorted series of times: early ones, where history is short, and some spread over the rest.

    Half of them lie just before the next time, where what pretends to be older than it is would be seen.
    """
    count = times.len()
    places = sorted(
        {min(place, count - 1) for place in (1, 3)} | {(2 * n + 1) * count // (2 * most) for n in range(most)}
    )
    ends = [times[place] for place in places]
    return ends + [times[place + 1] - timedelta(microseconds=1) for place in places[::2] if place + 1 < count]


def joined(view: FeatureView, spine: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """The spine with the features that a view makes of a table of its source."""
    return join(spine, view.settings.source.event_time, [view], {view.settings.source.name: table.lazy()})


def differs(first: pl.DataFrame, second: pl.DataFrame) -> tuple[int, str] | None:
    """The row and the column of the first difference of two tables; rounding is none."""
    for name in first.columns:
        places = different(first[name], second[name]).arg_true()
        if places.len():
            return int(places[0]), name
    return None


def different(one: pl.Series, other: pl.Series) -> pl.Series:
    """Where two columns differ by more than rounding."""
    found = one.ne_missing(other)
    if one.dtype.is_float():
        largest = one.abs().cast(pl.Float64).to_numpy()
        near = (one - other).abs() <= _ROUNDING * max(1.0, np.nanmax(largest, initial=0.0))
        found = found & ~near.fill_null(value=False)
    return found


def _other(rows: pl.DataFrame, label: str, moment: datetime, source: Source) -> pl.DataFrame:
    """The rows with another label where they are of this moment."""
    column, dtype = pl.col(label), rows.schema[label]
    if dtype == pl.Boolean:
        other = ~column
    elif dtype.is_numeric():
        other = (column.max() + column.min() - column + 1).cast(dtype)
    else:
        other = column.max() if rows[label].n_unique() > 1 else column
        other = pl.when(column == column.max()).then(column.min()).otherwise(other)
    return rows.with_columns(
        pl.when(pl.col(source.event_time) == moment).then(other).otherwise(column).alias(label)
    )


def _strange(rows: pl.DataFrame, source: Source, entity: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Rows that are unlike the others, and what is strange about them; keys and times stay."""
    aside = {*source.key, *entity, source.event_time, source.known_time}
    free: Mapping[str, pl.DataType] = {name: kind for name, kind in rows.schema.items() if name not in aside}
    numbers = [name for name, kind in free.items() if kind.is_numeric()]
    texts = [name for name, kind in free.items() if kind == pl.String]
    yield "no rows at all", rows.head(0)
    yield "a single row", rows.head(1)
    for name in numbers:
        zero = pl.lit(0).cast(rows.schema[name]).alias(name)
        yield f"rows in which `{name}` is 0", rows.with_columns(zero)
        if rows.schema[name].is_float():
            yield f"rows in which `{name}` is very large", rows.with_columns(pl.col(name) * HUGE)
    yield (
        "rows in which every number is 0",
        rows.with_columns(pl.lit(0).cast(rows.schema[n]).alias(n) for n in numbers),
    )
    yield "rows that are all alike", rows.with_columns(pl.col(name).drop_nulls().first() for name in free)
    for name in free:
        yield (
            f"rows in which `{name}` is null",
            rows.with_columns(pl.lit(None, rows.schema[name]).alias(name)),
        )
    yield (
        "rows in which everything is null",
        rows.with_columns(pl.lit(None, k).alias(n) for n, k in free.items()),
    )
    for name in texts:
        yield f"rows in which `{name}` was never seen", rows.with_columns(pl.lit("never seen").alias(name))
