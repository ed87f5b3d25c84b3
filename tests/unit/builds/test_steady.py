"""Columns may drift and swing; a change of meaning at one moment, or in one group, is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from penstock import files
from penstock.builds.automatic.steady import steady

SOURCE = files("data/sales", event_time="at", key="row_id")
ROWS = 4000
NEW = pl.col("row_id") >= 2500


def sales(seed: int) -> pl.DataFrame:
    """Sales with seasons, a trend, shops of different size and a rate that wanders."""
    chance = np.random.default_rng(seed)
    time = np.linspace(0, 1, ROWS)
    season, level = np.sin(time * 9 + seed), np.cumsum(chance.normal(0, 0.01, ROWS))
    shop = chance.integers(0, 12, ROWS)
    return pl.DataFrame(
        {
            "row_id": np.arange(ROWS),
            "at": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=int(n)) for n in range(ROWS)],
            "shop": [f"s{n}" for n in shop],
            "weekday": np.arange(ROWS) // 24 % 7,
            "kind": chance.choice(["a", "b", "c"], ROWS),
            "price": np.exp(level + season + chance.normal(0, 0.7, 12)[shop] + chance.normal(0, 0.5, ROWS)),
            "heat": 12 + 10 * season + chance.normal(0, 3, ROWS),
            "age": 100 + 300 * time + chance.uniform(0, 400, ROWS),
            "calls": chance.poisson(np.exp(season)),
            "left": chance.random(ROWS) < 1 / (1 + np.exp(1.5 - season - level)),
        }
    )


@pytest.mark.parametrize("seed", range(10))
def test_drift_seasons_and_different_groups_are_no_change_of_meaning(seed: int) -> None:
    steady(SOURCE, sales(seed), {"shop"}, "left")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            pl.when(NEW).then(pl.col("weekday") + 1).otherwise("weekday"),
            "0 is never there again and 7 is new",
        ),
        (pl.when(NEW).then(pl.col("kind").str.to_uppercase()).otherwise("kind"), "'.' is never there again"),
        (pl.when(NEW).then(pl.col("price") * 100).otherwise("price"), "`price` of sales is not what it was"),
        (
            pl.when(NEW).then(pl.col("heat") * 1.8 + 32).otherwise("heat"),
            "`heat` of sales is not what it was",
        ),
        (pl.when(~NEW).then("heat").alias("heat"), "it was null in 0% of the rows and is so in all"),
        (
            ((pl.col("calls") > 0) & (pl.col("row_id") < 3700)).alias("left"),
            "of its values were true, and none are",
        ),
        (
            pl.when(NEW).then(pl.col("calls") >= 0).otherwise("left").alias("left"),
            "of its values were false, and none are",
        ),
        (
            pl.when(pl.col("shop") == "s3").then(pl.col("price") * 1000).otherwise("price"),
            "of another order where `shop` is 's3'",
        ),
        (
            pl.when(NEW & (pl.col("row_id") % 4 > 0)).then(0.0).otherwise("heat").alias("heat"),
            "values were 0 and",
        ),
        (
            ((pl.col("calls") > 0) & (pl.col("shop") != "s4")).alias("left"),
            "is never true where `shop` is 's4'",
        ),
    ],
)
def test_a_change_of_meaning_is_told(change: pl.Expr, found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        steady(SOURCE, sales(7).with_columns(change), {"shop"}, "left")


def test_of_few_rows_nothing_is_said() -> None:
    steady(SOURCE, sales(1).head(200).with_columns(left=pl.col("row_id") < 100), set(), "left")
