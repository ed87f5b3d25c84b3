"""Trains, measures and publishes the model `churn`."""

from typing import NamedTuple

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from churn.features import app_use, subscribers
from penstock import Metrics, log, pipeline, publish, step, training_rows

PLANS = ["plan"]
NUMBERS = ["fee", "age_days", "calls", "visits_of_week", "change", "minutes_a_visit"]
FEATURES = [*PLANS, *NUMBERS]


class Parts(NamedTuple):
    """Rows to learn from, and rows to choose among models with."""

    learn: pl.DataFrame
    choose: pl.DataFrame


@step(outputs=("learn", "choose"))
def split(rows: pl.DataFrame) -> Parts:
    """The newest fifth of the rows is for choosing."""
    rows = rows.sort("asked_at")
    cut = rows.height * 4 // 5
    return Parts(rows.head(cut), rows.tail(rows.height - cut))


@step
def fit_trees(rows: pl.DataFrame) -> Pipeline:
    """Boosted trees."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("plans", encode, PLANS), ("numbers", "passthrough", NUMBERS)])
    trees = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.08, random_state=0)
    model = Pipeline([("columns", columns), ("trees", trees)])
    return model.fit(rows.select(FEATURES), rows["left"].to_numpy())


@step
def fit_line(rows: pl.DataFrame) -> Pipeline:
    """A logistic regression."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    numbers = Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler())])
    columns = ColumnTransformer([("plans", encode, PLANS), ("numbers", numbers, NUMBERS)])
    model = Pipeline([("columns", columns), ("line", LogisticRegression(max_iter=500))])
    return model.fit(rows.select(FEATURES), rows["left"].to_numpy())


@step
def better(first: Pipeline, second: Pipeline, rows: pl.DataFrame) -> Pipeline:
    """The model with the greater ROC-AUC."""
    found = [_auc(model, rows) for model in (first, second)]
    log.metric("roc_auc_of_trees", found[0])
    log.metric("roc_auc_of_line", found[1])
    return first if found[0] >= found[1] else second


@step
def evaluate(model: Pipeline, holdout: pl.DataFrame) -> Metrics:
    """ROC-AUC and accuracy on rows that the model never saw."""
    said = model.predict(holdout.select(FEATURES))
    return Metrics(
        roc_auc=_auc(model, holdout), accuracy=float(accuracy_score(holdout["left"].to_numpy(), said))
    )


@pipeline
def train_churn() -> object:
    """Fits two models, chooses by the newest rows before the holdout, measures the better on it."""
    rows = training_rows(subscribers, [app_use], label="left", span="160d", holdout="28d")
    parts = split(rows.train)
    model = better(fit_trees(parts.learn), fit_line(parts.learn), parts.choose)
    return publish("churn", model, evaluate(model, rows.holdout), inputs=rows.schema)


def _auc(model: Pipeline, rows: pl.DataFrame) -> float:
    truth = (rows["left"] == "yes").to_numpy()
    chance = model.predict_proba(rows.select(FEATURES))[:, list(model.classes_).index("yes")]
    return float(roc_auc_score(truth.astype(np.int64), chance))
