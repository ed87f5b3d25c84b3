"""What is online at a moment is what the join gives a row at that moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import feature_view, files
from penstock.features import FeatureView, join
from penstock.features.latest import latest, rows_to_keep
from penstock.features.made import Made
from penstock.features.records import Record, decode_record, entity_key, of_feature, values_at
from penstock.features.types import OnlineView

START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")
KINDS = {"shop": pl.String, "till": pl.Int32, "at": MOMENT, "known": MOMENT, "value": pl.Float64}
source = files("events", event_time="at", known_time="known")


@feature_view(entity=("shop", "till"), source=source, ttl="2h")
def with_ttl(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


@feature_view(entity="shop", source=source)
def without_ttl(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.drop("till")


hours = st.integers(0, 6)
events = st.lists(
    st.tuples(
        st.sampled_from(["a", "a", "b", None]),
        st.sampled_from([1, 2, None]),
        st.sampled_from([*range(7), None]),
        st.integers(0, 3),
        st.sampled_from([None, 0.5, 1.5, float("inf")]),
    ),
    max_size=20,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([with_ttl, without_ttl]), events, hours)
def test_online_values_are_those_of_the_join(view: FeatureView, rows: list[Any], hour: int) -> None:
    now = START + timedelta(hours=hour)
    facts = pl.DataFrame(
        [
            (shop, till, None if at is None else START + timedelta(hours=at), known, value)
            for shop, till, at, delay, value in rows
            for known in [START + timedelta(hours=(at or 0) + delay)]
        ],
        schema=KINDS,
        orient="row",
    ).filter(pl.col("at") <= now, pl.col("known") <= now)  # what a snapshot holds
    newest = latest(view.settings, Made(view, facts.lazy()).timeline())
    online: dict[bytes, Record] = {
        key: decode_record(kept) for key, kept in rows_to_keep(view.settings.entity, newest)
    }
    spine = pl.DataFrame(
        [(shop, till, now) for shop in ("a", "b", "c") for till in (1, 2)],
        schema={"shop": pl.String, "till": pl.Int64, "now": MOMENT},
        orient="row",
    )
    offline = join(spine, "now", [view], {"events": facts.lazy()})
    for row in offline.iter_rows(named=True):
        record = online.get(entity_key(view.settings.entity, [row[name] for name in view.settings.entity]))
        reading = OnlineView(name="view", entity=(), features=("value",), ttl=view.settings.ttl)
        stands, counts = values_at(reading, record, now)
        status = of_feature(stands, counts, "value")
        assert counts.get("value") == row["value"], status
        assert (status == "NOT_FOUND") == (record is None)
