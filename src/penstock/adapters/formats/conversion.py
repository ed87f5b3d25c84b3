"""scikit-learn models written as ONNX graphs, with an input of shape (n, k) for columns that go together."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import polars as pl

from penstock.adapters.formats.converters import TREES, with_boosters
from penstock.adapters.formats.native import NativeModel
from penstock.adapters.formats.needs import needing
from penstock.adapters.formats.nulls import as_graphs_have_it, knows_nan
from penstock.adapters.formats.parts import head, is_a, parts
from penstock.adapters.formats.together import put_together
from penstock.core.errors import StepFailed, UnsupportedModel
from penstock.datasets.types import Column

_FLOATS = {"float": "float", "int": "float", "bool": "float", "string": "string"}
_THEMSELVES = {"float": "float", "int": "int", "bool": "bool", "string": "string"}
_DOUBLES = {"float": "double", "int": "double", "bool": "double", "string": "string"}


def used_columns(native: NativeModel, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns that reach the model, in the order in which it was fitted.

    Raises UnsupportedModel for one that the training rows do not have, or that holds times.
    """
    known = {column.name: column for column in columns}
    if any(is_a(part, "lightgbm", "LGBMModel") for part in parts(native.model)):  # which writes them so
        known = {name.replace(" ", "_"): column for name, column in known.items()} | known
    names = _names_used(native.model, native.fitted_on) or tuple(column.name for column in columns)
    for name in names:
        if name not in known:
            raise UnsupportedModel(
                what=f"{native.name} was fitted with a column that the training rows do not have",
                expected=", ".join(column.name for column in columns),
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


def _names_used(model: Any, fitted_on: tuple[str, ...] | None) -> tuple[str, ...]:
    first = head(model)
    if fitted_on is None or not hasattr(first, "transformers_"):
        return fitted_on or ()
    used: set[str] = set()
    for _, transformer, chosen in first.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        for item in [chosen] if isinstance(chosen, str | int) else list(chosen):
            used.add(item if isinstance(item, str) else fitted_on[int(item)])
    return tuple(name for name in fitted_on if name in used)


def graphs(native: NativeModel, columns: tuple[Column, ...], rows: pl.DataFrame) -> Iterator[bytes]:
    """The model as serialized graphs that take numbers as floats, then as what they are, then as doubles.

    Which of them a converter handles right depends on the estimators, so the caller measures. Doubles are
    slower, and are what scaled numbers must be that lie just where a tree splits.
    `rows` are a few rows of these columns. Raises UnsupportedModel, naming the estimator,
    when the model converts in no way.
    """
    failure: Exception | None = None
    made = 0
    floats, doubles = ({c.name: kinds[c.dtype] for c in columns} for kinds in (_FLOATS, _DOUBLES))
    themselves = {c.name: floats[c.name] if c.nullable else _THEMSELVES[c.dtype] for c in columns}
    choices = [floats, themselves, doubles]
    for kinds in (each for place, each in enumerate(choices) if each not in choices[:place]):
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
        from skl2onnx import get_latest_tested_opset_version, to_onnx
        from skl2onnx.common import data_types
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    tensor = {
        "float": data_types.FloatTensorType,
        "double": data_types.DoubleTensorType,
        "int": data_types.Int64TensorType,
        "bool": data_types.BooleanTensorType,
        "string": data_types.StringTensorType,
    }
    opsets = {"": get_latest_tested_opset_version()}
    if with_boosters(native.model):
        opsets["ai.onnx.ml"] = TREES
    model = as_graphs_have_it(native.model) if knows_nan(native.model) else native.model
    if not hasattr(head(model), "transformers_"):
        places = list(range(len(kinds)))  # by place: not every scikit-learn finds columns of Polars by name
        together = ColumnTransformer([("columns", "passthrough", places)]).fit(rows.to_numpy())
        model = Pipeline([("columns", together), ("model", model)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' own affairs
        graph = to_onnx(
            model,
            initial_types=[(name, tensor[kind]([None, 1])) for name, kind in kinds.items()],
            options={"zipmap": False} if native.classes else None,
            target_opset=opsets,
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
