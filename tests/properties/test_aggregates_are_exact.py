"""Aggregates are those of a slow count over all events, at every moment, in training and online."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import feature_view, files
from penstock.features import FeatureView, join, windows
from penstock.features.latest import rows_to_keep
from penstock.features.made import Made
from penstock.features.records import decode_record, entity_key, values_at
from penstock.features.types import OnlineView
from penstock.features.windows import tails

START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")
KINDS = {"id": pl.Int64, "shop": pl.String, "till": pl.Int32, "at": MOMENT, "known": MOMENT}
KINDS |= {"value": pl.Float64, "ok": pl.Boolean, "word": pl.String}
corrected = files("events", event_time="at", known_time="known", key="id")
plain = files("events", event_time="at", known_time="known")
WRITTEN = {
    "events": "count over 2h",
    "values": "count(value) over 3h",
    "total": "sum(value) over 3h",
    "average": "mean(value) over 2h",
    "lowest": "min(value) over 4h",
    "highest": "max(value) over 1h",
    "newest": "last(word) over 3h",
    "words": "distinct(word) over 4h",
    "share": "mean(ok) over 3h",
    "any": "max(ok) over 2h",
}


@feature_view(entity=("shop", "till"), source=corrected, aggregates=WRITTEN)
def with_corrections(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


@feature_view(entity="shop", source=plain, aggregates=WRITTEN)
def without(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


SLOW: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "distinct": lambda values: len(set(values)),
    "sum": sum,
    "mean": lambda values: sum(values) / len(values) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "last": lambda values: values[-1] if values else None,
}


def slow(
    view: FeatureView, who: dict[str, Any], now: datetime, facts: list[dict[str, Any]]
) -> dict[str, Any]:
    """What each aggregate is, by looking at every event."""
    known = [
        (each["at"], each["known"], place, each)
        for place, each in enumerate(facts)
        if each["at"] is not None
        and each["known"] <= now
        and all(each[name] is not None for name in view.settings.entity)
    ]
    if key := view.settings.source.key:
        last = {tuple(k[3][n] for n in key): k[:3] for k in sorted(known, key=lambda k: (k[1], k[0], k[2]))}
        known = [k for k in known if k[3]["id"] is None or last[tuple(k[3][n] for n in key)] == k[:3]]
    mine = [
        k for k in sorted(known, key=lambda k: k[:3]) if all(k[3][n] == who[n] for n in view.settings.entity)
    ]
    found = {}
    for each in view.settings.aggregates:
        within = [k for k in mine if now - timedelta(seconds=each.over) < k[0] <= now]
        values = [k[3][each.column] if each.column else 1 for k in within]
        values = [value for value in values if value is not None and str(value) not in {"nan", "inf"}]
        found[each.name] = SLOW[each.of](values)
    return found


rows = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, None]),
        st.sampled_from(["a", "a", "b", None]),
        st.sampled_from([1, 2, None]),
        st.sampled_from([*range(7), None]),
        st.integers(0, 3),
        st.sampled_from([None, 0.5, 1.5, -2.0, float("nan"), float("inf")]),
        st.sampled_from([None, True, False]),
        st.sampled_from([None, "x", "y"]),
    ),
    max_size=20,
)
halves = st.lists(st.integers(0, 14), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([with_corrections, without]), rows, halves, st.sampled_from([1 << 24, 2]))
def test_aggregates_are_those_of_a_slow_count(
    view: FeatureView, events: list[Any], times: list[int], most: int
) -> None:
    with patch.object(windows, "MOST_EVENTS", most):  # of a view with more events, some after others
        equal_to_a_slow_count(view, events, times)


def equal_to_a_slow_count(view: FeatureView, events: list[Any], times: list[int]) -> None:
    made = [
        (
            key,
            shop,
            till,
            None if at is None else START + timedelta(hours=at),
            START + timedelta(hours=(at or 0) + late),
            value,
            ok,
            word,
        )
        for key, shop, till, at, late, value, ok, word in events
    ]
    facts = pl.DataFrame(made, schema=KINDS, orient="row")
    moments = [START + timedelta(hours=half / 2) for half in times]
    spine = pl.DataFrame(
        [(shop, till, now) for now in moments for shop in ("a", "c") for till in (1, 2)],
        schema={"shop": pl.String, "till": pl.Int64, "now": MOMENT},
        orient="row",
    )
    offline = join(spine, "now", [view], {"events": facts.lazy()})
    expected = [slow(view, row, row["now"], facts.to_dicts()) for row in spine.iter_rows(named=True)]
    assert offline.drop("shop", "till", "now").to_dicts() == expected
    entity = view.settings.entity
    reading = OnlineView(name="v", entity=(), features=tuple(WRITTEN), aggregates=view.settings.aggregates)
    for now in moments[:1]:
        seen = facts.filter(pl.col("at") <= now, pl.col("known") <= now)  # what a snapshot holds
        kept = tails(view.settings, Made(view, seen.lazy()).timeline())
        online = {key: decode_record(record) for key, record in rows_to_keep(entity, kept)}
        for hours in (0, 0.5, 3):  # aggregates change though nothing happens
            then = now + timedelta(hours=hours)
            for who in ({"shop": "a", "till": 1}, {"shop": "c", "till": 2}):
                record = online.get(entity_key(entity, [who[name] for name in entity]))
                assert values_at(reading, record, then)[1] == slow(view, who, then, seen.to_dicts())
