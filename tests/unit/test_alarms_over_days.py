"""Alarms of several days together, none of which is a change by itself."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.checks.shifts import Column, calibrate
from penstock.checks.stretches import Telling, sums, telling
from penstock.monitoring.drift import SPANS
from penstock.monitoring.types import Window
from tests.unit.test_alarms import DAY, ROWS, World

SLIGHT = 0.75
"""By how much winds are off that no day shows: two days in a row do."""


def test_what_no_day_shows_by_itself_is_seen_over_the_last_days_together() -> None:
    world = World()
    for _ in range(4):
        world.day()
    begun = world.clock.now()
    for _ in range(2):
        world.day(shift=0.9)
    [alarm] = world.raised()
    assert (alarm.what, alarm.windows, alarm.rows) == ("inputs", 1, 2 * ROWS)
    assert (alarm.since, alarm.raised) == (begun, begun + 2 * DAY)
    assert [moved.column for moved in alarm.columns] == ["wind"]
    assert alarm.chance < 1 / 1000
    assert "since 2013-03-05: over the last 2 days, wind: mean from " in alarm.why
    assert "(600 answers on 2 days from 2013-03-05 to 2013-03-06, chance 1 in " in alarm.why
    with world.store.read() as reader:
        [event] = reader.events(kind="alarm.raised")
    assert event.evidence["days"] == 2
    world.day(shift=0.9)
    [alarm] = world.raised()
    assert (alarm.windows, alarm.ended) == (2, None), "it goes on while days together are off"


def test_three_days_tell_what_two_of_them_do_not() -> None:
    world = World()
    for shift in (0, 0, 0.8, 0.6, 0.8):
        world.day(shift=shift)
    [alarm] = world.raised()
    assert (alarm.windows, alarm.ended) == (2, None)
    assert "over the last 3 days" in alarm.why


def test_days_that_alarmed_by_themselves_do_not_count_again_once_they_are_over() -> None:
    world = World()
    for shift in (0, 0, 0, 9, 0, 0, 0, 0):
        world.day(shift=shift)
    [alarm] = world.raised()
    assert alarm.windows == 1
    assert alarm.ended == alarm.raised + DAY, "with the next day, and no other follows of the same change"


def test_days_beside_one_that_was_told_are_looked_at_without_it() -> None:
    world = World()
    for shift in (0, SLIGHT, SLIGHT, 9, SLIGHT):
        world.day(shift=shift)
    [alarm] = world.raised()
    assert (alarm.windows, alarm.ended) == (3, None)
    assert "600 answers on 2 days from 2013-03-03 to 2013-03-05" in alarm.why


def test_parts_of_days_and_days_of_other_versions_are_no_days_of_a_version() -> None:
    world = World()
    world.day(shift=SLIGHT)
    world.day(shift=SLIGHT, count=29)
    world.day(shift=SLIGHT)
    assert world.raised() == [], "a whole day of enough answers"
    world.day(shift=SLIGHT)
    assert len(world.raised()) == 1


def test_days_that_are_judged_late_are_judged_as_they_would_have_been() -> None:
    prompt, late = World(), World()
    for shift in (0, 0, 9, 0, SLIGHT, SLIGHT, SLIGHT):
        prompt.day(shift=shift)
        late.answer(shift=shift)
        late.clock.advance(DAY)
    late.alarms.tick(late.clock.now())
    assert [(a.window, a.last, a.why) for a in prompt.raised()] == [
        (a.window, a.last, a.why) for a in late.raised()
    ]
    assert len(prompt.raised()) == 2


def test_answers_are_looked_at_over_days_as_well() -> None:
    world = World()
    for _ in range(6):
        world.day(score=0.484)
    alarm = world.raised()[-1]
    assert (alarm.what, alarm.rows) == ("outputs", 2 * ROWS)


def test_columns_that_some_of_the_days_do_not_tell_are_left_out() -> None:
    world = World()
    for _ in range(2):
        world.day(shift=SLIGHT)
    with world.store.begin() as tx:
        for window in tx.find(Window):
            if window.start.day == 2:
                [_, carrier] = window.profile.columns
                tx.put(replace(window, profile=replace(window.profile, columns=(carrier,))))
    world.day(shift=SLIGHT)
    assert world.raised() == []


def test_stretches_overlap() -> None:
    assert sums(np.array([[1, 10], [2, 20], [3, 30], [4, 40]]), 3).tolist() == [[6, 60], [9, 90]]
    assert sums(np.array([1.0, 2.0]), 1).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("lasting", "span", "spread", "mean"),
    [(0.0, 1, 60, 60), (0.0, 3, 27, 20), (0.7, 1, 22, 13), (0.7, 3, 14, 8)],
)
def test_days_that_last_or_overlap_tell_less_than_as_many_others(
    lasting: float, span: int, spread: float, mean: float
) -> None:
    random = np.random.default_rng(3)
    told = [telling(sums(lasts(random, 60, lasting), span), span) for _ in range(20)]
    assert np.mean([each.spread for each in told]) == pytest.approx(spread, rel=0.25)
    assert np.mean([each.mean for each in told]) == pytest.approx(mean, rel=0.25)


def test_days_that_are_all_alike_tell_as_much_as_they_are() -> None:
    assert telling(np.ones((30, 2)), 1) == Telling(30, 30)


@pytest.mark.parametrize("lasting", [0.0, 0.7])
@pytest.mark.parametrize("rows", [100, 1_000])
@pytest.mark.parametrize("span", SPANS)
def test_days_together_without_change_stay_within_what_is_drawn(rows: int, lasting: float, span: int) -> None:
    random = np.random.default_rng(4)
    above = 0
    for seed in range(12):
        effects = 0.1 * lasts(random, 120, lasting)
        means = effects + random.normal(size=effects.shape) / np.sqrt(rows)
        counts = np.full((60, 1), rows)
        columns = {str(index): Column(counts, means[:60, index], 1.0) for index in range(10)}
        known = calibrate(columns, span * rows, seed=seed, span=span)
        bound = known.bound(1 / 90)
        for window in sums(means[60:], span) / span:
            now = {str(index): float(mean) for index, mean in enumerate(window)}
            _, heights = known.standardised(dict.fromkeys(now, np.array([span * rows])), now)
            above += float(heights.max()) > bound
    assert above <= 20, "of some 700 that overlap, of which 7.8 may"


def lasts(random: np.random.Generator, days: int, lasting: float) -> NDArray[np.float64]:
    """How ten columns differ from day to day, of which a part lasts to the next."""
    found = random.normal(size=(days, 10))
    for day in range(1, days):
        found[day] = lasting * found[day - 1] + np.sqrt(1 - lasting**2) * found[day]
    return found
