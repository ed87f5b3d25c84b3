"""Views that lose texts, differences or gaps are told, and so are those that are made of others' rows."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from penstock import feature_view, files
from penstock.builds.automatic.lost import lost_values
from penstock.builds.automatic.neighbours import own_rows, same_moment
from penstock.features.views import FeatureView
from tests.unit.builds.asking import START

VISITS = files("data/visits", event_time="at")
SHOPS, DAYS = 10, 60


def visits() -> pl.DataFrame:
    """A row for each shop and day; on every tenth day nobody counted."""
    chance = np.random.default_rng(0)
    days = np.repeat(np.arange(DAYS), SHOPS)
    return pl.DataFrame(
        {
            "shop": [f"s{n % SHOPS}" for n in range(DAYS * SHOPS)],
            "at": [START + timedelta(days=int(day)) for day in days],
            "count": [
                None if day % 10 == 3 else int(n)
                for day, n in zip(days, chance.poisson(2, len(days)), strict=True)
            ],
            "fault": ["door" if fault else "" for fault in chance.random(len(days)) < 0.1],
            "built": [f"{n % 28 + 1:02}.{n % 12 + 1:02}.2020" for n in range(len(days))],
        }
    )


def view_of(feature: pl.Expr) -> FeatureView:
    return SHAPE(lambda rows: rows.select("shop", "at", found=feature))


class SHAPE(FeatureView):
    def __init__(self, function: object) -> None:
        super().__init__(declared.function, declared.settings)
        self.function = function  # type: ignore[assignment]


@feature_view(entity="shop", source=VISITS)
def declared(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


BUILT = pl.col("built")
COUNT = pl.col("count")


@pytest.mark.parametrize(
    ("feature", "told"),
    [
        (pl.col("fault").is_not_null(), "is True in all 600 rows, though `fault`"),
        (BUILT.str.to_date("%m.%d.%Y", strict=False).dt.year(), r"cannot read 56% of the texts in `built`"),
        (COUNT.fill_null(0).rolling_mean(7, min_samples=1).over("shop"), "what was not recorded as 0"),
    ],
)
def test_what_is_lost_is_told(feature: pl.Expr, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        lost_values(view_of(feature), visits())


@pytest.mark.parametrize(
    "feature",
    [
        pl.col("fault") != "",
        BUILT.str.to_date("%d.%m.%Y", strict=False).dt.month(),
        COUNT.rolling_mean(7, min_samples=1).over("shop"),
        pl.when(COUNT > 0).then(10 / COUNT),
        pl.lit(1),
    ],
)
def test_what_is_kept_passes(feature: pl.Expr) -> None:
    lost_values(view_of(feature), visits())


def test_rows_of_others_are_told() -> None:
    own_rows(view_of(COUNT.cum_sum().over("shop")), visits())
    for feature in (COUNT.cum_sum().over("shop") / pl.int_range(1, pl.len() + 1), COUNT.sum().over("at")):
        with pytest.raises(AssertionError, match="made of rows of others too"):
            own_rows(view_of(feature), visits())


def test_the_order_of_rows_of_one_moment_means_nothing() -> None:
    twice = pl.concat([visits(), visits().with_columns(COUNT + 5)]).sort("at", maintain_order=True)
    same_moment(view_of(COUNT.sum().over("shop", "at")), twice)
    same_moment(view_of(COUNT), visits())
    with pytest.raises(AssertionError, match="depends on the order of rows of one moment"):
        same_moment(view_of(COUNT), twice)
