"""A fitted scikit-learn model as it answers where it was trained: the truth a conversion is held to."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from penstock.adapters.formats.nulls import as_fitted, knows_nan
from penstock.adapters.formats.parts import head, is_a
from penstock.core.errors import UnsupportedModel
from penstock.datasets.types import Column
from penstock.models.types import Signature, Task

Floats = npt.NDArray[np.float64]


class Answers(msgspec.Struct, frozen=True):
    """Answers for n rows: `values` has shape (n, classes), or (n, 1) for a regression."""

    values: Floats
    label: list[str]

    def score(self, classes: int) -> Floats:
        """The scores of shape (n,), as `serving.types.Answer` defines them."""
        return self.values[:, -1] if classes in {0, 2} else self.values.max(axis=1)


class Answering(Protocol):
    """A model as it answers where it was made."""

    def answer(self, frame: pl.DataFrame) -> Answers:
        """Its own answers for n rows. Raises UnsupportedModel when it fails on them."""
        ...


def class_name(value: Any) -> str:
    """How a class is written in answers: `true`, `3`, `late`."""
    return str(bool(value)).lower() if isinstance(value, bool | np.bool_) else str(value)


def _with_categories(frame: pl.DataFrame) -> Any:
    """The rows as a table of pandas whose texts are categories, the only ones that boosters take."""
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: pd.Categorical(column.to_list())
            if column.dtype == pl.String
            else column.cast(pl.Float64).to_numpy()
            for column in frame.get_columns()
        }
    )


class NativeModel:
    """A fitted scikit-learn classifier or regressor.

    Raises UnsupportedModel for anything else, naming its class.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.name = type(model).__name__
        self.task, self._labels = self._describe()
        self.classes = tuple(class_name(label) for label in self._labels)
        first = head(model)
        names: Any = getattr(model, "feature_names_in_", None)
        if is_a(first, "catboost", "CatBoost") and not all(map(str.isdigit, first.feature_names_)):
            names = first.feature_names_
        self.fitted_on: tuple[str, ...] | None = None if names is None else tuple(map(str, names))
        self._nan = knows_nan(model)
        self._categories = is_a(first, "lightgbm", "LGBMModel") or is_a(first, "xgboost", "XGBModel")

    def _describe(self) -> tuple[Task, list[Any]]:
        try:
            from sklearn.base import is_classifier, is_regressor
        except ImportError as error:
            raise UnsupportedModel(
                what="scikit-learn is not installed here",
                fix="Add penstock[sklearn] to the dependencies of the project.",
            ) from error
        if not hasattr(self.model, "get_params") or not (
            is_classifier(self.model) or is_regressor(self.model)
        ):
            raise UnsupportedModel(
                expected="a fitted scikit-learn classifier, regressor or Pipeline", found=f"a {self.name}"
            )
        if is_regressor(self.model):
            return "regression", []
        if not hasattr(self.model, "predict_proba"):
            raise UnsupportedModel(
                what=f"{self.name} gives no probabilities",
                expected="predict_proba",
                fix="Wrap it in CalibratedClassifierCV.",
            )
        labels = list(getattr(self.model, "classes_", []))
        if len(labels) < 2 or np.ndim(labels) != 1:
            raise UnsupportedModel(
                what=f"{self.name} does not tell classes apart",
                expected="two classes or more",
                found=str(labels),
            )
        return ("binary" if len(labels) == 2 else "multiclass"), labels

    def signature(self, columns: tuple[Column, ...]) -> Signature:
        """What the model takes and gives."""
        return Signature(task=self.task, inputs=columns, classes=self.classes)

    def answer(self, frame: pl.DataFrame) -> Answers:
        """The model's own answers for n rows. Raises UnsupportedModel when it fails on them."""
        named = self.fitted_on is not None
        rows: Any = frame if named else frame.to_numpy()
        if self._nan:
            rows = as_fitted(frame, named=named)
        elif named and self._categories and pl.String in frame.dtypes:
            rows = _with_categories(frame)
        try:
            said = np.reshape(self.model.predict(rows), -1)  # CatBoost tells several classes as (n, 1)
            values = self.model.predict_proba(rows) if self.classes else said.reshape(-1, 1)
        except Exception as error:
            raise UnsupportedModel(
                what=f"{self.name} fails on rows like those it was trained on",
                found=f"{type(error).__name__}: {error}",
                fix="It must answer every row of the training data, also with the nulls they have.",
            ) from error
        label = [class_name(v) if self.classes else f"{v:.6g}" for v in said.tolist()]
        return Answers(np.asarray(values, dtype=np.float64), label)
