"""The flights that ask for predictions: `python -m flights.requests DATA OUT EVERY`.

Each is given the features that were known at its scheduled departure, by the same join that made
the training rows.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flights.features import origin_weather
from flights.pipeline import CATEGORIES, FEATURES, LABEL, NUMBERS
from penstock.features import join

FROM = datetime(2013, 3, 1, tzinfo=UTC)


def sample(flights: pl.LazyFrame, weather: pl.LazyFrame, every: int) -> pl.DataFrame:
    """Every n-th flight from March on, in order of departure, with its features."""
    chosen = (
        flights.filter(pl.col("departs_at") > FROM)
        .sort("departs_at", "flight_id")
        .collect()
        .gather_every(every)
    )
    return join(chosen, "departs_at", [origin_weather], {"weather": weather})


def requests(rows: pl.DataFrame) -> dict[str, Any]:
    """The rows as the demo reads them: times are seconds since 1970, a null label was never known."""
    wire = {
        name: "BYTES" if name in CATEGORIES else "INT64" if name in NUMBERS else "FP64" for name in FEATURES
    }
    columns = rows.select(
        pl.col("flight_id").alias("id"),
        pl.col("departs_at").dt.epoch("s"),
        pl.col("known_at").dt.epoch("s"),
        pl.struct(FEATURES).alias("features"),
        pl.col(LABEL),
    )
    return {"datatypes": wire, "flights": columns.to_dicts()}


if __name__ == "__main__":
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    tables = [pl.scan_parquet(data / name / "*.parquet") for name in ("flights", "weather")]
    partial = out.with_suffix(".partial")
    partial.write_text(json.dumps(requests(sample(*tables, every=int(sys.argv[3])))))
    partial.replace(out)
