"""What a missing text was to a scikit-learn model: None in tables of Polars, NaN in those of pandas."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import polars as pl

from penstock.adapters.formats.parts import parts


def knows_nan(model: Any) -> bool:
    """Whether NaN, not None, was a missing text to what the model has learnt, or would have been one.

    An encoder has it among its categories; an imputer of texts looks for it. One asked with the other takes
    it for a category that it never saw, or leaves it where it is.
    """
    seen = [value for part in parts(model) for value in _missing(part)]
    return bool(seen) and None not in seen


def as_fitted(frame: pl.DataFrame, *, named: bool) -> Any:
    """The rows with NaN for missing texts: a table of pandas, or an array where columns have no names."""
    if not named:
        rows = frame.to_numpy()
        return np.where(frame.select(pl.all().is_null()).to_numpy(), np.nan, rows)
    try:
        import pandas as pd
    except ImportError:  # then it was fitted on no table of pandas
        return frame
    return pd.DataFrame({column.name: _plain(column) for column in frame.get_columns()})


def as_graphs_have_it(model: Any) -> Any:
    """A copy of a model that knows NaN, to which the empty text is missing: tensors of texts have no NaN."""
    model = deepcopy(model)
    for part in parts(model):
        if any(True for _ in _missing(part)):
            if hasattr(part, "categories_"):
                part.categories_ = [_emptied(each) for each in part.categories_]
            else:
                part.missing_values = ""
    return model


def _emptied(values: Any) -> Any:
    if values.dtype != object:
        return values
    return np.array(["" if _is_nan(each) else each for each in values.tolist()], dtype=object)


def _plain(column: pl.Series) -> Any:
    values = column.to_numpy()
    gone = column.is_null().to_numpy()
    return np.where(gone, np.nan, values) if values.dtype == object else values


def _missing(part: Any) -> Iterator[float | None]:
    """None or NaN as an estimator has it among texts that it learnt."""
    learnt = [*getattr(part, "categories_", ()), getattr(part, "statistics_", None)]
    texts = [each for each in learnt if isinstance(each, np.ndarray) and each.dtype == object]
    for value in (value for each in texts for value in each.tolist()):
        if value is None or _is_nan(value):
            yield value
    if texts and _is_nan(getattr(part, "missing_values", None)):
        yield np.nan


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and np.isnan(value)
