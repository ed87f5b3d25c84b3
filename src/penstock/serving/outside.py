"""Values of requests that are outside of what was expected of the rows that a version was trained on."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from penstock.core.errors import InvalidRequest

Broken = Callable[[Any], bool]
REFUSE = "refuse"
"""Beside the rules of a column: whether requests that break one are refused, but for those that only warn."""
HIDDEN = "hidden"
"""Beside the rules of a column: nobody is shown its values."""


class Outside:
    """The rules of a version's columns, as they are asked of the values of a request.

    `columns` are the rules of each column as data (`datasets.expectations.Rules`). What only many rows can
    answer is not asked.
    """

    def __init__(self, columns: Mapping[str, Mapping[str, Any]]) -> None:
        self._columns = columns
        rules = [
            (name, words, broken, bool(given.get(REFUSE)) and words.split()[0] not in given.get("warn", ()))
            for name, given in columns.items()
            for words, broken in _rules(given)
        ]
        self._counted = [(name, words, broken) for name, words, broken, _ in rules]
        self._refused = [(name, words, broken) for name, words, broken, refuse in rules if refuse]

    def require(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Raises InvalidRequest for a value that breaks a rule by which requests are refused."""
        for name, words, broken in self._refused:
            for value in columns.get(name, ()):
                if broken(value):
                    raise InvalidRequest(
                        what=f"The column {name!r} holds a value that nobody expects",
                        expected=_in_full(words, self._columns[name]),
                        found="another" if self._columns[name].get(HIDDEN) else f"{value!r:.60}",
                    )

    def count(self, columns: Mapping[str, Sequence[Any]]) -> Counter[tuple[str, str]]:
        """How many values break each rule, by column and rule."""
        found: Counter[tuple[str, str]] = Counter()
        for name, words, broken in self._counted:
            if many := sum(map(broken, columns.get(name, ()))):
                found[name, words] = many
        return found


def _in_full(words: str, given: Mapping[str, Any]) -> str:
    """A rule with what it allows; metrics name it without, and stay short."""
    match words:
        case "one_of":
            return f"one of {', '.join(map(repr, given[words]))}"
        case "matches":
            return f"text that matches {given[words]!r}"
    return words


def _rules(given: Mapping[str, Any]) -> Iterator[tuple[str, Broken]]:
    if given.get("nulls") == 0:
        yield "nulls 0", lambda value: value is None or value != value  # noqa: PLR0124 not-a-number is null here
    low, high = given.get("at_least"), given.get("at_most")
    if isinstance(low, int | float):
        yield f"at_least {low}", lambda value: isinstance(value, int | float) and value < low
    if isinstance(high, int | float):
        yield f"at_most {high}", lambda value: isinstance(value, int | float) and value > high
    if given.get("finite"):
        yield "finite true", lambda value: isinstance(value, float) and math.isinf(value)
    if listed := given.get("one_of"):
        known = frozenset(listed)
        yield "one_of", lambda value: value is not None and value not in known
    if pattern := given.get("matches"):
        fits = re.compile(pattern).fullmatch
        yield "matches", lambda value: isinstance(value, str) and not fits(value)
