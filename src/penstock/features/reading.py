"""Online values of many entities and several views at once: one read per entity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.types import Column
from penstock.features.ports import OnlineStore
from penstock.features.records import Record, Status, decode_record, entity_key, of_feature, values_at
from penstock.features.types import Materialization, OnlineView, Placed

MOST = 100_000
"""Entities that are asked for at once."""
_KINDS = {"int": int, "bool": bool, "string": str}


class Wanted(NamedTuple):
    """A feature of a view that is read online."""

    view: OnlineView
    feature: str


class Found(msgspec.Struct, frozen=True, gc=False):
    """A feature of n entities: its values, what became of each, and when it happened, each of length n.

    Features of a view share what is the same for all of them.
    """

    values: list[Any]
    statuses: list[Status]
    events: list[datetime | None]


class Together(NamedTuple):
    """What is wanted of one view: the features, and the places that they are wanted at."""

    view: OnlineView
    features: tuple[str, ...]
    places: tuple[int, ...]


def view_online(placed: Placed, state: Materialization) -> OnlineView:
    """A deployed view as it is read online, as far as its values are there."""
    return OnlineView(
        id=placed.id,
        name=placed.view.name,
        version=placed.version,
        entity=state.entity,
        features=tuple(column.name for column in state.features),
        ttl=placed.view.ttl,
        aggregates=placed.view.aggregates,
    )


def together(wanted: Sequence[Wanted]) -> list[Together]:
    """What is wanted, view by view. Raises InvalidValue for a feature that its view has not."""
    places: dict[str, list[int]] = {}
    for place, (view, feature) in enumerate(wanted):
        if feature not in view.features:
            raise InvalidValue(
                what=f"The feature view {view.name} has no feature {feature!r}.",
                fix=meant(feature, view.features),
            )
        places.setdefault(view.id, []).append(place)
    return [
        Together(wanted[those[0]].view, tuple(wanted[place].feature for place in those), tuple(those))
        for those in places.values()
    ]


def read_online(
    online: OnlineStore, wanted: Sequence[Together], entities: Mapping[str, Sequence[Any]], now: datetime
) -> list[Found]:
    """The features of n entities, which are given column by column, in the order of their places.

    An entity with a null in it is nowhere. Raises InvalidValue as `read_records`.
    """
    records = read_records(online, [each.view for each in wanted], entities)
    if len(wanted) == 1:
        return _found(wanted[0], records[wanted[0].view.id], now)
    found = {
        place: column
        for each in wanted
        for place, column in zip(each.places, _found(each, records[each.view.id], now), strict=True)
    }
    return [found[place] for place in range(len(found))]


def read_records(
    online: OnlineStore, views: Sequence[OnlineView], entities: Mapping[str, Sequence[Any]]
) -> dict[str, list[Record | None]]:
    """By the id of each view its records of n entities, which are given column by column.

    Views of the same entity are read together: one read per entity. Raises InvalidValue for columns that
    lack, differ in length, or hold other values than the entity's.
    """
    _check_length(entities)
    records: dict[str, list[Record | None]] = {}
    for asked in [views] if len(views) == 1 else _by_entity(views):
        rows = online.read(_keys(entities, asked[0]), [view.id for view in asked])
        for place, view in enumerate(asked):
            records[view.id] = [None if (data := row[place]) is None else decode_record(data) for row in rows]
    return records


def _keys(entities: Mapping[str, Sequence[Any]], view: OnlineView) -> list[bytes]:
    names, columns = [], []
    for column in view.entity:
        names.append(column.name)
        columns.append(_column(entities, column, view.name))
    return [entity_key(names, row) for row in zip(*columns)]  # noqa: B905 - of one length they are by now


def _by_entity(views: Sequence[OnlineView]) -> Iterable[Sequence[OnlineView]]:
    together: dict[tuple[Column, ...], list[OnlineView]] = {}
    for view in views:
        together.setdefault(view.entity, []).append(view)
    return together.values()


def _found(wanted: Together, records: Sequence[Record | None], now: datetime) -> list[Found]:
    """The features of a view. Mostly all of them are there, and are what their records are."""
    view = wanted.view
    told = [values_at(view, record, now) for record in records]
    stands = [status for status, _ in told]
    events = [
        None if record is None or status == "NOT_FOUND" else record.event
        for record, status in zip(records, stands, strict=True)
    ]
    rows = [[counts.get(name) for name in wanted.features] for _, counts in told]
    columns = map(list, zip(*rows, strict=True) if rows else [()] * len(wanted.features))
    found, some = [], "PRESENT" in stands
    for name, values in zip(wanted.features, columns, strict=True):
        if some and None in values:
            statuses = [of_feature(status, counts, name) for status, counts in told]
            happened = [  # none of a record that was kept before the view had the feature
                None if status == "NOT_FOUND" else event
                for status, event in zip(statuses, events, strict=True)
            ]
            found.append(Found(values, statuses, events if happened == events else happened))
        else:
            found.append(Found(values, stands, events))
    return found


def _check_length(entities: Mapping[str, Sequence[Any]]) -> None:
    lengths = set(map(len, entities.values()))
    if len(lengths) != 1:
        raise InvalidValue(
            what="Entities are given column by column",
            expected="at least one column, all of one length",
            found=", ".join(f"{name}: {len(values)}" for name, values in entities.items()) or "none",
        )
    [count] = lengths
    if count > MOST:
        raise InvalidValue(expected=f"at most {MOST:,} entities", found=f"{count:,}")


def _column(entities: Mapping[str, Sequence[Any]], column: Column, view: str) -> Sequence[Any]:
    """The values of an entity's column, of its type; a text that spells a number is one."""
    if column.name not in entities:
        raise InvalidValue(
            what=f"The feature view {view} is asked by {column.name!r}",
            expected=column.name,
            found=", ".join(entities),
        )
    kind, values = _KINDS[column.dtype], entities[column.name]
    for value in values:
        if type(value) is not kind:
            return [_value(value, column) for value in values]
    return values


def _value(value: Any, column: Column) -> Any:
    if value is None or type(value) is _KINDS[column.dtype]:
        return value
    if column.dtype == "int" and isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    kinds = {"int": "whole numbers", "bool": "true or false", "string": "texts"}
    raise InvalidValue(
        what=f"`{column.name}` has an impossible value", expected=kinds[column.dtype], found=repr(value)[:60]
    )
