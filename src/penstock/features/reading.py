"""Online values of many entities and several views at once: one read per entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.types import Column
from penstock.features.ports import OnlineStore
from penstock.features.records import Record, Status, decode_record, entity_key, status_of
from penstock.features.types import Materialization, Placed

MOST = 100_000
"""Entities that are asked for at once."""


class Wanted(NamedTuple):
    """A feature of a view, with how far the view's online values are."""

    placed: Placed
    state: Materialization
    feature: str


class Found(NamedTuple):
    """A feature of n entities: its values, what became of each, and when it happened, each of length n."""

    values: list[Any]
    statuses: list[Status]
    events: list[datetime | None]


def read_online(
    online: OnlineStore, wanted: Sequence[Wanted], entities: Mapping[str, Sequence[Any]], now: datetime
) -> list[Found]:
    """The features of n entities, which are given column by column, in the order in which they are wanted.

    Views of the same entity are read together. An entity with a null in it is nowhere.
    Raises InvalidValue for columns that lack, differ in length, or hold other values than the entity's.
    """
    count = _count(entities)
    together: dict[tuple[str, ...], list[Wanted]] = {}
    for each in wanted:
        if each.feature not in {column.name for column in each.state.features}:
            names = [column.name for column in each.state.features]
            raise InvalidValue(
                what=f"The feature view {each.placed.view.name} has no feature {each.feature!r}.",
                fix=meant(each.feature, names),
            )
        together.setdefault(each.placed.view.entity, []).append(each)
    records: dict[tuple[tuple[str, ...], str], list[Record | None]] = {}
    for entity, asked in together.items():
        columns = [_column(entities, column, asked[0].placed.view.name) for column in asked[0].state.entity]
        views = list(dict.fromkeys(each.placed.id for each in asked))
        keys = [entity_key(entity, row) for row in zip(*columns, strict=True)]
        rows = online.read(keys, views)
        for view in views:
            records[entity, view] = [decode_record(row[view]) if view in row else None for row in rows]
    return [_found(each, records[each.placed.view.entity, each.placed.id], count, now) for each in wanted]


def _found(wanted: Wanted, records: Sequence[Record | None], count: int, now: datetime) -> Found:
    found = Found([], [], [])
    for at in range(count):
        record = records[at]
        status = status_of(record, wanted.feature, wanted.placed.view.ttl, now)
        present = record is not None and status == "PRESENT"
        found.values.append(record.values[wanted.feature] if record and present else None)
        found.statuses.append(status)
        found.events.append(record.event if record and status != "NOT_FOUND" else None)
    return found


def _count(entities: Mapping[str, Sequence[Any]]) -> int:
    lengths = {len(values) for values in entities.values()}
    if len(lengths) != 1:
        raise InvalidValue(
            what="Entities are given column by column",
            expected="at least one column, all of one length",
            found=", ".join(f"{name}: {len(values)}" for name, values in entities.items()) or "none",
        )
    [count] = lengths
    if count > MOST:
        raise InvalidValue(expected=f"at most {MOST:,} entities", found=f"{count:,}")
    return count


def _column(entities: Mapping[str, Sequence[Any]], column: Column, view: str) -> list[Any]:
    """The values of an entity's column, of its type; a text that spells a number is one."""
    if column.name not in entities:
        raise InvalidValue(
            what=f"The feature view {view} is asked by {column.name!r}",
            expected=column.name,
            found=", ".join(entities),
            fix=meant(column.name, list(entities)),
        )
    return [_value(value, column) for value in entities[column.name]]


def _value(value: Any, column: Column) -> Any:
    match column.dtype, value:
        case _, None:
            return None
        case "string", str():
            return value
        case "bool", bool():
            return value
        case "int", int() if not isinstance(value, bool):
            return value
        case "int", str() if value.removeprefix("-").isdecimal():
            return int(value)
    kinds = {"int": "whole numbers", "bool": "true or false", "string": "texts"}
    raise InvalidValue(
        what=f"`{column.name}` has an impossible value", expected=kinds[column.dtype], found=repr(value)[:60]
    )
