"""How guards are written: `error_rate <= 0.01`, `p99 <= 50ms`, `roc_auc >= champion.roc_auc - 0.02`."""

from __future__ import annotations

import re

import msgspec

from penstock.checks.check import CHAMPION, Check
from penstock.checks.grammar import parse
from penstock.checks.load import TIMES
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue
from penstock.core.words import meant

RATE, DISTANCE = "error_rate", "distance"
SERVED = (RATE, DISTANCE, *TIMES)
"""What is measured of answers: a share of requests, the distance of the answers from the champion's (0 to 1),
and milliseconds."""
_UNIT = re.compile(r"(?P<check>.*?[\d.])\s*(?P<unit>ms|s|%)?")
_EXAMPLE = '"error_rate <= 0.01", "p99 <= 50ms", "distance <= 0.2" or "roc_auc >= champion.roc_auc - 0.02"'


def parse_guard(text: str) -> Check:
    """Read a guard: times are in ms unless they say `s`. Raises InvalidValue."""
    measured = _UNIT.fullmatch(text.strip())
    unit = (measured["unit"] if measured else None) or ""
    check = parse(measured["check"] if measured else text)
    facts = (*SERVED, *METRICS)
    if check.left not in facts:
        raise InvalidValue(
            what=f"A guard cannot ask for {check.left!r}",
            expected=f"one of {', '.join(facts)}",
            found=text,
            fix=meant(check.left, facts),
        )
    units = {"": 1.0, "ms": 1.0, "s": 1000.0} if check.left in TIMES else {"": 1.0}
    if unit not in units or check.right not in {"", CHAMPION + check.left}:
        raise InvalidValue(
            what=f"This is not a guard: {text!r}",
            expected=f"{_EXAMPLE}: a number, or the champion's own with a number",
            found=text,
        )
    if check.left == DISTANCE and check.right:
        raise InvalidValue(
            what="The distance is from the champion already", expected="distance <= 0.2", found=text
        )
    return msgspec.structs.replace(check, offset=check.offset * units[unit])


def compares(check: Check) -> bool:
    """Whether a guard needs answers of the champion beside those of the challenger."""
    return bool(check.right) or check.left == DISTANCE
