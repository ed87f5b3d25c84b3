"""How checks are written: `roc_auc >= champion.roc_auc - 0.005`, `worst(carrier).roc_auc >= 0.55`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from penstock.checks.check import COMPARE, Check
from penstock.core.errors import InvalidValue

_WORD = r"[A-Za-z_]\w*"
_NAME = rf"{_WORD}(?:\([^()]*\))?(?:\.{_WORD})*"
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_CHECK = re.compile(
    rf"""(?P<left>{_NAME}) \s* (?P<operator>>=|<=|==|!=|>|<) \s*
    (?: (?P<number>[+-]?{_NUMBER})
      | (?P<right>{_NAME}) (?: \s* (?P<sign>[+-]) \s* (?P<offset>{_NUMBER}) )? )""",
    re.VERBOSE | re.ASCII,
)


def parse(text: str) -> Check:
    """Read a check: a fact's name, a comparison, and a number or another fact plus or minus a number.

    Raises InvalidValue.
    """
    found = _CHECK.fullmatch(text.strip())
    number = float(found["number"] or f"{found['sign'] or ''}{found['offset'] or 0}") if found else math.nan
    if not found or not math.isfinite(number):
        raise InvalidValue(
            what="This is not a check",
            expected='a comparison such as "roc_auc >= 0.7" or "roc_auc >= champion.roc_auc - 0.005"',
            found=repr(text),
            fix=f"Write the measured name first, then one of {', '.join(COMPARE)}, then the bound.",
        )
    return Check(
        left=_tidy(found["left"]),
        operator=found["operator"],  # type: ignore[arg-type]  # the pattern has just these operators
        right=_tidy(found["right"] or ""),
        offset=number + 0.0,  # a bound of -0 is 0
    )


def parse_all(texts: Iterable[str]) -> tuple[Check, ...]:
    """Read the checks of a gate. Raises InvalidValue for none at all: nothing asked is nothing proved."""
    checks = tuple(parse(text) for text in texts)
    if not checks:
        raise InvalidValue(
            what="An empty gate is not a passed gate",
            expected="at least one check",
            found="none",
            fix='Write one, such as "roc_auc >= 0.7".',
        )
    return checks


def _tidy(name: str) -> str:
    """A name without the white space that may stand inside its parentheses."""
    return re.sub(r"\(\s*(.*?)\s*\)", r"(\1)", name)
