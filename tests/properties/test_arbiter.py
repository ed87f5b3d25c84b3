"""The arbiter against an oracle that says its rules plainly: cooldown, budget, quiet hours, turns."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from penstock.revisions.config import Quiet
from penstock.revisions.config.conditions import RUN
from penstock.triggers.decide import Finding, Reason, arbitrate, hushed, same

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
TOLD = ("notify",)
ASKED = {"on_demand", "deployed", "signal"}
LASTS = {"new_rows", "new_bytes", "new_partitions", "new_versions", "worse", "drift", "skew"}
HOURS = st.integers(-72, 0).map(lambda hours: NOON + timedelta(hours=hours))
reasons = st.builds(
    Reason,
    kind=st.sampled_from(sorted(ASKED | LASTS | {"schedule"})),
    slot=st.sampled_from("abcdefgh"),
    why=st.just("because"),
    params=st.sampled_from([{}, {"depth": 3}]),
    then=st.sampled_from([RUN, TOLD]),
)


@given(
    found=st.lists(reasons, max_size=6),
    fired=st.lists(st.tuples(HOURS, st.sampled_from([RUN, TOLD])), max_size=6),
    cooldown=st.integers(0, 48),
    budget=st.none() | st.tuples(st.integers(1, 3), st.integers(1, 72)),
    quiet=st.none()
    | st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda ends: ends[0] != ends[1]),
    active=st.booleans(),
    used=st.frozensets(st.sampled_from("abcdefgh"), max_size=3),
)
def test_it_decides_as_the_rules_say(
    found: list[Reason],
    fired: list[tuple[datetime, tuple[str, ...]]],
    cooldown: int,
    budget: tuple[int, int] | None,
    quiet: tuple[int, int] | None,
    active: bool,
    used: frozenset[str],
) -> None:
    hours = quiet and Quiet(start=f"{quiet[0]:02}:00", until=f"{quiet[1]:02}:00")
    at_most = budget and (budget[0], timedelta(hours=budget[1]))
    hush, rested = {}, {}
    for then in (RUN, TOLD):
        times = [moment for moment, led in fired if led == then]
        hush[same(then)] = hushed(NOON, quiet=hours, at_most=at_most, fired=times)
        rested |= {same(then): max(times)} if times else {}
    decision = arbitrate(
        [Finding(reason=reason) for reason in found],
        now=NOON,
        rested=rested,
        cooldown=timedelta(hours=cooldown),
        active="7" if active else "",
        used=used,
        hushed=hush,
    )

    def may(reason: Reason) -> bool:
        """One rule a line, as the page on triggers has them."""
        before = [moment for moment, led in fired if led == reason.then]
        if reason.slot in used:
            return False
        if reason.kind in LASTS and any(moment + timedelta(hours=cooldown) > NOON for moment in before):
            return False
        if reason.kind not in ASKED and quiet and _inside(*quiet):
            return False
        if reason.kind not in ASKED and budget:
            lately = [moment for moment in before if moment > NOON - timedelta(hours=budget[1])]
            if len(lately) >= budget[0]:
                return False
        return not (active and reason.then == RUN)

    able = [reason for reason in found if may(reason)]
    expected = [reason for reason in able if (reason.then, reason.params) == (able[0].then, able[0].params)]
    assert list(decision.reasons) == expected
    assert decision.explanation, "every look is explained"


def _inside(start: int, until: int) -> bool:
    """Whether noon is one of the hours from `start` until `until`, counted one by one."""
    hour = start
    while hour != until:
        if time(hour) == time(12):
            return True
        hour = (hour + 1) % 24
    return False
