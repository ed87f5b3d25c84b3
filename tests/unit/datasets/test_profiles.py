"""The statistics of tables."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import InvalidValue
from penstock.datasets import merge, profile, profile_like, psi
from penstock.datasets.days import cell_of_each, cells_of
from penstock.datasets.profiles import MANY, cells
from penstock.datasets.types import Profile

RANDOM = np.random.default_rng(0)


def frame(shift: float = 0.0, size: int = 5_000) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "x": RANDOM.normal(shift, 1, size),
            "kind": RANDOM.choice(["a", "b", "c"], size, p=[0.6, 0.3, 0.1]),
            "flag": RANDOM.random(size) < 0.5,
            "at": [datetime(2024, 1, 1, tzinfo=UTC)] * size,
        }
    )


def distance(a: Profile, b: Profile) -> dict[str, float]:
    return {left.name: psi(left, right) for left, right in zip(a.columns, b.columns, strict=True)}


def test_a_profile_counts_every_value_once() -> None:
    table = frame().with_columns(x=pl.when(pl.col("x") < 2).then("x"))
    x, kind, flag = profile(table).columns
    assert (x.count + x.nulls, sum(x.bins)) == (5_000, x.count)
    assert x.bins[0] == x.bins[-1] == 0, "nothing is below the least or above the greatest value"
    assert max(x.bins) - min(x.bins[1:-1]) <= 1, "the bins between hold equal shares"
    assert list(kind.top) == ["a", "b", "c"]
    assert set(flag.top) == {"true", "false"}


def test_rare_categories_are_counted_together() -> None:
    (column,) = profile(pl.DataFrame({"x": [str(n) for n in range(60)] * 2 + ["0"] * 5})).columns
    assert (len(column.top), column.top["0"], column.other) == (50, 7, 20)


def test_values_of_one_row_each_are_named_only_where_all_values_are() -> None:
    addresses = [f"person{number}@example.com" for number in range(60)]
    few, many = (profile(pl.DataFrame({"x": [*of, "none", "none"]})).columns[0] for of in ([], addresses))
    assert (few.top, few.other) == ({"none": 2}, 0)
    assert (many.top, many.other) == ({"none": 2}, 60)
    assert len(profile(pl.DataFrame({"x": addresses[:50]})).columns[0].top) == 50


def test_long_values_are_counted_and_not_named() -> None:
    table = pl.DataFrame({"x": ["a" * 100, "b" * 101, "b" * 101, None]})
    reference = profile(table)
    assert (reference.columns[0].top, reference.columns[0].other) == ({"a" * 100: 1}, 2)
    assert profile_like(table, reference).columns == reference.columns
    assert cell_of_each(table["x"], reference.columns[0]).tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("column", "moved"), [("x", frame(shift=0.5)), ("kind", frame().with_columns(kind=pl.lit("d")))]
)
def test_psi_is_small_for_the_same_and_large_for_moved_data(column: str, moved: pl.DataFrame) -> None:
    reference = profile(frame())
    assert distance(reference, profile_like(frame(), reference))[column] < 0.02
    assert distance(reference, profile_like(moved, reference))[column] > 0.2


@pytest.mark.parametrize("moved", [4.0, 6.0])
def test_a_constant_column_that_moves_either_way_is_seen(moved: float) -> None:
    reference = profile(pl.DataFrame({"x": [5.0] * 1_000}))
    current = profile_like(pl.DataFrame({"x": [moved] * 1_000}), reference)
    assert distance(reference, current)["x"] > 1


def test_new_nulls_are_a_shift() -> None:
    reference = profile(pl.DataFrame({"x": [1.0, 2.0] * 500}))
    current = profile_like(pl.DataFrame({"x": [1.0, None] * 500}), reference)
    assert distance(reference, current)["x"] > 1


def test_an_empty_table_is_no_shift() -> None:
    reference = profile(frame())
    assert set(distance(reference, profile_like(frame()[:0], reference)).values()) == {0.0}


@given(
    st.lists(st.none() | st.floats(-5, 5), max_size=50), st.lists(st.none() | st.floats(-5, 5), max_size=50)
)
def test_merging_profiles_is_profiling_both(left: list[float | None], right: list[float | None]) -> None:
    reference = profile(frame(), columns=["x"])
    tables = [pl.DataFrame({"x": values}, schema={"x": pl.Float64}) for values in (left, right)]
    a, b = (profile_like(table, reference) for table in tables)
    merged, both = merge(a, b).columns[0], profile_like(pl.concat(tables), reference).columns[0]
    assert (merged.count, merged.nulls, merged.bins) == (both.count, both.nulls, both.bins)
    assert (merged.low, merged.high) == (both.low, both.high)
    assert (merged.mean, merged.std) == pytest.approx((both.mean, both.std), abs=1e-9)


def test_profiles_with_other_bins_do_not_merge_or_compare() -> None:
    a, b = profile(frame(), columns=["x"]), profile(frame(shift=3), columns=["x"])
    with pytest.raises(InvalidValue, match="different bins"):
        merge(a, b)
    with pytest.raises(InvalidValue, match="different bins"):
        psi(a.columns[0], b.columns[0])
    with pytest.raises(InvalidValue, match="different columns"):
        merge(a, profile(frame()))


def test_cells_are_those_that_a_search_among_the_edges_finds_and_edges_are_quantiles() -> None:
    values = np.random.default_rng(3).normal(size=MANY).round(1)
    values[::7], values[3], values[4] = np.nan, np.inf, -np.inf
    table = pl.DataFrame({"v": values, "w": values[::-1]})
    for found in profile(table).columns:
        finite = table[found.name].to_numpy()
        finite = finite[np.isfinite(finite)]
        deciles = np.quantile(finite, np.linspace(0.1, 1, 10), method="inverted_cdf")
        assert found.edges[1:] == tuple(np.unique(deciles))
        place = np.searchsorted(found.edges, finite, side="left")
        assert found.bins == tuple(np.bincount(place, minlength=len(found.bins)))
        each = cell_of_each(table[found.name], found)
        assert np.bincount(each, minlength=cells_of(found)).tolist() == cells(found, found)
        assert (found.mean, found.std) == pytest.approx((finite.mean(), finite.std()), rel=1e-12)
