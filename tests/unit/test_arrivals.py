"""New rows in files: counted by when they are known, and read again only when a file changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from penstock.core.errors import NotFound
from penstock.datasets.types import Source
from penstock.triggers import arrivals
from penstock.triggers.arrivals import FileArrivals
from penstock.triggers.ports import Arrived

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
SOURCE = Source(name="flights", path="data", event_time="at", known_time="known")


def write(folder: Path, name: str, *hours: int) -> None:
    times = [NOON + timedelta(hours=hour) for hour in hours]
    rows = pl.DataFrame({"at": times, "known": [time + timedelta(hours=1) for time in times]})
    rows.write_parquet(folder / "data" / name)


def test_rows_count_from_when_they_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    monkeypatch.setattr(arrivals, "scan", lambda *words: reads.append(1) or scan(*words))
    scan = __import__("penstock.datasets.reading", fromlist=["scan"]).scan
    (tmp_path / "data").mkdir()
    write(tmp_path, "a.parquet", 0, 1, 2)
    seen = FileArrivals(lambda _project: str(tmp_path))

    def since(base: datetime | None, hours: float) -> Arrived:
        return seen.since("flights", "", SOURCE, base, NOON + timedelta(hours=hours))

    assert since(None, 0) == Arrived(0)
    assert since(None, 2) == Arrived(2, NOON + timedelta(hours=2))
    assert since(None, 9) == Arrived(3, NOON + timedelta(hours=3))
    assert len(reads) == 1
    assert since(NOON + timedelta(hours=2), 9).rows == 1
    write(tmp_path, "b.parquet", 5)
    assert since(NOON + timedelta(hours=2), 9).rows == 1, "looked a moment ago"
    assert since(NOON + timedelta(hours=2), 9.1).rows == 2


def test_a_source_without_files_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no files"):
        FileArrivals(lambda _project: str(tmp_path)).since("flights", "", SOURCE, None, NOON)
