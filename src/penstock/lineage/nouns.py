"""How nouns are kept: which of their fields can be searched, and which values no store takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from penstock.core.errors import InvalidValue
from penstock.lineage.ports import Between

Scalar = type[str] | type[int] | type[float] | type[bool] | type[datetime]

_SCALARS: dict[type[inspect.Type], Scalar] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.BoolType: bool,
    inspect.DateTimeType: datetime,
}


_ASKED_BY = (str, int, float, datetime, tuple, Between)


class Field(msgspec.Struct, frozen=True):
    """A field of a noun. `scalar` is the type of its one value, None for a field that is kept as JSON."""

    name: str
    shape: Any
    scalar: Scalar | None
    optional: bool


@cache
def fields_of(kind: type[msgspec.Struct]) -> dict[str, Field]:
    """The fields of a noun by name, in the order in which they are declared."""
    return {f.name: _field(f.name, f.type) for f in msgspec.structs.fields(kind)}


@cache
def searchable(kind: type[msgspec.Struct], name: str) -> Field:
    """The field that nouns can be found or ordered by. Raises TypeError for any other name."""
    field = fields_of(kind).get(name)
    if field is None:
        raise TypeError(f"{kind.__name__} has no field {name!r}; it has {', '.join(fields_of(kind))}")
    if field.scalar is None:
        raise TypeError(f"{kind.__name__}.{name} is kept as JSON and cannot be searched")
    return field


def check_question(kind: type[msgspec.Struct], where: Mapping[str, Any]) -> None:
    """Raise TypeError unless nouns of this kind can be asked for by these fields and values."""
    for name, wanted in where.items():
        searchable(kind, name)
        if wanted is not None and not isinstance(wanted, _ASKED_BY):
            raise TypeError(
                f"{name} is asked for by a {type(wanted).__name__}; give a value, a tuple or a Between"
            )


def unique_of(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields besides `id` that no two nouns of this kind may share."""
    declared: tuple[str, ...] = getattr(kind, "unique", ())
    return declared


def title(kind: type[msgspec.Struct]) -> str:
    """The kind as a sentence says it: `step run` for StepRun."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in kind.__name__).strip()


def instant(value: datetime) -> datetime:
    """The same moment in UTC. Raises TypeError for a time without a zone."""
    if value.tzinfo is None:
        raise TypeError(f"a stored time needs a time zone, {value.isoformat()} has none")
    return value.astimezone(UTC)


def finite(value: float) -> float:
    """The same number. Raises InvalidValue for NaN and infinity, which no store keeps as they are."""
    if not math.isfinite(value):
        raise InvalidValue(expected="a finite number", found=str(value), fix="Leave out what is not defined.")
    return value


def unreadable(kind: type[msgspec.Struct], error: msgspec.ValidationError) -> InvalidValue:
    """The refusal of a noun that could not be read back, such as one with NaN among its numbers."""
    return InvalidValue(
        what=f"This {title(kind)} cannot be stored",
        expected="values of the declared types",
        found=str(error),
        fix="JSON has no NaN and no infinity: leave out what is not defined.",
    )


def _field(name: str, shape: Any) -> Field:
    kinds = inspect.type_info(shape)
    members = kinds.types if isinstance(kinds, inspect.UnionType) else (kinds,)
    values = [member for member in members if not isinstance(member, inspect.NoneType)]
    return Field(
        name,
        shape,
        scalar=_scalar(values[0]) if len(values) == 1 else None,
        optional=len(values) < len(members),
    )


def _scalar(member: inspect.Type) -> Scalar | None:
    if isinstance(member, inspect.LiteralType):
        return str if all(isinstance(value, str) for value in member.values) else None
    return _SCALARS.get(type(member))
