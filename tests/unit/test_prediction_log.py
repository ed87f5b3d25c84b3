from __future__ import annotations

import errno
import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.core.errors import NotFound, StorageFailed
from penstock.serving.types import LogRecord

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


def record(name: str) -> LogRecord:
    return LogRecord(
        ids=(name,),
        time=NOON,
        model="delay",
        environment="production",
        version=1,
        variant="champion",
        inputs={"wind": [1.0]},
        score=(0.5,),
        label=("true",),
    )


def names(folder: Path) -> list[str]:
    log = JsonlPredictionLog(folder)
    return [found.ids[0] for segment in log.segments() for found in log.read(segment, 0, 1000)[0]]


def test_closing_loses_nothing(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    for n in range(1000):
        writer.append(record(str(n)))
    writer.close()
    assert names(tmp_path) == [str(n) for n in range(1000)]


def test_an_answer_is_durable_within_a_second_without_being_asked_for(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    writer.append(record("soon"))
    late = time.monotonic() + 1
    while not names(tmp_path) and time.monotonic() < late:
        os.sched_yield()
    assert names(tmp_path) == ["soon"]
    writer.close()


def test_segments_are_read_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment_bytes=1)
    for n in range(12):
        writer.append(record(str(n)))
        writer.flush()
    writer.close()
    assert len(JsonlPredictionLog(tmp_path).segments()) == 12
    assert names(tmp_path) == [str(n) for n in range(12)]


def test_a_torn_last_line_is_no_record_and_the_next_writer_leaves_it_alone(tmp_path: Path) -> None:
    torn = tmp_path / "1-0.jsonl"
    writer = LogWriter(tmp_path)
    writer.append(record("whole"))
    writer.close()
    [segment] = tmp_path.iterdir()
    torn.write_bytes(segment.read_bytes() + b'{"ids":["torn"')
    assert names(tmp_path) == ["whole", "whole"]
    records, offset = JsonlPredictionLog(tmp_path).read(torn.name, 0, 10)
    assert len(records) == 1
    assert JsonlPredictionLog(tmp_path).read(torn.name, offset, 10) == ([], offset)


def test_a_line_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    writer.append(record("before"))
    writer.close()
    [segment] = tmp_path.iterdir()
    line = segment.read_bytes()
    segment.write_bytes(line + b"\0\0\0\n" + line)
    assert names(tmp_path) == ["before", "before"]


def test_a_full_disk_tears_no_record_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LogWriter(tmp_path)
    writer.append(record("first"))
    writer.flush()
    write = os.write

    def fill_up(file: int, data: Any) -> int:
        if len(data) > 50:
            return write(file, bytes(data[:50]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", fill_up)
        full.setattr(os, "writev", lambda file, lines: fill_up(file, b"".join(lines)))
        writer.append(record("second"))
        with pytest.raises(StorageFailed, match="No space left on device"):
            writer.flush()
        assert writer.error
        assert names(tmp_path) == ["first"]
    writer.append(record("third"))
    writer.close()
    assert names(tmp_path) == ["first", "second", "third"]


def test_a_segment_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        JsonlPredictionLog(tmp_path).read("1-0.jsonl", 0, 1)


def test_a_clock_that_was_put_back_does_not_put_new_segments_before_old_ones(tmp_path: Path) -> None:
    tomorrow = (time.time_ns() + 24 * 3600 * 10**9) // 10**6
    (tmp_path / f"{tomorrow}-3.jsonl").write_text("")
    writer = LogWriter(tmp_path)
    writer.append(record("today"))
    writer.close()
    assert JsonlPredictionLog(tmp_path).segments() == [f"{tomorrow}-3.jsonl", f"{tomorrow + 1}-0.jsonl"]


def packed(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "packed", hive_partitioning=True)


def test_a_segment_is_closed_when_its_writer_goes_on_or_ends(tmp_path: Path) -> None:
    writer, log = LogWriter(tmp_path, segment_bytes=1), JsonlPredictionLog(tmp_path)
    for name in ("a", "b"):
        writer.append(record(name))
        writer.flush()
    assert [log.closed(segment) for segment in log.segments()] == [True, False]
    writer.close()
    assert [log.closed(segment) for segment in log.segments()] == [True, True]


def test_a_segment_is_closed_after_its_time_whether_or_not_anybody_asks(tmp_path: Path) -> None:
    writer, log = LogWriter(tmp_path, segment_seconds=0), JsonlPredictionLog(tmp_path)
    writer.append(record("a"))
    writer.flush()
    writer.flush()
    assert [log.closed(segment) for segment in log.segments()] == [True]
    writer.append(record("b"))
    writer.close()
    assert names(tmp_path) == ["a", "b"]


def test_packed_predictions_are_columns_by_model_environment_and_day(tmp_path: Path) -> None:
    writer, log = LogWriter(tmp_path), JsonlPredictionLog(tmp_path)
    writer.append(record("a"))
    later = msgspec.structs.replace(
        record("b"), time=NOON + timedelta(days=1), inputs={"wind": [2], "carrier": ["UA"], "wet": [None]}
    )
    writer.append(later)
    writer.append(msgspec.structs.replace(record("c"), model="a/b"))
    writer.close()
    [segment] = log.segments()
    log.pack(segment)
    assert not log.segments()
    every = pl.scan_parquet(tmp_path / "packed/model=delay", missing_columns="insert", extra_columns="ignore")
    found = every.collect()
    assert found.sort("time").select("id", "input.wind").rows() == [("a", 1.0), ("b", 2.0)]
    [day] = (tmp_path / "packed").glob("model=delay/environment=production/day=2013-03-02/*.parquet")
    assert pl.read_parquet(day).row(0, named=True) == {
        "id": "b",
        "time": NOON + timedelta(days=1),
        "version": 1,
        "variant": "champion",
        "score": 0.5,
        "label": "true",
        "input.wind": 2.0,
        "input.carrier": "UA",
        "input.wet": None,
    }
    assert (tmp_path / "packed" / "model=a%2Fb").is_dir()
    with pytest.raises(NotFound):
        log.pack(segment)


def packed_one_by_one(folder: Path, count: int) -> tuple[JsonlPredictionLog, Path, dict[str, bytes]]:
    """A log whose segments, of a row each, were packed; where they lie, and what their bytes were."""
    writer, log = LogWriter(folder, segment_bytes=1), JsonlPredictionLog(folder)
    for n in range(count):
        writer.append(record(str(n)))
        writer.flush()
    writer.close()
    lines = {segment: (folder / segment).read_bytes() for segment in log.segments()}
    for segment in log.segments():
        log.pack(segment)
    return log, folder / "packed" / "model=delay" / "environment=production" / "day=2013-03-01", lines


def test_many_small_segments_of_a_day_become_one_file(tmp_path: Path) -> None:
    _, day, _ = packed_one_by_one(tmp_path, 40)
    assert len(list(day.iterdir())) == 8
    assert sorted(packed(tmp_path)["id"], key=int) == [str(n) for n in range(40)]


@pytest.mark.parametrize("again", [0, 16, 18])
def test_a_segment_that_is_packed_again_after_a_kill_neither_loses_nor_doubles_a_row(
    again: int, tmp_path: Path
) -> None:
    log, _, lines = packed_one_by_one(tmp_path, 20)
    segment = list(lines)[again]  # 16 made one file of all before it
    (tmp_path / segment).write_bytes(lines[segment])
    log.pack(segment)
    assert sorted(packed(tmp_path)["id"], key=int) == [str(n) for n in range(20)]


def test_what_a_kill_leaves_of_the_files_that_became_one_goes_with_the_next(tmp_path: Path) -> None:
    writer, log = LogWriter(tmp_path, segment_bytes=1), JsonlPredictionLog(tmp_path)
    for n in range(18):
        writer.append(record(str(n)))
        writer.flush()
    writer.close()
    *most, last, next_one = log.segments()
    for segment in most:
        log.pack(segment)
    [first, *_] = sorted((tmp_path / "packed").rglob("*.parquet"))
    kept = first.read_bytes()
    log.pack(last)
    first.write_bytes(kept)
    assert len(packed(tmp_path)) == 18, "twice, until the next is packed"
    log.pack(next_one)
    assert sorted(packed(tmp_path)["id"], key=int) == [str(n) for n in range(18)]


def test_a_new_writer_never_takes_the_name_of_what_was_packed(tmp_path: Path) -> None:
    future = time.time_ns() // 1_000_000 + 10_000_000
    (tmp_path / f"{future}-0.jsonl").write_bytes(msgspec.json.encode(record("a")) + b"\n")
    JsonlPredictionLog(tmp_path).pack(f"{future}-0.jsonl")
    writer = LogWriter(tmp_path)
    writer.append(record("b"))
    writer.close()
    assert JsonlPredictionLog(tmp_path).segments() == [f"{future + 1}-0.jsonl"]


def test_old_days_are_dropped(tmp_path: Path) -> None:
    writer, log = LogWriter(tmp_path), JsonlPredictionLog(tmp_path)
    for days in range(3):
        writer.append(msgspec.structs.replace(record(str(days)), time=NOON + timedelta(days=days)))
    writer.close()
    log.pack(log.segments()[0])
    assert log.drop("delay", "production", date(2013, 3, 3)) == 2
    assert list(packed(tmp_path)["id"]) == ["2"]
    assert log.drop("delay", "staging", date(2013, 3, 3)) == 0
