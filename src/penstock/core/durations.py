"""Durations written as people write them: `"10m"`, `"7d"`, `"1h30m"`."""

from __future__ import annotations

import re
from datetime import timedelta

from penstock.core.errors import InvalidValue

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+)([smhdw])")


def duration(text: str) -> timedelta:
    """Read a duration such as `"90s"`, `"10m"`, `"3h"`, `"7d"`, `"2w"` or `"1h30m"`.

    Raises InvalidValue when the text is anything else.
    """
    compact = text.replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(n + u for n, u in parts) != compact:
        raise InvalidValue(
            expected='a duration such as "10m", "7d" or "1h30m"',
            found=repr(text),
            fix="Write whole numbers followed by s, m, h, d or w.",
        )
    return timedelta(seconds=sum(int(n) * _UNITS[u] for n, u in parts))
