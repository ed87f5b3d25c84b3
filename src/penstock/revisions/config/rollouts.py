"""`rollout` of a model in `penstock.toml`: how a version that passed its gate takes over."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from penstock.checks.guard import compares, parse_guard
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue
from penstock.revisions.config.tables import Table

REQUESTS = 100
_EXAMPLE = 'such as { canary = [5, 25, 100], every = "10m", guard = ["error_rate <= 0.01"] }'


class RolloutConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How traffic goes over to a challenger: in `steps`, percentages that rise to 100, each for at least
    `every` and `requests` answers, while every guard holds. One step is blue/green.

    `key` is the column whose value decides who answers, so that it is always the same; where it is empty, the
    key that a request brings.
    """

    steps: tuple[int, ...]
    every: str
    guard: tuple[str, ...]
    requests: int = REQUESTS
    key: str = ""


def read_rollout(model: Table) -> RolloutConfig | None:
    """The `rollout` of a model, None where there is none. Raises InvalidProject."""
    if "rollout" not in model:
        return None
    table = model.table("rollout")
    table.allow("canary", "blue_green", "every", "guard", "requests", "key")
    every = table.span("every")
    if not duration(every):
        _refuse(table, "every", "a step takes no time", 'a duration such as "10m"', every)
    steps = _steps(table)
    return RolloutConfig(
        steps=steps,
        every=every,
        guard=_guard(table, alone=len(steps) == 1),
        requests=table.number("requests", REQUESTS, least=1),
        key=table.get("key", str, ""),
    )


def _steps(table: Table) -> tuple[int, ...]:
    if ("canary" in table) == ("blue_green" in table):
        table.refuse(None, "a rollout is a canary or blue/green", expected=_EXAMPLE)
    if "blue_green" in table:
        if not table.get("blue_green", bool):
            _refuse(table, "blue_green", "'blue_green' has an impossible value", "true", "false")
        return (100,)
    steps = table.get("canary", list)
    whole = all(type(step) is int and 0 < step <= 100 for step in steps)
    if not whole or steps != sorted(set(steps)) or steps[-1:] != [100]:
        _refuse(
            table, "canary", "'canary' has an impossible value", "percentages that rise to 100", repr(steps)
        )
    if len(steps) == 1:
        table.refuse("canary", "a canary has several steps", fix="All at once is blue_green = true.")
    return tuple(steps)


def _guard(table: Table, *, alone: bool) -> tuple[str, ...]:
    guard = table.texts("guard")
    for index, text in enumerate(guard):
        place = (*table.path, "guard", index)
        try:
            check = parse_guard(text)
        except InvalidValue as error:
            table.document.refuse(place, error.what, expected=error.expected, found=repr(text), fix=error.fix)
        if alone and compares(check):
            table.document.refuse(
                place,
                "with blue/green there are no answers of the champion to compare with",
                expected="guards with numbers alone",
                found=repr(text),
                fix="Use a canary.",
            )
    return guard


def _refuse(table: Table, key: str, what: str, expected: str, found: Any) -> NoReturn:
    table.refuse(key, what, expected=expected, found=str(found))
