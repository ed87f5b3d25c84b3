"""The point-in-time join: for each row, what was known of its entities at its moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.features.made import require_columns, rows_of
from penstock.features.views import FeatureView

_ROW, _RANK, _SEEN = "penstock.row", "penstock.rank", "penstock.seen"


def join(
    spine: pl.DataFrame,
    event_time: str,
    views: Sequence[FeatureView],
    tables: Mapping[str, pl.LazyFrame],
) -> pl.DataFrame:
    """The spine with the features of each view added, in the order of the spine.

    A row at moment T gets, per view, the values of the newest event of its entity with event time
    at most T and known time at most T; of events at the same time the one known last counts.
    They are null when there is none, when it is older than the view's time-to-live, or when an
    entity column is null. `tables` maps the name of each view's source to its rows, as `datasets.read`
    gives them. The spine's `event_time` is in UTC.
    Raises InvalidValue when columns are missing, of different types, or there twice.
    """
    for view in views:
        require_columns(spine.columns, (event_time, *view.settings.entity), "The rows to join")
        features = _features(spine, event_time, view, tables[view.settings.source.name])
        twice = sorted(set(features.columns) & set(spine.columns))
        if twice:
            raise InvalidValue(
                what=f"The feature view {view.settings.name} gives columns that the rows already have",
                found=", ".join(twice),
                fix="Rename them in the view.",
            )
        spine = spine.hstack(features)
    return spine


def _features(spine: pl.DataFrame, event_time: str, view: FeatureView, table: pl.LazyFrame) -> pl.DataFrame:
    """The features of a view, one row per row of the spine."""
    declared = view.settings
    entity, moment = list(declared.entity), declared.source.event_time
    rows, known, features = rows_of(view, table)

    # The rank orders events by what counts; an event may be seen from the later of its two times on.
    ranked = (
        rows.filter(pl.all_horizontal(pl.col(*entity, moment, known).is_not_null()))
        .with_columns(_same_type(spine, rows, name, declared.name) for name in entity)
        .sort(moment, known, maintain_order=True)
        .with_row_index(_RANK)
    )
    # After each event that comes into sight, the best one seen so far: never one that was known later.
    seen = (
        ranked.select(*entity, _RANK, pl.max_horizontal(moment, known).alias(_SEEN))
        .sort(_SEEN)
        .with_columns(pl.col(_RANK).cum_max().over(entity))
    )
    best = (
        spine.select(*entity, pl.col(event_time).alias(_SEEN))
        .with_row_index(_ROW)
        .sort(_SEEN)
        .join_asof(seen, on=_SEEN, by=entity, strategy="backward", check_sortedness=False)
        .sort(_ROW)
    )
    found = ranked.select(pl.col(moment, *features).gather(best[_RANK]))
    age = spine[event_time] - found[moment]
    kept = found.select(features)
    if declared.ttl:
        fresh = age <= pl.duration(seconds=declared.ttl)
        kept = found.select(pl.when(fresh).then(pl.col(name)).alias(name) for name in features)
    return kept


def _same_type(spine: pl.DataFrame, rows: pl.DataFrame, name: str, view: str) -> pl.Expr:
    """The view's entity column in the type that it has in the spine."""
    wanted, found = spine.schema[name], rows.schema[name]
    if wanted != found and not (wanted.is_integer() and found.is_integer()):
        raise InvalidValue(
            what=f"The entity column `{name}` of the feature view {view} cannot be joined",
            expected=f"{wanted} as in the rows",
            found=str(found),
        )
    return pl.col(name).cast(wanted)
