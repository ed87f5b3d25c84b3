"""Statements as SQL text, written once for each shape of question and then only given their values.

They are of the SQL that all engines share; a `?` stands for a value.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import msgspec

from penstock.adapters.storage.columns import columns_of
from penstock.adapters.storage.names import table_of
from penstock.core.events import Event
from penstock.lineage.nouns import check_question, fields_of, searchable
from penstock.lineage.ports import Between

COUNTED = (
    'INSERT INTO "counters" ("kind", "last") VALUES (?, 1) '
    'ON CONFLICT ("kind") DO UPDATE SET "last" = "counters"."last" + 1 RETURNING "last"'
)
"""The next number of a kind."""

Shape = tuple[tuple[str, str, int], ...]
"""For each condition the field, the comparison, and with how many values."""

_COMPARISONS = {
    "is": '"{}" = ?',
    "from": '"{}" >= ?',
    "until": '"{}" < ?',
    "null": '"{}" IS NULL',
    "in": '"{}" IN ({})',
    "in or null": '("{0}" IS NULL OR "{0}" IN ({1}))',
    "never": "1 = 0",
}
_SHAPES = 1000
"""How many shapes of questions are remembered: lists of values have as many as they have lengths."""


def shape_of(kind: type[msgspec.Struct], where: dict[str, Any]) -> tuple[Shape, list[Any]]:
    """The conditions of a question, and the values to compare with.

    Raises TypeError for a field that cannot be searched.
    """
    check_question(kind, where)
    shape: list[tuple[str, str, int]] = []
    values: list[Any] = []
    columns = columns_of(kind)
    for name, wanted in where.items():
        kept = columns[name].kept
        if wanted is None:
            shape.append((name, "null", 0))
        elif isinstance(wanted, tuple):
            some = [kept(value) for value in wanted if value is not None]
            shape.append((name, _among(len(some), nothing=len(some) < len(wanted)), len(some)))
            values += some
        elif isinstance(wanted, Between):
            ends = (("from", wanted.start), ("until", wanted.end))
            shape += [(name, how, 1) for how, end in ends if end is not None]
            values += [kept(end) for _, end in ends if end is not None]
        else:
            shape.append((name, "is", 1))
            values.append(kept(wanted))
    return tuple(shape), values


def _among(some: int, *, nothing: bool) -> str:
    """The comparison with so many values, and with nothing: not every engine knows an empty list."""
    if some:
        return "in or null" if nothing else "in"
    return "null" if nothing else "never"


@lru_cache(_SHAPES)
def selecting(
    kind: type[msgspec.Struct], names: tuple[str, ...], shape: Shape, order: str, *, limited: bool
) -> str:
    """These fields of the matching rows and, last, their place in the order of arrival.

    A limit is one more value.
    """
    text = f"SELECT {_list((*names, _arrival(kind)))} FROM {_table(kind)}{_conditions(shape)}"  # noqa: S608 of names
    return f"{text} ORDER BY {_ranks(kind, order)}{' LIMIT ?' if limited else ''}"


@lru_cache(_SHAPES)
def counting(kind: type[msgspec.Struct], shape: Shape) -> str:
    """How many rows match."""
    return f"SELECT count(*) FROM {_table(kind)}{_conditions(shape)}"  # noqa: S608 of names, not values


@cache
def inserting(kind: type[msgspec.Struct]) -> str:
    """A new row, its values in the order of the fields."""
    names = fields_of(kind)
    return f"INSERT INTO {_table(kind)} ({_list(names)}) VALUES ({_marks(len(names))})"  # noqa: S608 of names


@cache
def updating(kind: type[msgspec.Struct]) -> str:
    """All of a stored row but its id: its values in the order of the fields, and last the id.

    What is set to what it was costs nothing but where there is an index on it.
    """
    changes = ", ".join(f'"{name}" = ?' for name in fields_of(kind) if name != "id")
    return f'UPDATE {_table(kind)} SET {changes} WHERE "id" = ?'  # noqa: S608 of names, not values


def _table(kind: type[msgspec.Struct]) -> str:
    return f'"{table_of(kind)}"'


def _arrival(kind: type[msgspec.Struct]) -> str:
    """The column that says in which order rows came."""
    return "id" if kind is Event else "seq"


def _ranks(kind: type[msgspec.Struct], order: str) -> str:
    arrival = f'"{_arrival(kind)}"'
    if not order:
        return arrival
    field = searchable(kind, order.removeprefix("-"))
    column = f'"{field.name}"'
    if not field.optional:  # an index of PostgreSQL has nulls at the other end, and would not be used
        way = "DESC" if order.startswith("-") else "ASC"
        return f"{column} {way}, {arrival} {way}"
    if order.startswith("-"):
        return f"{column} DESC NULLS LAST, {arrival} DESC"
    return f"{column} ASC NULLS FIRST, {arrival} ASC"


def _conditions(shape: Shape) -> str:
    if not shape:
        return ""
    said = [_COMPARISONS[how].format(name, _marks(count)) for name, how, count in shape]
    return f" WHERE {' AND '.join(said)}"


def _list(names: Any) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _marks(count: int) -> str:
    return ", ".join("?" * count)
