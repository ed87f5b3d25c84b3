"""Past predictions: packed once they are taken in, forgotten when the project says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.deployments.releases import Releases
from penstock.monitoring.archive import Archive
from penstock.monitoring.service import Monitoring
from penstock.serving.types import LogRecord
from penstock.testing.delivery import CONFIG, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def record(name: str, time: datetime) -> LogRecord:
    return LogRecord(
        ids=(name,), time=time, model="delay", environment="test", version=1, variant="champion",
        inputs={"wind": [1.0]}, score=(0.5,), label=("true",),
    )  # fmt: skip


def test_what_is_taken_in_is_packed_and_forgotten_after_its_time(tmp_path: Path) -> None:
    store, blobs, clock = MemoryStore(), MemoryBlobs(), FixedClock(START)
    project = Delivered(store, blobs, clock)
    project.release("c1", CONFIG.replace("[models.delay]", '[models.delay]\nkeep_predictions = "2d"'))
    project.move("dev", "c1")
    Releases(store, blobs, clock).tick(clock.now())
    project.version()
    log = JsonlPredictionLog(tmp_path)
    monitoring, archive = Monitoring(store, blobs, log, clock), Archive(store, blobs, log)
    writer = LogWriter(tmp_path)
    for days in range(3):
        writer.append(record(f"p{days}", START + days * DAY))
    writer.flush()
    monitoring.tick(clock.now())
    assert not archive.tick(clock.now()), "it is still written to"
    writer.append(record("late", START + 2 * DAY))
    writer.close()
    assert not archive.tick(clock.now()), "its last record is not taken in"
    monitoring.tick(clock.now())
    assert archive.tick(clock.now())
    assert not log.segments()
    assert sorted(pl.read_parquet(tmp_path / "packed")["id"]) == ["late", "p0", "p1", "p2"]
    assert not monitoring.tick(clock.now())
    archive.tick(clock.advance(3 * DAY))
    assert sorted(pl.read_parquet(tmp_path / "packed")["id"]) == ["late", "p1", "p2"]


def test_a_segment_that_is_packed_while_labels_come_is_no_error(tmp_path: Path) -> None:
    store, blobs, clock, log = MemoryStore(), MemoryBlobs(), FixedClock(START), JsonlPredictionLog(tmp_path)
    Delivered(store, blobs, clock).version()
    writer = LogWriter(tmp_path)
    writer.append(record("p", START))
    writer.close()
    monitoring = Monitoring(store, blobs, log, clock)
    monitoring.tick(clock.now())
    [segment] = log.segments()
    log.segments = lambda: [segment]  # type: ignore[method-assign] - as it was listed a moment ago
    log.pack(segment)
    assert Monitoring(store, blobs, log, clock).label("delay", [{"prediction": "p", "value": True}]) == 1
