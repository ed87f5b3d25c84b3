"""What is known in the morning."""

import polars as pl

from penstock import feature_view, files

sales = files("data/sales", event_time="day", known_time="known_at", key="row_id")
ovens = files("data/ovens", event_time="noted_at", key=("bakery", "noted_at"))


@feature_view(entity="bakery", source=sales, ttl="8d")
def recent_sales(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What was sold yesterday and a week ago, and on average in the last seven days."""
    sold = pl.col("sold")
    return rows.sort("bakery", "day").select(
        "bakery",
        "day",
        "known_at",
        yesterday=sold,
        week_ago=sold.shift(6).over("bakery"),
        mean_of_week=sold.rolling_mean(7, min_samples=1).over("bakery"),
    )


@feature_view(entity="bakery", source=ovens, ttl="2d")
def oven_load(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Hours that each oven was on."""
    return rows.select(
        "bakery", "noted_at", load=pl.when(pl.col("ovens") > 0).then(pl.col("oven_hours") / pl.col("ovens"))
    )
