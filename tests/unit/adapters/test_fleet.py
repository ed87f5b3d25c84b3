"""The process that watches others tells one that hangs from a machine that stood still."""

from __future__ import annotations

import os
import signal
import time

import pytest

from penstock.adapters.predictor import fleet
from penstock.adapters.predictor.fleet import SILENT, Fleet


def test_only_silence_while_the_watching_process_is_awake_is_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(fleet.os, "kill", lambda _pid, number: sent.append(number))
    tells, tell = os.pipe()
    watching = Fleet(lambda *_: None, 1)
    copy = watching._copies[0] = fleet._Copy(0, 1, -1, tells, 0.0, 0)
    os.write(tell, fleet.ALIVE)
    watching._told(copy)
    now = time.monotonic()
    watching._go_on(now)
    watching._go_on(now + 3600)  # the machine was asleep
    assert not sent
    for second in range(1, int(SILENT)):
        assert not sent
        watching._go_on(now + 3600 + second)
    assert sent == [signal.SIGABRT]
    assert watching._patience() <= fleet.TELLS
