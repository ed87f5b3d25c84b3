"""What an estimator was fitted on is noted while it is watched, also within a search, and then forgotten."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from penstock.adapters.builders.fits import Fits

INPUTS = ("size", "calls")
ROWS = pl.DataFrame(
    {"size": np.random.default_rng(0).normal(size=200), "calls": np.arange(200) % 7}
).with_columns(pl.when(pl.col("calls") > 0).then("size").alias("size"))
LABELS = (np.arange(200) % 3 == 0).astype(int)
LINE = Pipeline(
    [("fill", SimpleImputer(strategy="constant", fill_value=-999.0)), ("line", LogisticRegression())]
)


def test_the_call_that_counts_is_told_by_the_answers_of_the_model() -> None:
    fits = Fits()
    with fits.watch():
        clone(LINE).fit(ROWS.head(100), LABELS[:100])
        model = clone(LINE).fit(X=ROWS.head(150), y=LABELS[:150])
        clone(LINE).fit(ROWS.tail(100), LABELS[100:])
        found = fits.of(model, INPUTS)
        assert fits.of(DecisionTreeClassifier().fit(ROWS, LABELS), INPUTS) is not None
    assert found
    assert found.rows.equals(ROWS.head(150))
    assert found.labels.to_list() == LABELS[:150].tolist()
    assert found.weighed is not None
    assert found.weighed["size"].min() == -999.0


def test_a_search_is_known_by_its_best_estimator_and_columns_without_names_by_their_place() -> None:
    fits = Fits()
    with fits.watch():
        search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 5]}, cv=2)
        search.fit(ROWS.to_numpy(), LABELS)
        found = fits.of(search.best_estimator_, INPUTS)
    assert found
    assert found.rows.columns == list(INPUTS)
    assert found.rows.height == 200
    assert found.weighed is None


def test_missing_texts_and_booleans_are_null_in_tables_of_pandas_and_numpy() -> None:
    rows = pd.DataFrame(
        {
            "text": pd.Series(["a", None, "b"] * 20),
            "kind": pd.Categorical(["x", "y", None] * 20),
            "flag": pd.array([True, False, None] * 20, dtype="boolean"),
        }
    )
    plain = rows.astype(object).where(rows.notna(), np.nan)
    for given in (rows, plain, plain.to_numpy()):
        model = make_pipeline(OrdinalEncoder(), HistGradientBoostingClassifier(max_iter=2))
        fits = Fits()
        with fits.watch():
            model.fit(given, LABELS[:60])
            found = fits.of(model, ("text", "kind", "flag"))
        assert found
        assert found.rows.head(3).rows() == [("a", "x", True), (None, "y", False), ("b", None, None)]


def test_what_is_fitted_otherwise_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    fits, before = Fits(), LogisticRegression.fit
    model = clone(LINE).fit(ROWS, LABELS)
    with fits.watch():
        assert LogisticRegression.fit is not before
        assert fits.of(model, INPUTS) is None
        again = clone(LINE).fit(ROWS, LABELS)
        monkeypatch.setattr(again[-1], "coef_", again[-1].coef_ + 1)
    assert fits.of(again, INPUTS) is None
    assert LogisticRegression.fit is before


def test_an_estimator_fitted_on_own_answers_is_noted_and_one_on_held_out_answers_is_not() -> None:
    size = np.nan_to_num(ROWS["size"].to_numpy(), nan=0.0).reshape(-1, 1)
    for cv, told in (("prefit", "LogisticRegression from HistGradientBoostingClassifier"), (3, "")):
        fits = Fits()
        with fits.watch():
            trees = HistGradientBoostingClassifier(max_iter=50, min_samples_leaf=2, random_state=0).fit(
                size, LABELS
            )
            StackingClassifier([("trees", trees)], LogisticRegression(), cv=cv).fit(size, LABELS)
            assert fits.own_answers() == told


def test_weights_are_noted_through_a_pipeline() -> None:
    fits, weights = Fits(), np.linspace(1, 2, 200)
    with fits.watch():
        model = clone(LINE).fit(ROWS, LABELS, line__sample_weight=weights)
        found = fits.of(model, INPUTS)
    assert found
    assert found.weights is not None
    assert found.weights.tolist() == weights.tolist()
