import numpy as np
import polars as pl
import pytest
from demand.data import oven_table, sales_table
from demand.features import oven_load, recent_sales
from demand.pipeline import FEATURES, LABEL, evaluate, fit, train_demand


@pytest.fixture
def rows() -> pl.DataFrame:
    table = sales_table().head(1200)
    sold = pl.col("sold")
    return table.with_columns(
        yesterday=sold.shift(1).over("bakery"),
        week_ago=sold.shift(7).over("bakery"),
        mean_of_week=sold.rolling_mean(7, min_samples=1).shift(1).over("bakery"),
        load=pl.lit(5.0),
    )


def test_recent_sales_have_a_row_for_each_day_of_each_bakery() -> None:
    features = recent_sales(sales_table().lazy()).collect()
    assert features.height == sales_table().height
    assert {"yesterday", "week_ago", "mean_of_week"} <= set(features.columns)
    assert features["mean_of_week"].drop_nulls().min() > 0


def test_the_load_of_ovens_is_in_hours() -> None:
    assert oven_load(oven_table().lazy()).collect()["load"].is_between(0, 30).all()


def test_the_model_is_better_than_the_mean(rows: pl.DataFrame) -> None:
    train, holdout = rows.head(900), rows.tail(300)
    spread = float(np.std(holdout[LABEL].to_numpy()))
    assert evaluate(fit(train), holdout)["rmse"] < spread


def test_it_answers_every_row(rows: pl.DataFrame) -> None:
    said = fit(rows).predict(rows.select(FEATURES))
    assert said.shape == (rows.height,)
    assert np.isfinite(said).all()


def test_the_pipeline_is_drawn() -> None:
    assert {"fit", "evaluate", "publish"} <= {node.name for node in train_demand.draw().nodes}
