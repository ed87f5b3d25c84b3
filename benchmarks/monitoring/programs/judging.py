"""What the contenders' programs share: a task in a file, what was found on standard output."""

from __future__ import annotations

import json
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

    Rows are made the kind of `table` that a contender is used with before its time begins. Of a stream of
    `task["stream"]` windows those after one that is `task["enough"]` beyond its bound are not looked at.
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
    windows, took, seen = [], [], False
    for number, (amount, moved) in enumerate(task["changes"]):
        window = day(seed, LIVE + number, task["window"], daily=daily, moved=moved, **{task["off"]: amount})
        marks.append(digest(window))
        seen = number % task["stream"] > 0 and (seen or windows[-1]["height"] > task["enough"])
        if seen:
            windows.append({"columns": [], "height": 0.0})
            continue
        given = table(window)
        started = time.perf_counter()
        columns, height = look(known, given)
        took.append(time.perf_counter() - started)
        windows.append({"columns": columns, "height": height})
    print(json.dumps({"windows": windows, "learnt": learnt, "took": took, "peak": _peak(), "marks": marks}))


def _peak() -> float:
    """The most memory that this process has held, in megabytes. `ru_maxrss` would not be less than what the
    process that started it held.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3
