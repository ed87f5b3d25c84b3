"""What the weather feature keeps, and what it must not keep."""

from datetime import UTC, datetime

import polars as pl
from flights.features import origin_weather
from flights.pipeline import WEATHER


def test_weather_at_the_origin_keeps_its_key_its_time_and_every_feature() -> None:
    time = datetime(2013, 1, 1, 6, tzinfo=UTC)
    columns = {"origin": "EWR", "observed_at": time, "known_at": time} | dict.fromkeys(WEATHER, 1.0)
    assert origin_weather(pl.LazyFrame([columns])).collect().columns == ["origin", "observed_at", *WEATHER]
