"""Subscribers at the end of each month, and what they did in the app."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2024, 1, 1)
WEEKS, PEOPLE = 30, 160
PLANS = ["basic", "family", "student"]


def subscriber_table(seed: int = 1) -> pl.DataFrame:
    """One row per subscriber and week; whether they `left` is known four weeks later."""
    chance = np.random.default_rng(seed)
    plan = chance.choice(PLANS, PEOPLE, p=[0.6, 0.25, 0.15])
    fee = np.select([plan == "basic", plan == "family"], [9.99, 17.99], 4.99)
    visits = visit_levels()
    rows = []
    for week in range(WEEKS):
        for person in range(PEOPLE):
            calls = int(chance.poisson(0.6))
            score = -1.0 + 0.9 * calls - 0.55 * (visits[week, person] - 4) + 0.7 * (plan[person] == "student")
            left = bool(chance.random() < 1 / (1 + np.exp(-score)))
            asked_at = START + timedelta(weeks=week, minutes=person)
            rows.append(
                {
                    "row_id": week * PEOPLE + person,
                    "person": f"p{person}",
                    "asked_at": asked_at,
                    "known_at": asked_at + timedelta(weeks=4),
                    "plan": str(plan[person]),
                    "fee": float(fee[person]),
                    "age_days": int(200 + 7 * week + 3 * person),
                    "calls": calls,
                    "final_invoice": float(fee[person] * 0.5) if left else None,
                    "left": "yes" if left else "no",
                }
            )
    return pl.DataFrame(rows)


def visit_levels() -> np.ndarray:
    """How often each person comes in each week, of shape (weeks + 4, people)."""
    chance = np.random.default_rng(9)
    steps = chance.normal(0, 0.7, (WEEKS + 4, PEOPLE))
    return np.clip(4 + np.cumsum(steps, axis=0) * 0.6, 0.3, 12)


def visit_table(seed: int = 2) -> pl.DataFrame:
    """One row per person and day: visits to the app and minutes in it, known the next morning."""
    chance = np.random.default_rng(seed)
    levels = visit_levels()
    days = pl.DataFrame({"day": range(-14, WEEKS * 7)})
    frames = []
    for person in range(PEOPLE):
        mean = levels[np.clip(np.arange(-14, WEEKS * 7) // 7, 0, None), person] / 7 * 2
        count = chance.poisson(mean)
        frames.append(
            days.select(
                person=pl.lit(f"p{person}"),
                seen_at=pl.lit(START) + pl.duration(days="day", hours=-8),
                visits=pl.Series(count),
                minutes=pl.Series(np.round(count * chance.uniform(2, 9, len(mean)), 1)),
            )
        )
    return pl.concat(frames).sort("seen_at", "person")


def lay_out(folder: Path) -> None:
    """Write the tables as Parquet."""
    for name, table in (("subscribers", subscriber_table()), ("visits", visit_table())):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        table.write_parquet(folder / "data" / name / "all.parquet")
