"""Made-up training rows in which foggy departures are late."""

import polars as pl
import pytest
from flights.pipeline import FEATURES, LABEL, NUMBERS, WEATHER


@pytest.fixture
def rows() -> pl.DataFrame:
    """400 rows of every feature and the label; half of them in fog, some weather missing."""
    size = 400
    index = pl.int_range(size, eager=True)
    names = [*NUMBERS, *WEATHER]
    numbers = {name: (index * (step + 3) % 17).cast(pl.Float64) for step, name in enumerate(names)}
    table = pl.DataFrame(numbers).with_columns(
        carrier=pl.Series(["UA", "AA"]).gather(index % 2),
        origin=pl.Series(["EWR", "JFK", "LGA"]).gather(index % 3),
        dest=pl.Series(["ORD", "IAH", "MIA", "BOS"]).gather(index % 4),
        visib=pl.when(index % 8 < 4).then(1.0).otherwise(10.0),
        wind_gust=pl.when(index % 5 == 0).then("wind_gust"),
    )
    return table.select(FEATURES).with_columns((pl.col("visib") < 5).alias(LABEL))
