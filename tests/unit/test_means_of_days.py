"""How far the means of days may be off before they are said to have moved."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.checks.means import Means, Numbers, calibrate_means

STATED = 1 / 100
REFERENCES, WINDOWS = 20, 200


def days(random: np.random.Generator, count: int, *, freedom: float, lasting: float) -> Numbers:
    """Days that scatter by 1 as Student's t, each of which is partly what the day before was."""
    normal = np.empty(count)
    normal[0] = random.normal()
    for day in range(1, count):
        normal[day] = lasting * normal[day - 1] + np.sqrt(1 - lasting**2) * random.normal()
    wild = np.sqrt((freedom - 2) / random.chisquare(freedom, count))
    scattered: Numbers = normal * wild
    return scattered


@pytest.mark.parametrize(("freedom", "lasting"), [(3, 0.0), (3, 0.4), (5, 0.5), (1000, 0.0), (1000, 0.5)])
@pytest.mark.parametrize("known", [20, 40])
def test_wild_days_and_days_that_last_alarm_no_more_often_than_stated(
    known: int, freedom: float, lasting: float
) -> None:
    random, alarms = np.random.default_rng(3), 0
    rows = np.where(np.arange(known) < 14, 800.0, 50.0)
    for seed in range(REFERENCES):
        each = 0.1 * days(random, known + WINDOWS, freedom=freedom, lasting=lasting)
        noise = random.normal(0, 0.4, known + WINDOWS)
        means = each + noise / np.sqrt(np.concatenate([rows, np.full(WINDOWS, 50.0)]))
        calibration = calibrate_means({"truth": Means(rows, means[:known], 0.4)}, 50, seed=seed)
        bound = calibration.bound(STATED)
        for mean in means[known:]:
            _, heights = calibration.standardised({"truth": np.ones(1, dtype=np.int64)}, {"truth": mean})
            alarms += heights[0] > bound
    assert alarms / (REFERENCES * WINDOWS) < 1.5 * STATED


def test_rows_whose_days_do_not_differ_are_judged_by_their_own_chance() -> None:
    random = np.random.default_rng(5)
    still = Means(np.full(60, 500.0), random.normal(0, 0.4 / np.sqrt(500), 60), 0.4)
    calibration = calibrate_means({"truth": still}, 500, seed=1)
    off = {"truth": 4.5 * 0.4 / np.sqrt(500)}
    _, heights = calibration.standardised({"truth": np.ones(1, dtype=np.int64)}, off)
    assert heights[0] > calibration.bound(1 / 360)


def test_a_long_day_counts_no_more_than_a_short_one_where_days_differ() -> None:
    means = np.array([0.1, -0.1] * 15)
    rows = np.where(means > 0, 10_000.0, 500.0)
    calibration = calibrate_means({"truth": Means(rows, means, 0.1)}, 500, seed=1)
    assert abs(calibration.means["truth"]) < 0.001
