"""Durations written as people write them: `"10m"`, `"7d"`, `"1h30m"`."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta

from penstock.core.errors import InvalidValue

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"([0-9]{1,12})([smhdw])")
_WHOLE = re.compile(rf"({_PART.pattern}\s*)+")


def duration(text: str) -> timedelta:
    """Read a duration such as `"90s"`, `"10m"`, `"3h"`, `"7d"`, `"2w"` or `"1h30m"`.

    Raises InvalidValue when the text is anything else.
    """
    if _WHOLE.fullmatch(text.strip()):
        seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        with suppress(OverflowError):
            return timedelta(seconds=seconds)
    raise InvalidValue(
        expected='a duration such as "10m", "7d" or "1h30m"',
        found=repr(text),
        fix="Write whole numbers followed by s, m, h, d or w.",
    )


def spoken(seconds: float) -> str:
    """Seconds, from 0 up, as `duration` reads them, in the two largest units: `"1d2h"`, `"0s"`."""
    left, parts = int(seconds), []
    for unit in ("d", "h", "m", "s"):
        number, left = divmod(left, _UNITS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts[:2]) or "0s"
