"""Statements, built once for each shape of question and then only given their values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from penstock.adapters.storage.tables import COUNTERS
from penstock.lineage.nouns import check_question, searchable
from penstock.lineage.ports import Between

COUNTED = (
    update(COUNTERS)
    .where(COUNTERS.c.kind == bindparam("counter"))
    .values(last=COUNTERS.c.last + 1)
    .returning(COUNTERS.c.last)
)
FIRST_COUNTED = insert(COUNTERS).values(kind=bindparam("counter"), last=1).returning(COUNTERS.c.last)

Shape = tuple[tuple[str, str], ...]
"""For each condition, the field and the name of the comparison."""

_COMPARISONS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "is": operator.eq,
    "from": operator.ge,
    "until": operator.lt,
    "in": lambda column, given: column.in_(given),
    "in or null": lambda column, given: or_(column.is_(None), column.in_(given)),
    "null": lambda column, _: column.is_(None),
}


def shape_of(kind: type[msgspec.Struct], where: dict[str, Any]) -> tuple[Shape, dict[str, Any]]:
    """The conditions of a question, and the values to compare with: `value_0`, `value_1` and so on.

    Raises TypeError for a field that cannot be searched.
    """
    conditions: list[tuple[str, str, Any]] = []
    check_question(kind, where)
    for name, wanted in where.items():
        if wanted is None:
            conditions.append((name, "null", None))
        elif isinstance(wanted, tuple):
            some = [value for value in wanted if value is not None]
            conditions.append((name, "in" if len(some) == len(wanted) else "in or null", some))
        elif isinstance(wanted, Between):
            ends = (("from", wanted.start), ("until", wanted.end))
            conditions += [(name, how, end) for how, end in ends if end is not None]
        else:
            conditions.append((name, "is", wanted))
    shape = tuple((name, how) for name, how, _ in conditions)
    values = {f"value_{i}": value for i, (_, how, value) in enumerate(conditions) if how != "null"}
    return shape, values


@cache
def selecting(
    kind: type[msgspec.Struct],
    table: Table,
    names: tuple[str, ...],
    shape: Shape,
    order: str,
    *,
    limited: bool,
) -> Select[Any]:
    """These fields of the matching rows and, last, their place in the order of arrival.

    A limit is given as `limit_rows`.
    """
    fields = [table.c[name] for name in names]
    statement = (
        select(*fields, *table.primary_key.columns)
        .where(*_conditions(table, shape))
        .order_by(*_ranks(kind, table, order))
    )
    return statement.limit(bindparam("limit_rows")) if limited else statement


@cache
def counting(table: Table, shape: Shape) -> Select[Any]:
    """How many rows match."""
    return select(func.count()).select_from(table).where(*_conditions(table, shape))


@cache
def inserting(table: Table) -> Insert:
    """A new row; the columns that are not given count themselves."""
    return insert(table)


@cache
def updating(kind: type[msgspec.Struct], table: Table) -> Update:
    """A stored row with the id `key`."""
    columns = [name for name in kind.__struct_fields__ if name != "id"]
    return (
        update(table)
        .where(table.c.id == bindparam("key"))
        .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in columns})
    )


def _ranks(kind: type[msgspec.Struct], table: Table, order: str) -> list[ColumnElement[Any]]:
    (arrival,) = table.primary_key.columns
    if not order:
        return [arrival.asc()]
    column = table.c[searchable(kind, order.removeprefix("-")).name]
    if order.startswith("-"):
        return [column.desc().nulls_last(), arrival.desc()]
    return [column.asc().nulls_first(), arrival.asc()]


def _conditions(table: Table, shape: Shape) -> list[ColumnElement[bool]]:
    conditions = []
    for i, (name, how) in enumerate(shape):
        column = table.c[name]
        given = bindparam(f"value_{i}", type_=column.type, expanding=how.startswith("in"))
        conditions.append(_COMPARISONS[how](column, given))
    return conditions
