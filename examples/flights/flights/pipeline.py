"""Trains, measures and publishes the model `delay`: will this flight arrive late?"""

import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from flights.features import flights, origin_weather
from penstock import Metrics, pipeline, publish, step, training_rows

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["distance", "hour", "minute", "weekday"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
FEATURES = [*CATEGORIES, *NUMBERS, *WEATHER]
LABEL = "late"


@step
def fit(rows: pl.DataFrame, learning_rate: float = 0.1, iterations: int = 80) -> Pipeline:
    """Boosted trees on FEATURES; a category never seen in training counts as -1, a null as missing.

    Categories are encoded before the trees and labels are 0 or 1, because the ONNX form of native
    categories answers differently and boolean classes have none.
    """
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer(
        [("categories", encode, CATEGORIES), ("numbers", "passthrough", [*NUMBERS, *WEATHER])],
    )
    trees = HistGradientBoostingClassifier(learning_rate=learning_rate, max_iter=iterations, random_state=0)
    model = Pipeline([("columns", columns), ("trees", trees)])
    return model.fit(rows.select(FEATURES), rows[LABEL].cast(pl.Int64).to_numpy())


@step
def evaluate(model: Pipeline, holdout: pl.DataFrame) -> Metrics:
    """ROC-AUC and log loss (in nats) of the chance of being late, on rows that the model never saw."""
    truth = holdout[LABEL].cast(pl.Int64).to_numpy()
    chance = model.predict_proba(holdout.select(FEATURES))[:, 1]
    return Metrics(
        roc_auc=float(roc_auc_score(truth, chance)), log_loss=float(log_loss(truth, chance, labels=[0, 1]))
    )


@pipeline
def train_delay(learning_rate: float = 0.1) -> object:
    """Learns from every flight known so far but the last 14 days, and is measured on those."""
    rows = training_rows(flights, [origin_weather], label=LABEL, span="365d", holdout="14d")
    model = fit(rows.train, learning_rate=learning_rate)
    return publish("delay", model, evaluate(model, rows.holdout), inputs=rows.schema)
