"""Trains, measures and publishes the model `fraud`."""

import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fraud.features import payments, shop_history, shop_returns
from penstock import Metrics, pipeline, publish, step, training_rows

CATEGORIES = ["country"]
NUMBERS = ["amount", "new_card", "returns", "returns_of_week", "fraud_so_far"]
FEATURES = [*CATEGORIES, *NUMBERS]


@step
def prepare(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without test payments, which are of a cent."""
    return rows.filter(pl.col("amount") > 0.01)


@step
def fit(rows: pl.DataFrame, strength: float = 1.0) -> Pipeline:
    """A logistic regression behind imputer, scaler and one-hot encoder."""
    numbers = Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler())])
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("categories", encode, CATEGORIES)])
    model = Pipeline([("columns", columns), ("regression", LogisticRegression(C=strength, max_iter=500))])
    return model.fit(rows.select(FEATURES), rows["fraud"].cast(pl.Int64).to_numpy())


@step
def evaluate(model: Pipeline, holdout: pl.DataFrame) -> Metrics:
    """ROC-AUC and log loss on payments that the model never saw."""
    truth = holdout["fraud"].cast(pl.Int64).to_numpy()
    chance = model.predict_proba(holdout.select(FEATURES))[:, 1]
    return Metrics(roc_auc=float(roc_auc_score(truth, chance)), log_loss=float(log_loss(truth, chance)))


@pipeline
def train_fraud(strength: float = 1.0) -> object:
    """Learns from the payments of three months, measured on the last three weeks."""
    rows = training_rows(payments, [shop_returns, shop_history], label="fraud", span="100d", holdout="21d")
    model = fit(prepare(rows.train), strength=strength)
    return publish("fraud", model, evaluate(model, rows.holdout), inputs=rows.schema)
