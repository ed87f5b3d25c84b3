"""Pure decisions: which reasons there are to start a pipeline, and what the arbiter makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim

from penstock.checks.metrics import METRICS
from penstock.core.durations import duration
from penstock.core.events import Event
from penstock.core.sizes import size_text
from penstock.datasets.types import Arrived
from penstock.monitoring.estimates import LEAST
from penstock.monitoring.types import Alarm, Performance
from penstock.revisions.config import (
    ArrivalCondition,
    DriftCondition,
    Quiet,
    ScheduleCondition,
    SignalCondition,
    Then,
    WorseCondition,
)
from penstock.revisions.config.conditions import RUN, Arrives
from penstock.triggers.types import Kind

LATE = timedelta(minutes=10)
"""A schedule slot that is noticed later than this was missed."""
ARRIVALS: dict[Arrives, Kind] = {
    "rows": "new_rows",
    "bytes": "new_bytes",
    "partitions": "new_partitions",
    "versions": "new_versions",
}
PATIENT: tuple[Kind, ...] = (*ARRIVALS.values(), "worse", "drift", "skew")
"""Kinds that a cooldown holds back: their reason lasts. What comes, or is asked for, does not wait."""
UNASKED: tuple[Kind, ...] = ("schedule", *PATIENT)
"""Kinds that nobody asked for just now: quiet hours and a budget hold them back."""
TOLD = 10
"""Reasons that are told one by one in a sentence; all of them stand in the evidence."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to start a pipeline. `slot` names this occasion, and no other, for ever.

    `slots` are those of the conditions that it rests on, by condition; one of these lasts where it is
    `patient`. `then` is what it leads to.
    """

    kind: Kind
    slot: str
    why: str
    evidence: dict[str, Any] = {}
    params: dict[str, Any] = {}
    actor: str = "penstock"
    events: tuple[int, ...] = ()
    request: str = ""
    priority: int | None = None
    slots: dict[str, str] = {}
    patient: bool = False
    then: tuple[Then, ...] = RUN

    @property
    def waits(self) -> bool:
        """Whether a cooldown holds it back."""
        return self.patient or self.kind in PATIENT


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one condition: a reason, or in `why_not` what is missing for one."""

    reason: Reason | None = None
    why_not: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a champion stands: its number, the metric its run recorded, and how it did lately.

    `labelled_until` is the end of the newest day of which labels are known, if it lies before all of that.
    """

    champion: int
    baseline: float | None
    lately: Performance
    labelled_until: datetime | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the arbiter decided: the reasons that lead to one thing (none: nothing happens), and why."""

    reasons: tuple[Reason, ...] = ()
    explanation: str


def scheduled(
    condition: ScheduleCondition, prefix: str, since: datetime, now: datetime
) -> tuple[Finding, datetime | None]:
    """The newest slot of a schedule in `since < slot <= now`: older ones are one with it.

    Gives the slot's time too. With `missed = "skip"`, a slot noticed more than `LATE` after its
    time never fires.
    """
    moment = now.astimezone(ZoneInfo(condition.zone))
    slot = next(CronSim(condition.cron, moment + timedelta(minutes=1), reverse=True))
    if slot > moment:
        slot = next(CronSim(condition.cron, slot, reverse=True))
    following = next(CronSim(condition.cron, moment))
    zone = "" if condition.zone == "UTC" else f" {condition.zone}"
    waiting = f"schedule {condition.cron}: next at {following:%Y-%m-%d %H:%M}{zone}"
    if slot <= since:
        return Finding(why_not=waiting), None
    if condition.missed == "skip" and moment - slot > LATE:
        return Finding(why_not=f"{waiting}; the slot of {slot:%Y-%m-%d %H:%M} was missed"), None
    why = f"the schedule {condition.cron} came to {slot:%Y-%m-%d %H:%M}{zone}"
    utc = slot.astimezone(UTC)
    reason = Reason(
        kind="schedule",
        slot=f"schedule:{prefix}:{condition.cron}:{utc.isoformat()}",
        why=why,
        evidence={"cron": condition.cron, "at": utc.isoformat()},
    )
    return Finding(reason=reason), utc


class LastRead(NamedTuple):
    """As of when a pipeline last read a source, and which version of it where it has versions."""

    as_of: datetime | None = None
    version: int | None = None


def arrived(
    condition: ArrivalCondition, prefix: str, read: LastRead, found: Arrived, now: datetime
) -> Finding:
    """Whether enough became known since the pipeline read the source."""
    since = read.as_of
    from_when = f"since it was read as of {since:%Y-%m-%d %H:%M}" if since else "and no run has read it yet"
    if condition.what == "versions":
        if found.version is None:
            return Finding(why_not=f"{condition.source} is no Delta table, and has no versions")
        amount = _versions(found.version, read.version)
        from_when += f": it has version {found.version}"
    else:
        amount = getattr(found, condition.what)
    why = f"{_amount(condition, amount)} of {condition.source} {from_when}"
    if amount < condition.amount:
        return Finding(why_not=f"{why}; it takes {_amount(condition, condition.amount, '')} to fire")
    settle = duration(condition.settle)
    if found.newest and now - found.newest < settle and amount < 2 * condition.amount:
        return Finding(why_not=f"{why}; they still come: the last at {found.newest:%Y-%m-%d %H:%M}")
    times = amount // condition.amount  # a run that failed before it read leaves what came to the next times
    kind = ARRIVALS[condition.what]
    reason = Reason(
        kind=kind,
        slot=f"{kind}:{prefix}:{condition.source}:{since.isoformat() if since else 'ever'}:{times}",
        why=why,
        evidence={
            "source": condition.source,
            condition.what: amount,
            "needed": condition.amount,
            "since": since.isoformat() if since else "",
            "newest": found.newest.isoformat() if found.newest else "",
        },
    )
    return Finding(reason=reason)


def _versions(now: int, read: int | None) -> int:
    """How many versions came; all of a table that is at an earlier one than was read: it was made anew."""
    return now + 1 if read is None or now < read else now - read


def _amount(condition: ArrivalCondition, amount: int, new: str = "new ") -> str:
    if condition.what == "bytes":
        return f"{size_text(amount)}{' new' if new else ''}"
    return f"{amount:,} {new}{condition.what}" if new else f"{amount:,}"


def signalled(condition: SignalCondition, prefix: str, found: Sequence[int], last: Event | None) -> Finding:
    """Whether signals of this name came that no firing has consumed: all of them are one reason.

    `found` are their events, of which `last` is the newest.
    """
    if last is None:
        return Finding(why_not=f"signal {condition.name}: none came since the last that was used")
    many = f" {len(found):,} times" if len(found) > 1 else ""
    reason = Reason(
        kind="signal",
        slot=f"signal:{prefix}:{condition.name}:{last.id}",
        why=f"the signal {condition.name} came{many}, {'lastly ' if many else ''}from {last.actor}",
        evidence={
            "name": condition.name,
            "count": len(found),
            "data": last.evidence["data"],
        },
        events=tuple(found),
    )
    return Finding(reason=reason)


def worsened(condition: WorseCondition, prefix: str, standing: Standing | None, now: datetime) -> Finding:
    """Whether the champion has been worse than its baseline by at least `by`, over the last `over`."""
    name = _measured_as(condition)
    if standing is None:
        return Finding(why_not=f"{name}: there is no champion yet")
    if standing.baseline is None:
        return Finding(why_not=f"{name}: version {standing.champion} has none on record to compare with")
    lately = standing.lately
    span = _days(duration(condition.over))
    if lately.labelled >= condition.labels:
        if lately.value is None:
            return Finding(why_not=f"{name}: the labels over {span} do not define it")
        low, high = lately.low, lately.high
        value, was = lately.value, f"was {lately.value:.3f} over {span} ({lately.labelled:,} labels)"
    elif condition.estimated and (estimate := lately.estimate):
        value, low, high = estimate.value, estimate.low, estimate.high
        was = (
            f"is estimated at {value:.3f} over the days of {span} that are over "
            f"({lately.labelled:,} of {condition.labels:,} labels)"
        )
    else:
        return Finding(why_not=_too_few(condition, standing, span))
    better = METRICS[condition.metric].greater_is_better
    loss = standing.baseline - value if better else value - standing.baseline
    side = ("below" if better else "above") if loss >= 0 else ("above" if better else "below")
    why = f"{name} {was}, {abs(loss):.3f} {side} the {standing.baseline:.3f} of version {standing.champion}"
    unsure = condition.sure and not _surely(standing.baseline, low, high, condition)
    if loss < condition.by or unsure:
        lacks = "the whole 95 % interval to be so much worse" if unsure else f"{condition.by:.3f}"
        return Finding(why_not=f"{why}; it takes {lacks} to fire")
    reason = Reason(
        kind="worse",
        slot=f"worse:{prefix}:{now.astimezone(UTC).date()}",
        why=why,
        evidence={
            "metric": condition.metric,
            "slice": condition.slice,
            "value": value,
            "low": low,
            "high": high,
            "estimated": lately.labelled < condition.labels,
            "labels": lately.labelled,
            "completeness": lately.completeness,
            "baseline": standing.baseline,
            "version": standing.champion,
            "over": condition.over,
        },
    )
    return Finding(reason=reason)


def _measured_as(condition: WorseCondition) -> str:
    return f"{condition.metric} of {condition.slice}" if condition.slice else condition.metric


def _too_few(condition: WorseCondition, standing: Standing, span: str) -> str:
    """Why there are too few labels to judge by, as far as that can be told."""
    lately = standing.lately
    why = (
        f"{_measured_as(condition)}: {lately.labelled:,} of {condition.labels:,} labels needed over {span} "
        f"of version {standing.champion}"
    )
    if standing.labelled_until:
        last = standing.labelled_until - timedelta(days=1)
        why += (
            f": labels have come for answers until {last:%Y-%m-%d} only, so `over` is shorter than they take"
        )
    if condition.estimated:
        why += f"; nor is it estimated: that takes {LEAST} answers on days that are over, and held-out rows"
    return why


def _surely(baseline: float, low: float | None, high: float | None, condition: WorseCondition) -> bool:
    """Whether the whole interval is worse by that much."""
    if low is None or high is None:
        return False
    if METRICS[condition.metric].greater_is_better:
        return baseline - high >= condition.by
    return low - baseline >= condition.by


def drifted(condition: DriftCondition, prefix: str, champion: int | None, alarms: Sequence[Alarm]) -> Finding:
    """Whether alarms are raised of the champion that have not ended (None: there is no champion)."""
    if champion is None:
        return Finding(why_not=f"drift of {condition.what}: there is no champion yet")
    if not alarms:
        return Finding(why_not=f"drift of {condition.what}: no alarm about version {champion}")
    newest = alarms[-1]
    reason = Reason(
        kind="drift",
        slot=f"drift:{prefix}:{newest.id}:{newest.last.date()}",
        why=f"alarm {newest.id}: {newest.why}",
        evidence={
            "alarms": [alarm.id for alarm in alarms],
            "what": condition.what,
            "since": newest.since.isoformat(),
            "chance": newest.chance,
            "false_alarms": newest.false_alarms,
            "columns": [column.column for column in newest.columns],
        },
        events=tuple(alarm.event for alarm in alarms),
    )
    return Finding(reason=reason)


def both(findings: Sequence[Finding]) -> Finding:
    """One finding of conditions that must all hold."""
    waits = [finding.why_not for finding in findings if finding.why_not]
    reasons = [finding.reason for finding in findings if finding.reason]
    if waits:
        held = f" ({'; '.join(reason.why for reason in reasons)} does hold)" if reasons else ""
        return Finding(why_not=f"all of {len(findings)} conditions must hold: {'; '.join(waits)}{held}")
    first = reasons[0]
    reason = msgspec.structs.replace(
        first,
        slot="all:" + "+".join(each.slot for each in reasons),
        why=" and ".join(each.why for each in reasons),
        evidence=together_evidence(reasons),
        events=tuple(dict.fromkeys(event for each in reasons for event in each.events)),
        slots={key: slot for each in reasons for key, slot in each.slots.items()},
        patient=any(each.waits for each in reasons),
    )
    return Finding(reason=reason)


def arbitrate(
    findings: Sequence[Finding],
    *,
    now: datetime,
    rested: Mapping[str, datetime],
    cooldown: timedelta,
    active: str,
    used: frozenset[str],
    hushed: Mapping[str, str],
) -> Decision:
    """One decision out of all findings, which stand in order of precedence.

    Reasons that lead to the same with the same parameters do so together; others wait for their turn,
    as all that ask for a run do while run `active` is under way. `used` are slots that have fired before.
    What leads to the same (see `same`) rests since it last did, and is held back by why it is `hushed`.
    """
    waits = [finding.why_not for finding in findings if finding.why_not]
    ready: list[Reason] = []
    for reason in (finding.reason for finding in findings if finding.reason):
        last = rested.get(same(reason.then))
        until = last + cooldown if last else now
        if reason.slot in used:
            if reason.waits:
                waits.append(f"{reason.why}; it has fired for this already")
        elif reason.waits and now < until:
            waits.append(f"{reason.why}; cooling down until {until:%Y-%m-%d %H:%M}")
        elif reason.kind in UNASKED and (hush := hushed.get(same(reason.then))):
            waits.append(f"{reason.why}; {hush}")
        else:
            ready.append(reason)
    if not ready:
        return Decision(explanation="; ".join(waits) or "waits for a request or a release")
    able = [reason for reason in ready if not (active and "run" in reason.then)]
    if not able:
        return Decision(explanation=f"waits for run {active}: {together_why(ready)}")
    first = able[0]
    together = tuple(each for each in able if (each.then, each.params) == (first.then, first.params))
    return Decision(reasons=together, explanation="fired: " + together_why(together))


def same(then: Sequence[str]) -> str:
    """What a reason leads to, as one word."""
    return "+".join(sorted(then))


def hushed(
    now: datetime,
    *,
    quiet: Quiet | None,
    at_most: tuple[int, timedelta] | None,
    fired: Sequence[datetime],
) -> str:
    """Why nothing starts that nobody asked for: quiet hours, or a budget that these firings have used up."""
    if quiet and quiet.covers(now):
        return f"it is quiet until {quiet.until}" + ("" if quiet.zone == "UTC" else f" {quiet.zone}")
    if at_most:
        times, span = at_most
        lately = sorted(moment for moment in fired if moment > now - span)
        if len(lately) >= times:
            free = lately[-times] + span
            spent = f"{len(lately)} of {times} in {_days(span)}"
            return f"it has fired as often as it may ({spent}), until {free:%Y-%m-%d %H:%M}"
    return ""


def together_why(reasons: Sequence[Reason]) -> str:
    """All reasons in one sentence; of many, the first and how many more."""
    told = "; ".join(reason.why for reason in reasons[:TOLD])
    return told + (f"; and {len(reasons) - TOLD:,} more" if len(reasons) > TOLD else "")


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
