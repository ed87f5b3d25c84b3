"""A pipeline that trains on a view, which is what brings the view online where it is deployed."""

from __future__ import annotations

import polars as pl
from penstock_views import TIME, view0

from penstock import files, pipeline, step, training_rows

orders = files("spine.parquet", event_time=TIME, key="row")


@step
def fit(rows: pl.DataFrame) -> float:
    """How many rows there are."""
    return float(rows.height)


@pipeline
def train() -> float:
    """Count rows."""
    return fit(training_rows(orders, [view0], label="entity", holdout="1d").train)
