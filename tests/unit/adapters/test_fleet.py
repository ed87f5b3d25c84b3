"""The process that watches others tells one that hangs from a machine that stood still."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
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


def test_what_it_writes_down_has_a_time_in_utc() -> None:
    program = (
        "import logging; from penstock.adapters.predictor.__main__ import log_with_times\n"
        "log_with_times(); logging.getLogger('penstock.predictor').warning('process %d ended', 7)"
    )
    before = time.gmtime()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.fullmatch(r"(\S+T\S+Z) WARNING process 7 ended\n", done.stderr)
    assert found, done.stderr
    assert before[:6] <= time.strptime(found[1], "%Y-%m-%dT%H:%M:%SZ")[:6] <= time.gmtime()[:6]
