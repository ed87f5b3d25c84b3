"""Inputs of an ONNX graph that are put together as soon as they are in it, made one.

ONNX Runtime takes more than a microsecond for each input, which for a line on twenty numbers is most of an
answer.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from penstock.adapters.formats.onnx import TOGETHER


def put_together(graph: Any) -> None:
    """Make one input of shape (n, k) of k float columns that a `Concat` joins and nobody else reads.

    `graph` is an onnx.ModelProto and changed in place; what it computes stays the same. Which columns an
    input is made of is written into its metadata, as `OnnxRuntime` reads it.
    """
    inner = graph.graph
    inputs = {put.name: put for put in inner.input}
    read = Counter(name for node in inner.node for name in node.input)
    made: dict[str, list[str]] = {}
    for node in list(inner.node):
        names = list(node.input)
        alone = all(name in inputs and read[name] == 1 and _is_float_column(inputs[name]) for name in names)
        if not (node.op_type == "Concat" and _along_rows(node) and len(names) > 1 and alone):
            continue
        whole = inner.input.add()
        whole.CopyFrom(inputs[names[0]])
        whole.name = node.output[0]
        whole.type.tensor_type.shape.dim[1].dim_value = len(names)
        for name in names:
            inner.input.remove(inputs[name])
        inner.node.remove(node)
        made[whole.name] = names
    if made:
        graph.metadata_props.add(key=TOGETHER, value=msgspec.json.encode(made).decode())


def _along_rows(node: Any) -> bool:
    return any(each.name == "axis" and each.i in {1, -1} for each in node.attribute)


def _is_float_column(put: Any) -> bool:
    """Whether an input is a tensor of float32 of shape (n, 1)."""
    tensor = put.type.tensor_type
    return tensor.elem_type == 1 and len(tensor.shape.dim) == 2 and tensor.shape.dim[1].dim_value == 1
