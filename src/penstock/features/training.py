"""Training sets: rows with their label and features, cut by time into training and holdout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from penstock.core.durations import duration
from penstock.core.errors import InvalidValue
from penstock.core.targets import resolve
from penstock.core.words import meant
from penstock.datasets.columns import column_type, corrected, known
from penstock.datasets.types import WRITTEN, Column, Predictions
from penstock.features.computed import with_computed
from penstock.features.holdout import Holdout, read_holdout
from penstock.features.joins import join
from penstock.features.timelines import Features, Timeline
from penstock.features.types import RowsSettings, TrainingSet
from penstock.features.views import FeatureView

EXAMPLES = 500
"""Rows of the holdout that are kept as examples of what a model is asked."""


def training_set(
    settings: Mapping[str, Any],
    tables: Mapping[str, pl.LazyFrame],
    as_of: datetime,
    timelines: Mapping[str, Timeline[Features]] | None = None,
) -> TrainingSet:
    """Make the training set that a `rows` node asks for (`settings` are its `RowsSettings` as data).

    `tables` maps source names to rows; views in `timelines` are joined from there. Only rows known at
    `as_of` count; rows without a label are left out. The span and the holdout are measured back from the
    newest row that is left, so that the result depends on the rows alone. Columns come in this order: key,
    event time (if rows have one), the source's others (without the known time), features, computed features.
    Of a source of predictions the features are its own columns, as they were served.
    Raises InvalidValue when a column is missing or either part would be empty.
    """
    asked = msgspec.convert(settings, RowsSettings)
    source = asked.source
    rows = tables[source.name]
    columns = rows.collect_schema().names()
    if asked.label not in columns:
        raise InvalidValue(
            what=f"The source {source.name} has no column `{asked.label}` for the label.",
            fix=meant(asked.label, columns),
        )
    first = [*source.key, source.event_time]
    others = [name for name in columns if name not in {*first, source.known_time}]
    spine = (
        corrected(source, rows.filter(known(source, as_of)))
        .filter(pl.col(asked.label).is_not_null())
        .select(*dict.fromkeys(first), *others)
        .sort(source.event_time, maintain_order=True)
        .collect()
    )
    if spine.is_empty():
        raise InvalidValue(
            what=f"The source {source.name} has no rows with a label",
            expected=f"rows known at {as_of:%Y-%m-%d %H:%M} UTC in which `{asked.label}` is not null",
        )
    newest: datetime = spine[source.event_time][-1]
    moment = pl.col(source.event_time)
    holdout = read_holdout(asked.holdout)
    if asked.span:
        spine = spine.filter(moment > newest - duration(asked.span))
    if asked.since:
        since = spine.filter(moment >= datetime.fromisoformat(asked.since))
        spine = max(since, _last(spine, source.event_time, holdout), key=len)
    if isinstance(source.kind, Predictions):
        served = _served(asked, spine.columns, timelines or {})
        table = spine.drop(asked.computed.keys(), strict=False)  # they are made anew of what was served
        others = [name for name in others if name not in served]
    else:
        views = [resolved_view(view.target) for view in asked.views]
        table = join(spine, source.event_time, views, tables, timelines)
    table = with_computed(table, asked.computed)
    held = held_out(spine, asked, newest)
    train, apart = (part.drop(WRITTEN, strict=False) for part in (table.filter(~held), table.filter(held)))
    if train.is_empty() or apart.is_empty():
        raise InvalidValue(
            what=f"The training set of {source.name} has an empty part",
            expected=f"labelled rows to learn from beside a holdout of {asked.holdout}",
            found=f"{train.height} beside {apart.height}, "
            f"from {spine[source.event_time][0]:%Y-%m-%d %H:%M} to {newest:%Y-%m-%d %H:%M}",
            fix='Change `span` or `holdout`: a share such as holdout="20%" always leaves some.',
        )
    aside = {*first, asked.label}
    inputs = table.drop(aside)
    return TrainingSet(
        train, apart, _schema(inputs, apart.drop(aside, strict=False), asked.label, set(others))
    )


def held_out(rows: pl.DataFrame, asked: RowsSettings, newest: datetime) -> pl.Series:
    """Whether each of n rows of the source, in order of event time, is of the holdout: booleans, shape (n,).

    A span ends at the `newest` time. A share is the rows with the latest times, and of those with the same
    time some by chance, which depends on the values of a row other than its label: rows with the same values
    are on the same side, in whatever order they come.
    """
    time, holdout = asked.source.event_time, read_holdout(asked.holdout)
    if not holdout.share:
        return rows[time] > newest - holdout.span
    marks = rows.drop(asked.label, WRITTEN, strict=False).hash_rows(seed=0)
    order = pl.DataFrame({"time": rows[time], "mark": marks})
    first = order.sort("time", "mark").row(-max(1, round(holdout.share * rows.height)))
    later, same = pl.col("time") > first[0], pl.col("time") == first[0]
    return order.select(later | same & (pl.col("mark") >= first[1])).to_series()


def _last(spine: pl.DataFrame, time: str, holdout: Holdout) -> pl.DataFrame:
    """The last of some rows that are twice the holdout."""
    if holdout.share:
        return spine.tail(math.ceil(2 * holdout.share * spine.height))
    return spine.filter(pl.col(time) >= pl.col(time).last() - 2 * holdout.span)


def _served(
    asked: RowsSettings, columns: Sequence[str], timelines: Mapping[str, Timeline[Features]]
) -> set[str]:
    """The features of views that answers were given with. Raises InvalidValue for a view without any."""
    served: set[str] = set()
    for view in asked.views:
        timeline = timelines.get(view.name)
        made = [each.name for each in view.aggregates] or list(timeline.features.schema if timeline else ())
        if made and not set(made) & set(columns):
            raise InvalidValue(
                what=f"No answer was given with a feature of {view.name}",
                expected=f"one of {', '.join(made)} in {asked.source.name}",
                found=", ".join(columns),
                fix="Join a new view with the rows of a source first: once served, its values are logged.",
            )
        served |= set(made) & set(columns)
    return served


def resolved_view(target: str) -> FeatureView:
    """The view of this name. Raises InvalidValue."""
    found = resolve(target)
    if not isinstance(found, FeatureView):
        raise InvalidValue(what=f"{target} is not a feature view.", fix="Decorate it with @feature_view.")
    return found


def _schema(inputs: pl.DataFrame, holdout: pl.DataFrame, label: str, own: set[str]) -> dict[str, Any]:
    """What a model is asked: its columns, and rows spread evenly over the holdout.

    Times are no inputs of a model: nothing on the wire has their type. The source's `own` columns may be
    null if they ever were; features always, since a live entity may have none that is fresh.
    """
    columns = [
        Column(name=name, dtype=kind, nullable=name not in own or inputs[name].null_count() > 0)
        for name, kind in ((name, column_type(dtype)) for name, dtype in inputs.schema.items())
        if kind != "time"
    ]
    nested = [column.name for column in columns if column.dtype == "other"]
    if nested:
        raise InvalidValue(
            what="Some columns of the training set cannot be inputs of a model",
            expected="numbers, booleans or text",
            found=", ".join(f"`{name}` ({inputs.schema[name]})" for name in nested),
        )
    if not columns:
        raise InvalidValue(
            what="The training set has no column that a model could be asked about",
            expected="a feature, or a column of the source beside its key, times and label",
            fix="Give training_rows(...) a feature view, or the source more columns.",
        )
    taken = min(EXAMPLES, holdout.height)
    spread = [index * holdout.height // taken for index in range(taken)]
    examples = holdout.select(
        pl.col(column.name).cast(pl.String) if column.dtype == "string" else pl.col(column.name)
        for column in columns
    )[spread]
    return {
        "columns": msgspec.to_builtins(columns),
        "label": label,
        "examples": examples.to_dict(as_series=False),
    }
