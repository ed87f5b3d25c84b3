"""Aggregates are declared in words, and refused in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from penstock import feature_view, files
from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.features import FeatureView, join, windows
from penstock.features.made import Made, view_of_inputs
from penstock.features.timelines import Rows, Timeline
from penstock.features.types import ViewSettings
from penstock.features.windows import tails, types_of

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
visits = files("visits", event_time="at")


def declared(**aggregates: str) -> FeatureView:
    return feature_view(entity="shop", source=visits, aggregates=aggregates)(events)


def events(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


def laid_out(view: FeatureView) -> tuple[ViewSettings, Timeline[Rows]]:
    return view.settings, Made(view, TABLE).timeline()


TABLE = pl.LazyFrame(
    {
        "shop": ["a", "a", "a"],
        "at": [NOON - timedelta(hours=hours) for hours in (3, 2, 0)],
        "people": [1, 2, 4],
        "kind": ["x", "y", "y"],
    }
)
SPINE = pl.DataFrame({"shop": ["a", "a", "b"], "now": [NOON, NOON + timedelta(hours=2), NOON]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mean over 6h", "cannot be read"),
        ("men(people) over 6h", "Did you mean `mean`"),
        ("count", "count over 1h"),
        ("count over soon", "has no span"),
        ("count over 0s", "over nothing"),
        ("distinct(shop) over 1d", "cannot be aggregated: found shop"),
    ],
)
def test_what_is_written_wrongly_is_told(text: str, said: str) -> None:
    with pytest.raises(InvalidPipeline, match=said):
        declared(wrong=text)


def test_a_view_with_aggregates_has_no_time_to_live() -> None:
    with pytest.raises(InvalidPipeline, match="no time-to-live"):
        feature_view(entity="shop", source=visits, ttl="1h", aggregates={"n": "count over 1h"})(events)


@pytest.mark.parametrize(
    ("aggregate", "said"),
    [
        ("sum(kind) over 1h", "is a sum of no numbers: .* found String in `kind`"),
        ("last(gone) over 1h", "no column `gone`"),
    ],
)
def test_an_aggregate_of_no_number_is_refused(aggregate: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        join(SPINE, "now", [declared(wrong=aggregate)], {"visits": TABLE})
    with pytest.raises(InvalidValue, match=said):
        tails(*laid_out(declared(wrong=aggregate)))


def test_names_types_and_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MOST_PAIRS", 2)
    view = declared(visits="count over 2h", people="sum(people) over 3h", kinds="distinct(kind) over 1d")
    found: dict[str, Any] = join(SPINE, "now", [view], {"visits": TABLE}).to_dict(as_series=False)
    assert (found["visits"], found["people"], found["kinds"]) == ([1, 0, 0], [6, 4, 0], [2, 2, 0])
    reading = view_of_inputs(*laid_out(view), ["people", "kind", "visits"])
    assert reading.features == ("visits", "people")
    kept = tails(*laid_out(view)).schema
    assert types_of(view.settings.aggregates, kept) == dict.fromkeys(("visits", "people", "kinds"), pl.Int64)


@feature_view(entity="shop", source=visits, aggregates={"groups": "count over 1d"})
def in_sql(rows: pl.LazyFrame) -> pl.LazyFrame:
    return events(rows).sql("SELECT shop, at FROM self WHERE people > 1")


def test_a_view_may_ask_in_sql_and_call_another() -> None:
    found = join(SPINE, "now", [in_sql], {"visits": TABLE})
    assert found["groups"].to_list() == [2, 2, 0]


def test_entities_that_the_type_of_the_rows_cannot_hold_are_those_of_no_row() -> None:
    table = pl.LazyFrame({"shop": [1, 2**40], "at": [NOON, NOON]})
    spine = pl.DataFrame({"shop": pl.Series([1, 2], dtype=pl.Int32), "now": [NOON, NOON]})
    found = join(spine, "now", [declared(visits="count over 1h")], {"visits": table})
    assert found["visits"].to_list() == [1, 0]


def test_views_that_are_laid_out_need_no_table() -> None:
    view = declared(people="sum(people) over 3h")
    kept = {view.settings.name: [laid_out(view)[1]]}
    assert join(SPINE, "now", [view], {}, kept)["people"].to_list() == [6, 4, 0]
    plain = feature_view(entity="shop", source=visits)(events)
    kept = {plain.settings.name: [Made(plain, TABLE).timeline()]}
    assert join(SPINE, "now", [plain], {}, kept)["people"].to_list() == [4, 4, None]
