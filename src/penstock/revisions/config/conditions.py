"""What may start a pipeline: the conditions of a trigger, and how its arbiter holds them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from penstock.core.durations import duration

Then = Literal["run", "notify", "issue", "rollback", "sweep"]
"""What a trigger leads to: a run of its pipeline, or one of the actions."""
CHANGE, EVER = "change", "ever"
"""Since when rows count that runs train on: since the newest change that alarms tell of, or always."""
RUN: tuple[Then, ...] = ("run",)
Drifts = Literal["inputs", "outputs", "labels", "relation"]
"""What may drift."""
Arrives = Literal["rows", "bytes", "partitions", "versions"]
"""How what arrived in a source is measured."""


class ScheduleCondition(msgspec.Struct, frozen=True, kw_only=True):
    """Time has come: a cron expression on the clock of `zone`, and what becomes of slots that were missed.

    `then` is what this condition leads to, as of every other, where it is not what the trigger does.
    """

    cron: str
    missed: Literal["once", "skip"] = "once"
    zone: str = "UTC"
    then: tuple[Then, ...] = ()


class WorseCondition(msgspec.Struct, frozen=True, kw_only=True):
    """A metric over the last `over` (such as "7d") is worse by at least `by` than at the gate, of all answers
    or of those in a `slice` such as "carrier = UA".

    It is judged only when at least `labels` predictions have their labels; before that by its estimate, where
    `estimated` says so. Where it must be `sure`, all of the metric's interval has to be worse by that much.
    """

    metric: str
    by: float
    over: str
    labels: int = 500
    sure: bool = False
    estimated: bool = False
    slice: str = ""
    then: tuple[Then, ...] = ()


class ArrivalCondition(msgspec.Struct, frozen=True, kw_only=True):
    """At least so much of a source became known since the pipeline last read it there.

    None may have come for `settle` (such as "10m"), so that a batch which is still coming in is waited for;
    twice as much does not wait.
    """

    what: Arrives = "rows"
    amount: int
    source: str
    settle: str = "0s"
    then: tuple[Then, ...] = ()


class SignalCondition(msgspec.Struct, frozen=True, kw_only=True):
    """A program told that this happened: with a token, or with a body signed with the secret of this name,
    which is empty where tokens alone count.
    """

    name: str
    secret: str = ""
    then: tuple[Then, ...] = ()


class DriftCondition(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm was raised that what is asked, what is answered, what really happened, or how that follows
    from what is asked, is not what it was in training.

    `false_alarms` (such as "1 per 90d") is how often an alarm, whatever it is about, may be raised of a model
    although nothing changed; all conditions of a trigger say the same.
    """

    what: Drifts
    false_alarms: str
    then: tuple[Then, ...] = ()


class SkewCondition(msgspec.Struct, frozen=True, kw_only=True):
    """A bound such as `skew > 1%` or `stale > 20%` was passed, on the newest day that was compared, by what
    champions read online: of a `view`, or of any.
    """

    bound: str
    view: str = ""
    then: tuple[Then, ...] = ()


Condition = (
    ScheduleCondition | WorseCondition | ArrivalCondition | DriftCondition | SignalCondition | SkewCondition
)


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of each day, such as "22:00" until "06:00" on the clock of `zone`, in which nothing starts that
    nobody asked for.
    """

    start: str
    until: str
    zone: str = "UTC"

    def covers(self, moment: datetime) -> bool:
        """Whether a moment lies in these hours."""
        clock = moment.astimezone(ZoneInfo(self.zone)).time()
        start, until = time.fromisoformat(self.start), time.fromisoformat(self.until)
        return start <= clock < until if start < until else clock >= start or clock < until


class SweepConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A search that a trigger starts: what `params` are tried, such as `0.01..0.3:log` or `3,5,7`, in so many
    `trials`, for the best `metric`.
    """

    params: dict[str, str]
    metric: str
    minimize: bool = False
    trials: int = 20
    parallel: int = 1


class TriggerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """When a pipeline starts in some environments: when any of the conditions holds, or all of `together`.

    `cooldown` (such as "1d") must have passed since the trigger last fired; it fires `at_most` so often in a
    span (such as "3 per 7d"), and never in `quiet` hours. Its runs have `priority`, None for what is usual.
    It leads to what `then` says: a run, or actions; `notify` are the channels that are told. Its runs train
    on rows `since` then: the last "60d", CHANGE or EVER; empty leaves that to the pipeline.
    """

    pipeline: str
    environments: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    together: tuple[Condition, ...] = ()
    cooldown: str = "0s"
    at_most: str = ""
    quiet: Quiet | None = None
    priority: int | None = None
    then: tuple[Then, ...] = RUN
    notify: tuple[str, ...] = ()
    sweep: SweepConfig | None = None
    since: str = ""

    def leads_to(self, condition: Condition) -> tuple[Then, ...]:
        """What a condition leads to where it holds."""
        return condition.then or self.then

    @property
    def every(self) -> Sequence[Condition]:
        """All its conditions, those alone first."""
        return (*self.conditions, *self.together)


def budget(text: str) -> tuple[int, timedelta]:
    """How often, and in which span: `"3 per 7d"`. Raises ValueError or InvalidValue for anything else."""
    times, per, span = text.partition(" per ")
    if not per or not times.isdecimal() or not int(times) or not duration(span):
        raise ValueError(text)
    return int(times), duration(span)
