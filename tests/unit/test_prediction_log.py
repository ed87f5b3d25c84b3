from __future__ import annotations

import errno
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.predictor.log import JsonlPredictionLog, LogWriter
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
