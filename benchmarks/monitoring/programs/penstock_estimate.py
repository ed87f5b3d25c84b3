"""Penstock: calibrated groups of scores, and all four metrics of a classifier out of them."""

from __future__ import annotations

import numpy as np
import polars as pl
from answers import Numbers, estimate

from penstock.adapters.formats.estimator import estimator
from penstock.adapters.formats.native import Answers
from penstock.datasets.types import Profile
from penstock.models.types import Signature
from penstock.monitoring.estimates import Estimator, estimated

NOTHING = Profile(rows=0, columns=())
BINARY = Signature(task="binary", inputs=(), classes=("false", "true"))


def learn(score: Numbers, truth: Numbers) -> Estimator:
    """What is kept with a version."""
    answers = Answers(np.stack([1 - score, score], axis=1), ["true"] * len(score))
    known = estimator(BINARY, answers, pl.DataFrame({"late": truth == 1}), "late", NOTHING)
    assert known
    return known


def tell(known: Estimator, score: Numbers) -> dict[str, float]:
    """A window of answers."""
    return {name: f.value for name, f in estimated(known, "binary", score, NOTHING, NOTHING).items()}


if __name__ == "__main__":
    estimate(learn, tell)
