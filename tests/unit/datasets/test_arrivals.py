"""What has arrived in a source, told without reading what did not change."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from penstock import files
from penstock.core.errors import InvalidValue
from penstock.datasets import arrivals
from penstock.datasets.arrivals import Levels, arrived

TRIPS = files("trips", event_time="at", known_time="known", key="id")


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=UTC)


def put(root: Path, name: str, days: list[int], known: list[int] | None = None) -> Path:
    path = root / "trips" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    times = {"at": [day(each) for each in days], "known": [day(each) for each in known or days]}
    table = pl.DataFrame({"id": range(len(days)), **times})
    if path.suffix == ".parquet":
        table.write_parquet(path)
    else:
        table.with_columns(pl.col("at", "known").dt.to_string("iso")).write_csv(path)
    return path


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_rows_arrive_when_they_have_happened_and_are_known(tmp_path: Path, form: str) -> None:
    first = put(tmp_path, f"a.{form}", [1, 2, 3], [1, 9, 3])
    levels = Levels()
    seen = {number: levels.at(TRIPS, tmp_path, day(number)).rows for number in (1, 2, 3, 8, 9)}
    assert seen == {1: 1, 2: 1, 3: 2, 8: 2, 9: 3}
    some = levels.since(TRIPS, tmp_path, day(1), day(4))
    assert (some.rows, some.partitions, some.newest) == (1, 0, day(3))
    assert some.bytes == pytest.approx(first.stat().st_size / 3, abs=1)
    assert levels.since(TRIPS, tmp_path, None, day(9)).rows == 3


def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "day=1/a.parquet", [1, 1])
    put(tmp_path, "day=2/a.parquet", [2, 2])
    levels, read = Levels(), []
    times = arrivals._times

    def counted(*given: object) -> object:
        read.append(Path(str(given[2])).parent.name)
        return times(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(arrivals, "_times", counted)
    before = levels.at(TRIPS, tmp_path, day(5))
    put(tmp_path, "day=2/b.parquet", [2])
    put(tmp_path, "day=3/b.parquet", [3])
    found = arrived(before, levels.at(TRIPS, tmp_path, day(5)))
    assert (found.rows, found.partitions, found.changed, found.doubts) == (2, 1, True, ())
    assert read == ["day=1", "day=2", "day=2", "day=3"]
    assert not levels.since(TRIPS, tmp_path, levels.at(TRIPS, tmp_path, day(5)), day(6)).changed


def test_rows_of_old_times_brought_in_late_arrive(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", [5])
    levels = Levels()
    before = levels.at(TRIPS, tmp_path, day(6))
    put(tmp_path, "b.csv", [1, 2])
    assert levels.since(TRIPS, tmp_path, before, day(6)).rows == 2
    assert levels.since(TRIPS, tmp_path, day(6), day(6)).rows == 0


def test_a_source_that_shrinks_or_goes_back_in_time_is_said_so(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", [1, 2, 8])
    levels = Levels()
    before = levels.at(TRIPS, tmp_path, day(9))
    put(tmp_path, "a.csv", [1, 2])
    found = levels.since(TRIPS, tmp_path, before, day(9))
    assert found.rows == 0
    assert found.doubts == (
        "the source shrank from 3 rows to 2",
        "its newest time went back from 2024-01-08 00:00 to 2024-01-02 00:00 UTC",
    )


def test_files_that_are_still_being_written_are_left_out_and_told_of(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", [1, 2])
    whole = put(tmp_path, "b.parquet", [3, 4]).read_bytes()
    (tmp_path / "trips/b.parquet").write_bytes(whole[: len(whole) // 2])
    put(tmp_path, "c.parquet", [1]).write_bytes(b"")
    for aside in ("_temporary/d.parquet", ".e.parquet", "_delta_log/f.parquet"):
        put(tmp_path, aside, [1])
    put(tmp_path, "g.parquet", [1]).rename(tmp_path / "trips/g.parquet.part")
    levels = Levels()
    before = levels.at(TRIPS, tmp_path, day(9))
    assert (before.rows, before.partitions) == (2, 1)
    assert before.unfinished == (
        "trips/b.parquet: the file is left out: it is no whole Parquet file, its end is missing",
        "trips/c.parquet: the file is left out: it is empty",
    )
    (tmp_path / "trips/b.parquet").write_bytes(whole)
    assert levels.since(TRIPS, tmp_path, before, day(9)).rows == 2


def test_a_source_without_a_whole_file_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", [1]).write_bytes(b"PAR1 and no more")
    with pytest.raises(
        InvalidValue, match=r"no file that is whole: found trips/a\.parquet: .*its end is missing"
    ):
        Levels().at(TRIPS, tmp_path, day(1))


def test_rows_without_a_time_arrive_with_their_file(tmp_path: Path) -> None:
    cells, levels = files("trips"), Levels()
    for name, number in (("a.parquet", 1), ("b.parquet", 3)):
        moment = day(number).timestamp()
        os.utime(put(tmp_path, name, [9, 9]), (moment, moment))
    first = levels.at(cells, tmp_path, day(2))
    assert (first.rows, first.newest) == (2, day(1))
    more = levels.since(cells, tmp_path, first, day(4))
    assert (more.rows, more.partitions, more.newest) == (2, 1, day(3))
