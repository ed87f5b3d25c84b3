"""How a model was fitted: limits, weights, own answers and choices; and metrics of decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from penstock.builds.automatic import learned
from penstock.builds.automatic.models import honest_metrics
from penstock.builds.automatic.pipelines import Trained, shuffled_labels
from penstock.builds.automatic.ports import Fit
from penstock.builds.automatic.rehearsal import Change, Rehearsed
from penstock.builds.automatic.verdicts import NotJudged
from penstock.pipelines.types import Node
from tests.unit.builds.asking import Answering, fitted, published, table

MADE = published()
TRAIN = MADE.rows.train


def training(limit: int) -> Any:
    """Trains on so many rows at most."""

    def train(change: Change | None) -> Trained:
        made = MADE._replace(rows=change(MADE.rows) if change else MADE.rows)
        return Trained(Rehearsed({}, {}, (made,)), [fitted(made.rows.train.head(limit))])

    return train


@pytest.mark.parametrize("limit", [300, 600])
def test_a_limit_that_was_left_in_is_told(limit: int) -> None:
    with pytest.raises(AssertionError, match=f"fitted on {limit} of 800 training rows"):
        learned.all_rows(MADE, fitted(TRAIN.head(limit)), training(limit))


def test_a_share_of_the_rows_is_no_limit() -> None:
    learned.all_rows(MADE, fitted(TRAIN), training(10_000))
    learned.all_rows(MADE, fitted(TRAIN.head(640)), training(320))
    with pytest.raises(NotJudged, match="not seen"):
        learned.all_rows(MADE, Answering(lambda rows: rows["size"], {"size": "float"}), training(300))


def test_weights_that_fall_with_time_are_told() -> None:
    rising = np.linspace(0.5, 1.5, TRAIN.height)
    for weights, sound in ((rising, True), (np.ones(TRAIN.height), True), (rising[::-1], False)):
        model = fitted(TRAIN)
        model.fit = Fit(TRAIN.select("size", "calls"), TRAIN["sold"], None, weights)
        if sound:
            learned.weights(MADE, model)
        else:
            with pytest.raises(AssertionError, match="newest rows weigh least"):
                learned.weights(MADE, model)


def test_an_estimator_that_learns_from_own_answers_is_told() -> None:
    model = fitted(TRAIN)
    learned.own_answers(MADE, model)
    model.own_answers = "Line from Trees"
    with pytest.raises(AssertionError, match="Line is fitted on what Trees answers"):
        learned.own_answers(MADE, model)


class Sized:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def predict(self, rows: pl.DataFrame) -> object:
        return self.factor * rows["size"]


class Bench:
    def model(self, model: Any, _schema: object) -> Answering:
        return Answering(model.predict, {"size": "float"})


@pytest.mark.parametrize("chosen", ["good", "bad"])
def test_the_worse_of_two_is_told(chosen: str) -> None:
    given = {"good": Sized(3.0), "bad": Sized(2.0)}
    node = Node(name="better", kind="step", outputs=("result",))
    done = Rehearsed({"better": {**given, "rows": TRAIN}}, {"better": {"result": given[chosen]}}, ())
    assert learned.chooses(node, done)
    if chosen == "good":
        learned.chosen(node, done, MADE.schema, Bench())  # type: ignore[arg-type]
    else:
        with pytest.raises(AssertionError, match="gives `bad`, though `good` is better"):
            learned.chosen(node, done, MADE.schema, Bench())  # type: ignore[arg-type]


def test_a_model_that_stays_when_labels_change_is_told() -> None:
    with pytest.raises(AssertionError, match="gives the model that was there before"):
        shuffled_labels("m", training(800))


LATE = published(label="late")
RANKS = Answering(lambda rows: rows["size"] / 100, {"size": "float"}, classes=("false", "true"))


def decisions(above: float) -> dict[str, float]:
    rows = LATE.rows.holdout
    said, truth = (rows["size"] / 100 > above).to_numpy(), rows["late"].to_numpy()
    tp, fp, fn = (said & truth).sum(), (said & ~truth).sum(), (~said & truth).sum()
    return {"precision": float(tp / (tp + fp)), "recall": float(tp / (tp + fn))}


@pytest.mark.parametrize("above", [0.5, 0.31])
def test_decisions_at_any_threshold_are_honest(above: float) -> None:
    honest_metrics(LATE._replace(metrics=decisions(above)), RANKS)


def test_decisions_of_no_threshold_are_told() -> None:
    with pytest.raises(AssertionError, match="there is no threshold"):
        honest_metrics(LATE._replace(metrics={"precision": 0.2, "recall": 0.1}), RANKS)


def test_labels_in_capitals_are_labels() -> None:
    rows = table().with_columns(
        late=pl.when(pl.col("late")).then(pl.Series(["yes", "YES "] * 600)).otherwise(pl.lit("no"))
    )
    made = published(rows, "late")
    model = Answering(RANKS.answer, RANKS.inputs, classes=("no", "yes"))
    honest_metrics(made, model)
    with pytest.raises(AssertionError, match=r"reports accuracy 0\.4"):
        honest_metrics(made._replace(metrics={"accuracy": 0.4}), model)


def test_weights_that_count_in_the_metric_only_are_told() -> None:
    rows = (
        table()
        .with_columns(pl.col("late") | (pl.col("calls") > 1))
        .with_columns(weight=pl.when("late").then(1.0).otherwise(3.0))
    )
    made = published(rows, "late")
    held = made.rows.holdout
    right = ((held["size"] / 100 > 0.5) == held["late"]).to_numpy()
    made = made._replace(metrics={"accuracy": float(np.average(right, weights=held["weight"].to_numpy()))})
    inputs = made.rows.train.select("size")
    for weights in (None, made.rows.train["weight"].to_numpy()):
        model = Answering(RANKS.answer, RANKS.inputs, classes=RANKS.classes)
        model.fit = Fit(inputs, made.rows.train["late"], None, weights)
        if weights is None:
            with pytest.raises(AssertionError, match="rows count by `weight`"):
                honest_metrics(made, model)
        else:
            honest_metrics(made, model)
