"""Whatever a format takes comes back equal, types included, and equal values are the same bytes."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from penstock.adapters.formats.values import read, write
from penstock.core.errors import StepFailed
from penstock.testing.fakes import MemoryBlobs

BLOBS = MemoryBlobs()
SOME = settings(max_examples=60, deadline=None)


def back(value: object, annotation: Any = None) -> Any:
    return read(write(value, BLOBS), BLOBS, annotation)


@SOME
@given(dataframes(max_cols=5, max_size=20, excluded_dtypes=[pl.Object, pl.Categorical], allow_chunks=True))
def test_polars(frame: pl.DataFrame) -> None:
    assert_frame_equal(back(frame), frame)
    assert_frame_equal(back(frame, pl.LazyFrame).collect(), frame)
    assert_frame_equal(back(frame.lazy()), frame)


FLAT = [pl.Int8, pl.UInt64, pl.Float64, pl.Boolean, pl.String, pl.Date, pl.Time, pl.Datetime, pl.Duration]


@SOME
@given(
    dataframes(min_cols=1, max_cols=4, min_size=1, max_size=20, allowed_dtypes=FLAT, allow_null=True),
    st.integers(0, 20),
)
@example(pl.DataFrame({"truths": [True]}), 0)
def test_equal_polars_tables_are_the_same_bytes_however_they_were_made(frame: pl.DataFrame, cut: int) -> None:
    rows = frame.rows()
    anew = pl.DataFrame(rows, schema=frame.schema, orient="row")
    parts = pl.concat([frame[:cut], frame[cut:]], rechunk=False)
    behind = pl.concat([frame[-1:], frame])[1:]
    first = write(frame, BLOBS).digest
    assert [write(each, BLOBS).digest for each in (anew, parts, behind)] == [first] * 3


def test_what_lies_beneath_a_null_is_not_seen() -> None:
    hidden = pl.DataFrame({"a": [9, 8, 3]}).with_columns(pl.when(pl.col("a") < 5).then(pl.col("a")))
    plain = pl.DataFrame({"a": [None, None, 3]}, schema={"a": pl.Int64})
    assert write(hidden, BLOBS) == write(plain, BLOBS)
    masked = pa.table({"a": pa.array(np.array([9, 3]), mask=np.array([True, False]))})
    assert write(masked, BLOBS) == write(pa.table({"a": [None, 3]}), BLOBS)


WHEN = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - the strategy adds the zone
COLUMNS = st.sampled_from(["int64", "float32", "Int16", "boolean", "str", "category", "zoned", "naive"])
INDEXES = st.sampled_from(["range", "named", "several", "zoned"])


def column(kind: str, values: list[int | None]) -> Any:
    known = [value or 0 for value in values]
    match kind:
        case "int64" | "float32":
            return pd.Series(known, dtype=kind)
        case "Int16" | "boolean":
            given = [value if value is None or kind == "Int16" else value > 0 for value in values]
            return pd.Series(given, dtype=kind)
        case "category":
            texts = [None if value is None else str(value) for value in values]
            return pd.Series(
                pd.Categorical(texts, categories=sorted({"z", *filter(None, texts)}), ordered=True)
            )
        case "zoned" | "naive":
            times = pd.Series(pd.to_datetime(known, unit="h"))
            return times.dt.tz_localize("UTC").dt.tz_convert("Europe/Paris") if kind == "zoned" else times
    return pd.Series([None if value is None else str(value) for value in values], dtype="str")


def index(kind: str, size: int) -> Any:
    match kind:
        case "named":
            return pd.Index([f"r{row}" for row in range(size)], name="row")
        case "several":
            return pd.MultiIndex.from_arrays([list(range(size)), ["x"] * size], names=["n", None])
        case "zoned":
            return pd.date_range("2013-03-01", periods=size, freq="h", tz="America/New_York", name="at")
    return pd.RangeIndex(3, 3 + 2 * size, 2)


@SOME
@given(
    st.lists(COLUMNS, max_size=4), INDEXES, st.lists(st.none() | st.integers(-99, 99), min_size=1, max_size=9)
)
def test_pandas(kinds: list[str], indexed: str, values: list[int | None]) -> None:
    frame = pd.DataFrame({f"{n} {kind}": column(kind, values) for n, kind in enumerate(kinds)})
    frame = frame.reindex(range(len(values)))
    frame.index = index(indexed, len(values))
    kept = write(frame, BLOBS)
    pd.testing.assert_frame_equal(read(kept, BLOBS), frame)
    assert write(frame.copy(), BLOBS) == kept
    assert read(kept, BLOBS, pl.DataFrame).height == len(values)
    for name in frame:
        pd.testing.assert_series_equal(back(frame[name]), frame[name])


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
        pd.DataFrame({"a": pd.Series(["x", None], dtype=object), "b": [{"k": 1}, [1]][:1] * 2}),
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], dtype=object)),
        pd.DataFrame({"a": pd.period_range("2013-01", periods=2, freq="M")}),
        pd.DataFrame({"a": [date(2013, 1, 1)]}, index=pd.PeriodIndex(["2013-01"], freq="M")),
    ],
)
def test_pandas_at_its_edges(value: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(back(value), value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
        (pd.DataFrame([[1, 2]], columns=[0, "a"]), "mixed type"),
        (pd.DataFrame({"a": [1, "x"]}), "column a with type object"),
        (pd.DataFrame({"a": pd.cut([1, 2, 3], 2)}), "categories that are text, numbers or times"),
        (pd.DataFrame({"a": [1j]}), "complex128"),
    ],
)
def test_what_pandas_would_not_give_back_is_refused(value: pd.DataFrame, why: str) -> None:
    with pytest.raises(StepFailed, match=why):
        write(value, BLOBS)


@pytest.mark.parametrize("name", [None, "y", 3])
def test_a_series_keeps_its_name(name: Any) -> None:
    series = pd.Series([1.5, None], index=["a", "b"], name=name)
    pd.testing.assert_series_equal(back(series), series)
    assert isinstance(back(series, pd.DataFrame), pd.DataFrame)


def test_arrow() -> None:
    table = pa.table({"a": pa.array([1, None], pa.int8()), "b": ["x", "y"]}).replace_schema_metadata(
        {"k": "v"}
    )
    assert back(table).schema.equals(table.schema, check_metadata=True)
    assert back(table).equals(table)
    assert back(pa.concat_tables([table[:1], table[1:]])).equals(table)
    (batch,) = table.to_batches()
    assert back(batch).equals(batch)
    assert back(table, pa.RecordBatch).equals(batch)
    assert back(batch[:0]).equals(batch[:0])
    assert back(pl.DataFrame({"a": [1]}), pa.Table).to_pydict() == {"a": [1]}


DTYPES = st.one_of(
    npst.scalar_dtypes(),
    npst.array_dtypes(npst.scalar_dtypes(), min_size=1, max_size=3, allow_subarrays=True),
)


@SOME
@given(st.data(), DTYPES)
def test_numpy(data: st.DataObject, dtype: np.dtype[Any]) -> None:
    array = data.draw(npst.arrays(dtype, npst.array_shapes(min_dims=0, min_side=0, max_side=4)))
    kept = write(array, BLOBS)
    found = read(kept, BLOBS)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == np.ascontiguousarray(array).tobytes()
    again = [np.asfortranarray(array), array[..., None][..., 0]] if array.ndim else [array.copy()]
    assert [write(each, BLOBS).digest for each in again] == [kept.digest] * len(again)


def test_the_bytes_between_the_fields_of_records_are_not_seen() -> None:
    dtype = np.dtype([("a", "i1"), ("b", [("c", "i2"), ("d", "f8")])], align=True)
    one = np.frombuffer(bytes(dtype.itemsize), dtype).copy()
    other = np.frombuffer(b"\xff" * dtype.itemsize, dtype).copy()
    other["a"], other["b"]["c"], other["b"]["d"] = 0, 0, 0
    assert write(one, BLOBS) == write(other, BLOBS)
    assert back(one).dtype == dtype


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text()
    | WHEN.map(lambda at: at.replace(tzinfo=UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@SOME
@given(PLAIN)
def test_equal_values_of_json_are_the_same_bytes(value: Any) -> None:
    assert write(value, BLOBS) == write(copy.deepcopy(value), BLOBS)
