"""Rows that programs push: kept once, known from when they arrived, and seen by whoever reads the source."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock import events, files
from penstock.adapters.pushes import log as log_file
from penstock.adapters.pushes.log import JsonLinesPushes
from penstock.core.errors import InvalidValue, NotFound, StorageFailed
from penstock.datasets import read
from penstock.datasets.arrivals import Levels
from penstock.datasets.columns import corrected
from penstock.datasets.types import Pushed

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLICKS = events("clicks", event_time="at", key="id")


def click(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "at": f"2024-01-01T10:00:{number % 60:02d}Z", "price": number / 2, **more}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[JsonLinesPushes]:
    opened = JsonLinesPushes(tmp_path / "pushes.db")
    yield opened
    opened.close()


def test_rows_are_read_back_with_the_time_at_which_they_arrived(log: JsonLinesPushes, tmp_path: Path) -> None:
    assert log.append(CLICKS, tmp_path, [click(1), click(2)], NOON) == Pushed(new=2, corrected=0, known=0)
    rows = read(CLICKS, tmp_path, NOON).collect()
    assert rows.columns == ["id", "at", "price", "arrived_at"]
    assert rows["arrived_at"].to_list() == [NOON, NOON]
    assert read(CLICKS, tmp_path, NOON - HOUR).collect().is_empty()


def test_a_row_that_is_pushed_again_is_not_doubled_and_another_of_its_key_corrects_it(
    log: JsonLinesPushes, tmp_path: Path
) -> None:
    twice = [click(1), click(1), click(1, price=9)]
    assert log.append(CLICKS, tmp_path, twice, NOON) == Pushed(new=1, corrected=1, known=1)
    assert log.append(CLICKS, tmp_path, [click(1)], NOON + HOUR).known == 1
    both = read(CLICKS, tmp_path, NOON + HOUR)
    assert both.collect()["price"].to_list() == [0.5, 9.0]
    assert corrected(CLICKS, both).collect()["price"].to_list() == [9.0]
    with_zone = click(1) | {"at": "2024-01-01T11:00:01+01:00"}
    assert log.append(CLICKS, tmp_path, [with_zone], NOON).known == 1


def test_a_trigger_sees_what_was_pushed(log: JsonLinesPushes, tmp_path: Path) -> None:
    levels = Levels()
    with pytest.raises(NotFound, match="Nothing has been pushed to the source clicks yet"):
        levels.at(CLICKS, tmp_path, NOON)
    log.append(CLICKS, tmp_path, [click(1)], NOON)
    assert levels.since(CLICKS, tmp_path, None, NOON).rows == 1
    log.append(CLICKS, tmp_path, [click(2), click(3)], NOON + HOUR)
    assert levels.since(CLICKS, tmp_path, NOON, NOON + HOUR).rows == 2


def test_a_line_that_is_being_written_is_not_read_yet(log: JsonLinesPushes, tmp_path: Path) -> None:
    log.append(CLICKS, tmp_path, [click(1)], NOON)
    [segment] = (tmp_path / "events/clicks").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"id":2,"at":"2024-')
    assert read(CLICKS, tmp_path, NOON).collect()["id"].to_list() == [1]
    log.append(CLICKS, tmp_path, [click(2)], NOON)  # nobody was told that the torn line is kept
    assert read(CLICKS, tmp_path, NOON).collect()["id"].to_list() == [1, 2]


def test_files_follow_one_another_and_another_system_on_the_same_data_doubles_nothing(
    log: JsonLinesPushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "SEGMENT", 200)
    other = JsonLinesPushes(tmp_path / "other.db")
    for number in range(12):
        writer = log if number % 3 else other
        writer.append(CLICKS, tmp_path, [click(each) for each in range(number + 1)], NOON)
    other.close()
    (tmp_path / "pushes.db").unlink()  # the index can always be made again
    anew = JsonLinesPushes(tmp_path / "pushes.db")
    assert anew.append(CLICKS, tmp_path, [click(each) for each in range(12)], NOON).known == 12
    with pytest.raises(InvalidValue, match="impossible `price`: expected a number; found 'dear'"):
        anew.append(CLICKS, tmp_path, [click(99, price="dear")], NOON)
    anew.close()
    assert len(list((tmp_path / "events/clicks").glob("*.jsonl"))) > 2
    assert sorted(read(CLICKS, tmp_path, NOON).collect()["id"].to_list()) == list(range(12))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"id": 2}, "Row 2 of the events of clicks has no `at`"),
        ({"id": None, "at": "2024-01-01"}, "has null as its `id`, which every row needs"),
        (click(2) | {"at": 1704103200}, "impossible `at`: expected ISO 8601 text .*; found 1704103200"),
        (click(2) | {"at": "noon"}, "impossible `at`: expected ISO 8601 text .*; found 'noon'"),
        (click(2, arrived_at="2024-01-01"), "brings `arrived_at`, which says when it arrived here"),
        (click(2, tags=["a"]), "impossible `tags`: expected a number, a text, true, false or null"),
        (click(2, price=True), "impossible `price`: expected a number; found True"),
        (click(1 << 70), "impossible `id`"),
    ],
)
def test_a_batch_with_an_impossible_row_leaves_nothing(
    log: JsonLinesPushes, tmp_path: Path, row: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        log.append(CLICKS, tmp_path, [click(1), row], NOON)
    assert not list(tmp_path.rglob("*.jsonl"))
    assert log.append(CLICKS, tmp_path, [click(1)], NOON).new == 1


def test_a_full_disk_keeps_none_of_a_batch(
    log: JsonLinesPushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(CLICKS, tmp_path, [click(1)], NOON)

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFailed, match="No space left"):
        log.append(CLICKS, tmp_path, [click(2)], NOON)
    assert read(CLICKS, tmp_path, NOON).collect()["id"].to_list() == [1]
    monkeypatch.undo()
    assert log.append(CLICKS, tmp_path, [click(2)], NOON).new == 1


def test_what_a_killed_push_left_is_durable_before_its_retry_is_answered(
    log: JsonLinesPushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "events/clicks"
    folder.mkdir(parents=True)
    segment = folder / "00000001.jsonl"
    segment.touch()  # killed after it was made
    durable: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: durable.append(os.fstat(file).st_ino))
    log.append(CLICKS, tmp_path, [click(1)], NOON)
    assert {folder.stat().st_ino, segment.stat().st_ino} <= set(durable)
    with segment.open("a") as file:  # killed after it was written
        file.write(
            '{"id":2,"at":"2024-01-01T10:00:02.000000Z","price":1.0,"arrived_at":"2024-01-01T12:00:00Z"}\n'
        )
    durable.clear()
    assert log.append(CLICKS, tmp_path, [click(2)], NOON).known == 1
    assert segment.stat().st_ino in durable


def test_an_index_that_is_spoilt_can_be_removed_while_the_system_is_up(
    log: JsonLinesPushes, tmp_path: Path
) -> None:
    index = tmp_path / "pushes.db"
    log.append(CLICKS, tmp_path, [click(1)], NOON)
    with closing(sqlite3.connect(index)) as spoiling:
        spoiling.execute("DROP TABLE rows")
    with pytest.raises(StorageFailed, match="It can be removed: it is made again of the files"):
        log.append(CLICKS, tmp_path, [click(2)], NOON)
    for path in tmp_path.glob("pushes.db*"):
        path.unlink()
    assert log.append(CLICKS, tmp_path, [click(1), click(2)], NOON) == Pushed(new=1, corrected=0, known=1)


def test_declarations_that_cannot_be() -> None:
    with pytest.raises(InvalidValue, match="have no key"):
        events("clicks", event_time="at", key=())
    with pytest.raises(InvalidValue, match="neither the event time nor a key"):
        events("clicks", event_time="at", key="id", known_time="at")
    assert files("a", event_time="at").kind is not CLICKS.kind


def test_an_empty_batch_is_refused(log: JsonLinesPushes, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="1 to 10,000 rows"):
        log.append(CLICKS, tmp_path, [], NOON)
