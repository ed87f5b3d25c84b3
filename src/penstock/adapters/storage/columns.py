"""How the values of a noun's fields stand in its table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import astuple

from penstock.core.errors import Corrupt
from penstock.lineage.nouns import Field, fields_of, finite, instant, title

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNREADABLE = (msgspec.DecodeError, TypeError, ValueError, OverflowError)
"""What decoding a row raises when someone else has written to it."""

Convert = Callable[[Any], Any]


class Column(msgspec.Struct, frozen=True):
    """The two ways of a value, each None where it stays as it is."""

    keep: Convert | None
    give: Convert | None

    def kept(self, value: Any) -> Any:
        """The value as the table has it; see `kept`."""
        return value if self.keep is None or value is None else self.keep(value)


@cache
def columns_of(kind: type[msgspec.Struct]) -> dict[str, Column]:
    """The columns of a noun by field, in the order in which they are declared."""
    return {name: _column(field) for name, field in fields_of(kind).items()}


@cache
def _keeping(kind: type[msgspec.Struct]) -> list[tuple[int, Convert, bool]]:
    """The places of the values that do not stay as they are, and whether None does."""
    scalars = fields_of(kind)
    return [
        (place, column.keep, scalars[name].scalar is not None)
        for place, (name, column) in enumerate(columns_of(kind).items())
        if column.keep
    ]


def kept(noun: msgspec.Struct) -> list[Any]:
    """The values of a noun's columns.

    Raises TypeError for a time without a zone, InvalidValue for a number that is not finite, and
    ValidationError for a document that could not be read back.
    """
    values: list[Any] = list(astuple(noun))
    for place, keep, nullable in _keeping(type(noun)):
        value = values[place]
        if value is not None or not nullable:
            values[place] = keep(value)
    return values


def given(kind: type[msgspec.Struct], names: Sequence[str], rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows that begin with these columns, with the values that the noun has; what follows stays as it is.

    Raises Corrupt for a row that somebody else has written to.
    """
    if not rows:
        return []
    columns = columns_of(kind)
    ways = [(i, give) for i, name in enumerate(names) if (give := columns[name].give)]
    try:
        return [_given(ways, row) for row in rows]
    except _UNREADABLE as error:
        raise Corrupt(what=f"A stored {title(kind)} cannot be read", found=str(error)) from error


def _given(ways: list[tuple[int, Convert]], row: Any) -> tuple[Any, ...]:
    values = list(row)
    for i, give in ways:
        if values[i] is not None:
            values[i] = give(values[i])
    return tuple(values)


def _column(field: Field) -> Column:
    if field.scalar is None:
        return _document(field.shape)
    ways: dict[type, Column] = {
        float: Column(finite, None),  # SQLite would silently keep NaN as NULL
        bool: Column(None, bool),
        datetime: Column(_microseconds, _moment),
    }
    return ways.get(field.scalar, Column(None, None))


def _microseconds(value: datetime) -> int:
    """A moment as microseconds since 1970 in UTC: exact, ordered, and the same in every engine."""
    return (instant(value) - _EPOCH) // _MICROSECOND


def _moment(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def _document(shape: Any) -> Column:
    """Any other value as JSON text, decoded into the declared type."""
    decode = msgspec.json.Decoder(shape).decode

    def keep(value: Any) -> str:
        if value == {}:  # as most are
            return "{}"
        text = msgspec.json.encode(value)
        if b"null" in text:  # NaN becomes null, which a typed field would refuse only when it is read
            decode(text)
        return text.decode()

    return Column(keep, decode)
