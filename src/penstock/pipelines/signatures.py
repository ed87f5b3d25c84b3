"""What functions take: the arguments of a call of a step or of a pipeline in another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from penstock.core.errors import InvalidPipeline
from penstock.core.words import meant

_BY_NAME = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
    inspect.Parameter.VAR_KEYWORD,
}
_FUNCTIONS = 256
"""How many functions are remembered by what they take: a pipeline may call one a thousand times."""


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
    for parameter in _signature(function).parameters.values():
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
    signature = _signature(function)
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
    return _signature(function).return_annotation not in {None, "None"}


@lru_cache(_FUNCTIONS)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
