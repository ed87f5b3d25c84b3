"""What the rows of a batch leave out is looked up by their entities or computed, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
from msgspec.structs import replace

from penstock.adapters.batch.fitting import KINDS, Misfit, fitting
from penstock.core.errors import InvalidValue
from penstock.datasets.types import Column
from penstock.features.computed import compute_values
from penstock.features.types import OnlineView, Origins
from penstock.models.types import Signature
from penstock.serving.feast import NEVER, ToldFeatures

AT_ONCE = 10_000
"""Entities that are asked for together."""


class Online(NamedTuple):
    """Where features are looked up: what is told of features `view:feature` of entities that are given column
    by column, and the moment by which ages are reckoned.
    """

    ask: Callable[[list[str], Mapping[str, Sequence[Any]]], ToldFeatures]
    now: Callable[[], datetime]


class Filled(NamedTuple):
    """Rows with what was looked up and computed, the first misfit of each row that has one, and columns that
    tell of each view what became of it and how old that was, in seconds.
    """

    rows: pl.DataFrame
    misfits: dict[int, Misfit]
    ages: list[pl.Series]


def left_out(names: Sequence[str], origins: Origins, signature: Signature, source: Path) -> Origins:
    """What is to be looked up and computed for rows with these columns: a column is as it is given.

    Raises InvalidValue where a table lacks the entity, too, or what a feature is computed of.
    """
    known = set(names)
    computed = tuple(each for each in origins.computed if each.name not in known)
    lacking = {column.name for column in signature.inputs} - known
    lacking = (
        lacking.difference(each.name for each in computed).union(*(each.of for each in computed)) - known
    )
    views = []
    for view in origins.views:
        if missing := tuple(name for name in view.features if name in lacking):
            if any(column.name not in known for column in view.entity):
                entity = " and ".join(column.name for column in view.entity)
                raise InvalidValue(
                    what=f"{source} has neither the features of {view.name} nor the entity they are of",
                    expected=f"{', '.join(missing)}; or {entity}, by which they are looked up",
                    found=", ".join(names),
                )
            views.append(replace(view, features=missing))
            lacking.difference_update(missing)
    for each in computed:
        if missing := tuple(name for name in each.of if name in lacking):
            raise InvalidValue(
                what=f"{source} has neither {each.name} nor what it is computed of",
                expected=f"{each.name}; or {', '.join(missing)}",
                found=", ".join(names),
            )
    made_of = {name for each in computed for name in each.of}
    return Origins(
        views=tuple(views),
        computed=computed,
        made_of=tuple(column for column in origins.made_of if column.name in made_of),
    )


def found_by(origins: Origins) -> set[str]:
    """The columns that are looked up and computed."""
    return {each.name for each in origins.computed}.union(*(view.features for view in origins.views))


def age_columns(view: OnlineView) -> tuple[str, str]:
    """The columns of the answers that tell what became of a view, and how old that was."""
    return f"status_{view.name}", f"age_{view.name}"


def require_readable(origins: Origins, online: Online) -> None:
    """Raises as `Online.ask` where a view cannot be read."""
    for view in origins.views:
        _told([view], {column.name: [None] for column in view.entity}, online)


def filled(rows: pl.DataFrame, origins: Origins, signature: Signature, online: Online) -> Filled:
    """A chunk with what it leaves out. Raises as `Online.ask`, and InvalidValue as `compute_values`."""
    misfits: dict[int, Misfit] = {}
    ages: list[pl.Series] = []
    if rows.is_empty():
        return Filled(rows, misfits, ages)
    kinds = {column.name: KINDS[column.dtype] for column in (*origins.made_of, *signature.inputs)}
    needed = {column.name for column in signature.inputs if not column.nullable}
    for entity in dict.fromkeys(view.entity for view in origins.views):
        views = [view for view in origins.views if view.entity == entity]
        keys = _typed(rows, entity, misfits)
        told, now = _told(views, keys, online), online.now()
        at = 0
        for view in views:
            its = told[at : at + len(view.features)]
            at += len(its)
            status, age = _stood(its, now)
            _note(view, its, status, keys=keys, needed=needed, misfits=misfits)
            columns = [pl.Series(name, each[0], kinds[name], strict=False)
                       for name, each in zip(view.features, its, strict=True)]  # fmt: skip
            rows = rows.with_columns(columns)
            names = age_columns(view)
            ages += [pl.Series(names[0], status, pl.String), pl.Series(names[1], age, pl.Float64)]
    if origins.computed:
        given = _typed(rows, origins.made_of, misfits)
        made = compute_values(given, rows.height, origins)
        rows = rows.with_columns(pl.Series(name, values) for name, values in made.items())
    return Filled(rows, misfits, ages)


_Told = tuple[list[Any], list[str], list[str]]
"""Values of a feature, what became of each, and when it happened."""


def _told(views: Sequence[OnlineView], keys: Mapping[str, Sequence[Any]], online: Online) -> list[_Told]:
    """The features of all views, one after the other."""
    features = [f"{view.name}:{name}" for view in views for name in view.features]
    found: list[_Told] = [([], [], []) for _ in features]
    for start in range(0, len(next(iter(keys.values()))), AT_ONCE):
        asked = {name: values[start : start + AT_ONCE] for name, values in keys.items()}
        results = online.ask(features, asked).results[len(asked) :]
        for column, each in zip(found, results, strict=True):
            for known, more in zip(column, (each.values, each.statuses, each.event_timestamps), strict=True):
                known.extend(more)
    return found


def _typed(rows: pl.DataFrame, columns: Sequence[Column], misfits: dict[int, Misfit]) -> dict[str, list[Any]]:
    """Columns that may be null in their types; rows with values of other types are noted."""
    nullable = tuple(msgspec.structs.replace(column, nullable=True) for column in columns)
    typed, found = fitting(rows, Signature(task="unknown", inputs=nullable))
    for misfit in found:
        misfits.setdefault(misfit.row, misfit)
    return {name: values.to_list() for name, values in typed.items()}


def _stood(told: Sequence[_Told], now: datetime) -> tuple[list[str], list[float | None]]:
    """What became of a view in each row, by what became of its features, and how old that was."""
    status = [
        next(
            ("PRESENT" if each == "NULL_VALUE" else each for each in row if each != "NOT_FOUND"), "NOT_FOUND"
        )
        for row in zip(*(statuses for _, statuses, _ in told), strict=True)
    ]
    events = [max(row) for row in zip(*(events for _, _, events in told), strict=True)]
    age = [
        None if event == NEVER else (now - datetime.fromisoformat(event)).total_seconds() for event in events
    ]
    return status, age


def _note(
    view: OnlineView,
    told: Sequence[_Told],
    status: Sequence[str],
    *,
    keys: Mapping[str, Sequence[Any]],
    needed: set[str],
    misfits: dict[int, Misfit],
) -> None:
    """Note the rows of which nothing counts though something must."""
    must = [(name, each[0]) for name, each in zip(view.features, told, strict=True) if name in needed]
    for row, stood in enumerate(status):
        lacking = [name for name, values in must if values[row] is None]
        if lacking or (view.required and stood != "PRESENT"):
            who = ", ".join(f"{column.name}={keys[column.name][row]}" for column in view.entity)
            why = f"nothing of {view.name} counts for {who}: {stood}"
            misfits.setdefault(row, Misfit(row, (lacking or view.features)[0], None, why))
