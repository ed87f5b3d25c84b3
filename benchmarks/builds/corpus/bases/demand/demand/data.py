"""Daily sales of some bakeries, with the weather that was forecast."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2023, 9, 1)
DAYS, BAKERIES = 280, 12


def sales_table(seed: int = 1) -> pl.DataFrame:
    """One row per bakery and day, from its morning on; what was `sold` is known at midnight."""
    chance = np.random.default_rng(seed)
    size = chance.uniform(60, 240, BAKERIES)
    level = np.zeros(BAKERIES)
    rows = []
    for day in range(DAYS):
        date = START + timedelta(days=day)
        level = 0.9 * level + chance.normal(0, 0.08, BAKERIES)
        weekend = 1.35 if date.weekday() >= 5 else 1.0
        for bakery in range(BAKERIES):
            promotion = bool(chance.random() < 0.15)
            mean = size[bakery] * weekend * np.exp(level[bakery]) * (1.3 if promotion else 1.0)
            rows.append(
                {
                    "row_id": day * BAKERIES + bakery,
                    "bakery": f"b{bakery}",
                    "day": date,
                    "known_at": date + timedelta(hours=23),
                    "weekday": date.weekday(),
                    "promotion": promotion,
                    "temperature": float(12 + 10 * np.cos(2 * np.pi * day / 365) + chance.normal(0, 3)),
                    "sold": float(np.round(mean * chance.lognormal(0, 0.12), 1)),
                }
            )
    return pl.DataFrame(rows)


def oven_table(seed: int = 2) -> pl.DataFrame:
    """One row per bakery and day: hours that its ovens were on, and how many ovens it has."""
    chance = np.random.default_rng(seed)
    return pl.DataFrame(
        [
            {
                "bakery": f"b{bakery}",
                "noted_at": START + timedelta(days=day, hours=-2),
                "oven_hours": float(chance.uniform(4, 30)),
                "ovens": int(chance.integers(1, 5)),
            }
            for day in range(DAYS)
            for bakery in range(BAKERIES)
        ]
    )


def lay_out(folder: Path) -> None:
    """Write the tables as Parquet."""
    for name, table in (("sales", sales_table()), ("ovens", oven_table())):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        table.write_parquet(folder / "data" / name / "all.parquet")
