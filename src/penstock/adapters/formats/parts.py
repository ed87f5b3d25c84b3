"""Whose a value is, and what a model is made of, told without importing any library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def is_a(value: object, library: str, *names: str) -> bool:
    """Whether a value is an instance of one of these classes of a library, subclasses included."""
    return any(
        base.__name__ in names and base.__module__.partition(".")[0] == library
        for base in type(value).__mro__
    )


def head(model: Any) -> Any:
    """The first step of a pipeline, or the model itself."""
    return head(model.steps[0][1]) if hasattr(model, "steps") else model


def parts(model: Any) -> Iterator[Any]:
    """The estimators of which a model is made, itself first, each once."""
    return _parts(model, set())


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _parts(each, seen)
    elif hasattr(value, "get_params") and not isinstance(value, type) and id(value) not in seen:
        seen.add(id(value))
        yield value
        yield from _parts(list(vars(value).values()), seen)
