"""The loop settles only when what was asked for has had its consequences."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from penstock.app.loop import BUSY, IDLE, Loop, Tick, at_rest

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def nothing_ends(patience: float) -> bool:
    return threading.Event().wait(patience)


@contextmanager
def running(
    *ticks: Tick,
    pace: Callable[[], float | None] = lambda: None,
    carry: Callable[[float], bool] = nothing_ends,
) -> Iterator[Loop]:
    named = [(f"tick {number}", tick) for number, tick in enumerate(ticks)]
    loop = Loop(named, lambda: NOW, pace, carry)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop()


def test_a_tick_is_called_again_until_nothing_changes() -> None:
    left = [3]

    def tick(_now: datetime) -> bool:
        left[0] -= left[0] > 0
        return left[0] > 0

    with running(tick) as loop:
        assert loop.wait_settled(10)
    assert left == [0]


def test_work_under_way_is_not_settled() -> None:
    ended = threading.Event()
    with running(lambda _now: False, pace=lambda: None if ended.is_set() else BUSY) as loop:
        assert not loop.wait_settled(0.1)
        ended.set()
        loop.poke()
        assert loop.wait_settled(10)


def test_what_is_asked_for_during_a_pass_needs_a_pass_of_its_own() -> None:
    begun, go_on = threading.Event(), threading.Event()
    seen: list[int] = []
    asked = [0]

    def tick(_now: datetime) -> bool:
        seen.append(asked[0])
        begun.set()
        go_on.wait(10)
        return False

    with running(tick) as loop:
        begun.wait(10)
        asked[0] = 1
        loop.poke()
        go_on.set()
        assert loop.wait_settled(10)
    assert seen[-1] == 1


def test_a_tick_that_fails_is_a_problem_until_it_succeeds_and_the_others_go_on() -> None:
    broken = threading.Event()
    broken.set()
    others = threading.Event()

    def failing(_now: datetime) -> bool:
        if broken.is_set():
            raise OSError("no route to the world")
        return False

    def other(_now: datetime) -> bool:
        others.set()
        return False

    with running(failing, other) as loop:
        assert others.wait(10)
        assert not loop.wait_settled(0.1)
        assert loop.problems == {"tick 0": "no route to the world"}
        broken.clear()
        loop.poke()
        assert loop.wait_settled(10)
        assert loop.problems == {}


def test_steps_that_end_soon_follow_one_another_and_the_other_duties_still_have_their_turn() -> None:
    order: list[str] = []
    enough = threading.Event()

    def carry(_patience: float) -> bool:
        order.append("step")
        if len(order) > 10_000:
            enough.set()
        return not enough.is_set()

    def duty(_now: datetime) -> bool:
        order.append("duty")
        return False

    with running(duty, pace=lambda: None if enough.is_set() else BUSY, carry=carry) as loop:
        assert enough.wait(60)
        loop.poke()
        assert loop.wait_settled(10)
    assert order[:3] == ["duty", "step", "step"]
    assert order[-1] == "duty"


def test_what_is_asked_for_does_not_wait_until_the_steps_have_ended() -> None:
    carried, asked = threading.Event(), threading.Event()

    def carry(_patience: float) -> bool:
        carried.set()
        return True

    def duty(_now: datetime) -> bool:
        if carried.is_set():
            asked.set()
        return False

    with running(duty, pace=lambda: None if asked.is_set() else BUSY, carry=carry) as loop:
        assert carried.wait(10)
        loop.poke()
        assert asked.wait(10)


def test_while_only_builds_are_under_way_nothing_is_carried_and_a_build_that_gets_on_wakes_the_loop() -> None:
    carried: list[float] = []
    passes, got_on = [0], threading.Event()

    def duty(_now: datetime) -> bool:
        passes[0] += 1
        if passes[0] == 2:
            got_on.set()
        return False

    def carry(patience: float) -> bool:
        carried.append(patience)
        return False

    with running(duty, pace=lambda: IDLE, carry=carry) as loop:
        loop.poke()
        assert got_on.wait(10)
        assert not loop.settled
    assert carried == []


def test_a_tick_at_rest_is_left_out_until_somebody_writes_or_time_goes_on() -> None:
    written, found, looks = [1], [False, True, False, False, False], []
    tick = at_rest(lambda: written[0], lambda now: looks.append(now) or found[len(looks) - 1])
    assert [tick(NOW) for _ in range(3)] == [False, False, False]
    assert len(looks) == 1
    written[0] = 2
    assert [tick(NOW) for _ in range(4)] == [True, False, False, False]
    assert len(looks) == 3, "after a change it is looked once more"
    tick(NOW + timedelta(hours=1))
    assert len(looks) == 4


def test_a_tick_at_rest_looks_each_time_where_nobody_can_tell_who_wrote() -> None:
    looks: list[datetime] = []
    tick = at_rest(lambda: None, lambda now: bool(looks.append(now)))
    assert [tick(NOW), tick(NOW), len(looks)] == [False, False, 2]
