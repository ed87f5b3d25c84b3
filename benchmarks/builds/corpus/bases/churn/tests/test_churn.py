import numpy as np
import polars as pl
import pytest
from churn.data import subscriber_table, visit_table
from churn.features import app_use
from churn.pipeline import FEATURES, better, evaluate, fit_line, fit_trees, split, train_churn


@pytest.fixture
def rows() -> pl.DataFrame:
    table = subscriber_table().head(1600)
    chance = np.random.default_rng(4)
    visits = np.clip(8 - 4 * (table["left"] == "yes").to_numpy() + chance.normal(0, 3, table.height), 0, None)
    return table.with_columns(
        visits_of_week=pl.Series(np.round(visits)),
        change=pl.Series(chance.integers(-3, 4, table.height)),
        minutes_a_visit=pl.Series(chance.uniform(2, 9, table.height)),
    )


def test_app_use_has_a_row_for_each_day_of_each_person() -> None:
    visits = visit_table().head(5000)
    features = app_use(visits.lazy()).collect()
    assert features.height == visits.height
    assert {"person", "seen_at", "visits_of_week", "change", "minutes_a_visit"} <= set(features.columns)


def test_the_split_keeps_every_row_once(rows: pl.DataFrame) -> None:
    learn, choose = split(rows)
    assert learn.height + choose.height == rows.height
    assert choose.height == pytest.approx(rows.height / 5, abs=1)


@pytest.mark.parametrize("fit", [fit_trees, fit_line])
def test_models_are_better_than_chance(fit, rows: pl.DataFrame) -> None:
    model = fit(rows.head(1200))
    assert evaluate(model, rows.tail(400))["roc_auc"] > 0.6
    assert model.predict_proba(rows.select(FEATURES)).shape == (rows.height, 2)


def test_one_of_the_two_is_chosen(rows: pl.DataFrame) -> None:
    first, second = fit_trees(rows), fit_line(rows)
    assert type(better(first, second, rows)) is type(first)


def test_the_pipeline_is_drawn() -> None:
    assert {"split", "better", "evaluate", "publish"} <= {node.name for node in train_churn.draw().nodes}
