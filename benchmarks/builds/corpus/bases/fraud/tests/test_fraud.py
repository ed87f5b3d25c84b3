import numpy as np
import polars as pl
import pytest
from fraud.data import payment_table, shop_table
from fraud.features import shop_history, shop_returns
from fraud.pipeline import FEATURES, evaluate, fit, prepare, train_fraud


@pytest.fixture
def rows() -> pl.DataFrame:
    chance = np.random.default_rng(3)
    table = payment_table().head(1500)
    return table.with_columns(
        returns=pl.Series(chance.uniform(0, 0.1, table.height)),
        returns_of_week=pl.Series(chance.uniform(0, 0.1, table.height)),
        fraud_so_far=pl.Series(chance.uniform(0, 0.4, table.height)),
    )


def test_the_share_of_returns_is_between_0_and_1() -> None:
    features = shop_returns(shop_table().lazy()).collect()
    assert features["returns"].is_between(0, 1).all()
    assert {"shop", "told_at", "returns", "returns_of_week"} <= set(features.columns)


def test_the_history_of_a_shop_is_a_share() -> None:
    features = shop_history(payment_table().lazy()).collect()
    assert features["fraud_so_far"].is_between(0, 1).all()


def test_payments_of_a_cent_are_left_out(rows: pl.DataFrame) -> None:
    assert prepare(rows.head(10).with_columns(amount=pl.lit(0.01))).is_empty()
    assert not prepare(rows).is_empty()


def test_the_model_beats_chance(rows: pl.DataFrame) -> None:
    model = fit(rows.head(1000))
    metrics = evaluate(model, rows.tail(500))
    assert metrics["roc_auc"] > 0.55
    assert model.predict_proba(rows.select(FEATURES)).shape == (1500, 2)


def test_the_pipeline_is_drawn() -> None:
    assert {"fit", "evaluate", "publish"} <= {node.name for node in train_fraud.draw().nodes}
