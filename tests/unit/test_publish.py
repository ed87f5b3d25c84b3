from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from penstock.adapters.formats.estimators import Estimators
from penstock.adapters.formats.loading import load
from penstock.adapters.formats.native import Answers, NativeModel
from penstock.adapters.formats.parity import agreeing, beside
from penstock.adapters.formats.publish import make_candidate
from penstock.adapters.formats.values import write
from penstock.core.errors import InvalidValue, StepFailed, UnsupportedModel
from penstock.datasets.days import Days, daily
from penstock.datasets.profiles import profile
from penstock.features.types import Origins
from penstock.models.types import Signature
from penstock.monitoring.estimates import Estimator
from penstock.pipelines.types import Candidate
from penstock.runs.types import Artifact
from penstock.serving.answers import Examples, disagreement
from penstock.testing.fakes import MemoryBlobs

HOLDOUT = Artifact(digest="", format="arrow", size=0)
MISSING = "is not installed.*Add it to the project's dependencies: uv add "
DTYPES = {pl.Float64: "float", pl.Int64: "int", pl.Boolean: "bool", pl.String: "string"}


def weather(rows: int = 1200) -> tuple[pl.DataFrame, np.ndarray]:
    """Flights-like rows: strings, integers, floats with nulls, and whether the flight was late."""
    rng = np.random.default_rng(7)
    hour = rng.integers(0, 24, rows)
    gone = rng.random(rows) < 0.2
    wind = [None if lost else float(speed) for lost, speed in zip(gone, rng.normal(10, 5, rows), strict=True)]
    frame = pl.DataFrame(
        {
            "carrier": rng.choice(["AA", "UA", "DL"], rows),
            "hour": hour,
            "wind": wind,
            "wet": rng.random(rows) < 0.2,
        }
    )
    return frame, rng.random(rows) < 1 / (1 + np.exp(-(hour - 14) / 4))


def schema_of(frame: pl.DataFrame, nullable: tuple[str, ...] = ("wind", "wet")) -> dict[str, Any]:
    columns = [
        {"name": name, "dtype": DTYPES[type(dtype)], "nullable": name in nullable}
        for name, dtype in frame.schema.items()
    ]
    return {
        "columns": columns,
        "label": "late",
        "examples": frame.head(500).to_dict(as_series=False),
        "profile": {"rows": frame.height, "columns": []},
    }


def publish(model: Any, frame: pl.DataFrame, blobs: MemoryBlobs | None = None, **metrics: float) -> Candidate:
    return make_candidate(
        name="delay",
        model=model,
        metrics=metrics,
        schema=schema_of(frame),
        holdout=HOLDOUT,
        blobs=blobs or MemoryBlobs(),
    )


def _signs(values: Any) -> Any:
    return np.sign(values)


def encoder(*strings: str) -> ColumnTransformer:
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("encode", ordinal, list(strings))], remainder="passthrough")


def test_the_flights_model_is_served_as_it_was_trained() -> None:
    frame, late = weather()
    blobs = MemoryBlobs()
    boosting = HistGradientBoostingClassifier(max_iter=20)
    model = Pipeline([("encode", encoder("carrier")), ("fit", boosting)]).fit(frame, late)
    candidate = publish(model, frame, blobs, roc_auc=0.7)
    signature = msgspec.convert(candidate.signature, Signature)
    assert signature.task == "binary"
    assert signature.classes == ("false", "true")
    assert [column.nullable for column in signature.inputs] == [False, False, True, True]
    assert candidate.parity["different"] == 0
    assert candidate.parity["null_rows"] == 150
    runtime = load(candidate.format, blobs.get(candidate.artifact), signature)
    score, label, probabilities = runtime.predict(frame.to_dict(as_series=False))
    np.testing.assert_allclose(score, model.predict_proba(frame)[:, 1], atol=1e-5)
    assert label == [str(said).lower() for said in model.predict(frame)]
    assert np.shape(probabilities) == (frame.height, 2)
    examples = msgspec.json.decode(blobs.get(candidate.examples), type=Examples)
    assert len(examples.score) == 32
    assert disagreement(runtime, examples, signature) == ""


@pytest.mark.parametrize("estimator", [LogisticRegression(), RandomForestClassifier(n_estimators=5)])
def test_an_estimator_without_a_pipeline_is_published(estimator: Any) -> None:
    frame, late = weather()
    numbers = frame.select("hour", pl.col("wind").fill_null(0))
    candidate = publish(estimator.fit(numbers, late), numbers)
    assert candidate.parity["flips"] == 0
    assert not any(column["nullable"] for column in candidate.signature["inputs"])


def test_a_model_fitted_on_an_array_takes_the_columns_in_order() -> None:
    frame, late = weather()
    numbers = frame.select("hour", pl.col("wind").fill_null(0))
    candidate = publish(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(numbers.to_numpy(), late), numbers
    )
    assert [column["name"] for column in candidate.signature["inputs"]] == ["hour", "wind"]


def test_a_regression_answers_values() -> None:
    frame, _ = weather()
    blobs = MemoryBlobs()
    target = frame["hour"].to_numpy() * 100.0
    model = make_pipeline(encoder("carrier"), HistGradientBoostingRegressor(max_iter=20)).fit(frame, target)
    candidate = publish(model, frame, blobs)
    signature = msgspec.convert(candidate.signature, Signature)
    score, _, probabilities = load("onnx", blobs.get(candidate.artifact), signature).predict(
        frame.to_dict(as_series=False)
    )
    assert signature.task == "regression"
    assert probabilities == []
    np.testing.assert_allclose(score, model.predict(frame), rtol=1e-4, atol=1e-3)


def test_several_classes_keep_their_names() -> None:
    frame, _ = weather()
    blobs = MemoryBlobs()
    part = np.where(frame["hour"] < 8, "night", np.where(frame["hour"] < 16, "day", "evening"))
    one_hot = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]), ("passthrough", ["hour"])
    )
    model = make_pipeline(one_hot, RandomForestClassifier(n_estimators=10, random_state=0)).fit(frame, part)
    candidate = publish(model, frame, blobs)
    signature = msgspec.convert(candidate.signature, Signature)
    assert signature.task == "multiclass"
    assert signature.classes == ("day", "evening", "night")
    assert [column.name for column in signature.inputs] == ["carrier", "hour"]
    score, label, probabilities = load("onnx", blobs.get(candidate.artifact), signature).predict(
        frame.to_dict(as_series=False)
    )
    assert label == model.predict(frame).tolist()
    assert score == [max(row) for row in probabilities]


@pytest.mark.parametrize(
    ("encoder", "kept"),
    [
        (OneHotEncoder(handle_unknown="ignore"), "onnx"),
        (OneHotEncoder(), "onnx"),
        (make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder()), "onnx"),
        (OrdinalEncoder(encoded_missing_value=-2), "skops"),
    ],
)
def test_texts_that_miss_are_answered_as_in_tables_of_pandas_where_the_model_was_fitted_on_one(
    encoder: Any, kept: str
) -> None:
    rng = np.random.default_rng(0)
    texts = pl.Series(rng.choice(["AA", "UA", ""], 600).tolist()).replace("", None)
    frame = pl.DataFrame({"carrier": texts, "wind": rng.normal(size=600), "hour": rng.integers(0, 24, 600)})
    late = texts.is_null().to_numpy() ^ (rng.random(600) < 0.1)
    table = frame.to_pandas()
    made = make_column_transformer((encoder, ["carrier"]), remainder="passthrough")
    model = make_pipeline(made, LogisticRegression(max_iter=500)).fit(table, late)
    blobs = MemoryBlobs()
    candidate = publish(model, frame, blobs)
    assert candidate.format == kept
    runtime = load(kept, blobs.get(candidate.artifact), msgspec.convert(candidate.signature, Signature))
    score, *_ = runtime.predict(frame.to_dict(as_series=False))
    assert score == pytest.approx(model.predict_proba(table)[:, 1].tolist(), abs=1e-4)
    unnamed = make_pipeline(encoder, LogisticRegression()).fit(
        table[["carrier"]].to_numpy(dtype=object), late
    )
    assert NativeModel(unnamed).answer(frame.select("carrier")).values == pytest.approx(
        unnamed.predict_proba(table[["carrier"]].to_numpy(dtype=object))
    )


def test_columns_with_any_name_reach_the_graph() -> None:
    names = {"carrier": "the carrier", "hour": "hour/day", "wind": "wind_speed", "wet": "wind speed"}
    frame, late = weather()
    renamed = frame.rename(names).with_columns(pl.col("wind_speed").fill_null(0))
    one_hot = make_column_transformer(
        (OneHotEncoder(), ["the carrier"]), ("passthrough", ["hour/day", "wind_speed", "wind speed"])
    )
    blobs = MemoryBlobs()
    model = make_pipeline(one_hot, LogisticRegression(max_iter=500)).fit(renamed, late)
    candidate = publish(model, renamed, blobs)
    assert candidate.format == "onnx", candidate.metadata
    signature = msgspec.convert(candidate.signature, Signature)
    score, *_ = load("onnx", blobs.get(candidate.artifact), signature).predict(
        renamed.to_dict(as_series=False)
    )
    assert score == pytest.approx(model.predict_proba(renamed)[:, 1].tolist(), abs=1e-4)


def test_labels_between_which_the_model_is_undecided_are_no_flips_and_no_recorded_examples() -> None:
    truth = Answers(np.array([[0.5, 0.5], [0.9, 0.1], [0.6, 0.4]]), ["no", "no", "yes"])
    served = Answers(np.array([[0.49999997, 0.50000003], [0.9, 0.1], [0.6, 0.4]]), ["yes", "no", "no"])
    apart, differ, parity = beside(truth, served, ("no", "yes"), 0)
    assert parity.flips == pytest.approx(1 / 3), "the last is decided: by a threshold of its own, say"
    assert agreeing(apart, differ, 3) == [1]


def test_a_forest_with_ties_is_served_as_a_graph() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"first": rng.normal(size=400), "second": rng.normal(size=400)})
    model = ExtraTreesClassifier(n_estimators=20, random_state=0).fit(frame[:200], rng.random(200) < 0.5)
    tied = np.abs(model.predict_proba(frame)[:, 1] - 0.5) < 1e-9
    assert tied.sum() > 5
    candidate = publish(model, frame)
    assert candidate.format == "onnx", candidate.metadata


def test_a_conversion_that_answers_wrongly_is_not_served_and_the_numbers_say_why() -> None:
    frame, late = weather()
    numbers = frame.select("hour", "wind")
    model = make_pipeline(
        make_column_transformer(("passthrough", ["hour", "wind"])),
        HistGradientBoostingClassifier(categorical_features=[0], max_iter=10),
    ).fit(numbers, late)
    candidate = publish(model, numbers)
    assert candidate.format == "skops"
    assert re.search(
        r"% of \d+ rows differing.*flipped.*OrdinalEncoder", candidate.metadata["served_natively"]
    )


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            make_pipeline(FunctionTransformer(_signs), LogisticRegression()),
            "FunctionTransformer cannot be converted.*nor as it is: .*_signs",
        ),
        (LinearSVC(), "LinearSVC gives no probabilities"),
    ],
)
def test_a_model_that_cannot_be_served_names_its_estimator(model: Any, sentence: str) -> None:
    frame, late = weather()
    numbers = frame.select("hour", pl.col("wind").fill_null(0))
    with pytest.raises(UnsupportedModel, match=sentence):
        publish(model.fit(numbers, late), numbers)


def test_something_that_is_no_model_is_refused() -> None:
    frame, _ = weather()
    with pytest.raises(UnsupportedModel, match="found a dict"):
        publish({}, frame)


def test_a_column_made_outside_the_pipeline_is_refused() -> None:
    frame, late = weather()
    engineered = frame.select("hour", pl.col("hour").alias("twice"))
    with pytest.raises(UnsupportedModel, match="found twice"):
        publish(LinearRegression().fit(engineered, late), frame)


def test_a_metric_that_is_not_a_number_is_refused() -> None:
    frame, late = weather()
    numbers = frame.select("hour")
    with pytest.raises(InvalidValue, match="'roc_auc' is not a number"):
        publish(LogisticRegression().fit(numbers, late), numbers, roc_auc=float("nan"))


def test_without_skl2onnx_the_sentence_says_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    rows = pl.DataFrame({"wind": [1.0, 2.0, 3.0, 4.0]})
    model = LogisticRegression().fit(rows, [0, 1, 0, 1])
    with pytest.raises(StepFailed, match=MISSING + "skl2onnx"):
        make_candidate(
            name="late",
            model=model,
            metrics={},
            schema=schema_of(rows, ()),
            holdout=HOLDOUT,
            blobs=MemoryBlobs(),
        )


def test_without_skops_the_sentence_says_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(StepFailed, match=MISSING + "skops"):
        Estimators().write(LogisticRegression(), MemoryBlobs())


def test_what_skops_cannot_keep_is_pickled_where_that_is_asked_for_and_loaded_nowhere_else() -> None:
    frame, late = weather()
    numbers, blobs = frame.select("hour"), MemoryBlobs()
    fitted = make_pipeline(FunctionTransformer(_signs), LogisticRegression()).fit(numbers, late)
    given: Any = {"name": "delay", "model": fitted, "metrics": {}, "schema": schema_of(numbers, ())}
    with pytest.raises(UnsupportedModel, match=r"nor as it is.*_signs.*unsafe_pickle=True"):
        make_candidate(**given, holdout=HOLDOUT, blobs=blobs)
    candidate = make_candidate(**given, holdout=HOLDOUT, blobs=blobs, unsafe_pickle=True)
    assert (candidate.format, candidate.parity["different"]) == ("unsafe_pickle", 0)
    data, signature = blobs.get(candidate.artifact), msgspec.convert(candidate.signature, Signature)
    with pytest.raises(UnsupportedModel, match=r"cannot be loaded here.*found unsafe_pickle"):
        load(candidate.format, data, signature)
    runtime = load(candidate.format, data, signature, pickles=True)
    assert runtime.predict({"hour": [3]})[0] == fitted.predict_proba(numbers[:1])[:, 1].tolist()


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(FunctionTransformer(np.sign), LogisticRegression()),
        make_pipeline(SplineTransformer(), LogisticRegression()),
    ],
)
def test_a_model_that_does_not_convert_or_agree_is_kept_as_it_is_and_says_why(model: Any) -> None:
    frame, late = weather()
    numbers, blobs = frame.select("hour", pl.col("wind").fill_null(0)), MemoryBlobs()
    fitted = model.fit(numbers, late)
    candidate = make_candidate(
        name="delay", model=fitted, metrics={}, schema=schema_of(numbers, ()), holdout=HOLDOUT, blobs=blobs
    )
    assert candidate.format == "skops"
    assert "ONNX" in candidate.metadata["served_natively"]
    assert (candidate.parity["different"], candidate.parity["largest"]) == (0, 0)
    signature = msgspec.convert(candidate.signature, Signature)
    runtime = load(candidate.format, blobs.get(candidate.artifact), signature)
    score, label, _ = runtime.predict(numbers.to_dict(as_series=False))
    np.testing.assert_array_equal(score, fitted.predict_proba(numbers)[:, 1])
    assert label == [str(said).lower() for said in fitted.predict(numbers)]
    assert (
        disagreement(runtime, msgspec.json.decode(blobs.get(candidate.examples), type=Examples), signature)
        == ""
    )


def test_what_the_holdout_tells_of_answers_without_labels_is_kept_with_the_candidate() -> None:
    frame, late = weather()
    blobs = MemoryBlobs()
    model = Pipeline([("encode", encoder("carrier")), ("fit", HistGradientBoostingClassifier(max_iter=5))])
    candidate = make_candidate(
        name="delay",
        model=model.fit(frame, late),
        metrics={},
        schema=schema_of(frame),
        holdout=write(frame.with_columns(late=late), blobs),
        blobs=blobs,
    )
    kept = msgspec.json.decode(blobs.get(candidate.estimator), type=Estimator)
    assert kept.rows == frame.height
    assert list(kept.chances) == sorted(kept.chances)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_how_the_truth_lay_beside_what_was_expected_is_kept_by_day(task: str) -> None:
    frame, late = weather()
    frame, blobs = frame.select("hour", "wet").cast(pl.Float64), MemoryBlobs()
    label = late if task == "binary" else late * 1.0 + frame["hour"].to_numpy()
    at = pl.Series("at", [datetime(2013, 1, 1 + n % 30, tzinfo=UTC) for n in range(frame.height)])
    known = daily(frame.with_columns(at), "at", profile(frame))
    described = {
        "days": msgspec.to_builtins(known),
        "time": "at",
        "profile": msgspec.to_builtins(known.profile),
    }
    model = LogisticRegression(C=0.001) if task == "binary" else LinearRegression()
    candidate = make_candidate(
        name="delay",
        model=model.fit(frame, label),
        metrics={},
        schema=schema_of(frame, nullable=()) | described,
        holdout=write(frame.with_columns(at, late=pl.Series(label)), blobs),
        blobs=blobs,
    )
    relation = msgspec.json.decode(blobs.get(candidate.days), type=Days).relation
    assert (len(relation.days), sum(relation.rows)) == (30, frame.height)
    spread = np.sqrt(sum(relation.squares["truth"]))
    doubtful = ["truth of doubtful answers", "error of doubtful answers"] if task == "binary" else []
    assert [*relation.sums] == ["truth", "error", *doubtful]
    assert all(abs(sum(each)) < spread / 2 for each in relation.sums.values())


def test_a_candidate_tells_where_inputs_come_from_that_a_request_need_not_give() -> None:
    frame, late = weather(60)
    schema = schema_of(frame)
    view = {"name": "sky", "entity": [{"name": "carrier", "dtype": "string"}], "features": ["wind", "wet"]}
    schema["views"] = [view, view | {"name": "other", "features": ["hour"]}]
    schema["computed"] = [
        {"name": "calm", "text": "wind < 3", "of": ["wind"]},
        {"name": "unused", "text": "hour + 1", "of": ["hour"]},
    ]
    frame = frame.with_columns(calm=pl.lit(1.0))
    schema["columns"].append({"name": "calm", "dtype": "float"})
    schema["examples"] = frame.to_dict(as_series=False)
    model = LogisticRegression().fit(frame.select("calm"), late)
    candidate = make_candidate(
        name="delay", model=model, metrics={}, schema=schema, holdout=HOLDOUT, blobs=MemoryBlobs()
    )
    told = msgspec.convert(candidate.origins, Origins)
    assert [(view.name, view.features) for view in told.views] == [("sky", ("wind",))]
    assert [each.name for each in told.computed] == ["calm"]
    assert [(column.name, column.dtype) for column in told.made_of] == [("wind", "float")]
