"""Questions with more values than a database takes at once, asked in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

MOST = 30_000
"""SQLite takes 32,766 values in a statement, PostgreSQL 65,535."""


def in_parts(where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Questions that together ask for the same rows, each row by one of them only."""
    for name, wanted in where.items():
        if isinstance(wanted, tuple) and len(wanted) > MOST:
            once = tuple(dict.fromkeys(wanted))
            for start in range(0, len(once), MOST):
                yield from in_parts({**where, name: once[start : start + MOST]})
            return
    yield where


def merged(
    parts: Sequence[Sequence[tuple[Any, ...]]], names: Sequence[str], order: str, limit: int
) -> Sequence[tuple[Any, ...]]:
    """The rows of several parts in the order in which one question would have given them."""
    place = names.index(order.removeprefix("-")) if order else -1

    def rank(row: tuple[Any, ...]) -> tuple[bool, Any, int]:
        return row[place] is not None, row[place] if row[place] is not None else 0, row[-1]

    rows = sorted(chain(*parts), key=rank, reverse=order.startswith("-"))
    return rows[:limit] if limit else rows
