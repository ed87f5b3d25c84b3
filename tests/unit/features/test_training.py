"""Feature views and training sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest

from penstock import feature_view, files
from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.features import join, training_set
from penstock.features.types import RowsSettings, TrainingSet

START = datetime(2024, 1, 1, tzinfo=UTC)
LATER = datetime(2025, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
trips = files("trips", event_time="at", known_time="known", key="id")
weather = files("weather", event_time="seen", known_time="known")


@feature_view(entity="city", source=weather, ttl="3h")
def city_weather(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("city", "seen", "wind", "rain")


@feature_view(entity="city", source=weather)
def corrected(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("city", "seen", "known", corrected_wind="wind")


TABLES = {
    "trips": pl.LazyFrame(
        {
            "id": range(40),
            "at": [START + DAY * day for day in range(40)],
            "known": [START + DAY * (day + 1) for day in range(40)],
            "city": ["a", "b"] * 20,
            "miles": [None, *range(39)],
            "booked": [START] * 40,
            "late": [None if day == 3 else day % 5 == 0 for day in range(40)],
        }
    ),
    "weather": pl.LazyFrame(
        {
            "city": ["a"] * 20,
            "seen": [START + DAY * 2 * day - HOUR * 2 for day in range(20)],
            "known": [START + DAY * 2 * day - HOUR * 2 for day in range(20)],
            "wind": [float(day) for day in range(20)],
            "rain": [day % 2 == 0 for day in range(20)],
        }
    ),
}


def made(as_of: datetime = LATER, tables: dict[str, pl.LazyFrame] = TABLES, **changes: Any) -> TrainingSet:
    asked = {"source": trips, "label": "late", "holdout": "10d", "views": (city_weather.settings,), **changes}
    return training_set(msgspec.to_builtins(RowsSettings(**asked)), tables, as_of)


def test_a_feature_view_is_still_its_function() -> None:
    assert city_weather(TABLES["weather"]).collect_schema().names() == ["city", "seen", "wind", "rain"]
    assert city_weather.settings.ttl == 3 * 3600


def test_rows_are_cut_by_time_and_carry_their_features() -> None:
    rows = made()
    assert rows.train.columns == ["id", "at", "city", "miles", "booked", "late", "wind", "rain"]
    assert rows.train["id"].to_list() == [0, 1, 2, *range(4, 30)], "trip 3 has no label"
    assert rows.holdout["id"].to_list() == list(range(30, 40))
    assert rows.train["wind"].to_list()[:4] == [0.0, None, 1.0, 2.0]


def test_span_and_holdout_reach_back_from_the_newest_known_row() -> None:
    rows = made(as_of=START + DAY * 20, span="15d")
    assert rows.train["id"].to_list() == [5, 6, 7, 8, 9]
    assert rows.holdout["id"].to_list() == list(range(10, 20)), "trip 19 became known on day 20"


def test_rows_since_a_moment_are_never_fewer_than_twice_the_holdout() -> None:
    newest = made().holdout["at"][-1]
    rows = made(since=(newest - DAY * 25).isoformat(), span="35d")
    assert rows.train["id"].to_list() == list(range(14, 30))
    assert made(since=(newest - DAY).isoformat()).train["id"].to_list() == list(range(19, 30))
    assert made(since=(newest - DAY * 100).isoformat(), span="15d").train["id"][0] == 25


def test_a_share_of_the_newest_rows_is_kept_apart() -> None:
    rows = made(holdout="25%")
    assert rows.holdout["id"].to_list() == list(range(30, 40))
    assert rows.train.height == 29
    assert made(since=LATER.isoformat(), holdout="25%").train["id"].to_list() == list(range(20, 35))


def test_rows_of_one_time_are_kept_apart_by_chance_and_equal_ones_together() -> None:
    cells = files("cells")
    half = pl.DataFrame({"size": range(500), "ill": [n % 2 == 0 for n in range(500)]})
    twice = pl.concat([half, half]).with_columns(pl.lit(START).alias(cells.event_time))

    def parts(table: pl.DataFrame) -> TrainingSet:
        return made(source=cells, tables={"cells": table.lazy()}, label="ill", holdout="20%", views=())

    rows = parts(twice)
    assert rows.train.columns == ["size", "ill"], "what the file holds and nothing else"
    assert [column["name"] for column in rows.schema["columns"]] == ["size"]
    assert 200 <= rows.holdout.height <= 201
    assert not set(rows.train["size"]) & set(rows.holdout["size"])
    assert 60 < rows.holdout["ill"].sum() < 140, "not the last of the file, nor of one label"
    again = parts(twice.reverse())
    assert set(again.holdout["size"]) == set(rows.holdout["size"]), "in whatever order rows come"


def test_no_view_is_made_of_rows_without_a_time() -> None:
    with pytest.raises(InvalidPipeline, match="expected rows that say when they happened"):
        feature_view(entity="city", source=files("cities"))(lambda rows: rows)


def test_the_schema_says_what_a_model_is_asked() -> None:
    schema = made().schema
    assert schema["label"] == "late"
    assert schema["columns"] == [
        {"name": "city", "dtype": "string", "nullable": False},
        {"name": "miles", "dtype": "int", "nullable": True},
        {"name": "wind", "dtype": "float", "nullable": True},
        {"name": "rain", "dtype": "bool", "nullable": True},
    ]
    assert list(schema["examples"]) == ["city", "miles", "wind", "rain"]
    assert schema["examples"]["miles"] == list(range(29, 39))
    assert msgspec.json.decode(msgspec.json.encode(schema)) == schema


def test_examples_are_spread_over_a_large_holdout() -> None:
    many = pl.LazyFrame({"id": range(5_000), "late": [True] * 5_000, "miles": range(5_000)})
    many = many.with_columns(at=START + pl.col("id") * pl.duration(minutes=1)).with_columns(known="at")
    examples = made(tables={"trips": many}, views=(), holdout="2d").schema["examples"]["miles"]
    assert len(examples) == 500
    assert min(examples) < 2_500
    assert max(examples) > 4_980


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"label": "lat"}, r"no column `lat` for the label\. Did you mean `late`"),
        (
            {"holdout": "90d"},
            "empty part: expected labelled rows to learn from beside a holdout of 90d; found 0 beside 39",
        ),
        ({"as_of": START}, "no rows with a label: expected rows known at 2024-01-01 00:00 UTC"),
        ({"label": "booked"}, "`booked` of the source trips cannot be learnt: .* found Datetime"),
        ({"holdout": "99.9%"}, r"empty part: .* found 0 beside 39.*Say a smaller share"),
        ({"span": "1h"}, r"empty part: .* found 0 beside 1, .* A model takes two rows at least"),
    ],
)
def test_a_training_set_that_cannot_be_made_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        made(**changes)


def test_rows_without_any_input_of_a_model_are_refused() -> None:
    tables = {**TABLES, "trips": TABLES["trips"].select("id", "at", "known", "late", "booked")}
    with pytest.raises(InvalidValue, match="no column that a model could be asked about"):
        made(tables=tables, views=())


def test_lists_are_no_inputs_of_a_model() -> None:
    tables = {**TABLES, "trips": TABLES["trips"].with_columns(tags=pl.lit([1, 2]))}
    with pytest.raises(InvalidValue, match=r"cannot be inputs of a model.*`tags` \(List"):
        made(tables=tables)


def test_a_view_must_not_drop_when_its_rows_were_known() -> None:
    late = TABLES["weather"].with_columns(known=pl.col("known") + HOUR)
    with pytest.raises(
        InvalidValue, match="city_weather drops `known`, though rows of weather became known later"
    ):
        made(tables={**TABLES, "weather": late})
    rows = made(tables={**TABLES, "weather": late}, views=(corrected.settings,))
    assert rows.train.columns[-1] == "corrected_wind"


@pytest.mark.parametrize(
    ("spine", "table", "sentence"),
    [
        ({"at": [START]}, {}, "city_weather is joined by its entity, but a row has no column `city`"),
        (
            {"at": [START], "city": [1]},
            {},
            r"`city` of the feature view city_weather cannot be joined: expected Int64.*cast\(pl.Int64\)",
        ),
        (
            {"at": [START], "city": ["a"], "wind": [1]},
            {},
            "gives columns that the rows already have: found wind",
        ),
        (
            {"at": [START], "city": ["a"]},
            {"wind": "gust"},
            "city_weather failed on the rows of weather: found.*wind",
        ),
        ({"at": [START], "city": ["a"]}, {"city": "town"}, "The feature view town has no column `city`"),
    ],
)
def test_views_that_do_not_fit_are_refused(
    spine: dict[str, list[Any]], table: dict[str, str], sentence: str
) -> None:
    rows = TABLES["weather"].rename(table)
    view = town if "city" in table else city_weather
    with pytest.raises(InvalidValue, match=sentence):
        join(pl.DataFrame(spine), "at", [view], {"weather": rows})


@feature_view(entity="city", source=weather)
def town(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


def test_a_wrong_declaration_is_refused() -> None:
    with pytest.raises(InvalidPipeline, match="expected what `files"):
        feature_view(entity="city", source="weather")  # type: ignore[arg-type]
    with pytest.raises(InvalidPipeline, match="needs an entity"):
        feature_view(entity=(), source=weather)
    with pytest.raises(InvalidPipeline, match="a lambda has no name"):
        feature_view(entity="city", source=weather)(lambda rows: rows)
    with pytest.raises(InvalidValue, match=r"`ttl` of feature_view\(...\) .* expected a text; found 5"):
        feature_view(entity="city", source=weather, ttl=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidPipeline, match=r"such as \{.busy.: .count over 1h.\}; found"):
        feature_view(entity="city", source=weather, aggregates=["count over 1h"])  # type: ignore[arg-type]


def test_one_name_is_taken_whole() -> None:
    declared = feature_view(entity="city", source=weather, pii="rain", tags="sky")(city_weather.function)
    assert (declared.settings.pii, declared.settings.tags) == (("rain",), ("sky",))
