"""Amounts of bytes written as people write them: `"500MB"`, `"2GB"`."""

from __future__ import annotations

import re

from penstock.core.errors import InvalidValue

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def size(text: str) -> int:
    """Read an amount of bytes such as `"500MB"` or `"1.5 GB"`. Raises InvalidValue for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]B)", text.strip())
    if not found:
        raise InvalidValue(expected='a size such as "500MB" or "2GB"', found=repr(text))
    return int(float(found[1]) * _UNITS[found[2]])


def size_text(amount: int) -> str:
    """An amount of bytes in the largest unit that leaves a whole number before the point: `2 GB`."""
    unit, factor = max(
        (each for each in _UNITS.items() if each[1] <= amount), key=lambda each: each[1], default=("", 0)
    )
    return f"{amount / factor:.3g} {unit}" if factor else f"{amount} bytes"
