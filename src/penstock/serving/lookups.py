"""Rows that give an entity in place of features: what stands online of it is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from penstock.core.durations import spoken
from penstock.core.errors import InvalidRequest
from penstock.features.ports import OnlineStore
from penstock.features.reading import read_records
from penstock.features.records import Record, standing
from penstock.features.types import OnlineView
from penstock.serving.columns import Question, by_column, columns_of
from penstock.serving.types import Lookup, ServedVersion

GIVEN = "GIVEN"
"""The status of a view in a row that brings all of its features itself."""
Row = Mapping[str, Any]


class Keyed(NamedTuple):
    """The rows of a request to a version of which some lack features that can be read online; see
    `Question.explain`.
    """

    rows: Sequence[Row]
    served: ServedVersion
    explain: bool = False


def lacks_features(rows: Sequence[Row], served: ServedVersion) -> bool:
    """Whether a row lacks a feature that can be read online.

    Raises InvalidRequest where it lacks the entity, too.
    """
    lacks = False
    for view in served.views:
        for at, row in enumerate(rows):
            if missing := _missing(row, view):
                lacks = True
                if any(column.name not in row for column in view.entity):
                    names = " and ".join(column.name for column in view.entity)
                    raise InvalidRequest(
                        what=f"Row {at} has neither the features of {view.name} nor the entity they are of",
                        expected=f"{', '.join(missing)}; or {names}, by which they are looked up",
                        found=", ".join(row) or "nothing",
                    )
    return lacks


def filled(keyed: Keyed, online: OnlineStore, now: datetime) -> Question:
    """The question with what stands online of its entities at a moment, by the rules of the join.

    A feature that a row gives is as it is given, also where it is null. Of each entity everything is read at
    once. Raises InvalidRequest for columns that do not fit the version, and where nothing counts of an entity
    though the view is required, or the model takes no null.
    """
    rows, served = [dict(row) for row in keyed.rows], keyed.served
    wanted = {view.id: [bool(_missing(row, view)) for row in rows] for view in served.views}
    views = [view for view in served.views if any(wanted[view.id])]
    asked = {column.name for view in views for column in view.entity}
    records = read_records(online, views, {name: [row.get(name) for row in rows] for name in asked})
    needed = {column.name for column in served.signature.inputs if not column.nullable}
    lookups = {}
    for view in views:
        filling = _Filling(view, needed, now)
        for at, record in enumerate(records[view.id]):
            if wanted[view.id][at]:
                filling.fill(rows[at], at, record)
            else:
                filling.note({}, None, GIVEN)
        lookups[view.name] = filling.lookup
    return msgspec.structs.replace(inputs_of(rows, served), lookups=lookups, explain=keyed.explain)


def inputs_of(rows: Sequence[Row], served: ServedVersion) -> Question:
    """The question that whole rows ask: a column of an entity that is no input is left out."""
    inputs = {column.name for column in served.signature.inputs}
    aside = {column.name for view in served.views for column in view.entity} - inputs
    columns = by_column(rows, served.signature)
    return columns_of({name: columns[name] for name in columns if name not in aside}, served.signature)


def ages(lookups: Mapping[str, Lookup], row: int) -> dict[str, dict[str, Any]]:
    """What became of each view in a row, and how old what was found is, in seconds."""
    found: dict[str, dict[str, Any]] = {}
    for name, lookup in lookups.items():
        event = lookup.event[row]
        age = (lookup.time - event).total_seconds() if event else None
        found[name] = {"status": lookup.status[row], "age": age}
    return found


def _missing(row: Row, view: OnlineView) -> list[str]:
    return [name for name in view.features if name not in row]


class _Filling:
    """Fills in the features of a view row by row, and notes what it found."""

    def __init__(self, view: OnlineView, needed: set[str], now: datetime) -> None:
        self._view = view
        self._needed = needed
        self.lookup = Lookup(key={c.name: [] for c in view.entity}, time=now, event=[], status=[])

    def fill(self, row: dict[str, Any], at: int, record: Record | None) -> None:
        """Fill in what row `at` lacks. Raises InvalidRequest where it must not be null."""
        view, now = self._view, self.lookup.time
        status = standing(record, view.ttl, now)
        event = record.event if record and status != "NOT_FOUND" else None
        values = record.values if record and status == "PRESENT" else {}
        missing = _missing(row, view)
        row |= {name: _or_null(values.get(name)) for name in missing}
        lacking = [name for name in missing if row[name] is None and name in self._needed]
        if lacking or (view.required and not values):
            who = ", ".join(f"{column.name}={row[column.name]}" for column in view.entity)
            names = ", ".join(lacking or missing)
            age = spoken((now - event).total_seconds()) if event else ""
            raise InvalidRequest(
                what=f"Nothing of {view.name} counts for row {at} ({who})",
                expected=f"a value of {names}" + (f", at most {spoken(view.ttl)} old" if view.ttl else ""),
                found=("null, " if values else "") + (f"{age} old" if age else "none"),
                fix=f"Give {names} in the row.",
            )
        self.note(row, event, status)

    def note(self, row: Row, event: datetime | None, status: str) -> None:
        """Note what became of the next row."""
        for name, values in self.lookup.key.items():
            values.append(row.get(name))
        self.lookup.event.append(event)
        self.lookup.status.append(status)


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN
