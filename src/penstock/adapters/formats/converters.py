"""Models of booster libraries inside scikit-learn's: their converters, registered where skl2onnx looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.adapters.formats.parts import is_a, parts
from penstock.core.errors import UnsupportedModel

TREES = 3
"""The version of ONNX's operators for trees that these converters write."""

Converter = Callable[[Any, Any, Any], None]
"""Writes the nodes of an operator into a container, as skl2onnx asks for it: (scope, operator, container)."""


def with_boosters(model: Any) -> bool:
    """Let skl2onnx convert the boosters of which a model is made; whether there are some.

    Raises UnsupportedModel where the library that has their converters is not installed.
    """
    found = False
    for part in parts(model):
        for library, base, converter in _BOOSTERS:
            if is_a(part, library, base):
                _register(type(part), converter)
                found = True
    return found


def _register(kind: type, converter: Callable[[], Converter]) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator
    from skl2onnx.common.data_types import FloatTensorType

    try:
        convert = converter()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "onnxmltools":
            raise
        raise UnsupportedModel(
            what=f"{kind.__name__} cannot be converted to ONNX",
            found="onnxmltools, which knows how, is not installed",
            fix="Add it to the project's dependencies: uv add onnxmltools, then commit uv.lock.",
        ) from error
    classifies = hasattr(kind, "predict_proba")
    task = "classifier" if classifies else "regressor"
    calculate = getattr(shape_calculator, f"calculate_linear_{task}_output_shapes")

    def shapes(operator: Any) -> None:
        calculate(operator)
        operator.outputs[-1].type = FloatTensorType(operator.outputs[-1].type.shape)

    update_registered_converter(
        kind,
        f"{kind.__module__.partition('.')[0]}{kind.__name__}",
        shapes,
        _of_floats(convert),
        options={"zipmap": [True, False], "nocl": [True, False]} if classifies else {"split": None},
        parser=_two_outputs if classifies else None,
    )


def _of_floats(convert: Converter) -> Converter:
    """The converter of trees that take floats, given what may be doubles."""

    def converted(scope: Any, operator: Any, container: Any) -> None:
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        (given,) = operator.inputs
        if isinstance(given.type, DoubleTensorType):
            name = scope.get_unique_variable_name("floats")
            floats = type(given)(name, name, type=FloatTensorType(given.type.shape), scope=scope)
            container.add_node(
                "Cast", given.full_name, name, name=scope.get_unique_operator_name("Cast"), to=1
            )
            operator.inputs = [floats]
        convert(scope, operator, container)

    return converted


def _two_outputs(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:  # noqa: ARG001 - skl2onnx names it
    """The outputs of a classifier: CatBoost's do not say to scikit-learn that they are such."""
    from skl2onnx._parse import _get_sklearn_operator_name
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    operator = scope.declare_local_operator(_get_sklearn_operator_name(type(model)), model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("probabilities", FloatTensorType()))
    outputs: list[Any] = operator.outputs
    return outputs


def _of_lightgbm() -> Converter:
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    found: Converter = convert_lightgbm
    return found


def _of_xgboost() -> Converter:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    def convert(scope: Any, operator: Any, container: Any) -> None:
        booster = operator.raw_operator.get_booster()
        names, booster.feature_names = booster.feature_names, None  # it takes f0, f1 and so on, no other
        try:
            convert_xgboost(scope, operator, container)
        finally:
            booster.feature_names = names

    return convert


def _catboost(scope: Any, operator: Any, container: Any) -> None:  # noqa: ARG001 - the protocol's
    """The trees of CatBoost's own export, between what comes before them and what comes after."""
    from catboost.utils import convert_to_onnx_object
    from onnx.helper import get_attribute_value

    model = operator.raw_operator
    described = model.get_metadata()
    if '"class_label_type":"Boolean"' in described.get("class_params", ""):
        model = model.copy()  # the export knows no booleans; answers name the classes themselves
        model.get_metadata()["class_params"] = (
            described["class_params"]
            .replace('"Boolean"', '"Integer"')
            .replace("false", "0")
            .replace("true", "1")
        )
    exported = convert_to_onnx_object(model)
    trees = next(node for node in exported.graph.node if node.op_type.startswith("TreeEnsemble"))
    container.add_node(
        trees.op_type,
        [operator.inputs[0].full_name],
        [put.full_name for put in operator.outputs],
        op_domain="ai.onnx.ml",
        op_version=1,
        **{each.name: get_attribute_value(each) for each in trees.attribute},
    )


_BOOSTERS: tuple[tuple[str, str, Callable[[], Converter]], ...] = (
    ("lightgbm", "LGBMModel", _of_lightgbm),
    ("xgboost", "XGBModel", _of_xgboost),
    ("catboost", "CatBoost", lambda: _catboost),
)
