"""What is known when a card is used."""

import polars as pl

from penstock import feature_view, files

payments = files("data/payments", event_time="paid_at", known_time="known_at", key="payment_id")
shops = files("data/shops", event_time="told_at", key=("shop", "told_at"))


@feature_view(entity="shop", source=shops, ttl="3d")
def shop_returns(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The share of payments that the shop gave back, on the day before and over a week."""
    week = [pl.col(name).rolling_sum(7, min_samples=1).over("shop") for name in ("returned", "taken")]
    return rows.select(
        "shop",
        "told_at",
        returns=pl.when(pl.col("taken") > 0).then(pl.col("returned") / pl.col("taken")),
        returns_of_week=pl.when(week[1] > 0).then(week[0] / week[1]),
    )


@feature_view(entity="shop", source=payments)
def shop_history(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The share of fraud among the payments of the shop whose fate was known."""
    order = rows.sort("known_at")
    return order.select(
        "shop",
        "paid_at",
        "known_at",
        fraud_so_far=pl.col("fraud").cast(pl.Float64).cum_sum().over("shop")
        / pl.int_range(1, pl.len() + 1).over("shop"),
    )
