"""MLflow's little language of filters and orders: ``metrics.rmse < 1 AND tags.`kind` LIKE 'a%'``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from penstock.core.errors import InvalidValue

Kind = Literal["attribute", "metric", "param", "tag", "dataset"]
Value = str | float | tuple[str | float, ...] | None
Facts = Callable[[Kind, str], Any]
"""What is known of a thing: the value of a key, None where it has none."""
T = TypeVar("T")

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NAME = r"`(?P<{0}a>[^`]+)`|\"(?P<{0}b>[^\"]+)\"|(?P<{0}c>[A-Za-z_][\w./-]*)"
_KEY = re.compile(rf"\s*(?:(?P<kind>[A-Za-z]+)\s*\.\s*)?(?:{_NAME.format('k')})")
_WORDS = r"NOT\s+IN|IN|LIKE|ILIKE|IS\s+NOT\s+NULL|IS\s+NULL"
_OPERATOR = re.compile(rf"\s*(<=|>=|!=|<>|=|<|>|(?:{_WORDS})\b)", re.IGNORECASE)
_VALUE = re.compile(r"\s*(?:'((?:[^']|'')*)'|\"([^\"]*)\"|(-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))")
_AND = re.compile(r"\s+AND\b", re.IGNORECASE)
_DIRECTION = re.compile(r"\s+(ASC|DESC)\s*", re.IGNORECASE)


class Clause(msgspec.Struct, frozen=True):
    """A condition on one key. `operator` is in upper case with single spaces."""

    kind: Kind
    key: str
    operator: str
    value: Value = None


class Order(msgspec.Struct, frozen=True):
    """A key to order by."""

    kind: Kind
    key: str
    descending: bool = False


def parse_filter(text: str) -> tuple[Clause, ...]:
    """The conditions of a filter, all of which must hold. Raises InvalidValue."""
    clauses: list[Clause] = []
    place = 0
    while text[place:].strip():
        if clauses:
            place = _expect(_AND, text, place, "AND").end()
        kind, key, place = _key(text, place)
        found = _expect(_OPERATOR, text, place, "a comparison such as = or LIKE")
        comparison, place = " ".join(found[1].upper().split()).replace("<>", "!="), found.end()
        value: Value = None
        if comparison in {"IN", "NOT IN"}:
            value, place = _list(text, place)
        elif not comparison.startswith("IS"):
            value, place = _value(text, place)
        clauses.append(Clause(kind, key, comparison, value))
    return tuple(clauses)


def parse_order(texts: Iterable[str]) -> tuple[Order, ...]:
    """The keys to order by, the first first. Raises InvalidValue."""
    orders = []
    for text in texts:
        kind, key, place = _key(text, 0)
        direction = _DIRECTION.fullmatch(text, place)
        if text[place:].strip() and direction is None:
            raise _wrong(text, place, "ASC or DESC")
        descending = direction is not None and direction[1].upper() == "DESC"
        orders.append(Order(kind, key, descending=descending))
    return tuple(orders)


def holds(clause: Clause, facts: Facts) -> bool:
    """Whether a condition holds; what is not there satisfies only `IS NULL`. Raises InvalidValue."""
    found = facts(clause.kind, clause.key)
    if clause.operator.startswith("IS"):
        return (found is None) == (clause.operator == "IS NULL")
    return found is not None and _compare(clause, found)


def in_order(things: Sequence[T], orders: Sequence[Order], facts: Callable[[T], Facts]) -> list[T]:
    """The things by their keys; what has a key not comes last, up and down alike."""
    ordered = list(things)
    for order in reversed(orders):
        values = {id(thing): facts(thing)(order.kind, order.key) for thing in ordered}
        there = [thing for thing in ordered if values[id(thing)] is not None]
        there.sort(key=lambda thing: values[id(thing)], reverse=order.descending)
        ordered = there + [thing for thing in ordered if values[id(thing)] is None]
    return ordered


def _compare(clause: Clause, found: Any) -> bool:
    value = clause.value
    if clause.operator in {"LIKE", "ILIKE"}:
        flags = re.DOTALL | (re.IGNORECASE if clause.operator == "ILIKE" else 0)
        return re.fullmatch(_pattern(str(value)), str(found), flags) is not None
    if isinstance(value, tuple):
        return (found in [_as(found, each, clause) for each in value]) == (clause.operator == "IN")
    wanted = _as(found, value, clause)
    return bool(_COMPARISONS[clause.operator](found, wanted))


def _as(found: Any, value: Value, clause: Clause) -> Any:
    """What is compared with, as what was found: a number, or a text."""
    if isinstance(found, str):
        return value if isinstance(value, str) else f"{value:g}"
    try:
        return float(value)  # type: ignore[arg-type]  # what it cannot take is refused
    except (TypeError, ValueError):
        raise InvalidValue(
            what=f"{clause.key} is a number", expected="a number to compare with", found=repr(value)
        ) from None


def _pattern(like: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in like)


def _key(text: str, place: int) -> tuple[Kind, str, int]:
    found = _expect(_KEY, text, place, "a key such as metrics.rmse or tags.`kind`")
    key = found["ka"] or found["kb"] or found["kc"]
    kind = found["kind"]
    if kind is None:
        return "attribute", key, found.end()
    if kind.lower() not in _KINDS:
        raise _wrong(text, place, "metrics, params, tags, attributes or datasets before the dot")
    return _KINDS[kind.lower()], key, found.end()


def _value(text: str, place: int) -> tuple[str | float, int]:
    found = _expect(_VALUE, text, place, "a number, or a text in quotes")
    if found[3] is not None:
        return float(found[3]), found.end()
    return (found[1].replace("''", "'") if found[1] is not None else found[2]), found.end()


def _list(text: str, place: int) -> tuple[tuple[str | float, ...], int]:
    place = _expect(re.compile(r"\s*\("), text, place, "a list in brackets").end()
    values: list[str | float] = []
    while True:
        value, place = _value(text, place)
        values.append(value)
        after = _expect(re.compile(r"\s*([,)])"), text, place, "`,` or `)`")
        place = after.end()
        if after[1] == ")":
            return tuple(values), place


def _expect(pattern: re.Pattern[str], text: str, place: int, what: str) -> re.Match[str]:
    found = pattern.match(text, place)
    if found is None:
        raise _wrong(text, place, what)
    return found


def _wrong(text: str, place: int, expected: str) -> InvalidValue:
    return InvalidValue(
        what=f"The filter or order {text[:200]!r} cannot be read",
        expected=f"{expected} at {place + 1}",
        found=repr(text[place : place + 20].strip()) if text[place:].strip() else "its end",
    )
