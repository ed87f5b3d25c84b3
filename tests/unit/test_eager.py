"""Waiting for a pipe, awake or asleep, gives the same answers."""

from __future__ import annotations

import os
import select
from typing import Any

import pytest

from penstock.core import eager
from penstock.core.eager import Eager

FOUND = [(3, select.POLLIN)]


class Slow:
    """Has something once it was asked so often; remembers how long each asker would have slept."""

    def __init__(self, often: int) -> None:
        self.often = often
        self.slept: list[Any] = []

    def poll(self, most: float | None) -> list[tuple[int, int]]:
        self.slept.append(most)
        return FOUND if len(self.slept) >= self.often else []


def ask(waiting: Eager, slow: Any, seconds: float | None = None) -> list[Any]:
    found = waiting.poll(slow, seconds)
    assert found == (FOUND if len(slow.slept) >= slow.often else [])
    return list(slow.slept)


def test_who_waited_for_little_stays_awake_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eager, "SOON", 60)
    waiting = Eager()
    assert ask(waiting, Slow(1)) == [None], "asleep at first"
    assert ask(waiting, Slow(4)) == [0, 0, 0, 0]
    monkeypatch.setattr(eager, "SOON", 0)
    assert ask(waiting, Slow(1)) == [None], "and asleep again after what is not soon any more"
    monkeypatch.setattr(eager, "SOON", 60)
    assert ask(waiting, Slow(1)) == [None]


def test_no_longer_than_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eager, "SOON", 60)
    waiting = Eager()
    ask(waiting, Slow(1))
    assert ask(waiting, Slow(2), 0) == [0], "to look is not to wait"
    assert ask(waiting, Slow(3)) == [0, 0, 0], "so it is awake as before"
    monkeypatch.setattr(eager, "SOON", 0)
    assert ask(waiting, Slow(2), 5) == [pytest.approx(5000, rel=0.5)], "nothing came"
    monkeypatch.setattr(eager, "SOON", 60)
    assert ask(waiting, Slow(1)) == [None], "so it sleeps"


def test_whoever_is_gone_is_told_of() -> None:
    inlet, outlet = os.pipe()
    poll, waiting = select.poll(), Eager()
    poll.register(inlet, select.POLLIN)
    os.write(outlet, b"x")
    assert waiting.poll(poll) == [(inlet, select.POLLIN)]
    os.read(inlet, 1)
    os.close(outlet)
    assert waiting.poll(poll) == [(inlet, select.POLLHUP)]
    os.close(inlet)
