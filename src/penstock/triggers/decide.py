"""Pure decisions: which reasons there are to start a pipeline, and what the arbiter makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cronsim import CronSim

from penstock.checks.metrics import METRICS
from penstock.core.durations import duration
from penstock.monitoring.types import Performance
from penstock.revisions.config import ScheduleCondition, WorseCondition
from penstock.triggers.types import Kind

LATE = timedelta(minutes=10)
"""A schedule slot that is noticed later than this was missed."""
PATIENT: tuple[Kind, ...] = ("worse", "drift")
"""Kinds that a cooldown holds back: their reason lasts. A schedule, a deployment and a person do not wait."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to start a pipeline. `slot` names this occasion, and no other, for ever."""

    kind: Kind
    slot: str
    why: str
    evidence: dict[str, Any] = {}
    params: dict[str, Any] = {}
    actor: str = "penstock"
    events: tuple[int, ...] = ()
    request: str = ""
    priority: int | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one condition: a reason, or in `why_not` what is missing for one."""

    reason: Reason | None = None
    why_not: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a champion stands: its number, the metric its run recorded, and how it did lately."""

    champion: int
    baseline: float | None
    lately: Performance


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the arbiter decided: the reasons that start one run (none: nothing starts), and why."""

    reasons: tuple[Reason, ...] = ()
    explanation: str


def scheduled(
    condition: ScheduleCondition, prefix: str, since: datetime, now: datetime
) -> tuple[Finding, datetime | None]:
    """The newest slot of a schedule in `since < slot <= now`: older ones are one with it.

    Gives the slot's time too. With `missed = "skip"`, a slot noticed more than `LATE` after its
    time never fires.
    """
    moment = now.astimezone(UTC)
    slot = next(CronSim(condition.cron, moment + timedelta(minutes=1), reverse=True))
    if slot > moment:
        slot = next(CronSim(condition.cron, slot, reverse=True))
    following = next(CronSim(condition.cron, moment))
    waiting = f"schedule {condition.cron}: next at {following:%Y-%m-%d %H:%M}"
    if slot <= since:
        return Finding(why_not=waiting), None
    if condition.missed == "skip" and moment - slot > LATE:
        return Finding(why_not=f"{waiting}; the slot of {slot:%Y-%m-%d %H:%M} was missed"), None
    why = f"the schedule {condition.cron} came to {slot:%Y-%m-%d %H:%M}"
    reason = Reason(
        kind="schedule",
        slot=f"schedule:{prefix}:{condition.cron}:{slot.isoformat()}",
        why=why,
        evidence={"cron": condition.cron, "at": slot.isoformat()},
    )
    return Finding(reason=reason), slot


def worsened(condition: WorseCondition, prefix: str, standing: Standing | None, now: datetime) -> Finding:
    """Whether the champion has been worse than its baseline by at least `by`, over the last `over`."""
    name = condition.metric
    if standing is None:
        return Finding(why_not=f"{name}: there is no champion yet")
    if standing.baseline is None:
        return Finding(why_not=f"{name}: version {standing.champion} has none on record to compare with")
    lately = standing.lately
    span = _days(duration(condition.over))
    if lately.labelled < condition.labels:
        return Finding(
            why_not=f"{name}: {lately.labelled:,} of {condition.labels:,} labels needed over {span} "
            f"of version {standing.champion}"
        )
    if lately.value is None:
        return Finding(why_not=f"{name}: the labels over {span} do not define it")
    better = METRICS[name].greater_is_better
    loss = standing.baseline - lately.value if better else lately.value - standing.baseline
    side = ("below" if better else "above") if loss >= 0 else ("above" if better else "below")
    why = (
        f"{name} was {lately.value:.3f} over {span} ({lately.labelled:,} labels), {abs(loss):.3f} {side} "
        f"the {standing.baseline:.3f} of version {standing.champion}"
    )
    if loss < condition.by:
        return Finding(why_not=f"{why}; it takes {condition.by:.3f} to fire")
    reason = Reason(
        kind="worse",
        slot=f"worse:{prefix}:{now.astimezone(UTC).date()}",
        why=why,
        evidence={
            "metric": name,
            "value": lately.value,
            "low": lately.low,
            "high": lately.high,
            "labels": lately.labelled,
            "completeness": lately.completeness,
            "baseline": standing.baseline,
            "version": standing.champion,
            "over": condition.over,
        },
    )
    return Finding(reason=reason)


def arbitrate(
    findings: Sequence[Finding],
    *,
    now: datetime,
    fired: datetime | None,
    cooldown: timedelta,
    active: str,
    used: frozenset[str],
) -> Decision:
    """One decision out of all findings, which stand in order of precedence.

    Reasons that ask for the same parameters start one run together; others wait for their turn,
    as all do while run `active` is under way. `used` are slots that have fired before.
    """
    waits = [finding.why_not for finding in findings if finding.why_not]
    ready: list[Reason] = []
    for reason in (finding.reason for finding in findings if finding.reason):
        until = fired + cooldown if fired else now
        if reason.slot in used:
            if reason.kind in PATIENT:
                waits.append(f"{reason.why}; it has fired for this today")
        elif reason.kind in PATIENT and now < until:
            waits.append(f"{reason.why}; cooling down until {until:%Y-%m-%d %H:%M}")
        else:
            ready.append(reason)
    if not ready:
        return Decision(explanation="; ".join(waits) or "waits for a request or a release")
    if active:
        whys = "; ".join(reason.why for reason in ready)
        return Decision(explanation=f"waits for run {active}: {whys}")
    together = tuple(reason for reason in ready if reason.params == ready[0].params)
    return Decision(reasons=together, explanation="fired: " + together_why(together))


def together_why(reasons: Sequence[Reason]) -> str:
    """All reasons in one sentence."""
    return "; ".join(reason.why for reason in reasons)


def together_evidence(reasons: Sequence[Reason]) -> dict[str, Any]:
    """The first reason's evidence; with several, that of each by its kind and slot."""
    if len(reasons) == 1:
        return dict(reasons[0].evidence)
    return {"reasons": [_told(reason) for reason in reasons]}


def _told(reason: Reason) -> Mapping[str, Any]:
    return {"kind": reason.kind, "slot": reason.slot, "why": reason.why, **reason.evidence}


def _days(span: timedelta) -> str:
    days = span / timedelta(days=1)
    if days >= 1:
        return f"{days:g} day{'' if days == 1 else 's'}"
    return f"{span / timedelta(hours=1):g} hours"
