"""Training sets: rows with their label and features, cut by time into training and holdout."""

from __future__ import annotations

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
from penstock.datasets.types import Column, Predictions
from penstock.features.computed import with_computed
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
    event time, the source's others (without the known time), features, computed features. Of a source of
    predictions the features are its own columns, as they were served.
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
    if asked.span:
        spine = spine.filter(moment > newest - duration(asked.span))
    if asked.since:
        begun = min(datetime.fromisoformat(asked.since), newest - 2 * duration(asked.holdout))
        spine = spine.filter(moment >= begun)
    if isinstance(source.kind, Predictions):
        served = _served(asked, spine.columns, timelines or {})
        table = spine.drop(asked.computed.keys(), strict=False)  # they are made anew of what was served
        others = [name for name in others if name not in served]
    else:
        views = [resolved_view(view.target) for view in asked.views]
        table = join(spine, source.event_time, views, tables, timelines)
    table = with_computed(table, asked.computed)
    cut = newest - duration(asked.holdout)
    train, holdout = table.filter(moment <= cut), table.filter(moment > cut)
    if train.is_empty() or holdout.is_empty():
        raise InvalidValue(
            what=f"The training set of {source.name} has an empty part",
            expected=f"labelled rows before and after {cut:%Y-%m-%d %H:%M} UTC",
            found=f"{train.height} before and {holdout.height} after, "
            f"from {spine[source.event_time][0]:%Y-%m-%d %H:%M} to {newest:%Y-%m-%d %H:%M}",
            fix="Change `span` or `holdout`.",
        )
    aside = {*first, asked.label}
    return TrainingSet(
        train, holdout, _schema(table.drop(aside), holdout.drop(aside), asked.label, set(others))
    )


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
