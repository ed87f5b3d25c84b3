"""Alarms of several columns that moved a little, none of them far by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from penstock.checks.joint import JointDays, joint
from penstock.datasets.days import Days, daily
from penstock.datasets.pairs import products
from penstock.datasets.profiles import profile, profile_like
from penstock.monitoring.drift import Judgement, calibrated, judged, together, watched

BEGIN = datetime(2013, 1, 1, tzinfo=UTC)
NAMES = [f"n{index}" for index in range(30)]
MOVED = NAMES[:8]


def rows(random: np.random.Generator, shift: float = 0.0, day: int = 0) -> pl.DataFrame:
    """A day's rows: numbers that have much in common, in a row and on a day; some are off."""
    found = random.normal(size=(400, 30)) + random.normal(size=(400, 1))
    found += 0.03 * (random.normal() + random.normal(size=30))
    found[:, : len(MOVED)] += shift
    stamp = pl.lit(BEGIN).dt.offset_by(f"{day}d").alias("at")
    return pl.DataFrame(dict(zip(NAMES, found.T, strict=True))).with_columns(stamp)


def trained(random: np.random.Generator) -> Days:
    past = pl.concat([rows(random, day=day) for day in range(60)])
    return daily(past, "at", profile(past, NAMES))


def found(days: Days, windows: list[pl.DataFrame], influence: dict[str, float]) -> list[Judgement]:
    columns, _, _ = watched(days, NAMES)
    each = [products(window, days.profile) for window in windows]
    known = calibrated(columns, windows[0].height, together(days, NAMES, each[0], influence))
    return [
        judged(
            known,
            {column.name: column for column in profile_like(window, days.profile).columns},
            days,
            influence,
            1 / 90,
            products=sums,
        )
        for window, sums in zip(windows, each, strict=True)
    ]


def test_many_that_moved_a_little_alarm_together_unless_answers_hardly_heed_them() -> None:
    random = np.random.default_rng(1)
    days = trained(random)
    windows = [rows(random, 0.2) for _ in range(8)] + [rows(random) for _ in range(30)]
    heeded = found(days, windows, {})
    assert sum(bool(each.moved) for each in heeded[8:]) <= 2, "of 30 that one in ninety may"
    jointly = [each for each in heeded[:8] if each.jointly]
    assert len(jointly) >= 5
    assert all(len(each.moved) >= 2 and each.chance <= 1 / 90 for each in jointly)
    assert all(moved.chance > 1 / 90 for each in jointly for moved in each.moved), "that of its own height"
    named = [moved.column in MOVED for each in jointly for moved in each.moved]
    assert np.mean(named) > 0.75, "most of those that are named moved"
    spared = found(days, windows[:8], dict.fromkeys(NAMES, 0.04) | dict.fromkeys(MOVED, 0.001))
    assert not any(each.moved for each in spared)


@pytest.mark.parametrize(("window", "related"), [(100, 0.6), (1_000, 0.6), (10_000, 0.0)])
def test_windows_without_change_stay_within_what_is_drawn_whatever_their_size(
    window: int, related: float
) -> None:
    random, names = np.random.default_rng(2), tuple(NAMES)
    correlated = np.full((30, 30), related) + (1 - related) * np.eye(30)
    root = np.linalg.cholesky(correlated).T

    def means(count: int, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        by_chance = random.normal(size=(count, 30)) @ root / np.sqrt(size)
        return by_chance + 0.05 * (random.normal(size=(count, 1)) + random.normal(size=(count, 30)))

    above = 0
    for _ in range(10):
        days = JointDays(names, np.full(60, 1_000), means(60, 1_000), np.ones(30), correlated)
        known, real, made = joint(
            days,
            window,
            picked=random.integers(0, 60, 500),
            weights=random.normal(size=(500, 60)) / np.sqrt(60),
            widened=np.ones((500, 30)),
            random=random,
        )
        bound = max(np.quantile(real, 0.9), np.quantile(made, 0.9))
        above += sum(known.height(dict(zip(names, each, strict=True))) > bound for each in means(50, window))
    assert above <= 85, "of 500 that one in ten may"
