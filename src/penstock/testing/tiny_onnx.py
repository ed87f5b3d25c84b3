"""The model of `SigmoidRuntime` as a real ONNX file, made in a millisecond; needs the package `onnx`."""

from __future__ import annotations

from typing import Any

import msgspec
from onnx import TensorProto, helper

from penstock.lineage.ports import Blobs
from penstock.serving.types import ServedVersion
from penstock.testing.prediction import SIGMOID_SIGNATURE, SigmoidRuntime

_EXAMPLES: dict[str, list[Any]] = {"wind": [None, -1.0, 0.5, 2.0], "carrier": ["UA", "AA", "UA", "B6"]}


def sigmoid_graph(weight: float) -> bytes:
    """A serialized graph with the inputs `wind` and `carrier`, each of shape (n, 1)."""
    scalar = {"weight": weight, "zero": 0.0, "one": 1.0}
    graph = helper.make_graph(
        [
            helper.make_node("IsNaN", ["wind"], ["missing"]),
            helper.make_node("Where", ["missing", "zero", "wind"], ["known"]),
            helper.make_node("Mul", ["known", "weight"], ["scaled"]),
            helper.make_node("Sigmoid", ["scaled"], ["yes"]),
            helper.make_node("Sub", ["one", "yes"], ["no"]),
            helper.make_node("Concat", ["no", "yes"], ["probabilities"], axis=1),
        ],
        "sigmoid",
        [
            helper.make_tensor_value_info("wind", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("carrier", TensorProto.STRING, [None, 1]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor(name, TensorProto.FLOAT, [1], [value]) for name, value in scalar.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    serialized: bytes = model.SerializeToString()
    return serialized


def sigmoid_version(
    blobs: Blobs, number: int, *, weight: float = 0.0, resident: bool = True
) -> ServedVersion:
    """A stored version with recorded examples; its weight is its number unless another is given."""
    score, label, _ = SigmoidRuntime(weight or number).predict(_EXAMPLES)
    recorded = {"inputs": _EXAMPLES, "score": score, "label": label}
    return ServedVersion(
        number=number,
        artifact=blobs.put(sigmoid_graph(weight or number)),
        format="onnx",
        signature=SIGMOID_SIGNATURE,
        examples=blobs.put(msgspec.json.encode(recorded)),
        resident=resident,
    )
