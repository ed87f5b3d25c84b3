"""`days.py FOLDER SPINE VIEWS ROWS ENTITIES FEATURES`: as `rows.py`, views in a file for each day.

Nothing is held in memory but one day.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
from rows import SPAN, START, write

DAY = 86_400 * 1_000_000


def write_days(folder: Path, *, views: int, rows: int, entities: int, features: int) -> None:
    """The files of all views, always the same rows for the same sizes and day."""
    days = SPAN // DAY
    for view in range(views):
        place = folder / f"view{view}"
        place.mkdir(parents=True, exist_ok=True)
        for day in range(days):
            random = np.random.default_rng([view, day])
            many = rows * (day + 1) // days - rows * day // days
            drawn = np.sort(random.integers(START + day * DAY, START + (day + 1) * DAY, many))
            moments = pl.Series("event_timestamp", drawn).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
            columns = [pl.Series("entity", random.integers(0, entities, many)), moments]
            columns += [
                pl.Series(f"f{view}_{number}", random.standard_normal(many, np.float32))
                for number in range(features)
            ]
            pl.DataFrame(columns).write_parquet(place / f"{day:03}.parquet")


if __name__ == "__main__":
    spine, views, rows, entities, features = (int(word) for word in sys.argv[2:])
    here = Path(sys.argv[1])
    write(here, spine=spine, views=0, rows=0, entities=entities, features=0)
    write_days(here, views=views, rows=rows, entities=entities, features=features)
