"""Penstock: days in a row, each by itself and the last ones together, as alarms are judged."""

from __future__ import annotations

import json
import sys
from functools import reduce
from pathlib import Path

import polars as pl
from judging import Found, judge
from penstock_drift import CHANCE, learn

from penstock.checks.shifts import Calibration
from penstock.datasets.days import Days
from penstock.datasets.pairs import products
from penstock.datasets.profiles import merge, profile_like
from penstock.datasets.types import Profile
from penstock.monitoring.drift import SPANS, Judgement, calibrated, judged, together, watched

STREAM = json.loads(Path(sys.argv[1]).read_bytes())["stream"]


class Known:
    """What was learnt, how many days were looked at, and of those of this stream which were no change."""

    def __init__(self, frame: pl.DataFrame, days: int, window: int) -> None:
        self.days, day = learn(frame, days, window)
        columns, _, _ = watched(self.days, frame.columns)
        pairs = together(self.days, frame.columns, products(frame.head(window), self.days.profile), {})
        self.calibrations = {1: day} | {
            span: calibrated(columns, span * window, pairs, span=span) for span in SPANS
        }
        self.looked, self.quiet = 0, list[Profile]()


def look(known: Known, window: pl.DataFrame) -> Found:
    """A day that is over."""
    if known.looked % STREAM == 0:
        known.quiet = []
    known.looked += 1
    days = known.days
    profile = profile_like(window, days.profile)
    profile = Profile(rows=profile.rows, columns=profile.columns, products=products(window, days.profile))
    found = _judged(days, known.calibrations[1], profile)
    if not found.moved:
        known.quiet = [*known.quiet[1 - max(SPANS) :], profile]
        for span in SPANS:
            if not found.moved and span <= len(known.quiet):
                found = _judged(days, known.calibrations[span], reduce(merge, known.quiet[-span:]))
    return [moved.column for moved in found.moved], CHANCE / found.chance


def _judged(days: Days, calibration: Calibration, profile: Profile) -> Judgement:
    columns = {column.name: column for column in profile.columns}
    return judged(calibration, columns, days, {}, CHANCE / (1 + len(SPANS)), products=profile.products)


if __name__ == "__main__":
    judge(pl.DataFrame, Known, look)
