"""Rows of a view that come from outside, checked against what the view holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.datasets.types import Column
from penstock.features.latest import EVENT, KNOWN, rows_to_keep
from penstock.features.types import Materialization, ViewSettings

_KINDS: dict[str, Any] = {
    "float": pl.Float64,
    "int": pl.Int64,
    "bool": pl.Boolean,
    "string": pl.String,
    "time": pl.Datetime("us", "UTC"),
}


def pushed_rows(
    view: ViewSettings, state: Materialization, columns: Mapping[str, Sequence[Any]], now: datetime
) -> list[tuple[bytes, bytes]]:
    """The records of rows given column by column: the entity, the source's event time, the features.

    They are known from `now` on. Times are ISO 8601, in UTC where they have no zone.
    Raises InvalidValue for columns that lack, are too many, or hold other values than the view's.
    """
    if view.aggregates:
        raise InvalidValue(
            what=f"Rows cannot be written to {view.name}: its features are aggregates of events",
            fix=f"Add the events to its source {view.source.name}.",
        )
    moment = view.source.event_time
    wanted = [*view.entity, moment, *(column.name for column in state.features)]
    if set(columns) != set(wanted):
        raise InvalidValue(
            what=f"Rows of the feature view {view.name} have other columns",
            expected=", ".join(wanted),
            found=", ".join(columns) or "none",
        )
    if len({len(values) for values in columns.values()}) != 1:
        raise InvalidValue(
            expected="columns of one length", found=str({n: len(v) for n, v in columns.items()})
        )
    made = [_series(column, columns[column.name]) for column in (*state.entity, *state.features)]
    events = _series(Column(name=moment, dtype="time"), columns[moment])
    table = pl.DataFrame([*made, events.alias(EVENT)]).with_columns(
        pl.lit(now).cast(_KINDS["time"]).alias(KNOWN)
    )
    missing = [name for name in (*view.entity, EVENT) if table[name].null_count()]
    if missing:
        raise InvalidValue(
            what=f"Rows of the feature view {view.name} lack what they are found by",
            found=", ".join(moment if name == EVENT else name for name in missing),
        )
    return rows_to_keep(view.entity, table)


def _series(column: Column, values: Sequence[Any]) -> pl.Series:
    kind = _KINDS[column.dtype]
    try:
        made = [_moment(value) for value in values] if column.dtype == "time" else values
        return pl.Series(column.name, made, dtype=kind)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise InvalidValue(
            what=f"The column `{column.name}` holds another kind of values",
            expected=column.dtype,
            found=str(error).split("\n")[0],
        ) from error


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
