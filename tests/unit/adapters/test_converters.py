"""Models of LightGBM, XGBoost and CatBoost are served as ONNX where they answer as they did."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import catboost
import lightgbm
import msgspec
import numpy as np
import polars as pl
import pytest
import xgboost
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from penstock.adapters.builders.bench import Bench
from penstock.adapters.formats.loading import load
from penstock.adapters.formats.publish import make_candidate
from penstock.models.types import Signature
from penstock.pipelines.types import Candidate
from penstock.runs.types import Artifact
from penstock.testing.fakes import MemoryBlobs

RNG = np.random.default_rng(7)
COUNT = 600
WIND = RNG.normal(10, 5, COUNT)
ROWS = pl.DataFrame(
    {
        "local hour": RNG.integers(0, 24, COUNT),
        "wind": [
            None if lost else float(wind) for lost, wind in zip(RNG.random(COUNT) < 0.2, WIND, strict=True)
        ],
        "distance": RNG.normal(500, 200, COUNT),
    }
)
HOUR = ROWS["local hour"].to_numpy()
LATE = RNG.random(COUNT) < 1 / (1 + np.exp(-(HOUR - 14) / 4))
THIRD = np.minimum(HOUR // 8, 2)
CARRIER = pl.Series("carrier", RNG.choice(["AA", "UA", "DL"], COUNT))
DTYPES = {pl.Float64: "float", pl.Int64: "int", pl.String: "string"}
TREES = {"n_estimators": 30, "n_jobs": 1}
CATBOOST = {"iterations": 30, "verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": 0}


def lgbm(**more: Any) -> Any:
    return lightgbm.LGBMClassifier(verbose=-1, **TREES | more)


def xgb(**more: Any) -> Any:
    return xgboost.XGBClassifier(**TREES | more)


def cat(**more: Any) -> Any:
    return catboost.CatBoostClassifier(**CATBOOST | more)


REGRESSORS = (
    lightgbm.LGBMRegressor(verbose=-1, **TREES),
    xgboost.XGBRegressor(**TREES),
    catboost.CatBoostRegressor(**CATBOOST),
)


def schema_of(rows: pl.DataFrame) -> dict[str, Any]:
    return {
        "columns": [
            {"name": name, "dtype": DTYPES[type(dtype)], "nullable": name == "wind"}
            for name, dtype in rows.schema.items()
        ],
        "label": "late",
        "examples": rows.head(500).to_dict(as_series=False),
        "profile": {"rows": rows.height, "columns": []},
    }


def publish(model: Any, rows: pl.DataFrame, blobs: MemoryBlobs | None = None) -> Candidate:
    return make_candidate(
        name="delay",
        model=model,
        metrics={},
        schema=schema_of(rows),
        holdout=Artifact(digest="", format="arrow", size=0),
        blobs=blobs or MemoryBlobs(),
    )


def served(model: Any, rows: pl.DataFrame) -> tuple[Candidate, Any]:
    """What was made of a model, and what it answers in service: probabilities, or values."""
    blobs = MemoryBlobs()
    candidate = publish(model, rows, blobs)
    signature = msgspec.convert(candidate.signature, Signature)
    runtime = load(candidate.format, blobs.get(candidate.artifact), signature)
    score, _, probabilities = runtime.predict(rows.to_dict(as_series=False))
    return candidate, np.array(probabilities or score)


@pytest.mark.parametrize("labels", [LATE, LATE + 1, THIRD], ids=["bool", "one or two", "three"])
@pytest.mark.parametrize("make", [lgbm, xgb, cat])
def test_classifiers_answer_as_trained_with_and_without_a_value(make: Callable[[], Any], labels: Any) -> None:
    if make is xgb and labels.min() == 1:
        pytest.skip("XGBoost counts classes from 0")
    model = make().fit(ROWS.to_pandas(), labels)
    candidate, answers = served(model, ROWS)
    assert (candidate.format, candidate.metadata) == ("onnx", {})
    assert candidate.parity["null_rows"] == 50
    assert [c["name"] for c in candidate.signature["inputs"] if c["nullable"]] == ["wind"]
    np.testing.assert_allclose(answers, model.predict_proba(ROWS.to_pandas()), atol=1e-5)


@pytest.mark.parametrize("make", [lgbm, cat])
def test_names_of_classes_keep_their_order(make: Callable[[], Any]) -> None:
    named = np.array(["night", "day", "evening"])[THIRD]
    model = make().fit(ROWS.to_pandas(), named)
    candidate, answers = served(model, ROWS)
    assert candidate.format == "onnx"
    assert candidate.signature["classes"] == ("day", "evening", "night")
    np.testing.assert_allclose(answers, model.predict_proba(ROWS.to_pandas()), atol=1e-5)


@pytest.mark.parametrize("regressor", REGRESSORS)
def test_regressors_answer_as_trained(regressor: Any) -> None:
    model = clone(regressor).fit(ROWS.to_pandas(), HOUR * 10.0 + WIND)
    candidate, answers = served(model, ROWS)
    assert candidate.format == "onnx"
    np.testing.assert_allclose(answers, model.predict(ROWS.to_pandas()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", [lgbm(), xgb(), cat()])
def test_the_last_step_of_a_pipeline_may_be_one(model: Any) -> None:
    rows = ROWS.with_columns(CARRIER)
    encoded = make_column_transformer((OrdinalEncoder(), ["carrier"]), remainder="passthrough")
    pipeline = make_pipeline(encoded, model).fit(rows, LATE)
    candidate, answers = served(pipeline, rows)
    assert candidate.format == "onnx"
    np.testing.assert_allclose(answers, pipeline.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize("model", [xgb(), REGRESSORS[1]])
def test_scaled_numbers_that_lie_where_trees_split_go_as_doubles(model: Any) -> None:
    pipeline = make_pipeline(StandardScaler(), clone(model)).fit(ROWS.to_pandas(), LATE)
    candidate, _ = served(pipeline, ROWS)
    assert (candidate.format, candidate.parity["different"]) == ("onnx", 0)


@pytest.mark.parametrize("model", [lgbm(), xgb(), cat()])
def test_columns_are_found_by_name_in_whatever_order_it_was_fitted(model: Any) -> None:
    fitted = ROWS.select("distance", "local hour").to_pandas()
    model.fit(fitted, LATE)
    candidate, answers = served(model, ROWS)
    assert [column["name"] for column in candidate.signature["inputs"]] == ["distance", "local hour"]
    assert candidate.format == "onnx"
    np.testing.assert_allclose(answers, model.predict_proba(fitted), atol=1e-5)


@pytest.mark.parametrize("model", [lgbm(), xgb(), cat()])
def test_builds_ask_it_by_the_names_of_the_columns(model: Any) -> None:
    model.fit(ROWS.to_pandas(), LATE)
    asked = Bench(MemoryBlobs()).model(model, schema_of(ROWS))
    assert list(asked.inputs) == ROWS.columns
    np.testing.assert_allclose(asked.trained(ROWS), asked.served(ROWS), atol=1e-5)


def test_trees_after_the_best_iteration_are_left_out() -> None:
    train, held = ROWS[:400].to_pandas(), ROWS[400:].to_pandas()
    early = xgb(n_estimators=200, learning_rate=0.5, early_stopping_rounds=3)
    early.fit(train, LATE[:400], eval_set=[(held, LATE[400:])], verbose=False)
    other = lgbm(n_estimators=200, learning_rate=0.5)
    stop = lightgbm.early_stopping(3, verbose=False)
    other.fit(train, LATE[:400], eval_X=held, eval_y=LATE[400:], callbacks=[stop])
    assert max(early.best_iteration, other.best_iteration_) < 100
    for model in (early, other):
        candidate, answers = served(model, ROWS)
        assert candidate.format == "onnx"
        np.testing.assert_allclose(answers, model.predict_proba(ROWS.to_pandas()), atol=1e-5)


def test_a_prior_of_its_own_is_kept() -> None:
    model = xgb(base_score=0.2, n_estimators=2).fit(ROWS, LATE)
    candidate, answers = served(model, ROWS)
    assert candidate.format == "onnx"
    np.testing.assert_allclose(answers, model.predict_proba(ROWS), atol=1e-5)


@pytest.mark.parametrize("model", [lgbm(), xgb(enable_categorical=True)])
def test_columns_of_categories_are_answered_by_the_library_itself(model: Any) -> None:
    rows = ROWS.with_columns(CARRIER)
    fitted = rows.to_pandas().astype({"carrier": "category"})
    model.fit(fitted, LATE)
    candidate, answers = served(model, rows)
    assert candidate.format == "skops"
    assert "cannot be converted to ONNX" in candidate.metadata["served_natively"]
    np.testing.assert_allclose(answers, model.predict_proba(fitted), atol=1e-12)


def test_categories_of_catboost_are_answered_by_itself() -> None:
    rows = ROWS.select("distance").with_columns(CARRIER)
    model = cat(cat_features=["carrier"]).fit(rows.to_pandas(), LATE)
    candidate, answers = served(model, rows)
    assert candidate.format == "skops"
    assert "cannot be converted to ONNX" in candidate.metadata["served_natively"]
    np.testing.assert_allclose(answers, model.predict_proba(rows.to_pandas()), atol=1e-12)


def test_a_conversion_that_answers_otherwise_is_not_served() -> None:
    model = lgbm(boosting_type="rf", bagging_freq=1, subsample=0.5).fit(ROWS.to_pandas(), LATE)
    candidate, answers = served(model, ROWS)
    assert candidate.format == "skops"
    assert "answers differently after its conversion" in candidate.metadata["served_natively"]
    np.testing.assert_allclose(answers, model.predict_proba(ROWS.to_pandas()), atol=1e-12)


def test_without_onnxmltools_a_model_is_served_natively_and_says_what_to_add(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = [name for name in sys.modules if name.partition(".")[0] == "onnxmltools"]
    for name in {"onnxmltools", *loaded}:
        monkeypatch.setitem(sys.modules, name, None)
    candidate = publish(lgbm().fit(ROWS.to_pandas(), LATE), ROWS)
    assert candidate.format == "skops"
    assert "uv add onnxmltools" in candidate.metadata["served_natively"]
