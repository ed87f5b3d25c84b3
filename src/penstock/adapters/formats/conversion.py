"""scikit-learn models written as ONNX graphs, with an input of shape (n, k) for columns that go together."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import polars as pl

from penstock.adapters.formats.native import NativeModel
from penstock.adapters.formats.needs import needing
from penstock.adapters.formats.nulls import as_graphs_have_it, knows_nan
from penstock.adapters.formats.together import put_together
from penstock.core.errors import StepFailed, UnsupportedModel
from penstock.datasets.types import Column

_FIRST_CHOICE = {"float": "float", "int": "float", "bool": "float", "string": "string"}
_SECOND_CHOICE = {"float": "float", "int": "int", "bool": "bool", "string": "string"}


def used_columns(native: NativeModel, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns that reach the model, in the order in which it was fitted.

    Raises UnsupportedModel for one that the training rows do not have, or that holds times.
    """
    known = {column.name: column for column in columns}
    names = _names_used(native.model, native.fitted_on) or tuple(known)
    for name in names:
        if name not in known:
            raise UnsupportedModel(
                what=f"{native.name} was fitted with a column that the training rows do not have",
                expected=", ".join(known),
                found=name,
                fix="Make it in a feature view or inside the Pipeline, so that serving makes it too.",
            )
        if known[name].dtype == "time":
            raise UnsupportedModel(
                what=f"{native.name} takes a time",
                expected="numbers, booleans or strings",
                found=name,
                fix="Turn it into numbers in a feature view.",
            )
    return tuple(known[name] for name in names)


def _head(model: Any) -> Any:
    """The first step of a pipeline, or the model itself."""
    return _head(model.steps[0][1]) if hasattr(model, "steps") else model


def _names_used(model: Any, fitted_on: tuple[str, ...] | None) -> tuple[str, ...]:
    head = _head(model)
    if fitted_on is None or not hasattr(head, "transformers_"):
        return fitted_on or ()
    used: set[str] = set()
    for _, transformer, chosen in head.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        for item in [chosen] if isinstance(chosen, str | int) else list(chosen):
            used.add(item if isinstance(item, str) else fitted_on[int(item)])
    return tuple(name for name in fitted_on if name in used)


def graphs(native: NativeModel, columns: tuple[Column, ...], rows: pl.DataFrame) -> Iterator[bytes]:
    """The model as serialized graphs that take integers and booleans as floats, then as what they are.

    Which of them a converter handles right depends on the estimators, so the caller measures.
    `rows` are a few rows of these columns. Raises UnsupportedModel, naming the estimator,
    when the model converts in neither way.
    """
    failure: Exception | None = None
    made = 0
    first = {column.name: _FIRST_CHOICE[column.dtype] for column in columns}
    second = {c.name: first[c.name] if c.nullable else _SECOND_CHOICE[c.dtype] for c in columns}
    for kinds in [first] if first == second else [first, second]:
        try:
            graph = _convert(native, kinds, rows)
        except StepFailed:
            raise
        except Exception as error:  # noqa: BLE001 - converters raise whatever they like
            failure = failure or error
        else:
            made += 1
            yield graph
    if failure and not made:
        raise _unsupported(native, failure) from failure


def _convert(native: NativeModel, kinds: dict[str, str], rows: pl.DataFrame) -> bytes:
    with needing("skl2onnx", "a model is published as the ONNX graph that it makes"):
        from skl2onnx import to_onnx
        from skl2onnx.common import data_types
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    tensor = {
        "float": data_types.FloatTensorType,
        "int": data_types.Int64TensorType,
        "bool": data_types.BooleanTensorType,
        "string": data_types.StringTensorType,
    }
    model = as_graphs_have_it(native.model) if knows_nan(native.model) else native.model
    if not hasattr(_head(model), "transformers_"):
        places = list(range(len(kinds)))  # by place: not every scikit-learn finds columns of Polars by name
        together = ColumnTransformer([("columns", "passthrough", places)]).fit(rows.to_numpy())
        model = Pipeline([("columns", together), ("model", model)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' own affairs
        graph = to_onnx(
            model,
            initial_types=[(name, tensor[kind]([None, 1])) for name, kind in kinds.items()],
            options={"zipmap": False} if native.classes else None,
        )
    _name_inputs(graph, tuple(kinds))
    put_together(graph)
    graph.opset_import.sort(key=lambda opset: opset.domain)  # the converter takes them from a set
    serialized: bytes = graph.SerializeToString(deterministic=True)
    return serialized


def _name_inputs(graph: Any, names: tuple[str, ...]) -> None:
    """Give the inputs the names of the columns: the converter writes `wind speed` as `wind_speed`."""
    given = {put.name: name for put, name in zip(graph.graph.input, names, strict=True)}
    for put in graph.graph.input:
        put.name = given[put.name]
    for node in graph.graph.node:
        node.input[:] = [given.get(name, name) for name in node.input]


def _unsupported(native: NativeModel, failure: Exception) -> UnsupportedModel:
    reason = " ".join(str(failure).split())
    inside = list(_estimators(native.model))
    culprit = next((name for name in inside if name in reason), inside[-1])
    return UnsupportedModel(
        what=f"{culprit} cannot be converted to ONNX",
        found=reason[:300],
        fix="Use an estimator that skl2onnx supports, or move the work into a feature view.",
    )


def _estimators(model: Any) -> Iterator[str]:
    """Names of the classes of a model's innermost estimators, in the order in which rows pass them."""
    inner = [part for _, part, *_ in getattr(model, "transformers_", getattr(model, "steps", []))]
    for part in inner:
        if hasattr(part, "get_params"):
            yield from _estimators(part)
    if not inner:
        yield type(model).__name__
