"""Reading sources and keeping snapshots of them."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from penstock import files
from penstock.core.errors import InvalidValue, NotFound
from penstock.datasets import read, take_snapshot
from penstock.datasets.snapshots import told
from penstock.datasets.types import Column, Quarantined, Source
from penstock.testing.fakes import MemoryBlobs

LATER = datetime(2024, 6, 1, tzinfo=UTC)
CSV = """id,at,value,open,name
1,2024-01-01 10:00,1.5,true,a
2,2024-01-01T09:00:00Z,2,false,b
3,2024-01-01T12:00:00+01:00,,true,
"""
TRIPS = files("data/trips", event_time="at", key="id")


def write(root: Path, name: str, text: str) -> None:
    path = root / "data" / "trips" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def rows_of(root: Path, source: Source = TRIPS, as_of: datetime = LATER) -> pl.DataFrame:
    return read(source, root, as_of).collect()


def test_csv_is_typed_ordered_by_event_time_and_in_utc(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", CSV)
    rows = rows_of(tmp_path)
    assert rows["id"].to_list() == [2, 1, 3]
    assert rows.schema["at"] == pl.Datetime("us", "UTC")
    assert rows["at"].dt.hour().to_list() == [9, 10, 11]
    assert rows["value"].to_list() == [2.0, 1.5, None]
    assert rows["open"].to_list() == [False, True, True]
    assert rows["name"].to_list() == ["b", "a", None]


def test_csv_json_lines_and_parquet_give_the_same_snapshot(tmp_path: Path) -> None:
    write(tmp_path / "csv", "a.csv", CSV)
    table = rows_of(tmp_path / "csv")
    write(tmp_path / "json", "a.jsonl", "")
    naive = table.with_columns(pl.col("at").dt.replace_time_zone(None))
    naive.with_columns(pl.col("at").dt.to_string("iso")).write_ndjson(tmp_path / "json/data/trips/a.jsonl")
    write(tmp_path / "parquet", "x", "")
    naive[:2].write_parquet(tmp_path / "parquet/data/trips/1.parquet")
    naive[2:].write_parquet(tmp_path / "parquet/data/trips/2.parquet")
    blobs = MemoryBlobs()
    taken = [take_snapshot(TRIPS, tmp_path / kind, LATER, blobs) for kind in ("csv", "json", "parquet")]
    assert len({snapshot.digest for snapshot in taken}) == 1
    assert taken[0].id == taken[1].id
    assert pl.read_ipc(io.BytesIO(blobs.get(taken[0].digest))).equals(table)


def test_a_snapshot_tells_what_was_read(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", CSV)
    snapshot = take_snapshot(TRIPS, tmp_path, LATER, MemoryBlobs())
    assert (snapshot.source, snapshot.rows, snapshot.quarantined) == ("trips", 3, 0)
    assert snapshot.first == datetime(2024, 1, 1, 9, tzinfo=UTC)
    assert snapshot.last == datetime(2024, 1, 1, 11, tzinfo=UTC)
    assert snapshot.columns == (
        Column(name="id", dtype="int"),
        Column(name="at", dtype="time"),
        Column(name="value", dtype="float", nullable=True),
        Column(name="open", dtype="bool"),
        Column(name="name", dtype="string", nullable=True),
    )


def test_only_what_had_happened_and_was_known_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.csv",
        "id,at,known\n1,2024-01-01,2024-01-02\n2,2024-01-03,2024-01-09\n3,2024-02-01,2024-01-01\n",
    )
    source = files("data/trips", event_time="at", known_time="known", key="id")
    seen = {
        day: rows_of(tmp_path, source, datetime(2024, 1, day, tzinfo=UTC))["id"].to_list()
        for day in (1, 2, 8, 9)
    }
    assert seen == {1: [], 2: [1], 8: [1], 9: [1, 2]}


def test_malformed_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = "".join(f"{number},2024-01-01,1\n" for number in range(10_000))
    write(
        tmp_path,
        "a.csv",
        f"id,at,value\n{rows},2024-01-01,1\n7,never,1\n8,,1\n9,2024-01-01,one\n10,2024-01-01,\n",
    )
    assert left_out(tmp_path, 10_001) == [
        "data/trips/a.csv, line 10002: `id` is missing",
        "data/trips/a.csv, line 10003: `at` is no time ('never')",
        "data/trips/a.csv, line 10004: `at` is missing",
        "data/trips/a.csv, line 10005: `value` is no whole number ('one')",
    ]


def left_out(root: Path, rows: int) -> list[str]:
    """What a snapshot of so many rows tells of what it left out."""
    blobs = MemoryBlobs()
    snapshot = take_snapshot(TRIPS, root, LATER, blobs)
    found = msgspec.json.decode(blobs.get(snapshot.quarantine), type=list[Quarantined])
    assert (snapshot.rows, snapshot.quarantined) == (rows, sum(each.line > 0 for each in found))
    return [told(each) for each in found]


def test_lines_that_are_no_rows_are_left_out_and_the_others_read(tmp_path: Path) -> None:
    write(tmp_path / "csv", "a.csv", 'id,at,name\n1,2024-01-01,"a\nb"\n2,2024-01-01,a,b\n3,never,c\n')
    assert left_out(tmp_path / "csv", 1) == [
        "data/trips/a.csv, line 4: the line has 4 values where the heading names 3 ('2,2024-01-01,a,b')",
        "data/trips/a.csv, line 5: `at` is no time ('never')",
    ]
    write(tmp_path / "json", "a.jsonl", '{"id": 1, "at": "2024-01-01"}\n[1]\n\n{"id": 2, "at"')
    assert left_out(tmp_path / "json", 1) == [
        "data/trips/a.jsonl, line 2: the line is no JSON object ('[1]')",
        'data/trips/a.jsonl, line 4: the line is no JSON, or not all of one (\'{"id": 2, "at"\')',
    ]


WHOLE = "8,2024-01-08,tea\n"


@pytest.mark.parametrize(
    ("text", "lines", "names"),
    [
        ('1,2024-01-01,5" disk\n2,never,a\n3,2024-01-03,6" disk\n', [3], ['5" disk', '6" disk', "tea"]),
        ('1,2024-01-01,"not closed\n2,2024-01-02,a\n', [2], ["a", "tea"]),
        ('1,2024-01-01,"not closed\n2,2024-01-02,a\n3,2024-01-03,"b"\n', [2], ["a", "b", "tea"]),
        ('1,2024-01-01,"a" b\n2,2024-01-02,"of\ntwo"\n', [2], ["of\ntwo", "tea"]),
        ('"1,2024-01-01,a\n2,2024-01-02,b\n3",2024-01-03,c,d\n', [2, 4], ["b", "tea"]),
    ],
)
def test_a_quote_without_its_like_costs_its_own_line(
    tmp_path: Path, text: str, lines: list[int], names: list[str]
) -> None:
    write(tmp_path, "a.csv", f"id,at,name\n{text}{WHOLE}")
    said = left_out(tmp_path, len(names))
    assert [each.partition(":")[0] for each in said] == [f"data/trips/a.csv, line {line}" for line in lines]
    assert rows_of(tmp_path)["name"].to_list() == names


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,at,name\n1,2024-01-01,caf\xe9\n2,2024-01-01,tea\n"),
        ("a.jsonl", '{"id":0,"at":"2024-01-01"}\n{"id":1,"name":"caf\xe9"}\n'),
    ],
)
def test_lines_that_are_no_utf_8_are_left_out(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, name, "")
    (tmp_path / "data/trips" / name).write_bytes(text.encode("latin-1"))
    [said] = left_out(tmp_path, 1)
    assert said.startswith(f"data/trips/{name}, line 2: the line is no UTF-8 (")
    assert "caf\N{REPLACEMENT CHARACTER}" in said


def test_separators_inside_a_value_end_no_line(tmp_path: Path) -> None:
    odd = "a\u2028b\x0cc\x85d"
    write(tmp_path, "a.csv", f"id,at,name\n1,2024-01-01,{odd}\n2,2024-01-02,a,b\n3,2024-01-03,last\n")
    assert left_out(tmp_path, 2) == [
        "data/trips/a.csv, line 3: the line has 4 values where the heading names 3 ('2,2024-01-02,a,b')"
    ]
    assert rows_of(tmp_path)["name"].to_list() == [odd, "last"]


def test_columns_may_come_and_go_and_change_their_order(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,at,value\n1,2024-01-01,1\n")
    write(tmp_path, "b.csv", "at,id,value,name\n2024-01-02,2,2.5,x\n")
    write(tmp_path, "c.csv", "id,at,value,name\n3,2024-01-03,one,y\n")
    rows = rows_of(tmp_path)
    assert rows.select("id", "value", "name").rows() == [(1, "1", None), (2, "2.5", "x"), (3, "one", "y")]


def test_files_with_naive_and_with_zoned_times_are_read_together(tmp_path: Path) -> None:
    write(tmp_path, "x", "")
    naive = pl.DataFrame({"id": [1], "at": [datetime(2024, 1, 1, 12)]})  # noqa: DTZ001
    naive.write_parquet(tmp_path / "data/trips/a.parquet")
    zoned = naive.with_columns(pl.col("at").dt.replace_time_zone("Europe/Berlin"))
    zoned.write_parquet(tmp_path / "data/trips/b.parquet")
    assert rows_of(tmp_path)["at"].dt.hour().to_list() == [11, 12]


def test_not_a_number_is_null(tmp_path: Path) -> None:
    write(tmp_path, "x", "")
    table = pl.DataFrame(
        {"id": [1, 2], "at": [datetime(2024, 1, 1, tzinfo=UTC)] * 2, "value": [float("nan"), 1.0]}
    )
    table.write_parquet(tmp_path / "data/trips/a.parquet")
    assert rows_of(tmp_path)["value"].to_list() == [None, 1.0]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/trips", "trips"),
        ("data/trips.csv", "trips"),
        ("data/trips/*.csv", "trips"),
        ("old-trips", "old_trips"),
    ],
)
def test_a_source_is_called_after_its_path(path: str, name: str) -> None:
    assert files(path, event_time="at").name == name


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"path": "/data/trips"}, "not inside the data root"),
        ({"path": "../trips"}, "not inside the data root"),
        ({"path": ""}, "not inside the data root"),
        ({"path": "*.csv"}, "no usable name"),
        ({"path": "2024"}, "no usable name"),
        ({"path": Path("data/trips")}, r"`path` of files\(...\) .* expected a text; found PosixPath"),
        ({"key": ["id", 5]}, r"`key` of the source trips .* expected a text, or several"),
    ],
)
def test_a_wrong_declaration_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        files(**{"path": "data/trips", "event_time": "at", **arguments})


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.csv", "id,moment\n1,2024-01-01\n", r"has no column `at`\. There is `id`, `moment`"),
        ("a.csv", "idd,at\n1,2024-01-01\n", r"has no column `id`\. Did you mean `idd`"),
        ("a.csv", "id,at\n1,17\n", "column `at` of the source trips is no time.*found Int64"),
        ("a.csv", "", "no file that is whole: found data/trips/a.csv: the file is left out: it is empty"),
        ("a.parquet", "not parquet", "it is no Parquet file"),
        (
            "a.csv",
            "id,at\n1,2025-01-01\n",
            "found 1 that became known later, the first at 2025-01-01 00:00 UTC",
        ),
        ("a.csv", "id,at\n", "known at 2024-06-01 00:00 UTC: found files without a row"),
        ("a.csv", "id,at,x,x\n1,2024-01-01,1,2\n", "heading of a.csv names columns twice: found `x`"),
    ],
)
def test_files_that_are_no_table_are_refused(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    write(tmp_path, name, text)
    with pytest.raises(InvalidValue, match=sentence):
        take_snapshot(TRIPS, tmp_path, LATER, MemoryBlobs())


def test_mixed_formats_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", CSV)
    write(tmp_path, "b.jsonl", "{}")
    with pytest.raises(InvalidValue, match=r"mixes formats.*found \.csv, \.jsonl"):
        rows_of(tmp_path)


def test_missing_files_are_refused_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"nothing at {tmp_path}/data/trips"):
        rows_of(tmp_path)


def test_rows_without_a_time_count_from_when_their_file_was_written(tmp_path: Path) -> None:
    cells = files("data/trips", key="id")
    write(tmp_path, "a.csv", "id,value\n1,1.5\n2,x\n")
    write(tmp_path, "b.csv", "id,value,note\n3,2.5,late\n")
    for name, day in (("a", 1), ("b", 3)):
        moment = datetime(2024, 5, day, tzinfo=UTC).timestamp()
        os.utime(tmp_path / f"data/trips/{name}.csv", (moment, moment))
    assert rows_of(tmp_path, cells)["id"].to_list() == [1, 2, 3]
    early = take_snapshot(cells, tmp_path, datetime(2024, 5, 2, tzinfo=UTC), MemoryBlobs())
    assert early.rows == 2
    assert early.first == early.last == datetime(2024, 5, 1, tzinfo=UTC)
    assert files("data/trips", known_time="told").event_time == "told"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_malformed_row_without_a_time_is_left_out_with_the_reason(tmp_path: Path, form: str) -> None:
    table = pl.DataFrame({"id": [1, None, 3], "value": [1.5, 2.5, 3.5]})
    path = tmp_path / f"cells.{form}"
    {"csv": table.write_csv, "jsonl": table.write_ndjson, "parquet": table.write_parquet}[form](path)
    blobs = MemoryBlobs()
    taken = take_snapshot(files(path.name, key="id"), tmp_path, datetime.now(UTC), blobs)
    assert (taken.rows, taken.quarantined) == (2, 1)
    assert [each["column"] for each in msgspec.json.decode(blobs.get(taken.quarantine))] == ["id"]
