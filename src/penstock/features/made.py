"""What a feature view makes of the rows of its source, for training and for the online store alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.columns import column_type
from penstock.datasets.types import Column
from penstock.features.types import OnlineView
from penstock.features.views import FeatureView


class Made(NamedTuple):
    """The rows of a view, the name of their column of known times, and the names of its features."""

    rows: pl.DataFrame
    known: str
    features: list[str]


def rows_of(view: FeatureView, table: pl.LazyFrame) -> Made:
    """Call a view on the rows of its source.

    Raises InvalidValue when it fails, lacks an entity or the event time, or hides when a row was known.
    """
    declared = view.settings
    entity, moment = declared.entity, declared.source.event_time
    try:
        rows = view(table).collect()
    except pl.exceptions.PolarsError as error:
        raise InvalidValue(
            what=f"The feature view {declared.name} failed on the rows of {declared.source.name}",
            found=str(error).split("\n")[0],
        ) from error
    require_columns(rows.columns, (*entity, moment), f"The feature view {declared.name}")
    known = _knowledge(rows, view, table)
    features = [name for name in rows.columns if name not in {*entity, moment, known}]
    return Made(rows, known, features)


def view_of_inputs(view: FeatureView, table: pl.LazyFrame, inputs: Collection[str]) -> OnlineView:
    """How those inputs of a model that are features of a view are read online, wherever it is deployed."""
    declared, kinds = view.settings, view(table).collect_schema()
    aside = {*declared.entity, declared.source.event_time, declared.source.known_time}
    return OnlineView(
        name=declared.name,
        entity=tuple(Column(name=name, dtype=column_type(kinds[name])) for name in declared.entity),
        features=tuple(name for name in kinds if name in inputs and name not in aside),
        ttl=declared.ttl,
        required=declared.required,
    )


def require_columns(columns: Sequence[str], wanted: Sequence[str], who: str) -> None:
    """Raises InvalidValue when one of the wanted columns is not there."""
    for name in wanted:
        if name not in columns:
            raise InvalidValue(what=f"{who} has no column `{name}`.", fix=meant(name, columns))


def _knowledge(rows: pl.DataFrame, view: FeatureView, table: pl.LazyFrame) -> str:
    """The name of the column that says when each of the view's rows was known."""
    source = view.settings.source
    if not source.known_time or source.known_time == source.event_time:
        return source.event_time
    if source.known_time in rows.columns:
        return source.known_time
    later = pl.col(source.known_time) > pl.col(source.event_time)
    if table.select(later.any()).collect().item():
        raise InvalidValue(
            what=f"The feature view {view.settings.name} drops `{source.known_time}`, "
            f"though rows of {source.name} became known later than they happened.",
            fix="Keep that column in the view, so that no row is used before it was known.",
        )
    return source.event_time
