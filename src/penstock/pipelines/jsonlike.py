"""The values that graphs and parameters hold: those that are the same after a journey as JSON."""

from __future__ import annotations

import math

_INTEGERS = range(-(2**63), 2**64)
"""The whole numbers that JSON and the messages to workers carry exactly."""


def json_like(value: object) -> bool:
    """Whether a value survives being written as JSON and read again."""
    match value:
        case None | bool() | int():
            return value is None or value in _INTEGERS
        case str():
            return _is_unicode(value)
        case float():
            return math.isfinite(value)
        case list():
            return all(json_like(part) for part in value)
        case dict():
            return all(
                isinstance(name, str) and json_like(name) and json_like(part) for name, part in value.items()
            )
        case _:
            return False


def _is_unicode(text: str) -> bool:
    """Whether a text is characters only: bytes that are no text come in as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
