"""Asks for the types of libraries without importing them."""

from __future__ import annotations


def is_a(value: object, library: str, *names: str) -> bool:
    """Whether a value is an instance of one of these classes of a library, subclasses included."""
    return any(
        base.__name__ in names and base.__module__.partition(".")[0] == library
        for base in type(value).__mro__
    )
