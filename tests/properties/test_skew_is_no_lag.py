"""What was read online is wrong only where nobody could have known it when the store was filled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import feature_view, files
from penstock.datasets.types import Column
from penstock.features import FeatureView
from penstock.features.latest import latest, rows_to_keep
from penstock.features.made import Made
from penstock.features.records import decode_record, entity_key, values_at
from penstock.features.skew import Fill, compare, to_compare
from penstock.features.types import OnlineView
from penstock.features.windows import tails

START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")
KINDS = {"shop": pl.String, "at": MOMENT, "known": MOMENT, "value": pl.Float64}
source = files("events", event_time="at", known_time="known")


@feature_view(entity="shop", source=source, ttl="2h")
def newest(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


@feature_view(
    entity="shop", source=source, aggregates={"busy": "count over 2h", "total": "sum(value) over 3h"}
)
def summed(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


events = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(0, 6),
        st.integers(0, 3),
        st.sampled_from([None, 0.5, 1.5, float("inf")]),
    ),
    max_size=15,
)
halves = st.integers(0, 14).map(lambda half: START + timedelta(minutes=30 * half + 10))


def online(
    view: FeatureView, facts: pl.DataFrame, as_of: datetime, shop: str, now: datetime
) -> dict[str, Any]:
    """What a store that was filled as of one moment says of a shop at another."""
    seen = Made(view, facts.filter(pl.max_horizontal("at", "known") <= as_of).lazy()).timeline()
    made = (tails if view.settings.aggregates else latest)(view.settings, seen)
    kept = {key: decode_record(data) for key, data in rows_to_keep(view.settings.entity, made)}
    reading = OnlineView(
        name="", entity=(), features=(), ttl=view.settings.ttl, aggregates=view.settings.aggregates
    )
    told = values_at(reading, kept.get(entity_key(["shop"], [shop])), now)[1]
    return {name: None if value == float("inf") else value for name, value in told.items()}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([newest, summed]), events, st.tuples(halves, halves), st.booleans())
def test_a_value_is_stale_or_right_unless_it_is_another(
    view: FeatureView, rows: list[Any], moments: tuple[datetime, datetime], going: bool
) -> None:
    filled, now = sorted(moments)
    facts = pl.DataFrame(
        [
            (shop, START + timedelta(hours=at), START + timedelta(hours=at + delay), value)
            for shop, at, delay, value in rows
        ],
        schema=KINDS,
        orient="row",
    )
    features = ("busy", "total") if view is summed else ("value",)
    later = Fill(filled, now + timedelta(seconds=1))  # was being loaded when it was read
    fills = [Fill(START, START), later] if going else [Fill(filled, filled)]
    found = [online(view, facts, filled, shop, now) for shop in "abc"]
    answers = pl.DataFrame(
        {
            "id": ["1", "2", "3", "4"],
            "key.shop": ["a", "b", "c", "a"],
            "read.v": [now] * 4,
            "status.v": ["PRESENT"] * 4,
            "given.v": [[], [], [], list(features)],
            **{f"input.{name}": [*(each.get(name) for each in found), 77.0] for name in features},
        },
        schema_overrides={"read.v": MOMENT, **{f"input.{name}": pl.Float64 for name in features}},
    )
    reading = OnlineView(name="v", entity=(Column(name="shop", dtype="string"),), features=features)
    timeline = Made(view, facts.lazy()).timeline()
    told = compare(view.settings, to_compare(reading, answers.lazy(), fills), timeline, features)
    fresh = [online(view, facts, now, shop, now) for shop in "abc"]
    for each in told:
        lags = [then.get(each.column) for then in found] != [right.get(each.column) for right in fresh]
        assert (each.rows, each.differs, each.stale > 0) == (3, 0, lags), each
    wrong = answers.with_columns(pl.col(f"input.{name}") + 0.25 for name in features)
    told = compare(view.settings, to_compare(reading, wrong.lazy(), fills), timeline, features)
    for each in told:
        assert each.differs == sum(then.get(each.column) is not None for then in found)
        assert len(each.examples) == each.differs
