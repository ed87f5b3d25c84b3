"""Payments of half a year, and what the shops' bank tells of the shops every day."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2024, 1, 1)
DAYS, PAYMENTS, SHOPS = 120, 6000, 40
COUNTRIES = ["AT", "CH", "DE", "FR"]


def payment_table(seed: int = 1) -> pl.DataFrame:
    """One row per payment; whether it was fraud is known when the customer complains, days later."""
    chance = np.random.default_rng(seed)
    seconds = np.sort(chance.integers(0, DAYS * 86_400, PAYMENTS))
    shop = chance.integers(0, SHOPS, PAYMENTS)
    amount = np.round(chance.lognormal(3.5, 1.0, PAYMENTS), 2)
    country = chance.choice(COUNTRIES, PAYMENTS, p=[0.2, 0.2, 0.4, 0.2])
    new_card = chance.random(PAYMENTS) < 0.3
    risk = np.random.default_rng(5).normal(0, 0.8, SHOPS)[shop]
    score = -2.2 + 0.9 * np.log(amount / 33) + 1.3 * new_card + risk + 0.8 * (country == "FR")
    fraud = chance.random(PAYMENTS) < 1 / (1 + np.exp(-score))
    paid_at = [START + timedelta(seconds=int(s)) for s in seconds]
    waited = chance.uniform(1, 10, PAYMENTS)
    return pl.DataFrame(
        {
            "payment_id": np.arange(PAYMENTS) + 1_000_000,
            "paid_at": paid_at,
            "known_at": [at + timedelta(days=float(d)) for at, d in zip(paid_at, waited, strict=True)],
            "shop": [f"shop-{n}" for n in shop],
            "card": 4_000_000_000 + chance.integers(0, 2_000, PAYMENTS),
            "amount": amount,
            "country": country,
            "new_card": new_card,
            "chargeback": np.where(fraud, amount + 15.0, 0.0),
            "fraud": fraud,
        }
    )


def shop_table(seed: int = 2) -> pl.DataFrame:
    """One row per shop and day: how many payments it took the day before, and how many it returned."""
    chance = np.random.default_rng(seed)
    risk = np.random.default_rng(5).normal(0, 0.8, SHOPS)
    rows = []
    for day in range(DAYS):
        for shop in range(SHOPS):
            taken = int(chance.poisson(30)) + 1
            rows.append(
                {
                    "shop": f"shop-{shop}",
                    "told_at": START + timedelta(days=day),
                    "taken": taken,
                    "returned": int(chance.binomial(taken, 0.1 / (1 + np.exp(-risk[shop])))),
                }
            )
    return pl.DataFrame(rows)


def lay_out(folder: Path) -> None:
    """Write both tables as Parquet."""
    for name, table in (("payments", payment_table()), ("shops", shop_table())):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        table.write_parquet(folder / "data" / name / "all.parquet")
