"""The model of `SigmoidRuntime` as a real ONNX file, made in a millisecond; needs the package `onnx`."""

from __future__ import annotations

import os
from math import nan
from typing import Any, Literal

import msgspec
from onnx import TensorProto, helper

from penstock.lineage.ports import Blobs
from penstock.serving.types import ServedVersion
from penstock.testing.prediction import SIGMOID_SIGNATURE, SigmoidRuntime

_BYTES = 4
"""Of a number."""
_EXAMPLES: dict[str, list[Any]] = {"wind": [None, -1.0, 0.5, 2.0], "carrier": ["UA", "AA", "UA", "B6"]}


Fault = Literal["", "nan", "raises", "slow", "hoards", "loading", "unseen", "thousandth", "hangs", "hog"]
"""What a model does wrong when the wind is above 5. The last five it only says in its description: ONNX
cannot do that to its process, so that a test has to do so.
"""


def sigmoid_graph(weight: float, fault: Fault = "") -> bytes:
    """A serialized graph with the inputs `wind` and `carrier`, each of shape (n, 1)."""
    memory = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    scalar = {
        "lots": memory / _BYTES,
        "weight": weight,
        "zero": 0.0,
        "one": 1.0,
        "five": 5.0,
        "nan": nan,
        "far": 9.0,
        "side": 1800.0,
    }
    graph = helper.make_graph(
        [
            *_FAULTS.get(fault, _FAULTS[""]),
            helper.make_node("IsNaN", ["wind"], ["missing"]),
            helper.make_node("Where", ["missing", "zero", "wind"], ["calm"]),
            helper.make_node("Add", ["calm", "wrong"], ["known"]),
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
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, doc_string=fault
    )
    serialized: bytes = model.SerializeToString()
    return serialized


_STORM = helper.make_node("Greater", ["wind", "five"], ["storm"])
_FAULTS: dict[str, list[Any]] = {
    "": [helper.make_node("Identity", ["zero"], ["wrong"])],
    "nan": [_STORM, helper.make_node("Where", ["storm", "nan", "zero"], ["wrong"])],
    "raises": [  # takes an element that there is not
        _STORM,
        helper.make_node("Where", ["storm", "far", "zero"], ["which"]),
        helper.make_node("Cast", ["which"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["zero", "index"], ["wrong"]),
    ],
    "hoards": [  # wants all the memory of the machine, in whatever wind
        helper.make_node("Cast", ["lots"], ["length"], to=TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["length"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["wrong"], keepdims=0),
    ],
    "slow": [  # multiplies a large matrix
        _STORM,
        helper.make_node("Where", ["storm", "side", "one"], ["sides"]),
        helper.make_node("ReduceMax", ["sides"], ["size"], axes=[1], keepdims=0),
        helper.make_node("Cast", ["size"], ["length"], to=TensorProto.INT64),
        helper.make_node("Concat", ["length", "length"], ["shape"], axis=0),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("MatMul", ["zeros", "zeros"], ["product"]),
        helper.make_node("ReduceMax", ["product"], ["wrong"], keepdims=0),
    ],
}


def sigmoid_version(
    blobs: Blobs, number: int, *, weight: float = 0.0, resident: bool = True, fault: Fault = ""
) -> ServedVersion:
    """A stored version with recorded examples; its weight is its number unless another is given. One with a
    fault is asked row by row when it is slow, and its examples show nothing of it.
    """
    score, label, _ = SigmoidRuntime(weight or number).predict(_EXAMPLES)
    inputs = _EXAMPLES
    if fault == "slow":  # one row at a time is what its matrix is made for
        inputs, score, label = {name: values[2:3] for name, values in inputs.items()}, score[2:3], label[2:3]
    recorded = {"inputs": inputs, "score": score, "label": label}
    return ServedVersion(
        number=number,
        artifact=blobs.put(sigmoid_graph(weight or number, fault)),
        format="onnx",
        signature=SIGMOID_SIGNATURE,
        examples=blobs.put(msgspec.json.encode(recorded)),
        resident=resident,
    )
