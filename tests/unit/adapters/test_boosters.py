"""Models of booster libraries answer the same when they come back, and equal ones are the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from penstock.adapters.formats.values import read, write
from penstock.testing.fakes import MemoryBlobs

RNG = np.random.default_rng(0)
ROWS = RNG.random((120, 3))
LATE = (ROWS[:, 0] > 0.5).astype(int)
NAMES = ["x", "y", "z"]


def cat() -> Any:
    return catboost.CatBoostClassifier(
        iterations=4, verbose=0, allow_writing_files=False, random_seed=0, thread_count=1
    )


MAKERS: list[tuple[str, Callable[[], Any]]] = [
    ("skops", lambda: xgboost.XGBClassifier(n_estimators=4, learning_rate=0.2)),
    ("skops", lambda: xgboost.XGBRegressor(n_estimators=4)),
    ("skops", lambda: lightgbm.LGBMClassifier(n_estimators=4, verbose=-1)),
    ("skops", cat),
    (
        "skops",
        lambda: Pipeline([("scale", StandardScaler()), ("trees", xgboost.XGBClassifier(n_estimators=4))]),
    ),
    ("skops", lambda: Pipeline([("scale", StandardScaler()), ("trees", cat())])),
]


@pytest.mark.parametrize(("format_", "make"), MAKERS)
def test_wrappers_come_back_with_their_parameters(format_: str, make: Callable[[], Any]) -> None:
    blobs = MemoryBlobs()
    model = make().fit(ROWS, LATE)
    kept = write(model, blobs)
    found = read(kept, blobs)
    assert (kept.format, type(found)) == (format_, type(model))
    assert np.array_equal(found.predict(ROWS), model.predict(ROWS))
    assert repr(found.get_params()) == repr(model.get_params()) or isinstance(model, Pipeline)
    assert write(make().fit(ROWS, LATE), blobs) == kept


def test_an_xgboost_booster_is_its_own_file() -> None:
    blobs = MemoryBlobs()
    data = xgboost.DMatrix(ROWS, LATE, feature_names=NAMES)
    booster = xgboost.train({"max_depth": 2}, data, 4)
    booster.set_attr(note="by hand")
    kept = write(booster, blobs)
    found = read(kept, blobs)
    assert (kept.format, found.feature_names, found.attr("note")) == ("xgboost", NAMES, "by hand")
    assert np.array_equal(found.predict(data), booster.predict(data))
    assert write(found, blobs) == kept


def test_a_lightgbm_booster_is_its_own_file_with_all_trees_and_the_best_iteration() -> None:
    blobs = MemoryBlobs()
    data = lightgbm.Dataset(ROWS, LATE, feature_name=NAMES)
    booster = lightgbm.train({"objective": "binary", "verbose": -1}, data, 6)
    booster.best_iteration = 3
    kept = write(booster, blobs)
    found = read(kept, blobs)
    assert (kept.format, found.num_trees(), found.best_iteration) == ("lightgbm", 6, 3)
    assert np.array_equal(found.predict(ROWS), booster.predict(ROWS))
    assert write(found, blobs) == kept
