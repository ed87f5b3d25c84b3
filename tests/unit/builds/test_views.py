"""Sources are asked for rows that are there twice, features for whether they still arrive."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import polars as pl
import pytest

from penstock import events, feature_view, files
from penstock.builds.automatic.rehearsal import Rehearsed
from penstock.builds.automatic.steps import artifact
from penstock.builds.automatic.views import arrives, unique_keys
from penstock.features.training import training_set
from penstock.features.types import RowsSettings
from penstock.pipelines.types import Node
from tests.unit.builds.asking import START, table

SALES = files("data/sales", event_time="at", key="row_id")
SIZES = files("data/sizes", event_time="seen_at")


@feature_view(entity="shop", source=SIZES, ttl="9d")
def sizes(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("shop", "seen_at", "size_seen")


def prepare(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def test_rows_that_come_again_under_another_key_are_told() -> None:
    rows = table()
    unique_keys(SALES, rows)
    unique_keys(SALES, rows.with_columns(at=pl.lit(START), size=pl.lit(1.0)))
    again = rows.tail(100).with_columns(pl.col("row_id") + 5000)
    with pytest.raises(AssertionError, match="100 of 1300 rows of sales are there again under another key"):
        unique_keys(SALES, pl.concat([rows, again]))


PUSHED = events("sales", event_time="at", key="row_id")
TOLD = files("data/sales", event_time="at", known_time="arrived_at", key="row_id")


def test_corrections_are_no_rows_that_are_there_twice() -> None:
    told = table().with_columns(arrived_at=pl.col("at"))
    corrected = told.tail(100).with_columns(
        size=pl.col("size") + 1, arrived_at=pl.col("at") + timedelta(days=1)
    )
    both = pl.concat([told, corrected])
    unique_keys(PUSHED, both)
    unique_keys(TOLD, both, trained_on=False)
    with pytest.raises(AssertionError, match="sales has 100 keys more than once"):
        unique_keys(TOLD, both)
    unique_keys(
        TOLD, pl.concat([told, told.with_columns(pl.col("arrived_at") + timedelta(1))]), trained_on=False
    )
    with pytest.raises(AssertionError, match="expected one row for each row_id, arrived_at"):
        unique_keys(TOLD, pl.concat([told, told.tail(5)]), trained_on=False)


@pytest.mark.parametrize("until", [50, 30])
def test_features_that_no_longer_arrive_are_told(until: int) -> None:
    rows = table()
    seen = rows.select("shop", seen_at="at", size_seen="size").filter(
        pl.col("seen_at") < START + timedelta(days=until)
    )
    asked = RowsSettings(source=SALES, label="sold", holdout="9d", views=(sizes.settings,))
    tables = {"sales": rows.lazy(), "sizes": seen.lazy()}
    made = training_set(msgspec.to_builtins(asked), tables, START + timedelta(days=99))
    if until == 50:
        arrives(sizes, seen, made, "at")
    else:
        with pytest.raises(AssertionError, match="sizes no longer arrives: `size_seen`"):
            arrives(sizes, seen, made, "at")


@pytest.mark.parametrize("label", ["late", "shop"])
def test_a_class_may_be_repeated_but_a_join_may_not_multiply_rows(label: str) -> None:
    rows = table()
    again = pl.concat([rows, rows.filter(pl.col("late"))])
    node = Node(name="prepare", kind="step", target=f"{__name__}:prepare", outputs=("result",))
    done = Rehearsed({"prepare": {"rows": rows}}, {"prepare": {"result": again}}, ())
    asked = [RowsSettings(source=SALES, label=label, holdout="9d")]
    if label == "late":
        artifact(node, done, asked)
    else:
        with pytest.raises(AssertionError, match="expected one row for each"):
            artifact(node, done, asked)
