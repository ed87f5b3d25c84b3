"""The join equals a slow one that asks, row by row, what was known then: whole, in parts, or laid out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import feature_view, files
from penstock.features import FeatureView, join, joins, keeping, laying, made
from penstock.features.keeping import read_timeline, write_timeline

START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")
bitemporal = files("events", event_time="at", known_time="known")
plain = files("events", event_time="at")


@feature_view(entity=("shop", "till"), source=bitemporal, ttl="3h")
def two_keys_with_ttl(rows: pl.LazyFrame) -> pl.LazyFrame:
    others = {"name": pl.col("value").cast(pl.String), "many": pl.concat_list("value", "till")}
    return rows.select("shop", "till", "at", "known", "value", **others)


@feature_view(entity="shop", source=bitemporal)
def without_ttl(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("shop", "at", "known", "value")


@feature_view(entity="shop", source=plain, ttl="1h")
def known_at_once(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("shop", "at", "value")


# Few entities and few moments make ties, duplicates and edges of the time-to-live the rule.
hours = st.integers(0, 6)
shops = st.sampled_from(["a", "a", "a", "b", None])
tills = st.integers(1, 2)
moments = st.sampled_from([*range(7), None])
event_rows = st.lists(st.tuples(shops, tills, moments, st.integers(0, 3), st.integers(0, 99)), max_size=20)
spine_rows = st.lists(st.tuples(shops, tills, hours), min_size=1, max_size=20)


def slow(view: FeatureView, moment: datetime, entity: dict[str, Any], events: list[dict[str, Any]]) -> Any:
    """The value of the newest event, of those the one known last, of those the last in the file."""
    declared, best = view.settings, None
    for event in events:
        at, known = event["at"], event["known"] if declared.source.known_time else event["at"]
        if at is None or any(event[name] is None or event[name] != entity[name] for name in declared.entity):
            continue
        if at <= moment and known <= moment and (best is None or (at, known) >= best[0]):
            best = (at, known), event["value"]
    if best is None or (declared.ttl and moment - best[0][0] > timedelta(seconds=declared.ttl)):
        return None
    return best[1]


def in_parts(spine: pl.DataFrame, view: FeatureView, table: pl.LazyFrame) -> pl.DataFrame:
    """As a table that is larger than memory: three rows at a time."""
    with patch.object(joins, "AT_ONCE", 3 * len(view(table).collect_schema())):
        return join(spine, "now", [view], {"events": table})


def laid_out(spine: pl.DataFrame, view: FeatureView, table: pl.LazyFrame) -> pl.DataFrame:
    """From the file that a run keeps, which is the same when it is made of parts on the disk."""
    with TemporaryDirectory() as folder:
        place, parts = Path(folder, "timeline"), Path(folder, "parts")
        with patch.object(keeping, "piece_of", return_value=3):
            with place.open("wb") as file:
                write_timeline(made.Made(view, table).timeline(), file)
            with (
                parts.open("wb") as file,
                patch.object(laying, "HELD", 10),
                patch.object(laying, "PARTS", 3),
                patch.object(laying, "_AT_ONCE", 4),
                patch.object(laying, "piece_of", return_value=3),
            ):
                laying.lay_out(made.Made(view, table), file)
        assert parts.read_bytes() == place.read_bytes()
        return join(spine, "now", [view], {}, {view.settings.name: [read_timeline(place)]})


def whole(spine: pl.DataFrame, view: FeatureView, table: pl.LazyFrame) -> pl.DataFrame:
    return join(spine, "now", [view], {"events": table})


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([whole, in_parts, laid_out]),
    st.sampled_from([two_keys_with_ttl, without_ttl, known_at_once]),
    event_rows,
    spine_rows,
)
def test_each_row_gets_what_was_known_of_its_entity_at_its_moment(
    way: Any, view: FeatureView, events: list[Any], spine: list[Any]
) -> None:
    facts = [
        {
            "shop": shop,
            "till": till,
            "at": None if hour is None else START + timedelta(hours=hour),
            "known": START + timedelta(hours=(hour or 0) + delay),
            "value": value,
        }
        for shop, till, hour, delay, value in events
    ]
    kinds = {"shop": pl.String, "till": pl.Int64, "at": MOMENT, "known": MOMENT, "value": pl.Int64}
    wanted = pl.DataFrame(
        [(shop, till, START + timedelta(hours=hour)) for shop, till, hour in spine],
        schema={"shop": pl.String, "till": pl.Int32, "now": MOMENT},
        orient="row",
    )
    joined = way(wanted, view, pl.LazyFrame(facts, schema=kinds))
    assert joined.drop("value", "name", "many", strict=False).equals(wanted)
    if "name" in joined.columns:
        assert joined["name"].to_list() == joined["value"].cast(pl.String).to_list()
        assert joined["many"].list.first().to_list() == joined["value"].to_list()
    assert joined["value"].to_list() == [
        slow(view, row["now"], row, facts) for row in wanted.iter_rows(named=True)
    ]
