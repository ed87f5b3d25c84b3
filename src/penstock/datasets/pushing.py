"""Pushed rows, held against what a row of their source must be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from penstock.core.digests import canonical
from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.types import Source

MOST = 10_000
"""Rows that are pushed at once."""
_SIZE = 16
"""Bytes of the digests by which rows and keys are told apart."""
_LARGEST = 1 << 63


class Event(NamedTuple):
    """A pushed row, with the digests of its key and of all of it; its event time is UTC text."""

    key: bytes
    digest: bytes
    row: dict[str, Any]


def event_of(source: Source, row: Mapping[str, Any]) -> Event:
    """A row as it is kept; the time at which it arrived is no part of what it is."""
    own = {name: value for name, value in row.items() if name != source.known_time}
    return Event(_digest([own.get(name) for name in source.key]), _digest(own), own)


def checked(
    source: Source, rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]
) -> tuple[list[Event], dict[str, str]]:
    """Rows as events, and what kind of values each column has; `kinds` are those that are known already.

    Raises InvalidValue that names the first row, counted from 1, which lacks a time or a key, brings the
    time of its arrival, or has a value of another kind than its column or of none that files can hold.
    """
    if not 0 < len(rows) <= MOST:
        raise InvalidValue(expected=f"1 to {MOST:,} rows at once", found=f"{len(rows):,}")
    now_known = dict(kinds)
    return [_checked(source, number, row, now_known) for number, row in enumerate(rows, 1)], now_known


def _checked(source: Source, number: int, row: Mapping[str, Any], kinds: dict[str, str]) -> Event:
    who = f"Row {number} of the events of {source.name}"
    for name in (source.event_time, *source.key):
        if name not in row:
            raise InvalidValue(what=f"{who} has no `{name}`.", fix=meant(name, list(row)))
        if row[name] is None:
            raise InvalidValue(what=f"{who} has null as its `{name}`, which every row needs.")
    if source.known_time in row:
        raise InvalidValue(
            what=f"{who} brings `{source.known_time}`, which says when it arrived here.",
            fix="Leave it out, or declare another known_time=.",
        )
    moment = _moment(who, source.event_time, row)
    if wrong := learn(kinds, row):
        raise InvalidValue(
            what=f"{who} has an impossible `{wrong}`",
            expected=kinds.get(wrong, "a number, a text, true, false or null"),
            found=repr(row[wrong])[:60],
        )
    return event_of(source, {**row, source.event_time: moment})


def learn(kinds: dict[str, str], row: Mapping[str, Any]) -> str:
    """Add what kind of values a row has; gives the first column that has none or another, else nothing."""
    for name, value in row.items():
        kind = _kind(value)
        if value is not None and (not kind or kinds.setdefault(name, kind) != kind):
            return name
    return ""


def _kind(value: Any) -> str:
    """What a value is called, empty for one that a column cannot hold."""
    match value:
        case bool():
            return "true or false"
        case int() if abs(value) < _LARGEST:
            return "a number"
        case float() if math.isfinite(value):
            return "a number"
        case str():
            return "a text"
    return ""


def _moment(who: str, name: str, row: Mapping[str, Any]) -> str:
    """The event time as UTC text that every reader takes."""
    try:
        moment = datetime.fromisoformat(row[name])
    except (TypeError, ValueError):
        raise InvalidValue(
            what=f"{who} has an impossible `{name}`",
            expected="ISO 8601 text such as 2024-01-01T10:00:00Z; without a zone it is UTC",
            found=repr(row[name])[:60],
        ) from None
    try:
        return utc_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise InvalidValue(what=f"{who} has an impossible `{name}`", found=repr(row[name])) from None


def utc_text(moment: datetime) -> str:
    """A moment as it stands in files."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _digest(value: Any) -> bytes:
    return blake2b(canonical(value), digest_size=_SIZE).digest()
