"""What the steps do: the same few lines for every tool, which only wraps them in its own words."""

import os
from pathlib import Path
from typing import Any

ROWS, COLUMNS = 1_000_000, 20
FAN = 50


def grow(x: int) -> int:
    """A step of a chain."""
    return x + 1


def last(x: int) -> int:
    """The last step of a chain."""
    return tell(grow(x))


def numbers(seed: int) -> list[int]:
    """The list that a fan-out goes over."""
    return [seed + i for i in range(FAN)]


def square(x: int) -> int:
    """One branch of a fan-out."""
    return x * x


def total(squares: list[int]) -> int:
    """Where a fan-out comes together."""
    return tell(sum(squares))


def table(seed: int) -> Any:
    """160 MB: 1M rows of 20 float64."""
    import numpy as np
    import polars as pl

    values = np.random.default_rng(seed).random((COLUMNS, ROWS))
    return pl.DataFrame({f"c{i}": column for i, column in enumerate(values)})


def summed(rows: Any) -> float:
    """What the step after the table makes of it."""
    return tell(round(float(rows["c0"].sum() + rows["c19"].sum()), 3))


def tell(value: Any) -> Any:
    """Leave the answer where the benchmark looks for it: who gives another answer has not done the work."""
    Path(os.environ["BENCH_ANSWER"]).write_text(str(value), encoding="utf-8")
    return value
