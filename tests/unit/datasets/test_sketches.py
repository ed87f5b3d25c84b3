"""Sketches of tables that are odd: empty, constant, wide, infinite, of a million levels, of several types."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penstock.core.errors import InvalidValue
from penstock.datasets.sketches import FEWEST, merge
from penstock.datasets.sketching import sketch


def test_a_lazy_table_is_read_in_parts_and_gives_the_same_sketch(tmp_path: Path):
    random = np.random.default_rng(1)
    rows = pl.DataFrame({"x": random.normal(size=300_000), "s": random.integers(0, 9, 300_000).astype(str)})
    rows.write_parquet(tmp_path / "a.parquet")
    read = sketch(pl.scan_parquet(tmp_path / "a.parquet"))
    assert read == sketch(rows)
    assert list(read.column("s").top) == [str(n) for n in range(9)], "in one order, for the digest's sake"


def test_no_rows_and_no_columns():
    found = sketch(pl.DataFrame(schema={"x": pl.Float64, "s": pl.String}))
    assert (found.rows, found.error) == (0, 0.0)
    assert [(c.count, c.distinct, c.std) for c in found.columns] == [(0, 0, 0.0)] * 2
    assert merge(found, sketch(pl.DataFrame({"x": [1.0]}))).column("s").nulls == 1
    assert sketch(pl.DataFrame()).rows == 0


def test_infinite_values_are_counted_apart_and_move_no_mean():
    column = sketch(pl.DataFrame({"x": [1.0, 3.0, np.inf, -np.inf, np.nan, None]})).column("x")
    assert (column.count, column.nulls, column.odd) == (2, 1, 3)
    assert (column.low, column.high, column.mean, column.std) == (1.0, 3.0, 2.0, 1.0)


def test_a_constant_far_from_zero_has_no_deviation():
    column = sketch(pl.DataFrame({"x": [1e15 + 0.5] * 1000})).column("x")
    assert (column.std, column.mean, column.distinct) == (0.0, 1e15 + 0.5, 1)


def test_a_million_levels_keep_a_thousand_counters():
    levels = pl.Series("s", np.arange(1_000_000)).cast(pl.String)
    column = sketch(pl.DataFrame([pl.concat([levels, pl.Series("s", ["often"] * 50_000)])])).column("s")
    assert column.distinct == pytest.approx(1_000_001, rel=0.15)
    assert len(column.top) <= 1000
    assert 50_000 - column.missed <= column.top["often"] <= 50_000
    assert not column.exact


def test_long_texts_are_counted_by_their_beginning():
    rows = ["a" * 500, "a" * 500, "a" * 499 + "b", "b" * 100, None]
    table = pl.DataFrame({"s": rows})
    column = sketch(table).column("s")
    assert column.top == {"a" * 100 + "…": 3, "b" * 100: 1}
    assert (column.distinct, column.low, column.high, column.exact) == (3, 100, 500, False)
    assert sketch(table[3:]).column("s").exact
    assert merge(sketch(table[:2]), sketch(table[2:])).column("s") == column


def test_ten_thousand_columns_keep_a_smaller_sample():
    rows = pl.DataFrame(np.ones((3, 10_000)), schema=[f"c{n}" for n in range(10_000)])
    found = sketch(rows)
    assert (len(found.columns), found.size) == (10_000, FEWEST)
    assert found.column("c9999").mean == 1.0


def test_times_dates_and_names_that_are_patterns():
    noon = datetime(2024, 1, 2, 12, tzinfo=UTC)
    rows = pl.DataFrame({"a": [noon], "b": [date(2024, 1, 2)], "l": [[1, 2]]})
    found = sketch(rows.rename({"a": "^x.*$", "b": "*"}))
    assert found.column("^x.*$").low == noon.timestamp() * 1e6
    assert found.column("*").high == datetime(2024, 1, 2, tzinfo=UTC).timestamp() * 1e6
    assert found.column("l").count == 1


def test_whole_numbers_and_numbers_are_the_same_values():
    both = merge(sketch(pl.DataFrame({"x": [1, 2, 3]})), sketch(pl.DataFrame({"x": [3.0, 4.5]})))
    assert (both.column("x").dtype, both.column("x").distinct) == ("float", 4)


def test_text_and_numbers_do_not_merge():
    with pytest.raises(InvalidValue, match="`x` is not of one type in both tables"):
        merge(sketch(pl.DataFrame({"x": [1]})), sketch(pl.DataFrame({"x": ["a"]})))
