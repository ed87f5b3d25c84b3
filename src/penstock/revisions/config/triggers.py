"""The tables `[[triggers]]` of `penstock.toml`, and those below an environment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, cast

from cronsim import CronSim, CronSimError

from penstock.checks.metrics import METRICS
from penstock.revisions.config.tables import Table
from penstock.revisions.config.types import ScheduleCondition, TriggerConfig, WorseCondition

_KEYS = ("any", "cooldown")


def read_triggers(top: Table, environments: Sequence[str]) -> tuple[TriggerConfig, ...]:
    """The triggers of a project with these environments. Raises InvalidProject."""
    triggers: list[TriggerConfig] = []
    for table in top.tables("triggers"):
        table.allow("pipeline", "environments", *_KEYS)
        trigger = _trigger(table, table.get("pipeline", str), table.choices("environments", environments))
        for earlier in triggers:
            shared = [e for e in trigger.environments if e in earlier.environments]
            if earlier.pipeline == trigger.pipeline and shared:
                table.refuse(
                    "pipeline",
                    f"{trigger.pipeline!r} already has a trigger in {shared[0]!r}",
                    fix="Put all conditions into one trigger's `any`.",
                )
        triggers.append(trigger)
    return tuple(triggers)


def read_triggers_of(environment: Table, name: str, top: Table) -> tuple[TriggerConfig, ...]:
    """The triggers that an environment has of its own, over those of the project. Raises InvalidProject."""
    triggers = []
    for pipeline, own in environment.named("triggers").items():
        own.allow(*_KEYS)
        everywhere = (
            each
            for each in top.tables("triggers")
            if each.values["pipeline"] == pipeline and name in each.values["environments"]
        )
        triggers.append(_trigger(own.over(next(everywhere, None)), pipeline, (name,)))
    return tuple(triggers)


def _trigger(table: Table, pipeline: str, environments: tuple[str, ...]) -> TriggerConfig:
    trigger = TriggerConfig(
        pipeline=pipeline,
        environments=environments,
        conditions=tuple(_condition(item) for item in table.tables("any")),
        cooldown=table.span("cooldown", "0s"),
    )
    if not trigger.conditions:
        table.refuse(
            "any",
            "the trigger has no condition",
            expected='any = [...] with items such as { schedule = "0 3 * * *" }',
        )
    return trigger


def _condition(table: Table) -> ScheduleCondition | WorseCondition:
    kinds = [kind for kind in ("schedule", "worse") if kind in table]
    if len(kinds) > 1:
        table.refuse(
            "worse",
            "a condition asks one thing",
            expected="either schedule or worse",
            fix="Make two items of it.",
        )
    if not kinds:
        table.allow("schedule", "worse")
        table.refuse(None, "a condition is empty", expected="schedule or worse")
    if kinds == ["schedule"]:
        table.allow("schedule", "missed")
        missed = table.choice("missed", ("once", "skip"), "once")
        return ScheduleCondition(cron=_cron(table), missed=cast("Literal['once', 'skip']", missed))
    table.allow("worse", "by", "over", "labels")
    by = table.get("by", float)
    if not 0 < by < float("inf"):
        table.refuse("by", "'by' has an impossible value", expected="a number above 0", found=str(by))
    return WorseCondition(
        metric=table.choice("worse", METRICS),
        by=by,
        over=table.span("over"),
        labels=table.number("labels", 500, least=1),
    )


def _cron(table: Table) -> str:
    cron = table.get("schedule", str)
    try:
        comes = len(cron.split()) == 5 and any(CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError:
        comes = False
    if not comes:
        table.refuse(
            "schedule",
            "'schedule' has an impossible value",
            expected='minute, hour, day of month, month and day of week in UTC, such as "0 3 * * *"',
            found=repr(cron),
        )
    return cron
