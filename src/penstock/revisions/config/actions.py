"""What a trigger leads to when it fires: `then`, and what the words in it need."""

from __future__ import annotations

from typing import Any, cast

from penstock.checks.metrics import METRICS
from penstock.revisions.config.conditions import RUN, SweepConfig, Then
from penstock.revisions.config.tables import Table

THEN: tuple[Then, ...] = ("run", "notify", "issue", "rollback", "sweep")
_SWEEP = ("params", "metric", "minimize", "trials", "parallel")


def read_then(table: Table, default: tuple[Then, ...] = RUN) -> tuple[Then, ...]:
    """One word or several, each once. Raises InvalidProject."""
    if "then" not in table:
        return default
    if isinstance(table.values["then"], str):
        return (cast("Then", table.choice("then", THEN)),)
    return cast("tuple[Then, ...]", table.choices("then", THEN))


def read_channels(table: Table, words: set[Then], channels: list[str]) -> tuple[str, ...]:
    """The channels that are told when the trigger fires: those named, or all there are.

    Raises InvalidProject.
    """
    if "notify" not in words:
        if "notify" in table:
            table.refuse(
                "notify", "nobody is notified by this trigger", fix='Write "notify" into its `then`.'
            )
        return ()
    if not channels:
        table.refuse(
            "then" if "then" in table else None,
            "there is no channel to notify",
            expected="at least one table such as [notify.team]",
            fix='Write: [notify.team] and webhook = "TEAM_HOOK".',
        )
    return table.choices("notify", channels) if "notify" in table else tuple(channels)


def read_sweep(table: Table, words: set[Then]) -> SweepConfig | None:
    """The sweep that the trigger starts. Raises InvalidProject."""
    if "sweep" not in words:
        if "sweep" in table:
            table.refuse("sweep", "no sweep is started by this trigger", fix='Write "sweep" into its `then`.')
        return None
    if "sweep" not in table:
        table.refuse(
            None,
            "the trigger starts a sweep and does not say of what",
            expected='such as sweep = { params = { learning_rate = "0.01..0.3:log" }, metric = "roc_auc" }',
        )
    inside = table.table("sweep")
    inside.allow(*_SWEEP)
    params = inside.table("params")
    metric = inside.get("metric", str)
    known = METRICS.get(metric)
    return SweepConfig(
        params={name: params.get(name, str) for name in _some(inside, params.values)},
        metric=metric,
        minimize=inside.get("minimize", bool, known is not None and not known.greater_is_better),
        trials=inside.number("trials", 20, least=1),
        parallel=inside.number("parallel", 1, least=1),
    )


def _some(table: Table, params: dict[str, Any]) -> dict[str, Any]:
    if not params:
        table.refuse(None, "the sweep has nothing to search", expected='such as params = { depth = "3,5,7" }')
    return params
