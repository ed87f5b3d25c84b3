"""Trains, measures and publishes the model `demand`."""

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from demand.features import oven_load, recent_sales, sales
from penstock import Metrics, pipeline, publish, step, training_rows

CATEGORIES = ["bakery"]
NUMBERS = ["weekday", "promotion", "temperature", "yesterday", "week_ago", "mean_of_week", "load"]
FEATURES = [*CATEGORIES, *NUMBERS]
LABEL = "sold"


@step
def fit(rows: pl.DataFrame, rate: float = 0.1) -> Pipeline:
    """Boosted trees; bakeries that are new count as -1."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("categories", encode, CATEGORIES), ("numbers", "passthrough", NUMBERS)])
    trees = HistGradientBoostingRegressor(learning_rate=rate, max_iter=80, random_state=0)
    model = Pipeline([("columns", columns), ("trees", trees)])
    return model.fit(rows.select(FEATURES), rows[LABEL].to_numpy())


@step
def evaluate(model: Pipeline, holdout: pl.DataFrame) -> Metrics:
    """Errors in loaves, on days that the model never saw."""
    said, truth = model.predict(holdout.select(FEATURES)), holdout[LABEL].to_numpy()
    return Metrics(
        rmse=float(root_mean_squared_error(truth, said)),
        mae=float(mean_absolute_error(truth, said)),
        bias=float(np.mean(said - truth)),
    )


@pipeline
def train_demand(rate: float = 0.1) -> object:
    """Learns from all days but those of the last four weeks, and is measured on them."""
    rows = training_rows(sales, [recent_sales, oven_load], label=LABEL, span="240d", holdout="28d")
    model = fit(rows.train, rate=rate)
    return publish("demand", model, evaluate(model, rows.holdout), inputs=rows.schema)
