"""How aggregates are written, such as `"mean(delay) over 6h"`, and what each says of values in its span."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.durations import duration
from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.core.words import meant
from penstock.features.types import Aggregate

OF_NUMBERS = ("sum", "mean", "min", "max")
"""Aggregates that take numbers or booleans only; these count as 0 and 1."""
_WRITTEN = re.compile(r"\s*(\w+)\s*(?:\(\s*([^()]+?)\s*\))?\s+over\s+(.+)")
_OF: dict[str, Callable[[Sequence[Any]], Any]] = {
    "count": len,
    "sum": sum,
    "mean": lambda values: sum(values) / len(values) if values else None,
    "min": lambda values: +min(values) if values else None,  # a number, also of booleans
    "max": lambda values: +max(values) if values else None,
    "last": lambda values: values[-1] if values else None,
    "distinct": lambda values: len(set(values)),
}


def read_aggregates(written: Mapping[str, str]) -> tuple[Aggregate, ...]:
    """The aggregates of a view, by the names of their features. Raises InvalidPipeline."""
    if not isinstance(written, Mapping):
        raise InvalidPipeline(
            what="Aggregates are given by the names of their features",
            expected='such as {"busy": "count over 1h"}',
            found=repr(written),
        )
    return tuple(_read(name, text) for name, text in written.items())


def value_of(aggregate: Aggregate, values: Sequence[Any]) -> Any:
    """What an aggregate says of the values in its span, none of them null, the newest last.

    Of none of them a count or a sum is 0, and everything else is null.
    """
    return _OF[aggregate.of](values)


def _read(name: str, text: str) -> Aggregate:
    found = _WRITTEN.fullmatch(str(text))
    of, column, span = found.groups() if found else ("", "", "")
    if of not in _OF or (of != "count" and not column):
        raise InvalidPipeline(
            what=f"The aggregate `{name}` cannot be read",
            expected='one such as "count over 1h" or "mean(COLUMN) over 6h"; there are ' + ", ".join(_OF),
            found=repr(text),
            fix=meant(of, list(_OF)) if of and of not in _OF else "",
        )
    try:
        over = duration(span).total_seconds()
    except InvalidValue as error:
        raise InvalidPipeline(
            what=f"The aggregate `{name}` has no span",
            expected=error.expected,
            found=error.found,
            fix=error.fix,
        ) from None
    if not over:
        raise InvalidPipeline(what=f"The aggregate `{name}` is over nothing", expected="a span above 0")
    return Aggregate(name=name, of=of, column=column or "", over=over)
