"""Trains the two models that every server serves: `models.py FOLDER`.

A is a scaler and a logistic regression on 20 numbers, B a forest behind encoders on 20 numbers and 4
categories. A hundred rows lie beside them as JSON.
"""

import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROWS, NUMBERS, CATEGORIES = 5_000, 20, 4


def rows(seed: int = 0) -> pd.DataFrame:
    """Rows with all columns."""
    random = np.random.default_rng(seed)
    numbers = {f"x{i}": random.normal(size=ROWS) for i in range(NUMBERS)}
    words = {f"c{i}": random.choice(["red", "green", "blue", "grey"], ROWS) for i in range(CATEGORIES)}
    return pd.DataFrame({**numbers, **words})


def main(folder: Path) -> None:
    table = rows()
    happened = (table["x0"] + table["x1"] + (table["c0"] == "red") > 0.5).to_numpy()
    numbers = [f"x{i}" for i in range(NUMBERS)]
    words = [f"c{i}" for i in range(CATEGORIES)]
    line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(table[numbers], happened)
    encoded = ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore"), words), ("numbers", "passthrough", numbers)]
    )
    forest = make_pipeline(encoded, RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1))
    forest.fit(table[numbers + words], happened)
    joblib.dump(line, folder / "a.joblib")
    joblib.dump(forest, folder / "b.joblib")
    table.to_parquet(folder / "rows.parquet")
    table.head(100).to_json(folder / "rows.json", orient="records")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
