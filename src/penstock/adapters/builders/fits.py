"""Notes what scikit-learn estimators, and those that follow its rules, are fitted on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from types import FunctionType
from typing import Any

import numpy as np
import polars as pl

from penstock.builds.automatic.ports import Fit

_KEPT = 300
"""Calls that are remembered; a search over parameters makes many before the one that counts."""
_ASKED = 50
_WEIGHING = (
    "sklearn.linear_model",
    "sklearn.svm",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.discriminant_analysis",
    "sklearn.gaussian_process",
)


class Fits:
    """The calls of `fit` while it watches."""

    def __init__(self) -> None:
        self._seen: deque[tuple[Any, Any, Any]] = deque(maxlen=_KEPT)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note every call within, also those that an estimator makes of others; they are forgotten after."""
        changed = [(kind, vars(kind)["fit"]) for kind in _estimators()]
        for kind, fit in changed:
            kind.fit = self._noting(fit)
        try:
            yield
        finally:
            for kind, fit in changed:
                kind.fit = fit
            self._seen.clear()

    def of(self, model: Any, inputs: Sequence[str]) -> Fit | None:
        """How a model was fitted that may be a copy of the one that was: the two answer alike."""
        later: set[int] = set()
        for estimator, rows, labels in reversed(self._seen):
            if id(estimator) in later:
                continue  # it was fitted again on something else
            later.add(id(estimator))
            if (
                type(estimator) is type(model)
                and rows is not None
                and labels is not None
                and _alike(estimator, model, rows)
            ):
                table = _table(rows, inputs)
                if table is not None and len(table) == len(labels):
                    return Fit(table, pl.Series("label", np.asarray(labels).ravel()), _weighed(model, rows))
        return None

    def _noting(self, fit: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(fit)
        def noting(estimator: Any, *given: Any, **named: Any) -> Any:
            fitted = fit(estimator, *given, **named)
            rows, labels = [*given, *(named.get(name) for name in ("X", "y")[len(given) :])][:2]
            self._seen.append((estimator, rows, labels))
            return fitted

        return noting


def _estimators() -> list[Any]:
    """The classes that are loaded now and have a `fit` of their own."""
    try:
        from sklearn.base import BaseEstimator
    except ImportError:
        return []
    found, left = [], [BaseEstimator]
    while left:
        below = [kind for kind in left.pop().__subclasses__() if kind not in found]
        found += below
        left += below
    return [kind for kind in found if isinstance(vars(kind).get("fit"), FunctionType)]


def _alike(estimator: Any, model: Any, rows: Any) -> bool:
    few = rows[:_ASKED]
    ask = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    try:
        first, second = (np.asarray(getattr(each, ask)(few)) for each in (estimator, model))
        return first.shape == second.shape and bool(np.all(first == second))
    except Exception:  # noqa: BLE001 - an estimator that cannot be asked is not the one
        return False


def _table(rows: Any, inputs: Sequence[str]) -> pl.DataFrame | None:
    """The rows by the names of their columns, or by those of the model's inputs where they have none."""
    if isinstance(rows, pl.DataFrame):
        return rows
    if hasattr(rows, "columns"):
        return pl.DataFrame({str(name): np.asarray(rows[name]) for name in rows.columns}, strict=False)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != len(inputs):
        return None
    return pl.DataFrame(
        {name: pl.Series(rows[:, place].tolist(), strict=False) for place, name in enumerate(inputs)}
    )


def _weighed(model: Any, rows: Any) -> pl.DataFrame | None:
    for name in ("best_estimator_", "regressor_"):
        if hasattr(model, name):
            return _weighed(getattr(model, name), rows)
    steps = [step for _, step in getattr(model, "steps", [("", model)])]
    if not type(steps[-1]).__module__.startswith(_WEIGHING):
        return None
    try:
        reached = model[:-1].transform(rows) if len(steps) > 1 else rows
        dense = reached.toarray() if hasattr(reached, "toarray") else reached
        values = np.asarray(dense, dtype=np.float64)
    except Exception:  # noqa: BLE001 - a part that transforms training rows only says nothing
        return None
    try:
        names = [str(name) for name in model[:-1].get_feature_names_out()]
    except Exception:  # noqa: BLE001 - not every part names its columns
        names = [str(name) for name in getattr(rows, "columns", [])]
    if len(names) != values.shape[1]:
        names = [f"column {place}" for place in range(values.shape[1])]
    return pl.DataFrame({name: values[:, place] for place, name in enumerate(names)})
