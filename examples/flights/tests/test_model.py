"""The model learns what is there to learn and answers for rows it has never seen the like of."""

import numpy as np
import polars as pl
from flights.pipeline import FEATURES, WEATHER, evaluate, fit


def test_it_learns_an_obvious_pattern(rows: pl.DataFrame) -> None:
    chance = fit(rows, iterations=20).predict_proba(rows.select(FEATURES))
    assert chance.shape == (rows.height, 2)
    assert np.allclose(chance.sum(axis=1), 1)
    assert chance[rows["late"].to_numpy(), 1].min() > chance[~rows["late"].to_numpy(), 1].max()


def test_it_measures_a_perfect_and_a_hopeless_model(rows: pl.DataFrame) -> None:
    model = fit(rows, iterations=20)
    perfect, hopeless = evaluate(model, rows), evaluate(model, rows.with_columns(~pl.col("late")))
    assert (perfect["roc_auc"], hopeless["roc_auc"]) == (1.0, 0.0)
    assert perfect["log_loss"] < hopeless["log_loss"]


def test_it_answers_for_unseen_airports_and_missing_weather(rows: pl.DataFrame) -> None:
    model = fit(rows, iterations=5)
    nothing = [pl.lit(None, pl.Float64).alias(name) for name in WEATHER]
    odd = rows.head(3).with_columns(pl.lit("XXX").alias("dest"), *nothing)
    assert np.isfinite(model.predict_proba(odd.select(FEATURES))).all()


def test_training_again_on_the_same_rows_gives_the_same_answers(rows: pl.DataFrame) -> None:
    first, second = (fit(rows, iterations=5).predict_proba(rows.select(FEATURES)) for _ in range(2))
    assert np.array_equal(first, second)
