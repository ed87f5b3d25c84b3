"""JSON-like values as people read them, the same on pages and in the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_DIGEST = re.compile(r"(?<![\w/])(?:[0-9a-f]{64}|[0-9a-f]{40})(?![\w/])")
_ADDRESS = re.compile(r" <[^<>@\s]+@[^<>\s]+>")
_WHOLE, _LARGE = 1e4, 1e15
"""Between these a number is shown without its fraction, and not as a power of ten."""
DIGEST_SHOWN = 12
"""Digits of a digest that are shown; enough to name it again."""


def human(value: Any) -> str:
    """A value in one line: times in UTC to the second, digests cut, four digits of a fraction.

    People go by their names without the address; things within are only named or counted,
    and empty ones left out.
    """
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case float():
            text = f"{value:.0f}" if _WHOLE <= abs(value) < _LARGE else f"{value:.4g}"
        case str() if is_moment(value):
            moment = datetime.fromisoformat(value).astimezone(UTC)
            text = moment.strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
        case str():
            text = _ADDRESS.sub("", _DIGEST.sub(lambda found: found[0][:DIGEST_SHOWN], value))
        case Mapping() if value and all(isinstance(part, Mapping) for part in value.values()):
            text = ", ".join(value)
        case Mapping():
            text = ", ".join(f"{name} {told}" for name, part in value.items() if (told := human(part)))
        case [Mapping(), *_]:
            text = f"{len(value)} of them"
        case Sequence():
            text = ", ".join(human(part) for part in value)
        case _:
            text = str(value)
    return text


def exact(moment: str) -> str:
    """A moment in UTC with all its digits, as options read it; `human` leaves it as it is. Empty for none."""
    if not moment:
        return ""
    return datetime.fromisoformat(moment).astimezone(UTC).replace(tzinfo=None).isoformat()


def is_moment(value: Any) -> bool:
    """Whether a value is a moment as JSON spells it."""
    return isinstance(value, str) and _MOMENT.fullmatch(value) is not None
