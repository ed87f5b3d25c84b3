"""Estimates without labels: from calibrated scores of classifiers, from a model of a regression's losses."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from penstock.adapters.formats.estimator import estimator
from penstock.adapters.formats.native import Answers
from penstock.checks.measures import measure
from penstock.datasets.profiles import profile, profile_like
from penstock.datasets.types import Column, Profile
from penstock.models.types import Signature
from penstock.monitoring.estimates import Estimator, estimated

CHANCE = np.random.default_rng(3)
NONE = Profile(rows=0, columns=())
BINARY = Signature(task="binary", inputs=(), classes=("false", "true"))


def answered(rows: int, high: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores up to `high`, and a truth that happens less often than they say."""
    score = CHANCE.random(rows) * high
    return score, CHANCE.random(rows) < score**2


def learnt(rows: int = 20_000) -> Estimator:
    score, truth = answered(rows)
    answers = Answers(np.stack([1 - score, score], axis=1), ["true"] * rows)
    found = estimator(BINARY, answers, pl.DataFrame({"late": truth}), "late", NONE)
    assert found
    return found


def test_of_a_classifier_the_estimates_are_what_labels_show_later_also_where_scores_have_moved():
    known = learnt()
    for high in (1.0, 0.6):
        score, truth = answered(20_000, high)
        for name, figure in estimated(known, "binary", score, NONE, NONE).items():
            found = measure(name, truth.astype(float), score)
            assert figure.low < figure.value < figure.high
            assert abs(figure.value - found) < 1.5 * (figure.high - figure.low), name


def test_the_band_is_about_as_wide_as_it_says():
    inside = []
    for _ in range(40):
        known = learnt(2_000)
        score, truth = answered(1_000)
        for name, figure in estimated(known, "binary", score, NONE, NONE).items():
            inside.append(figure.low <= measure(name, truth.astype(float), score) <= figure.high)
    assert 0.85 <= np.mean(inside) <= 1


def test_the_expected_ranking_is_that_of_all_truths_each_with_its_chance():
    scores = np.repeat([0.2, 0.4, 0.4, 0.9], 60)
    known = Estimator(rows=10**6, scores=(0.0, 1.0), chances=(0.0, 1.0))
    draws = [
        measure("roc_auc", (CHANCE.random(len(scores)) < scores).astype(float), scores) for _ in range(2_000)
    ]
    figure = estimated(known, "binary", scores, NONE, NONE)["roc_auc"]
    assert figure.value == pytest.approx(np.mean(draws), abs=0.002)
    assert (figure.high - figure.low) / 3.92 == pytest.approx(np.std(draws), rel=0.4)


def test_of_several_classes_it_is_told_how_often_the_answer_is_right():
    score = 0.3 + 0.7 * CHANCE.random(10_000)
    right = CHANCE.random(10_000) < score - 0.2
    signature = Signature(task="multiclass", inputs=(), classes=("a", "b", "c"))
    values = np.stack([score, (1 - score) / 2, (1 - score) / 2], axis=1)
    held = pl.DataFrame({"kind": np.where(right, "a", "b")})
    known = estimator(signature, Answers(values, ["a"] * 10_000), held, "kind", NONE)
    assert known
    assert estimated(known, "multiclass", score, NONE, NONE)["accuracy"].value == pytest.approx(
        right.mean(), abs=0.01
    )


def test_of_a_regression_losses_follow_the_inputs():
    def rows(count: int, far: float) -> tuple[pl.DataFrame, np.ndarray]:
        wind = CHANCE.exponential(1, count)
        place = np.where(CHANCE.random(count) < far, "far", "near")
        return pl.DataFrame({"wind": wind, "place": place}), CHANCE.normal(0, 1 + wind + 3 * (place == "far"))

    held, off = rows(20_000, 0.2)
    training = profile(held)
    signature = Signature(
        task="regression", inputs=(Column(name="wind", dtype="float"), Column(name="place", dtype="string"))
    )
    answers = Answers(np.zeros((20_000, 1)), ["0"] * 20_000)
    known = estimator(signature, answers, held.with_columns(delay=off), "delay", training)
    assert known
    now, errors = rows(20_000, 0.8)
    zeros = np.zeros(20_000)
    found = estimated(known, "regression", zeros, profile_like(now, training), training)
    for name, figure in found.items():
        assert figure.value == pytest.approx(measure(name, errors, zeros), rel=0.05)
        assert figure.low < figure.value < figure.high


def test_of_few_rows_nothing_is_learnt_and_of_few_answers_nothing_told():
    answers = Answers(np.full((100, 2), 0.5), ["true"] * 100)
    assert estimator(BINARY, answers, pl.DataFrame({"late": [True] * 100}), "late", NONE) is None
    assert estimator(BINARY, answers, pl.DataFrame({"late": [None] * 100}), "late", NONE) is None
    assert estimated(learnt(), "binary", np.full(100, 0.5), NONE, NONE) == {}
