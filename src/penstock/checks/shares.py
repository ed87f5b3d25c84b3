"""How checks of shares are written: `skew <= 1%`, which is the same as `skew <= 0.01`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.checks.check import Check
from penstock.checks.grammar import parse
from penstock.core.errors import InvalidValue
from penstock.core.words import meant


def parse_share(text: str, facts: Sequence[str]) -> Check:
    """Read a check of one of these facts against a number or a percentage. Raises InvalidValue."""
    bare = text.strip().removesuffix("%")
    check = parse(bare)
    if check.left not in facts or check.right:
        raise InvalidValue(
            what=f"This is no check of {' or '.join(facts)}",
            expected=f'such as "{facts[0]} <= 1%"',
            found=text,
            fix=meant(check.left, facts),
        )
    return check if bare == text.strip() else msgspec.structs.replace(check, offset=check.offset / 100)
