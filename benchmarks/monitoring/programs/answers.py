"""Answers of a classifier whose scores are not quite right, and a clock around a contender's estimate."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
LEARNT = 100_000
"""Rows with labels that the estimate is learnt from."""


def answers(seed: int, rows: int, high: float) -> tuple[Numbers, Numbers]:
    """Scores up to `high`, and a truth that comes less often than they say."""
    random = np.random.default_rng(seed)
    score = random.beta(1.2, 2.0, rows) * high
    return score, (random.random(rows) < score**1.5).astype(np.float64)


def estimate(
    learn: Callable[[Numbers, Numbers], Any], tell: Callable[[Any, Numbers], dict[str, float]]
) -> None:
    """Learn of labelled answers, estimate of others, and print what was told and what it took."""
    task = json.loads(Path(sys.argv[1]).read_bytes())
    known = learn(*answers(task["seed"], LEARNT, 1.0))
    score, truth = answers(task["seed"] + 1, task["rows"], 0.7)
    took, told = [], {}
    for _ in range(task["rounds"] + 1):
        started = time.perf_counter()
        told = tell(known, score)
        took.append(time.perf_counter() - started)
    accuracy = float(((score > 0.5) == truth).mean())
    print(json.dumps({"took": took[1:], "told": told, "accuracy": accuracy}))
