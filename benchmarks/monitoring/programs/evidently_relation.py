"""Evidently: tests of a classifier's quality, each metric beside that of the reference, 10 % as it comes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.metrics import Accuracy, LogLoss, RocAuc
from relations import Answered, Found, judge

warnings.filterwarnings("ignore")
METRICS = (Accuracy, RocAuc, LogLoss)
WORSE = (-1, -1, 1)
BOUND = 0.1
"""How much a metric may differ from the reference's, in parts of it."""


def table(rows: Answered) -> Dataset:
    """Answers as it wants them."""
    frame = pd.DataFrame(
        {"score": rows.score, "said": (rows.score > 0.5).astype(int), "truth": rows.truth.astype(int)}
    )
    task = BinaryClassification(
        target="truth", prediction_labels="said", prediction_probas="score", pos_label=1
    )
    return Dataset.from_pandas(frame, data_definition=DataDefinition(classification=[task]))


def values(rows: Dataset) -> list[float]:
    """What its report measures."""
    found: dict[str, Any] = Report([metric() for metric in METRICS]).run(rows, None).dict()
    return [float(each["value"]) for each in found["metrics"]]


def learn(days: list[Answered], _window: int) -> list[float]:
    """The metrics of the reference."""
    whole = Answered(*(np.concatenate(part) for part in zip(*days, strict=True)))
    return values(table(whole))


def look(usual: list[float], window: Answered) -> Found:
    """Each metric: how much it is worse, in parts of what it may be."""
    found = values(table(window))
    heights = [sign * (now - was) / (BOUND * was) for sign, now, was in zip(WORSE, found, usual, strict=True)]
    return max(heights) > 1, max(heights)


if __name__ == "__main__":
    judge(learn, look)
