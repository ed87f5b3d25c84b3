"""The newest values of every entity, as the online store keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.datasets.columns import column_type
from penstock.features.records import encode_record, entity_key
from penstock.features.timelines import Features, Timeline
from penstock.features.types import ViewSettings

EVENT, KNOWN = "penstock.event", "penstock.known"
"""The columns that say when a row happened and when it became known."""
_ENTITIES = {"int", "string", "bool"}


def latest(view: ViewSettings, timeline: Timeline[Features]) -> pl.DataFrame:
    """Of each entity the newest event, of those at the same time the one known last, as `join` has it.

    Columns: the entity's, `EVENT` and `KNOWN`, the features; a row per entity, in the order of the entity's
    columns. Raises InvalidValue for columns that cannot be kept online.
    """
    require_kept(view, {**timeline.entities.schema, **timeline.features.schema})
    places = timeline.newest()
    times = [
        pl.Series(name, of[places]).cast(pl.Datetime("us", "UTC"))
        for name, of in ((EVENT, timeline.event), (KNOWN, timeline.known))
    ]
    return timeline.entities.hstack(times).hstack(timeline.features.take(places)).sort(view.entity)


def require_kept(view: ViewSettings, kinds: Mapping[str, pl.DataType]) -> None:
    """Raises InvalidValue for columns, by name, of types that cannot be kept online."""
    for name, dtype in kinds.items():
        kind = column_type(dtype)
        if kind == "other" or (name in view.entity and kind not in _ENTITIES):
            raise InvalidValue(
                what=f"The column `{name}` of the feature view {view.name} cannot be kept online",
                expected="whole numbers, text or booleans"
                if name in view.entity
                else "a number, boolean, text or time",
                found=str(dtype),
            )


def rows_to_keep(entity: Sequence[str], table: pl.DataFrame) -> list[tuple[bytes, bytes]]:
    """The keys and records of rows as `latest` gives them."""
    features = [name for name in table.columns if name not in {*entity, EVENT, KNOWN}]
    events, knowns = (table[name].dt.epoch("us").to_list() for name in (EVENT, KNOWN))
    entities, values = table.select(entity).iter_rows(), table.select(features).iter_rows()
    return [
        (entity_key(entity, who), encode_record(event, known, dict(zip(features, what, strict=True))))
        for who, event, known, what in zip(entities, events, knowns, values, strict=True)
    ]
