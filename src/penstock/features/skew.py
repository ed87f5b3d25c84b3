"""Skew: what predictions read online, held against what training reads at the same keys and moments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from penstock.features.joins import entities_of
from penstock.features.timelines import BEFORE_ALL, Features, Integers, Timeline
from penstock.features.types import ColumnSkew, Differing, OnlineView, ViewSettings
from penstock.features.windows import windowed

MOST = 10_000
"""Answers of a day that are compared: a share is then known within 1 %, 95 times in 100."""
TOLERANCE = 1e-9
"""Numbers that differ by less are equal; above 1 it is a share of the larger one."""
EXAMPLES = 5
_AT, _FILL, _NEXT = "penstock.at", "penstock.fill", "penstock.next"
_GIVEN = "GIVEN"
_KEYS = {"int": pl.Int64, "string": pl.String, "bool": pl.Boolean}
_MOMENT = pl.Datetime("us", "UTC")


class Fill(NamedTuple):
    """The online values were brought to what was known `as_of`, which was done at `finished`."""

    as_of: datetime
    finished: datetime


def to_compare(view: OnlineView, answers: pl.LazyFrame, fills: Sequence[Fill]) -> pl.DataFrame:
    """What answers (see `PredictionLog.table`) read online of a view: at most `MOST` of them, evenly taken.

    Columns: the entity's; when it was read; as of when the store had been filled then, and was being filled
    further (null where that is not known, or not so); `input.NAME` of each feature that is there, and
    `own.NAME`, whether it was read and not given by the request. `fills` come in the order of their ends.
    """
    status, given, when = (f"{part}.{view.name}" for part in ("status", "given", "read"))
    keys = [f"key.{column.name}" for column in view.entity]
    there = answers.collect_schema().names()
    if not {status, *keys} <= set(there):
        return pl.DataFrame()
    features = [name for name in view.features if f"input.{name}" in there]
    wanted = ["id", when, *keys, *(f"input.{name}" for name in features), *({given} & {*there})]
    read = answers.filter(pl.col(status) != _GIVEN).select(wanted).collect().sort(when, "id")
    chosen = read.gather_every(max(1, -(-read.height // MOST)))
    moments = chosen[when].to_list()
    ended = [fill.finished for fill in fills]
    filled, going = [], []
    for moment in moments:
        at = bisect_right(ended, moment)
        filled.append(fills[at - 1].as_of if at else None)
        going.append(fills[at].as_of if at < len(fills) and fills[at].as_of <= moment else None)
    brought = pl.col(given) if given in chosen.columns else pl.lit(None, pl.List(pl.String))
    own = [~brought.list.contains(name).fill_null(value=False) for name in features]
    return chosen.select(
        *(pl.col(f"key.{each.name}").cast(_KEYS[each.dtype]).alias(each.name) for each in view.entity),
        pl.Series(_AT, moments, _MOMENT),
        pl.Series(_FILL, filled, _MOMENT),
        pl.Series(_NEXT, going, _MOMENT),
        *(pl.col(f"input.{name}") for name in features),
        *(told.alias(f"own.{name}") for name, told in zip(features, own, strict=True)),
    )


def lag_of(read: pl.DataFrame) -> float | None:
    """The longest time in seconds from when the source was read to an answer; None where nobody knows."""
    lag = (read[_AT] - read[_FILL]).max()
    return lag.total_seconds() if lag is not None else None  # type: ignore[union-attr]


def compare(
    view: ViewSettings, read: pl.DataFrame, timeline: Timeline[Features], features: Collection[str]
) -> list[ColumnSkew]:
    """How many values of each feature are not what `join` has at their moments.

    Those are stale that are what it had there of all that was known when the store was filled. `read` is what
    `to_compare` gives; nulls, which infinite values are too, are equal. Raises InvalidValue for entities
    of other types.
    """
    offline = _offline(view, timeline, read, _AT)
    filled = [(name, _offline(view, timeline, read, name)) for name in (_FILL, _NEXT)]
    told = []
    for name in features:
        served = read[f"input.{name}"]
        own = read[f"own.{name}"]
        same = _same(served, offline[name])
        as_filled = pl.Series([False]).new_from_index(0, read.height)
        for moment, values in filled:
            as_filled |= _same(served, values[name]) & read[moment].is_not_null()
        stale, differs = own & ~same & as_filled, own & ~same & ~as_filled
        shown = read.with_columns(offline[name].alias("penstock.offline")).filter(differs).head(EXAMPLES)
        told.append(
            ColumnSkew(
                column=name,
                rows=int(own.sum()),
                differs=int(differs.sum()),
                stale=int(stale.sum()),
                examples=tuple(_examples(view.entity, shown.iter_rows(named=True), name)),
            )
        )
    return told


def _examples(entity: Sequence[str], rows: Iterable[dict[str, Any]], feature: str) -> Iterable[Differing]:
    for row in rows:
        yield Differing(
            key={name: row[name] for name in entity},
            time=row[_AT],
            online=row[f"input.{feature}"],
            offline=row["penstock.offline"],
        )


def _offline(view: ViewSettings, timeline: Timeline[Features], read: pl.DataFrame, by: str) -> pl.DataFrame:
    """The features at the moment of each row, of what was known at the moment `by`."""
    if view.aggregates:
        return windowed(read.select(*view.entity, _AT, *{by} - {_AT}), _AT, view, timeline, by)
    at, seen = (_microseconds(read[name]) for name in (_AT, by))
    places = timeline.places(entities_of(read, timeline.entities.schema, view), seen, 0.0)
    found = places >= 0
    if view.ttl and found.any():
        found[found] = at[found] - timeline.event[places[found]] <= round(view.ttl * 1e6)
    return timeline.features.take(np.where(found, places, -1))


def _microseconds(moments: pl.Series) -> Integers:
    return moments.to_physical().fill_null(BEFORE_ALL).to_numpy()


def _same(served: pl.Series, offline: pl.Series) -> pl.Series:
    if not (offline.dtype.is_numeric() or offline.dtype == pl.Boolean):
        return served.cast(pl.String).eq_missing(offline.cast(pl.String))
    table = pl.DataFrame({"a": served.cast(pl.Float64, strict=False), "b": offline.cast(pl.Float64)}).select(
        pl.when(pl.all().is_finite()).then(pl.all())
    )
    a, b = pl.col("a"), pl.col("b")
    near = (a - b).abs() <= TOLERANCE * pl.max_horizontal(a.abs(), b.abs(), pl.lit(1.0))
    return table.select(near.fill_null(a.is_null() & b.is_null())).to_series()
