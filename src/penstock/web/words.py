"""Values that pages write otherwise than the terminal, by the name under which they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from penstock.core.durations import spoken
from penstock.core.human import human
from penstock.core.sizes import size_text

LONG = 24
"""Characters of a word that always fits into a line."""


def day(value: Any) -> Markup:
    """A moment without its hour."""
    return Markup("<time>{}</time>").format(human(value)[:10])


def breakable(text: str) -> Markup:
    """A text whose long words may go on in the next line after what parts of names are joined by."""
    return Markup(" ").join(
        Markup(re.sub(r"([_:@/.,=-]+)", r"\1<wbr>", str(escape(word)))) if len(word) > LONG else escape(word)  # noqa: S704 escaped
        for word in text.split(" ")
    )


def _refused(statuses: Any) -> str:
    """How many requests were refused with which status, or how many at all."""
    if isinstance(statuses, Mapping):
        return ", ".join(f"{count}\u00a0with\u00a0{status}" for status, count in statuses.items())
    return human(statuses)


def _bands(given: Mapping[str, Sequence[float]]) -> str:
    """Between what the truth lies, by metric."""
    return ", ".join(f"{name} {human(low)} to {human(high)}" for name, (low, high) in given.items())


def _verdicts(given: Sequence[Mapping[str, Any]]) -> str:
    """How many checks passed, and why others did not."""
    failed = [f"{each['check']}: {each['why']}" for each in given if not each["passed"]]
    return "; ".join([f"{len(given) - len(failed)} of {len(given)} passed", *failed])


def _size(amount: Any) -> str:
    return size_text(amount) if isinstance(amount, int) else human(amount)


WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "95 %": _bands,
    "day": day,
    "refused": _refused,
    "size": _size,
    "ttl": spoken,
    "verdicts": _verdicts,
}
"""How a value is written by its name."""
