"""Our metrics are those of scikit-learn, with ties and on few rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from penstock.checks.measures import interval, measure
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue, UndefinedMetric

rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)),
    min_size=1,
    max_size=60,
)
regressions = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=60)


@given(rows)
def test_the_area_under_the_curve_counts_ties_as_half(pairs: list[tuple[bool, float]]) -> None:
    truth, score = arrays(pairs)
    assume(0 < truth.sum() < len(truth))
    assert measure("roc_auc", truth, score) == pytest.approx(reference.roc_auc_score(truth, score), abs=1e-12)
    low, high = interval("roc_auc", truth, score)
    assert 0 <= low <= measure("roc_auc", truth, score) <= high <= 1


@given(rows)
def test_binary_means_are_those_of_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    truth, score = arrays(pairs)
    expected = {
        "log_loss": reference.log_loss(truth, np.column_stack([1 - score, score]), labels=[0, 1]),
        "brier": reference.brier_score_loss(truth, score, pos_label=1),
        "accuracy": reference.accuracy_score(truth, score > 0.5),
    }
    for name, value in expected.items():
        assert measure(name, truth, score) == pytest.approx(value, rel=1e-9, abs=1e-9), name


@given(regressions)
def test_errors_of_numbers_are_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    truth, score = arrays(pairs)
    assert measure("rmse", truth, score) == pytest.approx(reference.root_mean_squared_error(truth, score))
    assert measure("mae", truth, score) == pytest.approx(reference.mean_absolute_error(truth, score))
    for name in ("rmse", "mae"):
        low, high = interval(name, truth, score)
        assert 0 <= low <= high
        assert low <= measure(name, truth, score) * (1 + 1e-12)
        assert measure(name, truth, score) <= high * (1 + 1e-12)


@pytest.mark.parametrize("name", ["roc_auc", "brier", "accuracy", "log_loss"])
def test_the_interval_holds_what_many_samples_give(name: str) -> None:
    rng = np.random.default_rng(7)
    score = rng.beta(2, 5, size=400_000)
    truth = (rng.random(400_000) < score).astype(float)
    whole = measure(name, truth, score)
    within = 0
    for sample in np.split(np.arange(400_000), 400):
        low, high = interval(name, truth[sample], score[sample])
        within += low <= whole <= high
    assert 0.92 <= within / 400 <= 0.99


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_has_no_ranking(truth: list[int]) -> None:
    for ask in (measure, interval):
        with pytest.raises(UndefinedMetric, match="both classes"):
            ask("roc_auc", truth, [0.1, 0.2, 0.3])
    assert measure("accuracy", truth, [0.1, 0.1, 0.1]) in {0.0, 1.0}


@pytest.mark.parametrize("name", METRICS)
def test_no_rows_measure_nothing(name: str) -> None:
    with pytest.raises(UndefinedMetric, match="at least one row"):
        measure(name, [], [])


def test_one_row_has_a_mean_and_no_interval() -> None:
    assert measure("mae", [1.0], [3.0]) == 2.0
    with pytest.raises(UndefinedMetric, match="two rows"):
        interval("mae", [1.0], [3.0])


@pytest.mark.parametrize(
    ("name", "truth", "score", "found"),
    [
        ("roc_auc", [0, 1], [0.5], "shapes"),
        ("roc_auc", [[0, 1]], [[0.5, 1]], "shapes"),
        ("roc_auc", [0, 1], [0.5, float("nan")], "NaN"),
        ("roc_auc", [0, 2], [0.5, 0.7], "2.0"),
        ("brier", [0, 1], [0.5, 1.7], "1.7"),
        ("log_loss", [0, 1], [-0.5, 0.7], "-0.5"),
        ("roc_ack", [0, 1], [0.5, 0.7], "roc_auc"),
    ],
)
def test_impossible_numbers_are_refused(name: str, truth: object, score: object, found: str) -> None:
    with pytest.raises(InvalidValue, match=found):
        measure(name, truth, score)  # type: ignore[arg-type]


def arrays(pairs: list[tuple[float, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    truth, score = zip(*pairs, strict=True)
    return np.array(truth, dtype=float), np.array(score, dtype=float)
