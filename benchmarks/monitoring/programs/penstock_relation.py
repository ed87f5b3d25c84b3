"""Penstock: what the rows of the reference let expect, by day, then each window beside that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from relations import Answered, Found, judge

from penstock.adapters.formats.estimator import estimator, related
from penstock.adapters.formats.native import Answers
from penstock.datasets.days import Sums
from penstock.datasets.types import Profile
from penstock.models.types import Signature
from penstock.monitoring import relation
from penstock.monitoring.estimates import Estimator

CHANCE = 1 / 90
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
NOTHING = Profile(rows=0, columns=())
BINARY = Signature(task="binary", inputs=(), classes=("false", "true"))
Known = tuple[Estimator, Sums]


def learn(days: list[Answered], _window: int) -> Known:
    """What is kept with a version."""
    score = np.concatenate([day.score for day in days])
    held = pl.DataFrame(
        {
            "at": [BEGIN + timedelta(days=number) for number, day in enumerate(days) for _ in day.score],
            "late": np.concatenate([day.truth for day in days]) == 1,
        }
    )
    answers = Answers(np.stack([1 - score, score], axis=1), ["true"] * len(score))
    known = estimator(BINARY, answers, held, "late", NOTHING)
    assert known
    return known, related(known, BINARY, answers, held, label="late", time="at", training=NOTHING)


def look(known: Known, window: Answered) -> Found:
    """A window whose labels have come."""
    learnt, days = known
    answers = (window.truth.tolist(), window.score.tolist(), ["true"] * len(window.score))
    beyond = relation.beyond(BINARY, learnt, answers)
    found = relation.judged(relation.calibrated(days, beyond), beyond, CHANCE)
    return bool(found.moved), CHANCE / found.chance


if __name__ == "__main__":
    judge(learn, look)
