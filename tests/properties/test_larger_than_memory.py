"""A source that is larger than memory gives the snapshot that it would give in memory."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import files
from penstock.datasets import gathering, take_snapshot
from penstock.datasets.types import Snapshot
from penstock.testing.fakes import MemoryBlobs

START = datetime(2024, 1, 1, tzinfo=UTC)
visits = files("visits", event_time="at", key="id")

row = st.tuples(st.sampled_from([*range(5), None]), st.sampled_from(["", "x", None]))


def taken(folder: str, blobs: MemoryBlobs) -> tuple[Snapshot, pl.DataFrame]:
    found = take_snapshot(visits, folder, START + timedelta(days=1), blobs)
    return found, pl.read_ipc(io.BytesIO(blobs.get(found.digest)))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(row, min_size=1, max_size=8), min_size=2, max_size=4), st.booleans())
def test_a_snapshot_of_spans_of_time_is_that_of_the_whole(
    parts: list[list[tuple[int | None, str | None]]], sort: bool
) -> None:
    if sort:
        parts = [sorted(part, key=lambda each: each[0] or 0) for part in sorted(parts, key=str)]
    parts.append([(3, "x"), (1, None)])  # one row at least counts
    blobs = MemoryBlobs()
    with TemporaryDirectory() as folder:
        Path(folder, "visits").mkdir()
        for number, part in enumerate(parts):
            times = [None if hour is None else START + timedelta(hours=hour) for hour, _ in part]
            pl.DataFrame(
                {
                    "id": range(number * 10, number * 10 + len(part)),
                    "at": times,
                    "text": [text for _, text in part],
                },
                schema={"id": pl.Int64, "at": pl.Datetime("us", "UTC"), "text": pl.String},
            ).write_parquet(Path(folder, "visits", f"{number}.parquet"))
        whole, expected = taken(folder, blobs)
        with (
            patch.object(gathering, "HELD", 5),
            patch.object(gathering, "PARTS", 3),
            patch.object(gathering, "piece_of", return_value=2),
        ):
            spilled, found = taken(folder, blobs)
            again, _ = taken(folder, blobs)
    assert found.equals(expected)
    assert spilled == again
    assert (spilled.rows, spilled.quarantined, spilled.columns) == (
        whole.rows,
        whole.quarantined,
        whole.columns,
    )
    assert (spilled.first, spilled.last) == (whole.first, whole.last)
    assert spilled.profile == whole.profile
