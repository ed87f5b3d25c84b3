"""A feature view in SQL gives what its twin in Polars gives, at every moment and online."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import feature_view, files
from penstock.features import FeatureView, join
from penstock.features.latest import latest
from penstock.features.made import Made
from penstock.features.windows import tails

START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")
KINDS = {"shop": pl.String, "at": MOMENT, "known": MOMENT, "value": pl.Float64, "good": pl.String}
HALVES = {"first": "count over 2h", "last": "last(good) over 3h", "sum": "sum(value) over 3h"}
source = files("events", event_time="at", known_time="known")


@feature_view(entity="shop", source=source, ttl="3h")
def in_polars(rows: pl.LazyFrame) -> pl.LazyFrame:
    half = pl.when(pl.col("good") == "tea").then(pl.col("value") * 1.5).otherwise("value")
    kept = rows.filter(pl.col("shop").is_not_null() & pl.col("good").ne_missing("salt"))
    hour = pl.col("at").dt.hour().cast(pl.Int64)
    return kept.select("shop", "at", "known", half.alias("half"), hour.alias("hour"))


@feature_view(entity="shop", source=source, ttl="3h")
def in_sql() -> str:
    """The same."""
    return """
        -- tea counts more
        SELECT shop, "at", known,
            CASE WHEN good = 'tea' THEN value * 1.5 ELSE value END AS half,
            hour("at") AS hour
        FROM rows
        WHERE shop IS NOT NULL AND good IS DISTINCT FROM 'salt';
    """


@feature_view(entity="shop", source=source, aggregates=HALVES)
def summed_in_polars(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


@feature_view(entity="shop", source=source, aggregates=HALVES)
def summed_in_sql() -> str:
    return "FROM rows -- all of them"


events = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.integers(0, 4),
        st.integers(0, 2),
        st.sampled_from([None, 0.5, 2.0]),
        st.sampled_from(["tea", "salt", None]),
    ),
    max_size=15,
)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([(in_polars, in_sql), (summed_in_polars, summed_in_sql)]), events)
def test_both_are_the_same(twins: tuple[FeatureView, FeatureView], rows: list[Any]) -> None:
    facts = pl.DataFrame(
        [
            (shop, START + timedelta(hours=at), START + timedelta(hours=at + delay), value, good)
            for shop, at, delay, value, good in rows
        ],
        schema=KINDS,
        orient="row",
    )
    spine = pl.DataFrame(
        {"shop": ["a", "b", None] * 7, "now": [START + timedelta(hours=n // 3) for n in range(21)]},
        schema_overrides={"now": MOMENT},
    )
    first, second = (join(spine, "now", [view], {"events": facts.lazy()}) for view in twins)
    assert first.equals(second)
    making = tails if twins[0].settings.aggregates else latest
    first, second = (making(view.settings, Made(view, facts.lazy()).timeline()) for view in twins)
    assert first.equals(second)
