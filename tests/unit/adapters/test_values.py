"""What a step returns comes back as it was, or is refused in a sentence; nothing is ever pickled."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from penstock.adapters.formats.values import read, write
from penstock.core.errors import NotAllowed, StepFailed
from penstock.pipelines.metrics import Metrics
from penstock.runs.lists import write_list
from penstock.runs.types import Artifact
from penstock.testing.fakes import MemoryBlobs

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


class Cut(msgspec.Struct):
    low: float
    at: datetime


@dataclasses.dataclass
class Point:
    x: int
    y: int


BLOBS = MemoryBlobs()
"""Kept as long as the tests run: a lazy table is read from its file when it is collected."""


def back(value: object, annotation: Any = None) -> Any:
    return read(write(value, BLOBS), BLOBS, annotation)


def table() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "a": [1, None, 3],
            "b": [0.5, float("nan"), None],
            "c": ["x", None, "z"],
            "t": [NOON, None, NOON],
            "l": [[1, 2], [], None],
        }
    )


def test_a_table_comes_back_as_it_was() -> None:
    assert_frame_equal(back(table()), table())
    assert_frame_equal(back(table().lazy()), table())


def test_a_table_comes_back_lazy_or_as_pandas_where_that_is_asked_for() -> None:
    lazy = back(table(), pl.LazyFrame)
    assert isinstance(lazy, pl.LazyFrame)
    assert_frame_equal(lazy.collect(), table())
    frame = back(pl.DataFrame({"a": [1, 2], "c": ["x", None]}), pd.DataFrame)
    frame["a"] += 1
    assert frame["a"].tolist() == [2, 3]
    assert frame["c"].isna().tolist() == [False, True]


def test_a_pandas_table_comes_back_as_it_was_and_its_missing_values_are_null_in_polars() -> None:
    frame = pd.DataFrame(
        {
            "n": [1.5, np.nan],
            "i": [1, 2],
            "s": ["x", None],
            "k": pd.Categorical(["u", None]),
            "t": pd.to_datetime(["2013-03-01", None]),
            "w": pd.array([1, None], dtype="Int64"),
            "b": [True, False],
        }
    )
    pd.testing.assert_frame_equal(back(frame), frame)
    assert back(frame, pl.DataFrame).rows() == [
        (1.5, 1, "x", "u", datetime(2013, 3, 1), 1, True),  # noqa: DTZ001 - pandas gave no zone
        (None, 2, None, None, None, None, False),
    ]


def test_an_array_comes_back_and_can_be_written_to() -> None:
    blobs = MemoryBlobs()
    artifact = write(np.arange(6.0).reshape(2, 3), blobs)
    array = read(artifact, blobs)
    array[0, 0] = 7
    assert array[0].tolist() == [7, 1, 2]
    assert read(artifact, blobs)[0, 0] == 0


@pytest.mark.parametrize("array", [np.array([{}, None]), np.array([(1, {})], dtype="i4,O")])
def test_an_array_of_objects_is_refused(array: Any) -> None:
    with pytest.raises(StepFailed, match="array of Python objects"):
        write(array, MemoryBlobs())


def test_an_estimator_answers_the_same_when_it_comes_back() -> None:
    rows = pl.DataFrame({"carrier": ["UA", "AA", "B6", "UA"] * 50, "hour": list(range(200))})
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("c", encode, ["carrier"])], remainder="passthrough")
    trees = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    model = Pipeline([("columns", columns), ("trees", trees)]).fit(rows, [0, 1, 1, 0] * 50)
    assert np.array_equal(back(model).predict_proba(rows), model.predict_proba(rows))


def test_an_estimator_that_is_fitted_again_is_kept_as_the_same_bytes() -> None:
    blobs = MemoryBlobs()

    def fitted() -> Artifact:
        trees = HistGradientBoostingClassifier(max_iter=5, random_state=0)
        return write(Pipeline([("trees", trees)]).fit([[0.0], [1.0]] * 50, [0, 1] * 50), blobs)

    first = fitted()
    between = [object() for _ in range(1000)]  # so that the second one lies elsewhere in memory
    assert fitted() == first, between


class Own(LogisticRegression):
    """An estimator that is not scikit-learn's own."""


def test_an_estimator_with_code_of_its_own_is_refused() -> None:
    with pytest.raises(
        StepFailed, match=r"holds what is not scikit-learn's own or a booster's: found .*test_values\.Own"
    ):
        write(Own(), MemoryBlobs())
    with pytest.raises(StepFailed, match="not scikit-learn's own"):
        write(FunctionTransformer(back), MemoryBlobs())


def test_a_kept_estimator_with_foreign_types_is_not_loaded() -> None:
    from skops.io import dumps

    blobs = MemoryBlobs()
    genuine = write(LogisticRegression(), blobs)
    forged = msgspec.structs.replace(genuine, digest=blobs.put(dumps(Own())))
    with pytest.raises(StepFailed, match="types that are not trusted"):
        read(forged, blobs)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_a_value_of_json_comes_back_equal(value: Any) -> None:
    assert back(value) == value


def test_sets_are_kept_in_one_order_wherever_they_are_made() -> None:
    assert back({"names": {"c", "a", "b"}, "mixed": [frozenset({2, "x", None})]}) == {
        "names": ["a", "b", "c"],
        "mixed": [["x", 2, None]],
    }
    assert list(back({"b": 1, "a": {3, 1}})) == ["b", "a"]


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Cut(low=0.5, at=NOON), Cut),
        (Point(1, 2), Point),
        ((1, "two"), tuple[int, str]),
        ({1: "one"}, dict[int, str]),
        (NOON, datetime),
        (Metrics(roc_auc=0.7), Metrics),
        ([Point(1, 2)], list[Point]),
    ],
)
def test_a_value_comes_back_as_the_type_of_the_parameter(value: object, annotation: Any) -> None:
    found = back(value, annotation)
    assert type(found) is type(value)
    assert dict(found) == dict(value) if isinstance(value, Metrics) else found == value


def test_an_annotation_that_says_something_else_changes_nothing() -> None:
    assert back({"a": 1}, list[int]) == {"a": 1}
    assert back(3, "no type at all") == 3


def test_numbers_of_numpy_are_numbers() -> None:
    assert back({"auc": np.float32(0.5), "n": np.int64(3), "ok": np.bool_(1)}) == {
        "auc": 0.5,
        "n": 3,
        "ok": True,
    }


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("inf")], {"loss": {"last": float("nan")}}])
def test_numbers_that_json_does_not_have_are_refused(value: object) -> None:
    with pytest.raises(StepFailed, match="JSON cannot keep"):
        write(value, MemoryBlobs())


def test_bytes_and_files_come_back(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("fine")
    assert back(b"\x00\x01") == b"\x00\x01"
    assert back(tmp_path / "report.txt").read_text() == "fine"
    assert back(tmp_path / "report.txt").name == "report.txt"
    with pytest.raises(StepFailed, match="where there is no file or folder"):
        write(tmp_path / "nothing", MemoryBlobs())


@pytest.mark.parametrize(
    ("value", "name"), [(open, "builtin_function_or_method"), (object(), "object"), (pl, "module")]
)
def test_any_other_type_is_refused_by_name(value: object, name: str) -> None:
    with pytest.raises(
        StepFailed,
        match=f"It returned a value of the type {name}, which cannot be kept.*a Polars, pandas or Arrow",
    ):
        write(value, MemoryBlobs())


def test_a_list_of_what_json_cannot_keep_keeps_each_element_by_itself() -> None:
    table, array = pl.DataFrame({"a": [1, 2]}), np.arange(3)
    kept = write([table, array, {"a": 1}, [table]], BLOBS)
    assert (kept.format, kept.meta) == ("list", {"elements": 4})
    values = read(kept, BLOBS)
    assert isinstance(values, list)
    assert_frame_equal(values[0], table)
    assert values[1].tolist() == [0, 1, 2]
    assert values[2] == {"a": 1}
    assert_frame_equal(values[3][0], table)


def test_the_elements_of_a_list_come_back_as_its_annotation_says() -> None:
    kept = write_list([write(Metrics(error=0.5), BLOBS), write(Metrics(error=0.25), BLOBS)], BLOBS)
    assert [type(value) for value in read(kept, BLOBS, list[Metrics])] == [Metrics, Metrics]
    (lazy, _) = read(write([pl.DataFrame({"a": [1]}), np.arange(2)], BLOBS), BLOBS, list[pl.LazyFrame])
    assert isinstance(lazy, pl.LazyFrame)


def test_a_sequence_reads_its_elements_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = write([np.arange(number) for number in range(4)], BLOBS)
    values = read(kept, BLOBS, Sequence[Any])
    read_paths: list[str] = []
    path = BLOBS.path
    monkeypatch.setattr(BLOBS, "path", lambda digest: read_paths.append(digest) or path(digest))
    assert (len(values), read_paths) == (4, [])
    assert [len(value) for value in values[1:3]] == [1, 2]
    assert len(read_paths) == 2
    assert len(values[-1]) == 3


def test_a_list_that_holds_what_nothing_can_keep_is_refused() -> None:
    with pytest.raises(StepFailed, match="of the type object, which cannot be kept"):
        write([np.arange(2), object()], BLOBS)


def test_a_value_is_pickled_only_where_that_is_asked_for_and_loaded_only_in_a_worker() -> None:
    blobs = MemoryBlobs()
    with pytest.raises(StepFailed, match=r'have it pickled: @step\(formats={"result": "unsafe_pickle"}\)'):
        write(Own(), blobs)
    kept = write(Own(C=3.0), blobs, "unsafe_pickle")
    assert (kept.format, read(kept, blobs, worker=True).C) == ("unsafe_pickle", 3.0)
    with pytest.raises(NotAllowed, match="loaded only in the workers"):
        read(kept, blobs)
    with pytest.raises(StepFailed, match="returned a function that cannot be pickled"):
        write(lambda: None, blobs, "unsafe_pickle")


@pytest.mark.parametrize("value", ["\ud800", {"a": ["\ud800"]}])
def test_what_json_cannot_write_is_refused(value: object) -> None:
    with pytest.raises(StepFailed, match="that JSON cannot keep"):
        write(value, MemoryBlobs())


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(StepFailed, match="cannot be kept"):
        write({"self": value}, MemoryBlobs())


def test_a_time_finer_than_json_keeps_is_refused() -> None:
    assert back(np.datetime64("2013-03-01T12:00", "us")) == "2013-03-01T12:00:00"
    with pytest.raises(StepFailed, match="datetime64, which cannot be kept"):
        write(np.datetime64("2013-03-01T12:00", "ns"), MemoryBlobs())


def test_an_annotation_may_be_optional_or_annotated() -> None:
    for annotation in (pl.LazyFrame | None, Annotated[pl.LazyFrame, "rows"]):
        assert isinstance(back(table(), annotation), pl.LazyFrame)


def test_masked_arrays_are_refused() -> None:
    with pytest.raises(StepFailed, match="mask cannot be kept"):
        write(np.ma.array([1, 2], mask=[False, True]), MemoryBlobs())


def test_pandas_without_pyarrow_is_refused_with_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(StepFailed, match=r"pyarrow is not installed.*uv add pyarrow"):
        write(pd.DataFrame({"a": [1]}), MemoryBlobs())
    assert_frame_equal(back(table()), table())
