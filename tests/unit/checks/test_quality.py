"""Two models on the same rows, calibration, and the slices on which a model does worst."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from penstock.checks.calibration import calibration_error, reliability
from penstock.checks.measures import measure, roc_auc_drawn
from penstock.checks.paired import gain
from penstock.checks.slices import slices_of, worst_slices
from penstock.core.errors import UndefinedMetric

RANDOM = np.random.default_rng(3)
CHANCE = RANDOM.random(2000)
TRUTH = (RANDOM.random(2000) < CHANCE).astype(float)
NOISE = np.clip(CHANCE + RANDOM.normal(0, 0.25, 2000), 0.01, 0.99)


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "brier", "accuracy", "mae"])
def test_a_better_model_has_a_gain_above_nothing_whichever_way_the_metric_points(name: str) -> None:
    found = gain(name, TRUTH, CHANCE, NOISE, seed=1, resamples=200)
    assert 0 < found.low < found.gain < found.high or name in {"accuracy", "mae"}
    assert abs(found.gain) == pytest.approx(abs(measure(name, TRUTH, CHANCE) - measure(name, TRUTH, NOISE)))
    assert found == gain(name, TRUTH, CHANCE, NOISE, seed=1, resamples=200)
    assert gain(name, TRUTH, CHANCE, CHANCE, seed=1, resamples=50).low == 0


def test_pairing_makes_the_interval_far_narrower_than_that_of_two_independent_measurements() -> None:
    near = np.clip(CHANCE + RANDOM.normal(0, 0.02, 2000), 0, 1)
    found = gain("roc_auc", TRUTH, CHANCE, near, seed=1, resamples=300)
    assert found.high - found.low < 0.005


def test_the_roc_auc_of_a_draw_is_that_of_the_rows_so_often(subtests: pytest.Subtests) -> None:
    for seed in range(5):
        with subtests.test(seed=seed):
            random = np.random.default_rng(seed)
            score, truth = random.integers(0, 6, 60).astype(float), random.integers(0, 2, 60).astype(float)
            times = random.integers(0, 4, 60)
            found = roc_auc_drawn(truth, score)(times.astype(float))
            assert found == pytest.approx(
                measure("roc_auc", np.repeat(truth, times), np.repeat(score, times))
            )


def test_too_few_rows_of_a_class_are_told() -> None:
    with pytest.raises(UndefinedMetric, match="not defined on most draws of 4 rows"):
        gain("roc_auc", [0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4], seed=1)


def test_calibration_tells_an_honest_model_from_one_that_is_too_sure() -> None:
    honest = calibration_error(reliability(TRUTH, CHANCE))
    too_sure = calibration_error(reliability(TRUTH, np.clip((CHANCE - 0.5) * 3 + 0.5, 0, 1)))
    assert honest < 0.05 < too_sure
    assert [each.rows for each in reliability([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5])] == [4]
    assert calibration_error(reliability([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5])) == 0


def test_the_slice_with_a_planted_fault_is_found_also_where_two_columns_meet() -> None:
    frame = pl.DataFrame(
        {
            "carrier": RANDOM.choice(["AA", "UA", "DL"], 2000),
            "wet": RANDOM.choice([True, False], 2000),
            "wind": RANDOM.normal(10, 3, 2000),
        }
    )
    bad = ((frame["carrier"] == "UA") & frame["wet"]).to_numpy()
    losses = RANDOM.normal(1, 0.2, 2000) + bad
    worst = worst_slices(slices_of(frame), losses)
    assert worst[0].slice == "carrier = UA and wet = true"
    assert worst[0].rows == bad.sum()
    assert worst[0].loss == pytest.approx(2, abs=0.1)
    assert worst_slices(slices_of(frame), RANDOM.normal(1, 0.2, 2000)) == []


def test_slices_know_nulls_values_and_ranges_and_a_minimum_of_rows() -> None:
    frame = pl.DataFrame(
        {"x": [None, *range(100)], "c": ["a"] * 98 + ["b"] * 3}, schema={"x": pl.Float64, "c": pl.String}
    )
    names = {each.name: int(each.rows.sum()) for each in slices_of(frame, least=1)}
    assert names == {
        "x is missing": 1,
        "x ≤ 24": 25,
        "24 < x ≤ 49": 25,
        "49 < x ≤ 74": 25,
        "x > 74": 25,
        "c = a": 98,
        "c = b": 3,
    }
    assert [each.name for each in slices_of(frame, least=50)] == ["c = a"]
