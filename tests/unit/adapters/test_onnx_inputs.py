"""Columns that a graph puts together are one input of it, and it answers as before."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from penstock.adapters.formats.onnx import OnnxRuntime
from penstock.adapters.formats.together import put_together
from penstock.datasets.types import Column
from penstock.models.types import Signature

NAMES = ("a", "b", "c")
SIGNATURE = Signature(
    task="regression", inputs=tuple(Column(name=name, dtype="float", nullable=True) for name in NAMES)
)
COLUMNS = {"a": [1.0, None, 3.0], "b": [4, 5.5, -6.0], "c": [0.1, 0.2, 0.25]}


def graph(*, twice: bool = False, axis: int = 1) -> onnx.ModelProto:
    """2c + a + b of each row, and a once more where it is read twice: the sum of what `Concat` joins."""
    inner = helper.make_graph(
        [
            helper.make_node("Concat", ["b", "a"], ["joined"], axis=axis),
            helper.make_node("ReduceSum", ["joined", "along"], ["sum"], keepdims=1),
            helper.make_node("Add", ["c", "a" if twice else "c"], ["more"]),
            helper.make_node("Add", ["sum", "more"], ["value"]),
        ],
        "sums",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in NAMES],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor("along", TensorProto.INT64, [1], [1])],
    )
    return helper.make_model(inner, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def inputs(model: onnx.ModelProto) -> list[tuple[str, list[object]]]:
    """What ONNX Runtime says of the inputs."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [(put.name, put.shape[1:]) for put in session.get_inputs()]


def test_columns_that_are_joined_are_one_input_and_the_answers_are_the_same() -> None:
    model = graph()
    before = OnnxRuntime(model.SerializeToString(), SIGNATURE).predict(COLUMNS)
    put_together(model)
    assert inputs(model) == [("c", [1]), ("joined", [2])]
    np.testing.assert_array_equal(
        OnnxRuntime(model.SerializeToString(), SIGNATURE).predict(COLUMNS)[0], before[0]
    )
    np.testing.assert_allclose(before[0], [5.2, np.nan, -2.5])


@pytest.mark.parametrize(
    "model", [graph(twice=True), graph(axis=0)], ids=["read twice", "one below the other"]
)
def test_columns_that_are_read_otherwise_stay_inputs_of_their_own(model: onnx.ModelProto) -> None:
    kept = model.SerializeToString(deterministic=True)
    put_together(model)
    assert model.SerializeToString(deterministic=True) == kept
