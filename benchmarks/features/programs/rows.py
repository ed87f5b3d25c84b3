"""`rows.py FOLDER SPINE VIEWS ROWS ENTITIES FEATURES`: a spine and the sources of views, as Parquet.

`spine.parquet` has `row`, `entity` and `event_timestamp`; `view0.parquet`, … have the last two and `f0_0`, …,
in the order of time, as a log of events grows.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

SPAN = 60 * 86_400 * 1_000_000
"""Microseconds of history."""
END = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = int(END.timestamp()) * 1_000_000 - SPAN
"""History ends last midnight, so that what is online is not older than it may be."""


def table(
    random: np.random.Generator, rows: int, entities: int, columns: dict[str, pl.Series]
) -> pl.DataFrame:
    """Rows of entities at moments that are in order, with these columns."""
    drawn = np.sort(random.integers(START, START + SPAN, rows))
    moments = pl.Series("event_timestamp", drawn).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    keys = [pl.Series("entity", random.integers(0, entities, rows)), moments]
    return pl.DataFrame([*keys, *(column.alias(name) for name, column in columns.items())])


def write(folder: Path, *, spine: int, views: int, rows: int, entities: int, features: int) -> None:
    """The files of a case, the same for the same sizes and day."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    numbers = pl.int_range(spine, eager=True)
    table(random, spine, entities, {"row": numbers}).write_parquet(folder / "spine.parquet")
    for view in range(views):
        named = {f"f{view}_{number}": pl.Series(random.standard_normal(rows)) for number in range(features)}
        table(random, rows, entities, named).write_parquet(folder / f"view{view}.parquet")


if __name__ == "__main__":
    spine, views, rows, entities, features = (int(word) for word in sys.argv[2:])
    write(Path(sys.argv[1]), spine=spine, views=views, rows=rows, entities=entities, features=features)
