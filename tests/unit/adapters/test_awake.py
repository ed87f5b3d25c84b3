"""The prediction process stays awake between requests that follow each other quickly, and only then."""

from __future__ import annotations

import asyncio

import pytest

from penstock.adapters.predictor import awake
from penstock.adapters.predictor.awake import SHORT, Awake


class Loop:
    """A loop that turns when it is told to, and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.ready: list[object] = []

    def call_soon(self, call: object) -> None:
        self.ready.append(call)

    def turn(self) -> bool:
        """Do what is ready; gives whether the loop would not sleep after it."""
        ready, self.ready = self.ready, []
        for call in ready:
            assert callable(call)
            call()
        return bool(self.ready)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    monkeypatch.setattr(awake, "perf_counter", lambda: made.now)
    return made


def test_nobody_stays_awake_for_requests_that_are_far_apart(loop: Loop) -> None:
    waiting = Awake()
    for _ in range(3):
        waiting.hear()
        assert not waiting.heard
        assert not loop.ready
        loop.now += SHORT * 1.5


def test_after_one_that_came_soon_the_loop_turns_until_it_is_late(loop: Loop) -> None:
    waiting = Awake()
    waiting.hear()
    loop.now += SHORT / 2
    waiting.hear()
    assert loop.turn(), "what was heard is for this turn"
    for _ in range(3):
        assert not waiting.heard
        assert loop.turn()
        loop.now += SHORT / 4
    loop.now += SHORT / 2
    assert not loop.turn()
    loop.now += SHORT
    waiting.hear()
    assert not loop.ready, "it was late, so the next is waited for asleep"


def test_requests_of_one_turn_are_told_of_once(loop: Loop) -> None:
    waiting = Awake()
    waiting.hear()
    waiting.hear()
    assert waiting.heard, "so nobody tells of a third"
    assert len(loop.ready) == 1
    loop.turn()
    waiting.hear()
    assert len(loop.ready) == 1, "it turns already"


def test_a_loop_that_was_held_up_goes_on_if_a_request_came(loop: Loop) -> None:
    waiting = Awake()
    waiting.hear()
    waiting.hear()
    loop.turn()
    loop.now += 10 * SHORT
    waiting.hear()
    assert waiting.heard
    assert loop.turn()
