"""Notes what scikit-learn estimators, and those that follow its rules, are fitted on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from penstock.builds.automatic.ports import Fit

_KEPT = 300
"""Calls that are remembered; a search over parameters makes many before the one that counts."""
_ASKED = 50
_MANY, _DIFFERENT = 200, 20
_WEIGHING = (
    "sklearn.linear_model",
    "sklearn.svm",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.discriminant_analysis",
    "sklearn.gaussian_process",
)


class _Call(NamedTuple):
    estimator: Any
    rows: Any
    labels: Any
    weights: Any


class Fits:
    """The calls of `fit` while it watches."""

    def __init__(self) -> None:
        self._seen: deque[_Call] = deque(maxlen=_KEPT)

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
        for estimator, rows, labels, weights in self._last():
            if type(estimator) is type(model) and _alike(estimator, model, rows):
                table = _table(rows, inputs)
                if table is not None and len(table) == len(labels):
                    given = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
                    named = pl.Series("label", np.asarray(labels).ravel())
                    return Fit(table, named, _weighed(model, rows), given)
        return None

    def own_answers(self) -> str:
        """`A from B` where an estimator A was fitted on what B answers to the rows that B was fitted on.

        It is told by the sorted values, as rows may have changed places. Empty if none was.
        """
        calls = self._last()
        columns: dict[bytes, int] = {}
        for place, call in enumerate(calls):
            for values in _numbers(call.rows):
                columns.setdefault(_mark(values), place)
        for place, call in enumerate(calls):
            for values in _answers(call):
                taker = columns.get(_mark(values), place)
                if taker < place:  # the newest call is first
                    return f"{type(calls[taker].estimator).__name__} from {type(call.estimator).__name__}"
        return ""

    def _last(self) -> list[_Call]:
        """The calls that count, the newest first: of an estimator that was fitted again the last one."""
        last = {id(call.estimator): call for call in self._seen}
        return [call for call in reversed(last.values()) if call.rows is not None and call.labels is not None]

    def _noting(self, fit: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(fit)
        def noting(estimator: Any, *given: Any, **named: Any) -> Any:
            fitted = fit(estimator, *given, **named)
            rows, labels = [*given, *(named.get(name) for name in ("X", "y")[len(given) :])][:2]
            weights = next((each for name, each in named.items() if name.endswith("sample_weight")), None)
            if weights is None and len(given) > len("Xy") and np.ndim(given[2]) == 1:
                weights = given[2]
            self._seen.append(_Call(estimator, rows, labels, weights))
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


def _numbers(rows: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The columns of numbers with many values."""
    table = rows if isinstance(rows, pl.DataFrame) else None
    try:
        if table is not None:
            found = [each.to_numpy() for each in table.get_columns() if each.dtype.is_float()]
        else:
            dense = np.asarray(rows, dtype=np.float64)
            found = list(dense.reshape(len(dense), -1).T)
    except (TypeError, ValueError):
        return  # texts among them
    yield from (each for each in found if len(np.unique(each[:_MANY])) > _DIFFERENT)


def _answers(call: _Call) -> Iterator[np.ndarray[Any, Any]]:
    """What an estimator that foretells answers to the rows that it was fitted on."""
    from sklearn.base import is_classifier, is_regressor

    ask = "predict_proba" if is_classifier(call.estimator) else "predict"
    if not (hasattr(call.estimator, ask) and (ask == "predict_proba" or is_regressor(call.estimator))):
        return
    try:
        yield from _numbers(getattr(call.estimator, ask)(call.rows))
    except Exception:  # noqa: BLE001 - an estimator that cannot be asked tells nothing
        return


def _mark(values: np.ndarray[Any, Any]) -> bytes:
    """The same for columns of the same values in any order."""
    return np.sort(np.asarray(values, dtype=np.float64)).astype(np.float32).tobytes()


def _table(rows: Any, inputs: Sequence[str]) -> pl.DataFrame | None:
    """The rows by the names of their columns, or by those of the model's inputs where they have none."""
    if isinstance(rows, pl.DataFrame):
        return rows
    if hasattr(rows, "columns"):
        return pl.DataFrame([_column(str(name), rows[name], rows[name].isna()) for name in rows.columns])
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != len(inputs):
        return None
    columns = dict(zip(inputs, rows.T, strict=True))
    return pl.DataFrame(
        [_column(name, values, np.not_equal(values, values)) for name, values in columns.items()]
    )


def _column(name: str, values: Any, missing: Any) -> pl.Series:
    """The values; NaN is what pandas and NumPy know of a missing text or boolean, and null here."""
    plain = np.asarray(values)
    if plain.dtype != object:
        return pl.Series(name, plain, strict=False)
    known = [None if gone else value for value, gone in zip(plain.tolist(), missing, strict=True)]
    return pl.Series(name, known, strict=False)


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
