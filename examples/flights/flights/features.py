"""What is known about a flight before it leaves: the flight itself and the weather at its origin."""

import polars as pl

from penstock import feature_view, files

flights = files("data/flights", event_time="departs_at", known_time="known_at", key="flight_id")
weather = files(
    "data/weather", event_time="observed_at", known_time="known_at", key=("origin", "observed_at")
)


@feature_view(entity="origin", source=weather, ttl="3h")
def origin_weather(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Temperature, wind, rain, pressure and visibility at the origin, as known before departure."""
    return rows.select(
        "origin",
        "observed_at",
        *["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"],
    )
