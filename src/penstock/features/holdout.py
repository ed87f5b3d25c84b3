"""What is kept apart of the rows to train on."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NamedTuple

from penstock.core.durations import duration
from penstock.core.errors import InvalidValue

USUAL, USUAL_UNDATED = "14d", "20%"
"""The holdout where nobody says it: of rows that say when they happened, and of others."""
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class Holdout(NamedTuple):
    """The rows of the last `span`, or a `share` of all, between 0 and 1."""

    span: timedelta = timedelta()
    share: float = 0.0


def read_holdout(text: object) -> Holdout:
    """Read `"14d"`, or a share such as `"20%"`. Raises InvalidValue for anything else."""
    found = _SHARE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found and 0 < float(found[1]) < 100:
        return Holdout(share=float(found[1]) / 100)
    if isinstance(text, str) and not found:
        try:
            span = duration(text)
        except InvalidValue:
            span = timedelta()
        if span:
            return Holdout(span=span)
    raise InvalidValue(
        what="The holdout is the rows that a model is measured on and never learns from",
        expected='a duration such as "14d", or a share of the rows such as "20%"',
        found=repr(text),
    )
