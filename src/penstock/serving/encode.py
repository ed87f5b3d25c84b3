"""Writes Open Inference Protocol v2 messages, and reads the answers back on the client's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.core.errors import InvalidRequest, InvalidValue
from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.binary import SIZE, write_tensor
from penstock.serving.columns import datatype
from penstock.serving.types import Answer, Attribution

_DATATYPE_OF = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}
EXPLANATION = "explanation"
"""The output that tells of each row, as JSON, what its columns contributed."""
_ENDS = [f"/{row}" for row in range(1, 1000)]
_encode = msgspec.json.Encoder().encode


def row_ids(first: str, rows: int) -> tuple[str, ...]:
    """The prediction ids of a request's rows: `ID`, `ID/1`, `ID/2` and so on."""
    if rows == 1:
        return (first,)
    known = [first + end for end in _ENDS[: rows - 1]]
    return (first, *known, *(f"{first}/{row}" for row in range(len(known) + 1, rows)))


class _Output(msgspec.Struct, omit_defaults=True):
    """An output tensor; its data stand behind the JSON where `parameters` say how many bytes they have."""

    name: str
    shape: list[int]
    datatype: str
    data: Sequence[Any] | None = None
    parameters: dict[str, int] | None = None


class _Parameters(msgspec.Struct, omit_defaults=True):
    prediction_id: str
    variant: str
    prediction_ids: tuple[str, ...] | None = None


class _Inference(msgspec.Struct):
    model_name: str
    model_version: str
    id: str
    parameters: _Parameters
    outputs: list[_Output]


def encode_answer(
    answer: Answer, outputs: Sequence[str] = (), explained: Sequence[Attribution] = ()
) -> bytes:
    """The body of an inference response; `outputs` names those that were asked for, () for all. Where rows
    are `explained`, that is one of them.

    Raises InvalidRequest for an output that the model does not give.
    """
    return _encode(_response(answer, _outputs(answer, outputs, explained)))


def encode_with_bytes(
    answer: Answer, outputs: Sequence[str], binary: frozenset[str], explained: Sequence[Attribution] = ()
) -> tuple[bytes, int]:
    """The same with the outputs in `binary` as bytes behind the JSON; and how long the JSON is."""
    tensors = _outputs(answer, outputs, explained)
    raw = b""
    for tensor in tensors:
        if tensor.name in binary:
            written = write_tensor(tensor.datatype, tensor.data or ())
            tensor.data, tensor.parameters = None, {SIZE: len(written)}
            raw += written
    text = _encode(_response(answer, tensors))
    return text + raw, len(text)


def _outputs(answer: Answer, outputs: Sequence[str], explained: Sequence[Attribution]) -> list[_Output]:
    rows = len(answer.ids)
    given = [
        _Output("score", [rows], "FP64", answer.score),
        _Output("label", [rows], "BYTES", answer.label),
    ]
    if answer.probabilities:
        shape = [rows, len(answer.probabilities[0])]
        flat = answer.probabilities[0] if rows == 1 else [p for row in answer.probabilities for p in row]
        given.append(_Output("probabilities", shape, "FP64", flat))
    if explained:
        given.append(_Output(EXPLANATION, [rows], "BYTES", [_encode(each).decode() for each in explained]))
        outputs = outputs and (*outputs, *({EXPLANATION} - set(outputs)))
    if not outputs:
        return given
    tensors = {tensor.name: tensor for tensor in given}
    if unknown := [name for name in outputs if name not in tensors]:
        raise InvalidRequest(
            what=f"The model gives no output {unknown[0]!r}", expected=", ".join(tensors), found=unknown[0]
        )
    return [tensors[name] for name in outputs]


def _response(answer: Answer, outputs: list[_Output]) -> _Inference:
    first = answer.ids[0]
    parameters = _Parameters(first, answer.variant, answer.ids if len(answer.ids) > 1 else None)
    return _Inference(answer.model, str(answer.version), first, parameters, outputs)


def encode_error(sentence: str) -> bytes:
    """The body of a refusal."""
    return _encode({"error": sentence})


def encode_metadata(
    name: str, versions: Sequence[int], platform: str, signature: Signature, entities: Sequence[Column] = ()
) -> bytes:
    """The body of a model's metadata; -1 is a size that varies. `entities` are columns by which features can
    be looked up, and stand among its parameters.
    """
    outputs = [("score", "FP64", [-1]), ("label", "BYTES", [-1])]
    if signature.classes:
        outputs.append(("probabilities", "FP64", [-1, len(signature.classes)]))
    return _encode(
        {
            "name": name,
            "versions": [str(version) for version in versions],
            "platform": platform,
            "inputs": [{"name": c.name, "datatype": datatype(c), "shape": [-1]} for c in signature.inputs],
            "outputs": [{"name": n, "datatype": kind, "shape": shape} for n, kind, shape in outputs],
            "parameters": {"entities": [{"name": c.name, "datatype": datatype(c)} for c in entities]},
        }
    )


def encode_request(columns: Mapping[str, Sequence[Any]], request_id: str = "") -> bytes:
    """The body of a request whose datatypes follow from the values.

    Raises InvalidValue for a column whose values are not all of one JSON type.
    """
    inputs = [
        {"name": name, "shape": [len(values)], "datatype": _datatype_of(name, values), "data": values}
        for name, values in columns.items()
    ]
    return _encode({"id": request_id, "inputs": inputs} if request_id else {"inputs": inputs})


def _datatype_of(name: str, values: Sequence[Any]) -> str:
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {int, float}:
        return "FP64"
    if not kinds:
        return "BYTES"
    found = _DATATYPE_OF.get(kinds.pop(), "")
    if kinds or not found:
        raise InvalidValue(
            what=f"The column {name!r} cannot be sent",
            expected="booleans, integers, floats or strings",
            found=", ".join(sorted({type(value).__name__ for value in values})),
        )
    return found


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    data: list[Any]


class _Response(msgspec.Struct):
    model_name: str
    model_version: str
    parameters: dict[str, Any]
    outputs: list[_Tensor]


_decoder = msgspec.json.Decoder(_Response)


def decode_answer(body: bytes) -> Answer:
    """Read a response that has all outputs. Raises msgspec.DecodeError for anything else."""
    response = _decoder.decode(body)
    tensors = {tensor.name: tensor for tensor in response.outputs}
    flat = tensors["probabilities"].data if "probabilities" in tensors else []
    width = tensors["probabilities"].shape[1] if flat else 1
    first = response.parameters["prediction_id"]
    return Answer(
        ids=tuple(response.parameters.get("prediction_ids", (first,))),
        model=response.model_name,
        version=int(response.model_version),
        variant=response.parameters["variant"],
        score=tuple(tensors["score"].data),
        label=tuple(tensors["label"].data),
        probabilities=tuple(tuple(flat[at : at + width]) for at in range(0, len(flat), width)),
    )
