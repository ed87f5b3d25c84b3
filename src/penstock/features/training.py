"""Training sets: rows with their label and features, cut by time into training and holdout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import polars as pl

from penstock.core.durations import duration
from penstock.core.errors import InvalidValue
from penstock.core.targets import resolve
from penstock.core.words import meant
from penstock.datasets.columns import column_type, corrected, known
from penstock.datasets.spilling import piece_of
from penstock.datasets.types import WRITTEN, Column, Predictions
from penstock.features.computed import with_computed
from penstock.features.cutting import Cut, cut_of, held_out, marks_in, marks_of
from penstock.features.holdout import Holdout, read_holdout
from penstock.features.joins import Timelines, join
from penstock.features.types import RowsSettings, TrainingSet
from penstock.features.views import FeatureView

EXAMPLES = 500
"""Rows of the holdout that are kept as examples of what a model is asked."""
_ROW, _HELD, _MARK = "penstock.row", "penstock.held", "penstock.mark"


def training_set(
    settings: Mapping[str, Any],
    tables: Mapping[str, pl.LazyFrame],
    as_of: datetime,
    timelines: Timelines | None = None,
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
    rows = tables[asked.source.name]
    _require_label(asked, rows)
    spine = _in_span(asked, _chosen(asked, rows, as_of).select(_columns(asked, rows)).collect(), as_of)
    times, marks = spine[asked.source.event_time], marks_in(spine, asked)
    cut = cut_of(asked, times, marks)
    _require_both(asked, times, cut)
    table = _joined(asked, spine, tables, timelines)
    train, apart = _parted(table, held_out(times, cut, marks))
    schema = schema_of(settings, train.lazy(), apart.lazy(), rows, timelines)
    return TrainingSet(train, apart, schema)


def spine_of(settings: Mapping[str, Any], rows: pl.LazyFrame, as_of: datetime) -> pl.DataFrame:
    """Which rows of the source a training set is made of, in their order, and which are of the holdout.

    A row for each: its number in the source and whether it is held out. Beside these the times of all rows
    are held in memory, and a number for each of those at a time that a holdout by share cuts through.
    Raises InvalidValue as `training_set`.
    """
    asked = msgspec.convert(settings, RowsSettings)
    source = asked.source
    _require_label(asked, rows)
    numbered = rows.with_row_index(_ROW)
    names = dict.fromkeys([*source.key, source.event_time, source.known_time or source.event_time])
    narrow = _chosen(asked, numbered.select(list(dict.fromkeys([_ROW, *names, asked.label]))), as_of)
    chosen = _in_span(asked, narrow.select(_ROW, source.event_time).collect(), as_of)
    columns, moment = _columns(asked, rows), pl.col(source.event_time)

    @cache
    def marks(at: datetime) -> pl.Series:
        own = chosen.filter(moment == at).select(_ROW)
        tied = numbered.filter(moment == at).join(own.lazy(), on=_ROW, how="semi").select(_ROW, *columns)
        pieces = tied.collect_batches(chunk_size=piece_of(tied.collect_schema()))
        found = [piece.select(_ROW, marks_of(piece.drop(_ROW), asked).alias(_MARK)) for piece in pieces]
        return own.join(pl.concat(found), on=_ROW, how="left", maintain_order="left")[_MARK]

    times = chosen[source.event_time]
    cut = cut_of(asked, times, marks)
    _require_both(asked, times, cut)
    return chosen.select(_ROW, held_out(times, cut, marks).alias(_HELD))


def training_part(
    settings: Mapping[str, Any], rows: pl.LazyFrame, spine: pl.DataFrame, timelines: Timelines
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Some consecutive rows of a `spine_of` the source: those to train on, and those of the holdout.

    Of the source nothing is read before the first of them and after the last.
    """
    asked = msgspec.convert(settings, RowsSettings)
    own = spine.select(_ROW)
    first = int(numbers.min()) if len(numbers := own[_ROW].to_numpy()) else 0
    end = int(numbers.max()) + 1 if len(numbers) else 0
    read = rows.slice(first, end - first).with_row_index(_ROW, first)
    wide = read.join(own.lazy(), on=_ROW, how="semi").collect(engine="streaming")
    table = own.join(wide, on=_ROW, how="left", maintain_order="left").select(_columns(asked, rows))
    return _parted(_joined(asked, table, {}, timelines), spine[_HELD])


def _parted(table: pl.DataFrame, held: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    table = table.drop(WRITTEN, strict=False)
    return table.filter(~held), table.filter(held)


def _require_label(asked: RowsSettings, rows: pl.LazyFrame) -> None:
    columns = rows.collect_schema()
    if asked.label not in columns:
        raise InvalidValue(
            what=f"The source {asked.source.name} has no column `{asked.label}` for the label.",
            fix=meant(asked.label, columns),
        )
    kind = rows.collect_schema()[asked.label]
    if column_type(kind) in {"time", "other"}:
        raise InvalidValue(
            what=f"The label `{asked.label}` of the source {asked.source.name} cannot be learnt",
            expected="numbers, booleans or text",
            found=str(kind),
            fix="Write what is to be foretold as a number, such as how many days it took.",
        )


def _chosen(asked: RowsSettings, rows: pl.LazyFrame, as_of: datetime) -> pl.LazyFrame:
    """The rows of the source that have a label, in order of event time."""
    source = asked.source
    return (
        corrected(source, rows.filter(known(source, as_of)))
        .filter(pl.col(asked.label).is_not_null())
        .sort(source.event_time, maintain_order=True)
    )


def _columns(asked: RowsSettings, rows: pl.LazyFrame) -> list[str]:
    first = dict.fromkeys([*asked.source.key, asked.source.event_time])
    aside = {*first, asked.source.known_time, _ROW}
    return [*first, *(name for name in rows.collect_schema().names() if name not in aside)]


def _in_span(asked: RowsSettings, spine: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The rows that are meant, measured back from the newest. Raises InvalidValue where there is none."""
    source = asked.source
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
        since = spine.filter(moment >= datetime.fromisoformat(asked.since))
        spine = max(since, _last(spine, source.event_time, read_holdout(asked.holdout)), key=len)
    return spine


def _joined(
    asked: RowsSettings, spine: pl.DataFrame, tables: Mapping[str, pl.LazyFrame], timelines: Timelines | None
) -> pl.DataFrame:
    """Rows with their features."""
    if isinstance(asked.source.kind, Predictions):
        _served(asked, spine.columns, timelines or {})
        table = spine.drop(asked.computed.keys(), strict=False)  # they are made anew of what was served
    else:
        views = [resolved_view(view.target) for view in asked.views]
        table = join(spine, asked.source.event_time, views, tables, timelines)
    return with_computed(table, asked.computed)


def _require_both(asked: RowsSettings, times: pl.Series, cut: Cut) -> None:
    if not 0 < cut.rows < times.len():
        raise InvalidValue(
            what=f"The training set of {asked.source.name} has an empty part",
            expected=f"labelled rows to learn from beside a holdout of {asked.holdout}",
            found=f"{times.len() - cut.rows} beside {cut.rows}, "
            f"from {times[0]:%Y-%m-%d %H:%M} to {times[-1]:%Y-%m-%d %H:%M}",
            fix=_fix_of_empty(asked, times.len()),
        )


def _fix_of_empty(asked: RowsSettings, rows: int) -> str:
    if rows == 1:
        return "A model takes two rows at least, one of them to be measured on."
    if read_holdout(asked.holdout).share:
        return "Say a smaller share, or have more rows."
    return 'Change `span` or `holdout`: a share such as holdout="20%" always leaves some.'


def _last(spine: pl.DataFrame, time: str, holdout: Holdout) -> pl.DataFrame:
    """The last of some rows that are twice the holdout."""
    if holdout.share:
        return spine.tail(math.ceil(2 * holdout.share * spine.height))
    return spine.filter(pl.col(time) >= pl.col(time).last() - 2 * holdout.span)


def _own(asked: RowsSettings, rows: pl.LazyFrame, timelines: Timelines | None) -> set[str]:
    """The columns that are the source's own, and no features."""
    names = rows.collect_schema().names()
    served = isinstance(asked.source.kind, Predictions)
    return set(names) - (_served(asked, names, timelines or {}) if served else set())


def _served(asked: RowsSettings, columns: Sequence[str], timelines: Timelines) -> set[str]:
    """The features of views that answers were given with. Raises InvalidValue for a view without any."""
    served: set[str] = set()
    for view in asked.views:
        kept = timelines.get(view.name)
        made = [each.name for each in view.aggregates] or list(kept[0].features.schema if kept else ())
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


def schema_of(
    settings: Mapping[str, Any],
    train: pl.LazyFrame,
    holdout: pl.LazyFrame,
    rows: pl.LazyFrame,
    timelines: Timelines | None,
) -> dict[str, Any]:
    """What a model is asked: its columns, and rows spread evenly over the holdout; see `TrainingSet`.

    Times are no inputs of a model: nothing on the wire has their type. The source's own columns may be
    null if they ever were; features always, since a live entity may have none that is fresh. Of `rows`,
    those of the source, nothing but the columns is asked. Raises InvalidValue.
    """
    asked = msgspec.convert(settings, RowsSettings)
    own = _own(asked, rows, timelines)
    aside = {*asked.source.key, asked.source.event_time, asked.label}
    schema = {name: dtype for name, dtype in holdout.collect_schema().items() if name not in aside}
    counts = pl.concat([train, holdout]).select(pl.col(name).null_count() for name in schema if name in own)
    nulls = counts.collect(engine="streaming")
    seen = nulls.row(0, named=True) if nulls.width else {}
    columns = [
        Column(name=name, dtype=kind, nullable=name not in own or seen[name] > 0)
        for name, kind in ((name, column_type(dtype)) for name, dtype in schema.items())
        if kind != "time"
    ]
    nested = [column.name for column in columns if column.dtype == "other"]
    if nested:
        raise InvalidValue(
            what="Some columns of the training set cannot be inputs of a model",
            expected="numbers, booleans or text",
            found=", ".join(f"`{name}` ({schema[name]})" for name in nested),
            fix="Make numbers or text of them in the view, or where the rows of the source are written.",
        )
    if not columns:
        raise InvalidValue(
            what="The training set has no column that a model could be asked about",
            expected="a feature, or a column of the source beside its key, times and label",
            fix="Give training_rows(...) a feature view, or the source more columns.",
        )
    height = holdout.select(pl.len()).collect().item()
    taken = min(EXAMPLES, height)
    spread = [index * height // taken for index in range(taken)]
    examples = (
        holdout.select(
            pl.col(column.name).cast(pl.String) if column.dtype == "string" else pl.col(column.name)
            for column in columns
        )
        .with_row_index(_ROW)
        .filter(pl.col(_ROW).is_in(spread))
        .drop(_ROW)
        .collect(engine="streaming")
    )
    return {
        "columns": msgspec.to_builtins(columns),
        "label": asked.label,
        "examples": examples.to_dict(as_series=False),
    }
