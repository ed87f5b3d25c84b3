"""What the contenders' programs share: a task in a file, what was found on standard output."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams import LIVE, Rows, day, digest, reference

Found = tuple[list[str], float]
"""The columns that are said to have moved, and how far the furthest is beyond its bound (1: on it)."""


def judge(
    table: Callable[[Rows], Any],
    learn: Callable[[Any, int, int], Any],
    look: Callable[[Any, Any], Found],
) -> None:
    """Learn the reference, look at each window of the task, and print what was found and what it took.

    Rows are made the kind of `table` that a contender is used with before its time begins.
    """
    task = json.loads(Path(sys.argv[1]).read_bytes())
    seed, days, daily = task["seed"], task["days"], task["daily"]
    rows = reference(seed, days, task["rows"], daily=daily)
    marks = [digest(rows)]
    given = table(rows)
    del rows
    started = time.perf_counter()
    known = learn(given, days, task["window"])
    learnt = time.perf_counter() - started
    del given
    windows, took = [], []
    for number, (amount, moved) in enumerate(task["changes"]):
        window = day(seed, LIVE + number, task["window"], daily=daily, moved=moved, **{task["off"]: amount})
        marks.append(digest(window))
        given = table(window)
        started = time.perf_counter()
        columns, height = look(known, given)
        took.append(time.perf_counter() - started)
        windows.append({"columns": columns, "height": height})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"windows": windows, "learnt": learnt, "took": took, "peak": peak, "marks": marks}))
