"""Columns of a question, checked against what a model takes; what does not fit is refused in one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
import numpy as np

from penstock.core.errors import InvalidRequest
from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.types import Attribution, Lookup

_BOUNDS = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1)) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits) for bits in (8, 16, 32, 64)},
}
"""The smallest value of an integer, and the first that is too large."""
_ACCEPTED = {
    "float": {"FP64", "FP32", "FP16", *_BOUNDS},
    "int": set(_BOUNDS),
    "bool": {"BOOL"},
    "string": {"BYTES"},
}
_DATATYPE = {"float": "FP64", "int": "INT64", "bool": "BOOL", "string": "BYTES"}
_PYTHON_TYPES: dict[str, set[type]] = {
    "FP64": {float, int},
    "FP32": {float, int},
    "FP16": {float, int},
    "BOOL": {bool},
    "BYTES": {str},
}
_PYTHON_TYPES.update({name: {int} for name in _BOUNDS})
LARGEST_FLOAT = 3.4028234e38
LARGEST_INTEGER = _BOUNDS["INT64"]
_NULL = type(None)
_NOT_A_NUMBER = re.compile(rb"[\[,:\s](-?(?:NaN|Infinity|nan|inf))\b")


class Tensor(msgspec.Struct):
    """One column of a request: `data` holds `shape` values, row by row."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] = []
    parameters: dict[str, Any] = {}


class Question(msgspec.Struct, frozen=True):
    """A request that fits the model: `rows` rows, column by column in the order of the signature.

    `outputs` are those that were asked for, () for all; `binary` those of them that come as bytes; `lookups`
    are what was read online for it, by view. Answers that it wants to `explain` are `explained`, row by row.
    `written` are the columns as the request has them, JSON on one line, where it was read so (see
    `serving.quick`); such a question wants nothing but its answer.
    """

    columns: dict[str, list[Any]]
    rows: int
    id: str = ""
    outputs: tuple[str, ...] = ()
    binary: frozenset[str] = frozenset()
    lookups: dict[str, Lookup] = {}
    explain: bool = False
    explained: tuple[Attribution, ...] = ()
    written: tuple[bytes | msgspec.Raw, ...] = ()


class Row(msgspec.Struct, frozen=True, gc=False):
    """A usual question of one row, as it is read most quickly: `values` of the columns called `names`, in the
    order of the signature, which are `written` so in the request, each JSON on one line. `rows` is 1.
    """

    names: tuple[str, ...]
    values: tuple[Any, ...]
    id: str
    written: tuple[bytes, ...]
    rows: int = 1


class Block(msgspec.Struct, frozen=True, gc=False):
    """The same of several `rows`: `columns` in the order of the signature, those of floats as arrays of 64
    bits of shape (rows,), which are `written` so in the request, each JSON on one line. It has no id.
    """

    columns: dict[str, Any]
    rows: int
    written: tuple[bytes, ...]
    id: str = ""


Asked = Question | Row | Block


def in_columns(asked: Asked) -> Question | Block:
    """A question that has columns."""
    return whole(asked) if isinstance(asked, Row) else asked


def whole(asked: Asked) -> Question:
    """A question with all that one may have, its columns as lists."""
    if isinstance(asked, Question):
        return asked
    if isinstance(asked, Block):
        lists = {
            name: values.tolist() if isinstance(values, np.ndarray) else values
            for name, values in asked.columns.items()
        }
        return Question(lists, asked.rows, written=asked.written)
    columns = {name: [value] for name, value in zip(asked.names, asked.values, strict=True)}
    return Question(columns, 1, asked.id, written=tuple(b"[%b]" % text for text in asked.written))


def datatype(column: Column) -> str:
    """The protocol's name for the type of a column, such as `FP64`."""
    return _DATATYPE[column.dtype]


def fitting(tensors: Sequence[Tensor], signature: Signature) -> tuple[dict[str, list[Any]], int]:
    """The columns in the order of the signature, and how many rows there are. Raises InvalidRequest."""
    found = _by_name(tensors, signature)
    rows = _rows(tensors)
    return {column.name: _values(found[column.name], column) for column in signature.inputs}, rows


def columns_of(given: Mapping[str, list[Any]], signature: Signature) -> Question:
    """The question that whole columns ask, each of the type that the model takes. Raises InvalidRequest."""
    kinds = {column.name: datatype(column) for column in signature.inputs}
    tensors = [Tensor(name, [len(values)], kinds.get(name, ""), values) for name, values in given.items()]
    if not tensors:
        raise InvalidRequest(expected=f"the columns {', '.join(kinds)}", found="none")
    columns, rows = fitting(tensors, signature)
    return Question(columns, rows)


def by_column(given: Any, signature: Signature) -> dict[str, list[Any]]:
    """Rows as columns; a value that may be null is null where a row lacks it. Raises InvalidRequest."""
    given = require_rows(given)
    names = dict.fromkeys(name for row in given for name in row)
    known = {column.name: column for column in signature.inputs}
    for name in names:
        if name in known and not known[name].nullable and (at := _without(given, name)) >= 0:
            raise InvalidRequest(what=f"Row {at} lacks a value", expected=name, found="none")
    return {name: [row.get(name) for row in given] for name in names}


def wants_explanation(given: Mapping[str, Any]) -> bool:
    """Whether the answers are to be explained, as `"explain": true` says. Raises InvalidRequest."""
    explain = given.get("explain", False)
    if not isinstance(explain, bool):
        raise InvalidRequest(expected='"explain": true or false', found=shortly(explain))
    return explain


def require_rows(given: Any) -> list[dict[str, Any]]:
    """What is a list of rows, each an object. Raises InvalidRequest."""
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise InvalidRequest(expected="a list of rows, each an object", found=shortly(given))
    return given


def not_json(body: bytes, error: Exception, what: str, expected: str = "") -> InvalidRequest:
    """The refusal of a body that cannot be read as JSON, which says so where it writes NaN as Python does."""
    literal = None if isinstance(error, msgspec.ValidationError) else _NOT_A_NUMBER.search(body)
    if literal:
        return InvalidRequest(
            what="The request is not JSON, which has no NaN and no infinity",
            expected="numbers or null",
            found=literal[1].decode(),
            fix="Write null where a value is missing.",
        )
    return InvalidRequest(what=what, expected=expected, found=str(error))


def shortly(value: Any) -> str:
    """A value as a sentence has room for it."""
    return f"{value!r:.60}"


def _without(rows: Sequence[Mapping[str, Any]], name: str) -> int:
    """The first row that has no such value, -1 if all have one."""
    return next((at for at, row in enumerate(rows) if name not in row), -1)


def _by_name(tensors: Sequence[Tensor], signature: Signature) -> dict[str, Tensor]:
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


def _rows(tensors: Sequence[Tensor]) -> int:
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


def _values(tensor: Tensor, column: Column) -> list[Any]:
    """The flat values of a tensor. A column of nothing but nulls may call itself any known datatype."""
    data = tensor.data
    if len(tensor.shape) > 1 and type(data[0]) is list:
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
        fit = {_NULL, *_PYTHON_TYPES[tensor.datatype]}
        at, odd = next((at, value) for at, value in enumerate(data) if type(value) not in fit)
        raise _refused(tensor, column, f"{msgspec.json.encode(odd).decode()[:60]} in row {at}")
    if column.dtype in {"float", "int"}:
        _check_range(tensor, column, data)
    return data


def _flat(tensor: Tensor) -> list[Any]:
    if all(type(item) is list and len(item) == 1 for item in tensor.data):
        return [item[0] for item in tensor.data]
    raise InvalidRequest(
        what=f"The data of {tensor.name!r} do not fill its shape",
        expected=str(tensor.shape),
        found="nested lists",
    )


def _check_range(tensor: Tensor, column: Column, data: Sequence[Any]) -> None:
    low, high = _BOUNDS.get(tensor.datatype, (-LARGEST_FLOAT, LARGEST_FLOAT))
    if column.dtype == "int":  # which the model computes with signed integers
        low, high = max(low, LARGEST_INTEGER[0]), min(high, LARGEST_INTEGER[1])
    for value in data:
        if value is not None and not low <= value < high:
            raise _refused(tensor, column, f"{value!r:.60}")


def _refused(tensor: Tensor, column: Column, found: str) -> InvalidRequest:
    nullable = " or null" if column.nullable else ""
    return InvalidRequest(
        what=f"The column {tensor.name!r} holds a value that it may not",
        expected=f"{tensor.datatype or datatype(column)}{nullable}",
        found=found,
    )
