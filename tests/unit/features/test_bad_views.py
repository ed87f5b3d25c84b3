"""What views may do wrong is told in a sentence, and odd rows are taken for what they are."""

from __future__ import annotations

import io
import math
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from penstock import feature_view, files
from penstock.core.errors import InvalidValue, StorageFailed
from penstock.datasets.spilling import Spilled, append
from penstock.features import FeatureView, join
from penstock.features.keeping import read_timeline
from penstock.features.laying import lay_out
from penstock.features.made import Made
from penstock.testing.fakes import MemoryBlobs

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = [START + timedelta(hours=hour) for hour in range(3)]
TABLE = pl.LazyFrame({"shop": ["a", "b", "a"], "at": HOURS, "value": [1.0, math.inf, -math.inf]})
SPINE = pl.DataFrame({"shop": ["a", "b", "c"], "now": [HOURS[2]] * 3})
source = files("rows", event_time="at")


@feature_view(entity="shop", source=source)
def collected(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.collect()  # type: ignore[return-value]


@feature_view(entity="shop", source=source)
def forgotten(rows: pl.LazyFrame) -> pl.LazyFrame:
    return None  # type: ignore[return-value]


@feature_view(entity="shop", source=source)
def worded(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("at").dt.to_string("iso"))


@feature_view(entity="shop", source=source)
def timeless(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.drop("at")


@feature_view(entity="shop", source=source)
def python(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("value").map_elements(lambda value: {value}, return_dtype=pl.Object))


@feature_view(entity="shop", source=source)
def naive(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("at").dt.replace_time_zone(None))


@feature_view(entity="shop", source=source)
def elsewhere(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("at").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ms"))


@feature_view(entity="shop", source=source)
def plain(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


@feature_view(
    entity="shop", source=source, aggregates={"total": "sum(value) over 1d", "all": "count over 1d"}
)
def summed(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (collected, r"collected gives no rows: expected a lazy table .* found a DataFrame\. Return rows"),
        (forgotten, "forgotten gives no rows: .* found nothing"),
        (worded, "The column `at` of the feature view worded is no time: .* found String"),
        (timeless, "The feature view timeless has no column `at`"),
        (python, "The feature view python failed on the rows of rows: found .*Object"),
    ],
)
def test_a_view_that_cannot_be_laid_out_leaves_nothing(view: FeatureView, sentence: str) -> None:
    blobs = MemoryBlobs()
    with pytest.raises(InvalidValue, match=sentence), blobs.writing() as file:
        lay_out(Made(view, TABLE), file)
    assert not blobs.digests()


@pytest.mark.parametrize("view", [naive, elsewhere])
def test_times_of_other_zones_and_of_none_are_those_of_utc(view: FeatureView) -> None:
    expected = join(SPINE, "now", [plain], {"rows": TABLE})
    assert join(SPINE, "now", [view], {"rows": TABLE}).equals(expected)
    assert expected["value"].to_list() == [-math.inf, math.inf, None]


def test_infinite_values_are_no_part_of_an_aggregate() -> None:
    found = join(SPINE, "now", [summed], {"rows": TABLE})
    assert found.select("total", "all").rows() == [(1.0, 2), (0.0, 1), (0.0, 0)]


def test_two_views_with_one_name_of_a_feature_are_refused() -> None:
    with pytest.raises(InvalidValue, match="naive gives columns that the rows already have: found value"):
        join(SPINE, "now", [plain, naive], {"rows": TABLE})


def test_a_view_of_thousands_of_columns_and_of_as_many_categories_as_rows(tmp_path: Path) -> None:
    many = {f"c{number}": pl.lit(float(number)) for number in range(2_000)}
    levels = pl.int_range(100_000).cast(pl.String).cast(pl.Categorical)
    for table, column, last in (
        (TABLE.with_columns(**many), "c1999", 1999.0),
        (
            pl.LazyFrame({"at": [START] * 100_000}).with_columns(shop=pl.lit("a"), level=levels),
            "level",
            "99999",
        ),
    ):
        blobs = MemoryBlobs()
        with blobs.writing() as file:
            lay_out(Made(plain, table), file)
        (tmp_path / "timeline").write_bytes(blobs.get(file.digest))
        kept = read_timeline(tmp_path / "timeline")
        assert join(SPINE, "now", [plain], {}, {"plain": [kept]})[column][0] == last


def test_what_is_put_aside_has_no_name_and_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Spilled() as spilled:
        spilled.put(TABLE.collect())
        spilled.scatter(TABLE.collect(), pl.Series([7, 3, 7]))
        found = spilled.rows(7)
        assert found is not None
        assert found["shop"].to_list() == ["a", "a"]
        assert spilled.rows(1) is None
        assert not list(tmp_path.iterdir())  # so that a process which is killed leaves nothing
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(StorageFailed, match=f"No space left on device in {tmp_path}. Make room there"):
        append(full, io.BytesIO(b"rows").getbuffer())
    os.close(full)
