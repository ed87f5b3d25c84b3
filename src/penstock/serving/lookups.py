"""Rows that give an entity in place of features: what stands online of it is filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from penstock.core.durations import spoken
from penstock.core.errors import InvalidRequest
from penstock.features.ports import OnlineStore
from penstock.features.reading import read_records
from penstock.features.records import Record, values_at
from penstock.features.types import OnlineView, Origins
from penstock.models.types import Signature
from penstock.serving.columns import Question, by_column, columns_of, shortly
from penstock.serving.types import Lookup, ServedVersion

GIVEN = "GIVEN"
"""The status of a view in a row that brings all of its features itself."""
Row = Mapping[str, Any]
Compute = Callable[[Mapping[str, Sequence[Any]], int, Origins], Mapping[str, Sequence[Any]]]
"""Computes features of n rows that are given column by column."""


class Keyed(NamedTuple):
    """The rows of a request to a version of which some lack features that can be read online or
    computed; see `Question.explain`.
    """

    rows: Sequence[Row]
    served: ServedVersion
    explain: bool = False


def lacks_features(rows: Sequence[Row], served: ServedVersion) -> bool:
    """Whether a row lacks a feature that can be read online or computed.

    Raises InvalidRequest where it lacks the entity, too, or what the feature is computed of, and where it
    holds a list or an object.
    """
    origins = served.origins
    if not origins.views and not origins.computed:
        return False
    lacks = False
    for at, row in enumerate(rows):
        _require_single(row, at)
        lacking = _lacking(row, served)
        for view in origins.views:
            if missing := [name for name in view.features if name in lacking]:
                lacks = True
                if any(column.name not in row for column in view.entity):
                    names = " and ".join(column.name for column in view.entity)
                    raise InvalidRequest(
                        what=f"Row {at} has neither the features of {view.name} nor the entity they are of",
                        expected=f"{', '.join(missing)}; or {names}, by which they are looked up",
                        found=", ".join(row) or "nothing",
                    )
                lacking -= set(missing)
        for each in origins.computed:
            if each.name not in row:
                lacks = True
                if missing := [name for name in each.of if name in lacking]:
                    raise InvalidRequest(
                        what=f"Row {at} has neither {each.name} nor what it is computed of",
                        expected=f"{each.name}; or {', '.join(missing)}",
                        found=", ".join(row) or "nothing",
                    )
    return lacks


def filled(keyed: Keyed, online: OnlineStore, now: datetime, compute: Compute) -> Question:
    """The question with what stands online of its entities at a moment, by the rules of the join.

    A feature that a row gives is as it is given, also where it is null. Of each entity everything is read at
    once. Raises InvalidRequest for columns that do not fit the version, and where nothing counts of an entity
    though the view is required, or the model takes no null.
    """
    rows, served = [dict(row) for row in keyed.rows], keyed.served
    lacking = [_lacking(row, served) for row in rows]
    views = [v for v in served.origins.views if any(not lacks.isdisjoint(v.features) for lacks in lacking)]
    asked = {column.name for view in views for column in view.entity}
    entities = {name: [row.get(name) for row in rows] for name in asked}
    records = read_records(online, views, entities) if views else {}
    needed = {column.name for column in served.signature.inputs if not column.nullable}
    lookups = {}
    for view in views:
        filling = _Filling(view, needed, now)
        for at, record in enumerate(records[view.id]):
            if missing := [name for name in view.features if name in lacking[at]]:
                filling.fill(rows[at], at, record, missing)
            else:
                filling.note({}, None, GIVEN)
        lookups[view.name] = filling.lookup
    add_computed(rows, served.origins, compute)
    return msgspec.structs.replace(inputs_of(rows, served), lookups=lookups, explain=keyed.explain)


def inputs_of(rows: Sequence[Row], served: ServedVersion) -> Question:
    """The question that whole rows ask: what only led to its features is left out."""
    columns, origins = by_column(rows, served.signature), served.origins
    if origins.views or origins.computed:
        aside = {column.name for view in origins.views for column in view.entity}
        aside |= {column.name for column in origins.made_of}
        for name in aside.difference(column.name for column in served.signature.inputs):
            columns.pop(name, None)
    return columns_of(columns, served.signature)


def ages(lookups: Mapping[str, Lookup], row: int) -> dict[str, dict[str, Any]]:
    """What became of each view in a row, and how old what was found is, in seconds."""
    found: dict[str, dict[str, Any]] = {}
    for name, lookup in lookups.items():
        event = lookup.event[row]
        age = (lookup.time - event).total_seconds() if event else None
        found[name] = {"status": lookup.status[row], "age": age}
    return found


def add_computed(rows: Sequence[dict[str, Any]], origins: Origins, compute: Compute) -> None:
    """Give rows the computed features that they lack. Raises InvalidRequest for values of other types."""
    lacks = [row for row in rows if any(each.name not in row for each in origins.computed)]
    if not lacks:
        return
    made_of = tuple(msgspec.structs.replace(column, nullable=True) for column in origins.made_of)
    given = {column.name: [row.get(column.name) for row in lacks] for column in made_of}
    if given:  # of the types that they had in training
        given = columns_of(given, Signature(task="unknown", inputs=made_of)).columns
    for name, values in compute(given, len(lacks), origins).items():
        for row, value in zip(lacks, values, strict=True):
            row.setdefault(name, value)


def _require_single(row: Row, at: int) -> None:
    """Raises InvalidRequest for a list or an object, also in what only leads to features."""
    for name, value in row.items():
        if type(value) in {list, dict}:
            raise InvalidRequest(
                what=f"The column {name!r} holds a value that it may not",
                expected="a number, a text, true, false or null",
                found=f"{shortly(value)} in row {at}",
            )


def _lacking(row: Row, served: ServedVersion) -> set[str]:
    """The inputs that a row lacks; in place of one that is computed, what lacks of what it is computed of."""
    lacking = {column.name for column in served.signature.inputs if column.name not in row}
    for each in served.origins.computed:
        if each.name in lacking:
            lacking.discard(each.name)
            lacking |= {name for name in each.of if name not in row}
    return lacking


class _Filling:
    """Fills in the features of a view row by row, and notes what it found."""

    def __init__(self, view: OnlineView, needed: set[str], now: datetime) -> None:
        self._view = view
        self._needed = needed
        self.lookup = Lookup(key={c.name: [] for c in view.entity}, time=now, event=[], status=[], given={})

    def fill(self, row: dict[str, Any], at: int, record: Record | None, missing: Sequence[str]) -> None:
        """Fill in what row `at` lacks. Raises InvalidRequest where it must not be null."""
        view, now = self._view, self.lookup.time
        status, values = values_at(view, record, now)
        event = record.event if record and status != "NOT_FOUND" else None
        row |= {name: _or_null(values.get(name)) for name in missing}
        lacking = [name for name in missing if row[name] is None and name in self._needed]
        if lacking or (view.required and status != "PRESENT"):
            who = ", ".join(f"{column.name}={row[column.name]}" for column in view.entity)
            names = ", ".join(lacking or missing)
            age = spoken((now - event).total_seconds()) if event else ""
            raise InvalidRequest(
                what=f"Nothing of {view.name} counts for row {at} ({who})",
                expected=f"a value of {names}" + (f", at most {spoken(view.ttl)} old" if view.ttl else ""),
                found=("null, " if status == "PRESENT" else "") + (f"{age} old" if age else "none"),
                fix=f"Give {names} in the row.",
            )
        if given := [name for name in view.features if name not in missing]:
            self.lookup.given[at] = given
        self.note(row, event, status)

    def note(self, row: Row, event: datetime | None, status: str) -> None:
        """Note what became of the next row."""
        for name, values in self.lookup.key.items():
            values.append(row.get(name))
        self.lookup.event.append(event)
        self.lookup.status.append(status)


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN
