"""Reads Open Inference Protocol v2 requests and refuses, in one sentence, those that do not fit the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import msgspec

from penstock.core.errors import InvalidRequest
from penstock.datasets.types import Column
from penstock.models.types import Signature

_INTEGERS = {"INT8": 8, "INT16": 16, "INT32": 32, "INT64": 64}
_ACCEPTED = {
    "float": {"FP64", "FP32", *_INTEGERS},
    "int": set(_INTEGERS),
    "bool": {"BOOL"},
    "string": {"BYTES"},
}
_DATATYPE = {"float": "FP64", "int": "INT64", "bool": "BOOL", "string": "BYTES"}
_PYTHON_TYPES: dict[str, set[type]] = {
    "FP64": {float, int},
    "FP32": {float, int},
    "BOOL": {bool},
    "BYTES": {str},
}
_PYTHON_TYPES.update({name: {int} for name in _INTEGERS})
_LARGEST_FLOAT = 3.4028234e38
_NULL = type(None)
_NOT_A_NUMBER = re.compile(rb"[\[,:\s]-?(NaN|Infinity|nan|inf)\b")
_LONGEST_ID = 200


class InputTensor(msgspec.Struct):
    """One column of a request: `data` holds `shape` values, row by row."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] = {}


class OutputWish(msgspec.Struct):
    """An output that a request asks for by name."""

    name: str
    parameters: dict[str, Any] = {}


class Request(msgspec.Struct):
    """The body of an inference request as the protocol has it."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[OutputWish] = []


class Question(msgspec.Struct, frozen=True):
    """A request that fits the model: `rows` rows, column by column in the order of the signature."""

    columns: dict[str, list[Any]]
    rows: int
    id: str
    outputs: tuple[str, ...]


_decoder = msgspec.json.Decoder(Request)


def datatype(column: Column) -> str:
    """The protocol's name for the type of a column, such as `FP64`."""
    return _DATATYPE[column.dtype]


def decode_request(body: bytes, signature: Signature) -> Question:
    """Read and check a request's body. Raises InvalidRequest with what was expected and found."""
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            what="The request is not an inference request",
            expected='{"inputs": [{"name", "shape", "datatype", "data"}, …]}',
            found=str(error),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(body, str(error)) from None
    _check_id(request.id)
    tensors = _by_name(request.inputs, signature)
    rows = _rows(request.inputs)
    columns = {column.name: _values(tensors[column.name], column) for column in signature.inputs}
    return Question(columns, rows, request.id, tuple(wish.name for wish in request.outputs))


def _not_json(body: bytes, reason: str) -> InvalidRequest:
    if literal := _NOT_A_NUMBER.search(body):
        return InvalidRequest(
            what="The request is not JSON",
            expected="numbers or null",
            found=literal[1].decode(),
            fix="Send null where a value is missing.",
        )
    return InvalidRequest(what="The request is not JSON", found=reason)


def _check_id(name: str) -> None:
    if len(name) > _LONGEST_ID or not (name.isprintable() or not name):
        raise InvalidRequest(
            expected=f"an id of at most {_LONGEST_ID} printable characters", found=repr(name[:40])
        )


def _by_name(tensors: list[InputTensor], signature: Signature) -> dict[str, InputTensor]:
    given = {tensor.name: tensor for tensor in tensors}
    known = [column.name for column in signature.inputs]
    if len(given) == len(tensors) == len(known) and all(name in given for name in known):
        return given
    if len(given) != len(tensors):
        names = [tensor.name for tensor in tensors]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(expected="each column once", found=f"{twice!r} more than once")
    missing = [name for name in known if name not in given]
    for name in given:
        if name not in known:
            near = get_close_matches(name, missing or known, n=1)
            raise InvalidRequest(
                what=f"The model has no column {name!r}",
                expected=", ".join(known),
                found=name,
                fix=f"Did you mean {near[0]!r}?" if near else "",
            )
    raise InvalidRequest(
        what="The request lacks columns of the model",
        expected=", ".join(known),
        found=f"no {', '.join(missing)}",
        fix="Send null where the value of a nullable column is missing.",
    )


def _rows(tensors: list[InputTensor]) -> int:
    """The number of rows, the same in every column."""
    first = tensors[0]
    rows = first.shape[0] if first.shape else 0
    for tensor in tensors:
        shape = tensor.shape
        if not shape or len(shape) > 2 or shape[1:] not in ([], [1]):
            raise InvalidRequest(
                what=f"The shape of {tensor.name!r} is not that of a column",
                expected="[n] or [n, 1]",
                found=str(shape),
            )
        if shape[0] != rows:
            raise InvalidRequest(
                what="The columns have different numbers of rows",
                expected=f"{rows} as in {first.name!r}",
                found=f"{shape[0]} in {tensor.name!r}",
            )
        if len(tensor.data) != rows:
            raise InvalidRequest(
                what=f"The data of {tensor.name!r} do not fill its shape",
                expected=f"{rows} values",
                found=str(len(tensor.data)),
            )
    if rows < 1:
        raise InvalidRequest(expected="at least one row", found=str(rows))
    return rows


def _values(tensor: InputTensor, column: Column) -> list[Any]:
    """The flat values of a tensor. A column of nothing but nulls may call itself any known datatype."""
    data = tensor.data
    if type(data[0]) is list:
        data = _flat(tensor)
    kinds = set(map(type, data))
    if _NULL in kinds:
        if not column.nullable:
            raise _refused(tensor, column, "null")
        kinds.discard(_NULL)
        if not kinds and tensor.datatype in _PYTHON_TYPES:
            return data
    if tensor.datatype not in _ACCEPTED[column.dtype]:
        raise InvalidRequest(
            what=f"The column {tensor.name!r} has another datatype",
            expected=datatype(column),
            found=tensor.datatype or "none",
        )
    if not kinds <= _PYTHON_TYPES[tensor.datatype]:
        odd = next(value for value in data if type(value) not in {_NULL, *_PYTHON_TYPES[tensor.datatype]})
        raise _refused(tensor, column, msgspec.json.encode(odd).decode()[:60])
    if column.dtype in {"float", "int"}:
        _check_range(tensor, column, data)
    return data


def _flat(tensor: InputTensor) -> list[Any]:
    if all(type(item) is list and len(item) == 1 for item in tensor.data):
        return [item[0] for item in tensor.data]
    raise InvalidRequest(
        what=f"The data of {tensor.name!r} do not fill its shape",
        expected=str(tensor.shape),
        found="nested lists",
    )


def _check_range(tensor: InputTensor, column: Column, data: Sequence[Any]) -> None:
    bits = _INTEGERS.get(tensor.datatype)
    bound = 2 ** (bits - 1) if bits else _LARGEST_FLOAT
    for value in data:
        if value is not None and not -bound <= value < bound:
            raise _refused(tensor, column, f"{value!r:.60}")


def _refused(tensor: InputTensor, column: Column, found: str) -> InvalidRequest:
    nullable = " or null" if column.nullable else ""
    return InvalidRequest(
        what=f"The column {tensor.name!r} holds a value that it may not",
        expected=f"{tensor.datatype or datatype(column)}{nullable}",
        found=found,
    )
