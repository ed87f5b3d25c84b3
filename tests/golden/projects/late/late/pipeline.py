"""Trains a model twice and publishes the better one."""

from typing import Any, NamedTuple

import polars as pl

from late.features import city_weather, trips
from penstock import Metrics, pipeline, publish, step, training_rows


class Better(NamedTuple):
    """The better of two models and how good it is."""

    model: Any
    metrics: Metrics


@step(retries=2, timeout="10m", memory="2GB")
def fit(rows: pl.DataFrame, learning_rate: float = 0.1, columns: list[str] | None = None) -> Any:
    """A model."""
    return rows, learning_rate, columns


@step
def evaluate(model: Any, holdout: pl.DataFrame) -> Metrics:
    """How good it is."""
    return Metrics(roc_auc=0.5, rows=holdout.height + len(model))


@step(outputs=("model", "metrics"), cache=False)
def choose(first: Any, second: Any, at_first: Metrics, at_second: Metrics) -> Better:
    """The one with the greater ROC-AUC."""
    return (
        Better(first, at_first) if at_first["roc_auc"] > at_second["roc_auc"] else Better(second, at_second)
    )


@pipeline
def train(learning_rate: float = 0.1, quick: bool = False) -> object:
    """Trains and publishes."""
    rows = training_rows(trips, [city_weather], label="late", span="60d", holdout="14d")
    first = fit(rows.train, learning_rate=learning_rate)
    second = fit(rows.train, learning_rate=0.5, columns=["wind"])
    check(quick)
    better = choose(first, second, evaluate(first, rows.holdout), evaluate(second, rows.holdout))
    return publish("late", better.model, better.metrics, inputs=rows.schema)


@step
def check(quick: bool) -> None:
    """Looks around."""
