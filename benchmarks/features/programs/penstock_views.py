"""The views of the benchmark as a user of Penstock declares them."""

from __future__ import annotations

import polars as pl

from penstock import feature_view, files

TIME = "event_timestamp"
TTL = "2d"


@feature_view(entity="entity", source=files("view0.parquet", event_time=TIME), ttl=TTL)
def view0(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Numbers."""
    return rows


@feature_view(entity="entity", source=files("view1.parquet", event_time=TIME), ttl=TTL)
def view1(rows: pl.LazyFrame) -> pl.LazyFrame:
    """More numbers."""
    return rows


@feature_view(entity="entity", source=files("view2.parquet", event_time=TIME), ttl=TTL)
def view2(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Yet more numbers."""
    return rows


VIEWS = (view0, view1, view2)
