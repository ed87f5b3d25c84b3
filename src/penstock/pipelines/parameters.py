"""What a pipeline can be told: the types of its parameters, and values as they take them."""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import replace

from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.pipelines.jsonlike import json_like
from penstock.pipelines.types import Parameter

_SCALARS: dict[Any, str] = {int: "int", float: "float", str: "str", bool: "bool", datetime: "datetime"}
_TRUTH = {"true": True, "false": False}


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a pipeline function, typed by annotation or else by default.

    Raises InvalidPipeline for a type that cannot be written on a command line, and for a default
    that is not of its type.
    """
    name = function.__name__
    hints = _hints(function)
    found = []
    for parameter in inspect.signature(function).parameters.values():
        required = parameter.default is inspect.Parameter.empty
        hint = hints.get(parameter.name, str if required else type(parameter.default))
        described = _described(parameter.name, hint)
        if described is None or parameter.kind not in {
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        }:
            raise InvalidPipeline(
                what=f"The pipeline `{name}` has the parameter `{parameter}`",
                expected="a named parameter of type int, float, str, bool, datetime, Literal or an enum, "
                "a list of one of these, or one of them or None",
                fix="What is neither is made in a step.",
            )
        described = replace(described, required=required)
        if not required:
            default = parameter.default
            optional = described.optional or default is None
            described = replace(described, optional=optional)
            described = replace(described, default=typed(name, described, default))
        found.append(described)
    return tuple(found)


def typed(pipeline: str, parameter: Parameter, value: Any) -> Any:
    """A value as a parameter takes it, read from text where needed: JSON-like, with times in ISO 8601.

    Raises InvalidValue.
    """
    if parameter.optional and (value is None or (value == "none" and parameter.type != "str")):
        return None
    try:
        if not parameter.type.startswith("list"):
            return _scalar(parameter.type, parameter.choices, value)
        parts = [part for part in value.split(",") if part] if isinstance(value, str) else value
        if isinstance(parts, list | tuple):
            return [_scalar(parameter.type[len("list[") : -1], parameter.choices, part) for part in parts]
    except (ValueError, OverflowError):
        pass
    raise InvalidValue(
        what=f"The parameter `{parameter.name}` of {pipeline} has a wrong value",
        expected=wanted(parameter),
        found=ascii(value) if isinstance(value, str) else repr(value),
    )


def as_wanted(value: Any, hint: Any) -> Any:
    """A JSON-like value as a step wants it: a time from its text, a member of an enum from its value."""
    if hint is None or not isinstance(value, str | list):
        return value
    try:
        return msgspec.convert(value, hint)
    except (msgspec.ValidationError, TypeError):
        return value


def wanted(parameter: Parameter) -> str:
    """What values a parameter takes, in words."""
    if parameter.choices:
        one = f"one of {', '.join(str(choice) for choice in parameter.choices)}"
        words = f"a list of {one}" if parameter.type.startswith("list") else one
    elif parameter.type.startswith("list"):
        words = f"a list of {parameter.type[len('list[') : -1]}, written as a,b,c"
    elif parameter.type == "datetime":
        words = "a date, with a time if need be, such as 2026-01-31T12:00Z"
    else:
        words = f"a value of type {parameter.type}"
    return f"{words}, or none" if parameter.optional and parameter.type != "str" else words


def plain(value: object) -> object:
    """A time as its text in UTC, a member of an enum as its value, and anything else as it is."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return value


def _scalar(kind: str, choices: tuple[Any, ...], value: Any) -> Any:
    """Raises ValueError or OverflowError for what is of another type, no JSON or not among the choices."""
    found = _read(kind, plain(value))
    if not json_like(found) or (choices and found not in choices):
        raise ValueError
    return found


def _read(kind: str, value: Any) -> Any:
    match kind, value:
        case ("bool", bool()) | ("str", str()):
            return value
        case "bool", str() if value.lower() in _TRUTH:
            return _TRUTH[value.lower()]
        case "int", int() | str() if not isinstance(value, bool):
            return int(value)
        case "float", int() | float() | str() if not isinstance(value, bool):
            return float(value)
        case "datetime", str():
            return plain(datetime.fromisoformat(value))
    raise ValueError


def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    """The annotations; none where they name what exists only for type checkers."""
    try:
        return get_type_hints(function)
    except (NameError, TypeError):
        return inspect.get_annotations(function)


def _described(name: str, hint: Any) -> Parameter | None:
    """A parameter of a type, None for a type that cannot be written on a command line."""
    if isinstance(hint, str):  # written where other annotations could not be evaluated
        text = hint.replace(" ", "")
        kind = text.removesuffix("|None")
        known = kind in _SCALARS.values()
        return Parameter(name=name, type=kind, optional=text != kind) if known else None
    if get_origin(hint) in {Union, types.UnionType}:
        parts = [part for part in get_args(hint) if part is not types.NoneType]
        found = _described(name, parts[0]) if len(parts) == 1 else None
        return found and replace(found, optional=True)
    if get_origin(hint) is list:
        element = _described(name, get_args(hint)[0])
        simple = element and not element.optional and not element.type.startswith("list")
        return replace(element, type=f"list[{element.type}]") if element and simple else None
    return _chosen(name, hint)


def _chosen(name: str, hint: Any) -> Parameter | None:
    """A parameter of a scalar type, or of one of some scalars."""
    choices: tuple[Any, ...] = ()
    if get_origin(hint) is Literal:
        choices = get_args(hint)
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        choices = tuple(member.value for member in hint)
    elif hint not in _SCALARS:
        return None
    kinds = {_SCALARS.get(type(choice)) for choice in choices} if choices else {_SCALARS[hint]}
    kind = next(iter(kinds))
    return Parameter(name=name, type=kind, choices=choices) if len(kinds) == 1 and kind else None
