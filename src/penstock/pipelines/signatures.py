"""What functions take: the arguments of a step's call and the parameters of a pipeline."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.errors import InvalidPipeline
from penstock.core.words import meant
from penstock.pipelines.jsonlike import json_like
from penstock.pipelines.types import Parameter

_TYPES = ("int", "float", "str", "bool")
_BY_NAME = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
    inspect.Parameter.VAR_KEYWORD,
}


def check_step(function: Callable[..., Any]) -> None:
    """Refuse functions that a worker could not call with named arguments and get a value from."""
    name = function.__name__
    if inspect.isclass(function):
        raise InvalidPipeline(
            what=f"The step `{name}` is a class.",
            fix="Write a function that makes what is needed and returns it.",
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise InvalidPipeline(
            what=f"The step `{name}` is asynchronous or a generator.",
            fix="Return one value from a plain function.",
        )
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _BY_NAME:
            raise InvalidPipeline(
                what=f"The step `{name}` takes `{parameter}` without a name.",
                fix="Inputs are wired by name: give each its own parameter.",
            )


def bind(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], word: str = "step"
) -> dict[str, Any]:
    """The arguments of a call by name, without defaults.

    Raises InvalidPipeline for a missing, misspelt or superfluous argument.
    """
    name = function.__name__
    signature = inspect.signature(function)
    takes = signature.parameters
    extra = next((p.name for p in takes.values() if p.kind is p.VAR_KEYWORD), None)
    for given in kwargs:
        if given not in takes and extra is None:
            raise InvalidPipeline(
                what=f"The {word} `{name}` has no input `{given}`.", fix=meant(given, takes)
            )
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidPipeline(
            what=f"The {word} `{name}` is called wrongly", found=str(error), expected=f"{name}{signature}"
        ) from None
    values = dict(bound.arguments)
    values.update(values.pop(extra, {}) if extra else {})
    return values


def returns_value(function: Callable[..., Any]) -> bool:
    """Whether a step returns something: it does unless it is annotated with None."""
    return inspect.signature(function).return_annotation not in {None, "None"}


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a pipeline function, typed by annotation or else by default.

    Raises InvalidPipeline for a type that cannot be written on a command line.
    """
    found = []
    for parameter in inspect.signature(function).parameters.values():
        required = parameter.default is inspect.Parameter.empty
        default = None if required else parameter.default
        kind = _annotated(parameter.annotation) or type(default).__name__
        if kind not in _TYPES or parameter.kind not in _BY_NAME - {inspect.Parameter.VAR_KEYWORD}:
            raise InvalidPipeline(
                what=f"The pipeline `{function.__name__}` has the parameter `{parameter}`",
                expected="a named parameter of type int, float, str or bool",
                fix="What is neither is made in a step.",
            )
        if not json_like(default):
            raise InvalidPipeline(
                what=f"The pipeline `{function.__name__}` cannot keep the default of `{parameter.name}`",
                expected="a finite number, a whole one of at most 64 bits, or text",
                found=ascii(default),
            )
        found.append(Parameter(name=parameter.name, type=kind, default=default, required=required))
    return tuple(found)


def _annotated(annotation: Any) -> str:
    """The annotation as text, with or without postponed evaluation; an optional type is its type."""
    if annotation is inspect.Parameter.empty:
        return ""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return text.replace(" ", "").removesuffix("|None")
