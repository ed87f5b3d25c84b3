"""The newest values of every entity, as the online store keeps them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.datasets.columns import column_type
from penstock.features.made import rows_of
from penstock.features.records import encode_record, entity_key
from penstock.features.views import FeatureView

EVENT, KNOWN = "penstock.event", "penstock.known"
"""The columns that say when a row happened and when it became known."""
_RANK = "penstock.rank"
_ENTITIES = {"int", "string", "bool"}


def latest(view: FeatureView, table: pl.LazyFrame) -> pl.DataFrame:
    """Of each entity the newest event, of those at the same time the one known last, as `join` has it.

    Columns: the entity's, `EVENT` and `KNOWN`, the features; a row per entity, in the order of the entity's
    columns. Rows without an entity or a time are left out. Raises InvalidValue as `rows_of`, and for columns
    that cannot be kept online.
    """
    rows, known, features = rows_of(view, table)
    entity, moment = list(view.settings.entity), view.settings.source.event_time
    for name in (*entity, *features):
        kind = column_type(rows.schema[name])
        if kind == "other" or (name in entity and kind not in _ENTITIES):
            raise InvalidValue(
                what=f"The column `{name}` of the feature view {view.settings.name} cannot be kept online",
                expected="whole numbers, text or booleans"
                if name in entity
                else "a number, boolean, text or time",
                found=str(rows.schema[name]),
            )
    best = (
        rows.lazy()
        .select(*entity, pl.col(moment).alias(EVENT), pl.col(known).alias(KNOWN))
        .with_row_index(_RANK)
        .filter(pl.all_horizontal(pl.col(*entity, EVENT, KNOWN).is_not_null()))
        .sort(EVENT, KNOWN, maintain_order=True)
        .group_by(entity)
        .agg(pl.col(_RANK).last(), pl.col(EVENT).last(), pl.col(KNOWN).last())
        .sort(entity)
        .collect()
    )
    return best.drop(_RANK).hstack(rows.select(features)[best[_RANK]])


def rows_to_keep(entity: Sequence[str], table: pl.DataFrame) -> list[tuple[bytes, bytes]]:
    """The keys and records of rows as `latest` gives them."""
    features = [name for name in table.columns if name not in {*entity, EVENT, KNOWN}]
    events, knowns = (table[name].dt.epoch("us").to_list() for name in (EVENT, KNOWN))
    entities, values = table.select(entity).iter_rows(), table.select(features).iter_rows()
    return [
        (entity_key(entity, who), encode_record(event, known, dict(zip(features, what, strict=True))))
        for who, event, known, what in zip(entities, events, knowns, values, strict=True)
    ]
