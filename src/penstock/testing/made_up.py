"""Made-up rows, the same in every test run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl

from penstock.core.durations import duration

_START = datetime(2024, 1, 1, tzinfo=UTC)


def made_up(
    columns: Mapping[str, str | Sequence[Any]],
    rows: int = 200,
    *,
    every: str = "1h",
    nulls: float = 0.0,
    seed: int = 0,
) -> pl.DataFrame:
    """A table of columns that are described by the words of `datasets.types.Column` or by their values.

    `{"origin": ["EWR", "JFK"], "temp": "float", "observed_at": "time"}` gives origins drawn from the two,
    temperatures around 0 with a standard deviation of 1 and times `every` so long from the start
    of 2024 in UTC; `int` are 0 to 99. `nulls` is the share of nulls among values that are no times.
    The same arguments give the same rows.
    """
    random = Random(seed)  # noqa: S311 - rows for tests
    step = duration(every)
    return pl.DataFrame({name: _column(kind, rows, step, nulls, random) for name, kind in columns.items()})


def _column(kind: str | Sequence[Any], rows: int, step: timedelta, nulls: float, random: Random) -> pl.Series:
    if kind == "time":
        return pl.Series([_START + index * step for index in range(rows)], dtype=pl.Datetime("us", "UTC"))
    draws = {
        "float": lambda: random.gauss(0, 1),
        "int": lambda: random.randrange(100),
        "bool": lambda: random.random() < 0.5,
        "string": lambda: random.choice("abcdefgh"),
    }
    one = draws[kind] if isinstance(kind, str) else lambda: random.choice(kind)
    return pl.Series([None if random.random() < nulls else one() for _ in range(rows)], strict=False)
