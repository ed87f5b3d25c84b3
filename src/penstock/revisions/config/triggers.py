"""The tables `[[triggers]]` of `penstock.toml`, and those below an environment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from typing import Literal, cast, get_args
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from msgspec.structs import replace

from penstock.checks.metrics import METRICS
from penstock.checks.shares import parse_share
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue
from penstock.core.sizes import size
from penstock.revisions.config.actions import read_channels, read_sweep, read_then
from penstock.revisions.config.conditions import (
    CHANGE,
    EVER,
    ArrivalCondition,
    Arrives,
    Condition,
    DriftCondition,
    Drifts,
    Quiet,
    ScheduleCondition,
    SignalCondition,
    SkewCondition,
    Then,
    TriggerConfig,
    WorseCondition,
    budget,
)
from penstock.revisions.config.notify import secret_name
from penstock.revisions.config.tables import Table, question
from penstock.revisions.config.types import SKEW

_KEYS = ("any", "all", "cooldown", "at_most", "quiet", "zone", "priority", "then", "notify", "sweep", "since")
_ARRIVALS = ("new_rows", "new_bytes", "new_partitions", "new_versions")
_KINDS = ("schedule", *_ARRIVALS, "signal", "worse", "drift", "skew")
_ABOUT_A_CHAMPION = (WorseCondition, DriftCondition, SkewCondition)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_YEAR = timedelta(days=366)
_SLOTS = 1500
"""Slots of a schedule that are looked at to see whether quiet hours hold all of them."""


def read_triggers(top: Table, environments: Sequence[str]) -> tuple[TriggerConfig, ...]:
    """The triggers of a project with these environments. Raises InvalidProject."""
    triggers: list[TriggerConfig] = []
    channels = [*top.table("notify").values]
    for table in top.tables("triggers"):
        table.allow("pipeline", "environments", *_KEYS)
        trigger = _trigger(
            table,
            table.get("pipeline", str, such_as='"train", a pipeline of the project'),
            table.choices("environments", environments),
            channels,
        )
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
    channels = [*top.table("notify").values]
    for pipeline, own in environment.named("triggers").items():
        own.allow(*_KEYS)
        everywhere = (
            each
            for each in top.tables("triggers")
            if each.values["pipeline"] == pipeline and name in each.values["environments"]
        )
        triggers.append(_trigger(own.over(next(everywhere, None)), pipeline, (name,), channels))
    return tuple(triggers)


def _trigger(
    table: Table, pipeline: str, environments: tuple[str, ...], channels: list[str]
) -> TriggerConfig:
    zone, then = _zone(table), read_then(table)
    alone = tuple(_condition(item, zone) for item in table.tables("any"))
    words = {word for condition in alone for word in condition.then} | {*then}
    together = tuple(_condition(item, zone) for item in table.tables("all"))
    trigger = TriggerConfig(
        pipeline=pipeline,
        environments=environments,
        conditions=alone,
        together=together,
        cooldown=table.span("cooldown", "0s"),
        at_most=_budget(table, "at_most", "3 per 7d") if "at_most" in table else "",
        quiet=_quiet(table, zone),
        priority=table.get("priority", int) if "priority" in table else None,
        then=then,
        notify=read_channels(table, words, channels),
        sweep=read_sweep(table, words),
        since=_since(table, (*alone, *together)),
    )
    _require_sense(table, trigger)
    _require_one_rate(table, trigger)
    return trigger


def _since(table: Table, conditions: Sequence[Condition]) -> str:
    text = table.get("since", str, "")
    if text == CHANGE and not any(isinstance(each, DriftCondition) for each in conditions):
        table.refuse(
            "since",
            "no condition here tells of a change, so nobody knows since when it is",
            expected='a condition such as { drift = "relation", false_alarms = "1 per 90d" }',
        )
    if text not in {"", CHANGE, EVER}:
        try:
            duration(text)
        except InvalidValue:
            table.refuse(
                "since",
                "'since' has an impossible value",
                expected=f'a span such as "60d", "{EVER}" or "{CHANGE}"',
                found=repr(text),
            )
    return text


def _require_sense(table: Table, trigger: TriggerConfig) -> None:
    """Refuse a trigger that could never fire, or part of which could never matter."""
    if not trigger.every:
        table.refuse(
            "any",
            "the trigger has no condition",
            expected='any = [...] with items such as { schedule = "0 3 * * *" }',
        )
    if len(trigger.together) == 1:
        table.refuse("all", "`all` has one condition only", fix="Put it into `any`.")
    alone = [replace(each, then=()) for each in trigger.conditions]
    if twice := [place for place, each in enumerate(alone) if each in alone[:place]]:
        table.document.refuse(
            (*table.path, "any", twice[0]),
            "this condition stands in `any` twice, and when it holds it counts once",
            fix='Say all that it leads to in one `then`, such as then = ["run", "notify"].',
        )
    if both := [place for place, each in enumerate(trigger.together) if replace(each, then=()) in alone]:
        table.document.refuse(
            (*table.path, "all", both[0]),
            "this condition stands in `any` too, where it starts the pipeline without the others",
            fix="Leave it in one of them.",
        )
    if any(each.then for each in trigger.together):
        table.refuse(
            "all", "what must hold together leads to one thing", fix="Write `then` beside `all`, not into it."
        )
    blind = [place for place, one in enumerate(trigger.conditions) if _rolls_back_blindly(trigger, one)]
    if blind:
        table.document.refuse(
            (*table.path, "any", blind[0]),
            "this condition says nothing about the champion, so it is no reason to roll back",
            expected="worse, drift or skew where `then` has rollback",
            fix='Give the condition a `then` of its own, such as then = "run".',
        )
    if trigger.together and all(_rolls_back_blindly(trigger, one) for one in trigger.together):
        table.refuse(
            "all",
            "no condition here says anything about the champion, so they are no reason to roll back",
            expected="worse, drift or skew among them where `then` has rollback",
        )
    for condition in trigger.every:
        if isinstance(condition, ScheduleCondition) and trigger.quiet and _quieted(condition, trigger.quiet):
            table.refuse(
                "quiet",
                f"every hour of the schedule {condition.cron!r} lies in the quiet hours: none fires on time",
                fix="Change one of them; note the trigger's `zone`.",
            )


def _require_one_rate(table: Table, trigger: TriggerConfig) -> None:
    """False alarms are those of a model, and not of what is watched of it."""
    stated = [each.false_alarms for each in trigger.every if isinstance(each, DriftCondition)]
    if other := [text for text in stated if budget(text) != budget(stated[0])]:
        table.refuse(
            None,
            "conditions of this trigger state different rates of false alarms",
            expected="one rate in each `drift`: it is the model's, and all that is watched of it shares it",
            found=f"{stated[0]!r} and {other[0]!r}",
        )


def _rolls_back_blindly(trigger: TriggerConfig, condition: Condition) -> bool:
    return "rollback" in trigger.leads_to(condition) and not isinstance(condition, _ABOUT_A_CHAMPION)


def _quieted(condition: ScheduleCondition, quiet: Quiet) -> bool:
    start = datetime(2000, 1, 1, tzinfo=ZoneInfo(condition.zone))
    slots = takewhile(lambda slot: slot < start + _YEAR, CronSim(condition.cron, start))
    some = list(islice(slots, _SLOTS))
    return bool(some) and all(quiet.covers(slot) for slot in some)


def _condition(table: Table, zone: str) -> Condition:
    kinds = [kind for kind in _KINDS if kind in table]
    if len(kinds) > 1:
        table.refuse(
            kinds[1],
            "a condition asks one thing",
            expected=f"either {kinds[0]} or {kinds[1]}",
            fix="Make two items of it: in `any` one of them is enough, in `all` both must hold.",
        )
    if not kinds:
        table.allow(*_KINDS)
        table.refuse(None, "a condition is empty", expected="one of " + ", ".join(_KINDS))
    if kinds[0].startswith("new_"):
        return _arrival(table, kinds[0])
    readers = {
        "schedule": _schedule,
        "signal": _signalled,
        "worse": _worse,
        "drift": _drift,
        "skew": _skew,
    }
    return readers[kinds[0]](table, zone)


def _schedule(table: Table, zone: str) -> Condition:
    table.allow("schedule", "missed", "then")
    missed = table.choice("missed", ("once", "skip"), "once")
    return ScheduleCondition(
        cron=_cron(table), missed=cast("Literal['once', 'skip']", missed), zone=zone, then=_own(table)
    )


def _arrival(table: Table, kind: str) -> Condition:
    table.allow(kind, "source", "settle", "then")
    what = cast("Arrives", kind.removeprefix("new_"))
    return ArrivalCondition(
        what=what,
        amount=_bytes(table, kind) if what == "bytes" else table.number(kind, 1, least=1),
        source=table.get("source", str, such_as='"orders", the name of a source'),
        settle=table.span("settle", "0s"),
        then=_own(table),
    )


def _bytes(table: Table, key: str) -> int:
    try:
        amount = size(table.get(key, str))
    except InvalidValue as error:
        table.refuse(key, f"{key!r} has an impossible value", expected=error.expected, found=error.found)
    if not amount:
        table.refuse(key, f"{key!r} has an impossible value", expected="at least one byte", found="none")
    return amount


def _signalled(table: Table, _zone: str) -> Condition:
    table.allow("signal", "secret", "then")
    return SignalCondition(
        name=table.plain("signal", table.get("signal", str), "event"),
        secret=secret_name(table, "secret") if "secret" in table else "",
        then=_own(table),
    )


def _worse(table: Table, _zone: str) -> Condition:
    table.allow("worse", "by", "over", "labels", "sure", "estimated", "slice", "then")
    by = table.get("by", float, such_as="0.05, by how much it must be worse")
    if not 0 < by < float("inf"):
        table.refuse("by", "'by' has an impossible value", expected="a number above 0", found=str(by))
    part, estimated = table.get("slice", str, ""), table.get("estimated", bool, False)
    if part and estimated:
        table.refuse("estimated", "of a slice nothing is estimated", fix="Take `estimated` out.")
    return WorseCondition(
        metric=table.choice("worse", METRICS),
        by=by,
        over=table.span("over"),
        labels=table.number("labels", 500, least=1),
        sure=table.get("sure", bool, False),
        estimated=estimated,
        slice=part,
        then=_own(table),
    )


def _drift(table: Table, _zone: str) -> Condition:
    table.allow("drift", "false_alarms", "then")
    return DriftCondition(
        what=cast("Drifts", table.choice("drift", get_args(Drifts))),
        false_alarms=_budget(table, "false_alarms", "1 per 90d"),
        then=_own(table),
    )


def _skew(table: Table, _zone: str) -> Condition:
    table.allow("skew", "view", "then")
    text = table.get("skew", str)
    try:
        check = parse_share(text, SKEW)
        sensible, found, fix = check.operator in {">", ">="} and 0 <= check.offset <= 1, repr(text), ""
    except InvalidValue as error:
        sensible, found, fix = False, error.found, error.fix
    if not sensible:
        table.refuse(
            "skew",
            "'skew' has an impossible value",
            expected='what is too much, such as "skew > 1%" or "stale > 20%"',
            found=found,
            fix=fix,
        )
    return SkewCondition(bound=text, view=table.get("view", str, ""), then=_own(table))


def _own(table: Table) -> tuple[Then, ...]:
    return read_then(table, ())


def _budget(table: Table, key: str, example: str) -> str:
    text = table.get(key, str, such_as=f'"{example}"')
    try:
        budget(text)
    except (ValueError, InvalidValue):
        table.refuse(
            key,
            f"{key!r} has an impossible value",
            expected=f'how often in which span, such as "{example}"',
            found=repr(text),
        )
    return text


def _quiet(table: Table, zone: str) -> Quiet | None:
    if "quiet" not in table:
        return None
    inside = table.table("quiet")
    inside.allow("from", "until")
    start, until = (inside.get(key, str) for key in ("from", "until"))
    for key, text in (("from", start), ("until", until)):
        if not _CLOCK.fullmatch(text):
            inside.refuse(
                key, f"{key!r} has an impossible value", expected='an hour such as "22:00"', found=repr(text)
            )
    if start == until:
        inside.refuse("until", "quiet hours that never end leave no time to start", found=repr(until))
    return Quiet(start=start, until=until, zone=zone)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(table: Table) -> str:
    zone = table.get("zone", str, "UTC")
    if zone != "UTC" and zone not in _zones():
        table.refuse(
            "zone",
            "'zone' has an impossible value",
            expected='the name of a time zone such as "Europe/Berlin"',
            found=repr(zone),
            fix=question(zone, sorted(_zones())),
        )
    return zone


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
            expected='minute, hour, day of month, month and day of week, such as "0 3 * * *"',
            found=repr(cron),
        )
    return cron
