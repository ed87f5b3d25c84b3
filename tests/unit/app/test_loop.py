"""The loop settles only when what was asked for has had its consequences."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from penstock.app.loop import Loop, Tick

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@contextmanager
def running(*ticks: Tick, active: Callable[[], bool] = lambda: False) -> Iterator[Loop]:
    loop = Loop([(f"tick {number}", tick) for number, tick in enumerate(ticks)], lambda: NOW, active)
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
    with running(lambda _now: False, active=lambda: not ended.is_set()) as loop:
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
