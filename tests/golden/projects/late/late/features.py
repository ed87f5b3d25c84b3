"""What is known before a trip."""

import polars as pl

from penstock import feature_view, files

trips = files("data/trips", event_time="leaves_at", known_time="known_at", key="trip")
weather = files("data/weather/*.csv", event_time="observed_at", key=("city", "observed_at"))


@feature_view(entity="city", source=weather, ttl="1h30m")
def city_weather(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The weather where the trip begins."""
    return rows.select("city", "observed_at", "wind")
