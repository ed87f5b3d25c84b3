"""A run is given what the run before it read of a table with a watermark."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from penstock.adapters.sources.increments import Kept
from penstock.app.local import run_target
from penstock.app.workbench import open_workbench
from penstock.runs.earlier import KEPT
from penstock.runs.types import StepRun

MODULE = """
import polars as pl
from penstock import pipeline, step, training_rows
from penstock.datasets import sql

orders = sql("sqlite:///shop.db", table="orders", event_time="at", key="id", watermark="id")


@step
def count(rows: pl.DataFrame) -> int:
    return rows.height


@pipeline
def train():
    return count(training_rows(orders, label="late", holdout="1d").train)
"""


def add(folder: Path, numbers: Sequence[int]) -> None:
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id INT, at TEXT, price REAL, late INT)")
        rows = [(number, f"2024-01-{number % 28 + 1:02d}", number / 2, number % 2) for number in numbers]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
    connection.close()


def test_a_second_run_reads_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "till").mkdir()
    (tmp_path / "till/__init__.py").touch()
    (tmp_path / "till/train.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    times: list[list[datetime]] = []
    rows = []
    with open_workbench(tmp_path / "home", on="inline") as bench:
        for numbers in (range(50), range(50, 60)):
            add(tmp_path, numbers)
            run = run_target(bench, "till.train:train", tmp_path, {}, lambda *_: None)
            assert run.status == "succeeded", run.error
            with bench.store.read() as reader:
                made = reader.get(StepRun, f"{run.id}/orders.snapshot").outputs["rows"]
            kept = msgspec.json.decode(bench.blobs.get(made.meta[KEPT]), type=Kept)
            times.append([part.as_of for part in kept.parts])
            rows.append((made.meta["rows"], kept.rows))
    assert rows == [(50, 50), (60, 60)]
    assert times[1][:1] == times[0]
    assert len(times[1]) == 2
