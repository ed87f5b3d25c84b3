"""A process that is killed in mid-push loses nothing that it acknowledged, and a retry doubles nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pushing_program
import pytest
from pushing_program import CLICKS, EACH, batch

from penstock.adapters.pushes import log as log_file
from penstock.adapters.pushes.log import JsonLinesPushes
from penstock.datasets import read

KILLS = 3
PUSHED = 12


def test_kills_in_mid_push(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    acknowledged = -1
    for _ in range(KILLS):
        command = [sys.executable, pushing_program.__file__, str(tmp_path), str(acknowledged + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout
            acknowledged = int(program.stdout.readline())  # it is at work
            timer = threading.Timer(chance.uniform(0, 0.05), program.kill)
            timer.start()
            for line in program.stdout:
                acknowledged = int(line)
            timer.cancel()
    monkeypatch.setattr(log_file, "SEGMENT", 1 << 20)
    log = JsonLinesPushes(tmp_path / "pushes.db")
    last = log.append(CLICKS, tmp_path, batch(acknowledged + 1), datetime.now(UTC))
    log.close()
    ids = read(CLICKS, tmp_path, datetime(2100, 1, 1, tzinfo=UTC)).collect()["id"]
    assert ids.sort().equals(pl.int_range((acknowledged + 2) * EACH, eager=True).alias("id"))
    assert last.new + last.known == EACH


def test_two_systems_that_push_the_same_into_one_folder_double_nothing(tmp_path: Path) -> None:
    commands = [[sys.executable, pushing_program.__file__, str(tmp_path), "0", f"{n}.db"] for n in range(2)]
    with (
        subprocess.Popen(commands[0], stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(commands[1], stdout=subprocess.PIPE, text=True) as other,
    ):
        for program in (one, other):
            assert program.stdout
            next(line for line in program.stdout if int(line) == PUSHED - 1)
        for program in (one, other):
            program.kill()
    ids = read(CLICKS, tmp_path, datetime(2100, 1, 1, tzinfo=UTC)).collect()["id"]
    assert ids.is_unique().all()
    assert set(range(PUSHED * EACH)) <= set(ids)
