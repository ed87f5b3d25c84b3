"""How a load is written: `load: 500/s for 10s, p99 <= 20ms, errors == 0`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from penstock.checks.check import Check, CheckResult
from penstock.checks.grammar import parse
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue

WORD = "load:"
TIMES = ("p50", "p95", "p99", "max")
"""Measured in milliseconds, from when a request was due."""
FACTS = (*TIMES, "errors", "throughput")
MOST_SECONDS = 600
MOST_RATE = 20_000
_RATE = re.compile(r"(\d+(?:\.\d+)?)/s for (\w+)")
_MEASURED = re.compile(r"(?P<check>.*?[\d.])\s*(?P<unit>ms|s|/s)?")
_EXAMPLE = '"load: 500/s for 10s, p99 <= 20ms, errors == 0"'


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """So many requests a second for so many seconds, and what must hold of the answers."""

    rate: float
    seconds: float
    bounds: tuple[Check, ...]

    def evaluate(self, facts: Mapping[str, float]) -> tuple[CheckResult, ...]:
        """The answer of each bound to what was measured, by the names in `FACTS`."""
        return tuple(bound.evaluate(facts) for bound in self.bounds)


def is_load(text: str) -> bool:
    """Whether a line of a gate is a load."""
    return text.startswith(WORD)


def parse_load(text: str) -> Load:
    """Read a load. Raises InvalidValue."""
    first, *rest = (part.strip() for part in text.removeprefix(WORD).split(","))
    found = _RATE.fullmatch(first)
    if not found or not rest:
        raise InvalidValue(what="This is not a load", expected=_EXAMPLE, found=repr(text))
    rate, seconds = float(found[1]), duration(found[2]).total_seconds()
    if not (0 < rate <= MOST_RATE and 0 < seconds <= MOST_SECONDS):
        raise InvalidValue(
            what="This load cannot be made",
            expected=f"up to {MOST_RATE} a second for up to {MOST_SECONDS} seconds",
            found=first,
        )
    return Load(rate=rate, seconds=seconds, bounds=tuple(_bound(part) for part in rest))


def _bound(text: str) -> Check:
    measured = _MEASURED.fullmatch(text)
    check = parse(measured["check"] if measured else text)
    unit = (measured["unit"] if measured else None) or ""
    units = {"ms": 1.0, "s": 1000.0} if check.left in TIMES else {"": 1.0, "/s": 1.0}
    if check.left not in FACTS or check.right or unit not in units:
        raise InvalidValue(
            what=f"{text!r} cannot be measured of a load",
            expected=f"one of {', '.join(TIMES)} in ms or s, errors, or throughput in /s",
            found=text,
        )
    return msgspec.structs.replace(check, offset=check.offset * units[unit])
