"""A check: a measured number against a bound, and the answer in words."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

Operator = Literal[">=", "<=", "==", "!=", ">", "<"]

COMPARE: dict[Operator, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
CHAMPION = "champion."
COMPARED = (CHAMPION, "gain(")
"""How the names of facts begin that there are only beside a champion."""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a check. `left` and `right` are the numbers that were compared, where known."""

    text: str
    passed: bool
    why: str
    left: float | None = None
    right: float | None = None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`left operator right + offset`, where `left` and `right` name facts.

    With an empty `right` the bound is the number `offset`. `str` gives the text that parses back
    to the same check.
    """

    left: str
    operator: Operator
    right: str = ""
    offset: float = 0.0

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self._bound()}"

    def evaluate(self, facts: Mapping[str, float]) -> CheckResult:
        """Answer with the measured numbers, by name.

        A fact that is missing or NaN fails the check, with one exception: while there is no
        champion, which is to say no fact begins with `champion.`, what compares with it passes.
        """
        no_champion = not any(fact.startswith(CHAMPION) for fact in facts)
        missing = [name for name in (self.left, self.right) if name and math.isnan(facts.get(name, math.nan))]
        unmeasured = [name for name in missing if not (no_champion and name.startswith(COMPARED))]
        if unmeasured:
            known = ", ".join(sorted(name for name, value in facts.items() if not math.isnan(value)))
            why = f"{unmeasured[0]} was not measured; what was: {known or 'nothing'}"
            return CheckResult(text=str(self), passed=False, why=why)
        if missing:
            return CheckResult(text=str(self), passed=True, why="there is no champion yet")
        return self._compare(facts[self.left], facts[self.right] if self.right else None)

    def _compare(self, left: float, named: float | None) -> CheckResult:
        right = self.offset if named is None else named + self.offset
        passed = COMPARE[self.operator](left, right)
        shown, bound = _shown(left, right)
        why = f"{self.left} {shown} {'is' if passed else 'is not'} {self.operator} {bound}"
        if self.right:
            why += f" ({self._bound()})"
        return CheckResult(text=str(self), passed=passed, why=why, left=left, right=right)

    def _bound(self) -> str:
        if not self.right:
            return _exact(self.offset)
        if not self.offset:
            return self.right
        return f"{self.right} {'-' if self.offset < 0 else '+'} {_exact(abs(self.offset))}"


def _exact(number: float) -> str:
    """The shortest text that reads back as the same number."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _shown(left: float, right: float) -> tuple[str, str]:
    """Both numbers with four digits, or with all where four do not tell them apart."""
    short = f"{left:.4g}", f"{right:.4g}"
    return short if left == right or short[0] != short[1] else (repr(left), repr(right))
