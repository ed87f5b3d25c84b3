"""What the app tells about a subscriber."""

import polars as pl

from penstock import feature_view, files

subscribers = files("data/subscribers", event_time="asked_at", known_time="known_at", key="row_id")
visits = files("data/visits", event_time="seen_at", key=("person", "seen_at"))


@feature_view(entity="person", source=visits, ttl="7d")
def app_use(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Visits in the last week, minutes a visit in the last two, and how that has changed."""
    week = pl.col("visits").rolling_sum(7, min_samples=1).over("person")
    before = pl.col("visits").rolling_sum(14, min_samples=1).over("person") - week
    minutes = pl.col("minutes").rolling_sum(14, min_samples=1).over("person")
    return rows.sort("person", "seen_at").select(
        "person",
        "seen_at",
        visits_of_week=week,
        change=week - before,
        minutes_a_visit=pl.when(week + before > 0).then(minutes / (week + before)),
    )
