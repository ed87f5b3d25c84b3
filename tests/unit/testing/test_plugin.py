"""The fixtures that users' projects get, used as a user would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from penstock import feature_view, files, pipeline, step
from penstock.core.errors import InvalidPipeline
from penstock.pipelines.types import Graph

weather = files("weather", event_time="at", known_time="known")
COLUMNS = {"city": ["a", "b"], "at": "time", "wind": "float", "gusts": "int", "rain": "bool", "sky": "string"}


@feature_view(entity="city", source=weather)
def honest(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("city", "at", "known", mean=pl.col("wind").cum_sum().over("city"))


@feature_view(entity="city", source=weather)
def centred(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("city", "at", "known", wind=pl.col("wind") - pl.col("wind").mean())


@feature_view(entity="city", source=weather)
def ahead(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("city", "at", "known", wind=pl.col("wind").shift(-1).over("city"))


@step
def one(depth: int) -> int:
    return depth


@pipeline
def ones(depth: int = 1) -> object:
    return one(depth)


def test_draw_takes_a_pipeline_or_its_name(draw: Callable[..., Graph]) -> None:
    assert draw(ones, depth=2).parameters[0].default == 2
    with pytest.raises(InvalidPipeline, match="no module not_here"):
        draw("not_here:train")


def test_made_up_rows_are_the_same_every_time(made_up_rows: Callable[..., pl.DataFrame]) -> None:
    rows = made_up_rows(COLUMNS, 50, nulls=0.2)
    assert rows.equals(made_up_rows(COLUMNS, 50, nulls=0.2))
    assert not rows.equals(made_up_rows(COLUMNS, 50, nulls=0.2, seed=1))
    assert rows.dtypes == [pl.String, pl.Datetime("us", "UTC"), pl.Float64, pl.Int64, pl.Boolean, pl.String]
    assert rows["at"].null_count() == 0
    assert rows["at"].is_sorted()
    assert 0 < rows["wind"].null_count() < 25


def test_an_honest_view_passes(
    made_up_rows: Callable[..., pl.DataFrame], point_in_time: Callable[..., None]
) -> None:
    point_in_time(honest, made_up_rows({**COLUMNS, "known": "time"}))


@pytest.mark.parametrize("view", [centred, ahead])
def test_a_view_that_looks_ahead_fails(
    view: Any, made_up_rows: Callable[..., pl.DataFrame], point_in_time: Callable[..., None]
) -> None:
    with pytest.raises(
        AssertionError, match=rf"{view.settings.name} sees the future: at .* `wind` of \('.',\)"
    ):
        point_in_time(view, made_up_rows({**COLUMNS, "known": "time"}))


def test_a_view_that_uses_rows_before_they_were_known_fails(
    made_up_rows: Callable[..., pl.DataFrame], point_in_time: Callable[..., None]
) -> None:
    rows = made_up_rows(COLUMNS).with_columns(known=pl.col("at") + pl.duration(hours=pl.col("gusts") % 7))
    with pytest.raises(AssertionError, match="honest sees the future"):
        point_in_time(honest, rows)
