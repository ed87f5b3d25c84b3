"""Penstock: a profile and the days of the reference, then each window beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from judging import Found, judge

from penstock.checks.shifts import Calibration
from penstock.datasets.days import Days, daily
from penstock.datasets.pairs import products
from penstock.datasets.profiles import profile, profile_like
from penstock.monitoring.drift import calibrated, judged, together, watched

CHANCE = 1 / 90
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


def learn(frame: pl.DataFrame, days: int, window: int) -> tuple[Days, Calibration]:
    """What is kept with a version, and the calibration that its first window asks for."""
    place = np.repeat(np.arange(days), frame.height // days)
    stamps = pl.Series("at", [BEGIN + timedelta(days=d) for d in range(days)])[place]
    reference = profile(frame)
    kept = daily(frame.with_columns(stamps), "at", reference)
    columns, _, _ = watched(kept, frame.columns)
    pairs = together(kept, frame.columns, products(frame.head(window), reference), {})
    return kept, calibrated(columns, window, pairs)


def look(known: tuple[Days, Calibration], window: pl.DataFrame) -> Found:
    """A window that has just come."""
    days, calibration = known
    found: Any = judged(
        calibration,
        {column.name: column for column in profile_like(window, days.profile).columns},
        days,
        {},
        CHANCE,
        products=products(window, days.profile),
    )
    return [moved.column for moved in found.moved], CHANCE / found.chance


if __name__ == "__main__":
    judge(pl.DataFrame, learn, look)
