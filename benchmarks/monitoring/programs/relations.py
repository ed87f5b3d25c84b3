"""Streams in which the truth follows otherwise from the same inputs, made by NumPy alone out of a seed.

SEA: W. Street and Y. Kim, A streaming ensemble algorithm for large-scale classification (2001). The turning
hyperplane: G. Hulten, L. Spencer and P. Domingos, Mining time-changing data streams (2001).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from streams import LIVE

Numbers = NDArray[np.float64]
NOISE = 0.1
"""The share of labels that are turned round."""
DIMENSIONS = 10


class Answered(NamedTuple):
    """The rows of a day: the score that a model gave, which knows the first relation, and the truth, (n,)."""

    score: Numbers
    truth: Numbers


Found = tuple[bool, float]
"""Whether a window alarms, and how far its furthest number is beyond its bound (1: on it)."""


def day(family: str, seed: int, number: int, rows: int, *, change: float, moved: float) -> Answered:
    """The rows of a day, of which the relation is off by `change` and the inputs by `moved`.

    Of SEA that is how much higher the sum of two numbers may be; of the hyperplane by which angle it is
    turned. Inputs of a day share a little of their own.
    """
    random = np.random.default_rng([seed, number])
    shared = random.normal(0, 0.1)
    if family == "sea":
        x = np.clip(random.uniform(0, 10, (rows, 3)) + shared + moved, 0, 10)
        margin, true = 8 - x[:, 0] - x[:, 1], 8 + change - x[:, 0] - x[:, 1]
        sharp = 2.0
    else:
        x = random.normal(0, 1, (rows, DIMENSIONS)) + (shared + moved) / np.sqrt(DIMENSIONS)
        weights = np.ones(DIMENSIONS) / np.sqrt(DIMENSIONS)
        aside = np.where(np.arange(DIMENSIONS) % 2, 1, -1) / np.sqrt(DIMENSIONS)
        margin, true = x @ weights, x @ (np.cos(change) * weights + np.sin(change) * aside)
        sharp = 6.0
    score = NOISE + (1 - 2 * NOISE) / (1 + np.exp(-sharp * margin))
    truth = (true > 0) ^ (random.random(rows) < NOISE)
    return Answered(score, truth.astype(np.float64))


def judge(learn: Callable[[list[Answered], int], Any], look: Callable[[Any, Answered], Found]) -> None:
    """Learn the days of the reference, look at each window of the task, and print what was found."""
    task = json.loads(Path(sys.argv[1]).read_bytes())
    family, seed = task["family"], task["seed"]
    still = {"change": 0.0, "moved": 0.0}
    known = learn(
        [day(family, seed, number, task["rows"], **still) for number in range(task["days"])], task["window"]
    )
    windows, marks = [], []
    for number, (change, moved) in enumerate(task["changes"]):
        window = day(family, seed, LIVE + number, task["window"], change=change, moved=moved)
        marks.append(f"{window.truth.sum():.0f} of {window.score.sum():.6f}")
        alarms, height = look(known, window)
        windows.append({"columns": ["relation"] if alarms else [], "height": height})
    found = {"windows": windows, "learnt": 0.0, "took": [], "peak": 0.0, "marks": marks}
    print(json.dumps(found))
