"""The pure decisions of triggers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.monitoring.types import Performance
from penstock.revisions.config import ScheduleCondition, WorseCondition
from penstock.triggers.decide import Finding, Reason, Standing, arbitrate, scheduled, worsened
from penstock.triggers.types import Kind

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
WHERE = "flights:production:train"


def reason(kind: Kind = "schedule", slot: str = "s", **fields: object) -> Reason:
    return Reason(kind=kind, slot=slot, why=f"because of {kind}", **fields)  # type: ignore[arg-type]


def decide(
    *reasons: Reason,
    fired: datetime | None = None,
    cooldown: str = "0",
    active: str = "",
    used: tuple[str, ...] = (),
):
    return arbitrate(
        [Finding(reason=one) for one in reasons],
        now=NOON,
        rested={"run": fired} if fired else {},
        cooldown=timedelta(hours=float(cooldown)),
        active=active,
        used=frozenset(used),
        hushed={},
    )


CRONS = ["* * * * *", "0 3 * * *", "*/7 1-5 * * 1", "30 12 1 * *", "0 0 29 2 *"]
MOMENTS = st.datetimes(datetime(2012, 1, 1), datetime(2014, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001


@given(st.sampled_from(CRONS), MOMENTS, st.timedeltas(timedelta(0), timedelta(days=60)))
def test_the_newest_slot_of_the_span_fires_and_none_outside_of_it(
    cron: str, since: datetime, passed: timedelta
):
    now = since + passed
    finding, slot = scheduled(ScheduleCondition(cron=cron), WHERE, since, now)
    following = next(CronSim(cron, since))
    assert (slot is not None) == (following <= now) == (finding.reason is not None)
    if slot:
        assert since < slot <= now
        assert next(CronSim(cron, slot)) > now, "no slot between it and now"


@given(st.sampled_from(CRONS), MOMENTS, st.lists(st.timedeltas(timedelta(0), timedelta(days=3)), max_size=20))
def test_however_often_it_is_looked_at_each_slot_fires_once_at_most(
    cron: str, start: datetime, steps: list[timedelta]
):
    now, last, fired = start, start, []
    for step in steps:
        now += step
        finding, slot = scheduled(ScheduleCondition(cron=cron), WHERE, last, now)
        if finding.reason:
            fired.append(finding.reason.slot)
            last = slot
    assert len(fired) == len(set(fired))


def test_a_schedule_is_in_utc_whatever_the_zone_of_now():
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    finding, _ = scheduled(ScheduleCondition(cron="0 12 * * *"), WHERE, NOON - timedelta(hours=1), berlin)
    assert finding.reason.slot == f"schedule:{WHERE}:0 12 * * *:2013-03-01T12:00:00+00:00"


@pytest.mark.parametrize(("late", "fires"), [(0, True), (10, True), (11, False)])
def test_a_slot_is_missed_when_it_is_noticed_late(late: int, fires: bool):
    condition = ScheduleCondition(cron="0 12 * * *", missed="skip")
    finding, _ = scheduled(condition, WHERE, NOON - timedelta(hours=1), NOON + timedelta(minutes=late))
    assert (finding.reason is not None) == fires


def standing(value: float | None, baseline: float | None = 0.7, labelled: int = 1433) -> Standing:
    lately = Performance(
        metric="m", value=value, low=None, high=None, predictions=2000, labelled=labelled, completeness=0.7
    )
    return Standing(champion=1, baseline=baseline, lately=lately)


@pytest.mark.parametrize(
    ("metric", "value", "fires", "words"),
    [
        ("roc_auc", 0.641, True, "roc_auc was 0.641 over 14 days (1,433 labels), 0.059 below the 0.700"),
        ("roc_auc", 0.66, False, "0.040 below the 0.700 of version 1; it takes 0.050 to fire"),
        ("roc_auc", 0.75, False, "0.050 above the 0.700"),
        ("log_loss", 0.751, True, "0.051 above the 0.700"),
        ("log_loss", 0.6, False, "0.100 below the 0.700"),
    ],
)
def test_worse_means_down_for_scores_and_up_for_losses(metric: str, value: float, fires: bool, words: str):
    condition = WorseCondition(metric=metric, by=0.05, over="14d")
    finding = worsened(condition, WHERE, standing(value), NOON)
    assert (finding.reason is not None) == fires
    assert words in (finding.reason.why if finding.reason else finding.why_not)


@pytest.mark.parametrize(
    ("metric", "low", "high", "fires"),
    [("roc_auc", 0.6, 0.64, True), ("roc_auc", 0.6, 0.66, False), ("rmse", 0.76, 0.9, True)],
)
def test_surely_worse_is_the_whole_interval(metric: str, low: float, high: float, fires: bool):
    seen = standing((low + high) / 2)
    seen = replace(seen, lately=replace(seen.lately, low=low, high=high))
    condition = WorseCondition(metric=metric, by=0.05, over="14d", sure=True)
    assert (worsened(condition, WHERE, seen, NOON).reason is not None) == fires


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (None, "no champion yet"),
        (standing(0.5, baseline=None), "none on record"),
        (standing(0.5, labelled=499), "499 of 500 labels needed over 12 hours"),
        (standing(None), "do not define it"),
    ],
)
def test_what_is_missing_for_a_judgement_is_said(seen: Standing | None, words: str):
    finding = worsened(WorseCondition(metric="roc_auc", by=0.05, over="12h"), WHERE, seen, NOON)
    assert finding.reason is None
    assert words in finding.why_not


def test_the_first_reason_leads_and_those_with_the_same_parameters_join_it():
    first, other, same = (
        reason("on_demand", "1", params={"a": 1}),
        reason("schedule", "2"),
        reason("on_demand", "3", params={"a": 1}),
    )
    assert decide(first, other, same).reasons == (first, same)


def test_everything_waits_for_the_run_under_way():
    decision = decide(reason(), active="7")
    assert (decision.reasons, decision.explanation) == ((), "waits for run 7: because of schedule")


@pytest.mark.parametrize("kind", ["deployed", "on_demand", "schedule", "worse"])
def test_only_reasons_that_last_wait_for_the_cooldown(kind: Kind):
    cooling = decide(reason(kind), fired=NOON - timedelta(hours=1), cooldown="2")
    assert bool(cooling.reasons) == (kind != "worse")
    assert decide(reason(kind), fired=NOON - timedelta(hours=2), cooldown="2").reasons


def test_a_slot_that_has_fired_never_fires_again():
    assert not decide(reason(slot="a"), used=("a",)).reasons
    assert decide(reason(slot="b"), used=("a",)).reasons


def test_a_trigger_without_conditions_says_what_it_waits_for():
    assert decide().explanation == "waits for a request or a release"


def test_what_leads_to_an_action_neither_waits_for_a_run_nor_for_the_rest_of_runs():
    told = reason("worse", "2", then=("notify", "issue"))
    assert decide(reason("worse", "1"), told, active="7").reasons == (told,)
    assert decide(told, reason("worse", "1"), fired=NOON, cooldown="1").reasons == (told,)
    assert decide(reason("schedule", "1"), told).reasons == (reason("schedule", "1"),)
