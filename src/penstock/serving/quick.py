"""The usual inference request, read and checked in one go by a decoder made for the model's signature.

It takes what the general way takes and gives the same columns, or it gives nothing: then the general way says
what is wrong, or reads what is unusual (columns in another order, nested data, other datatypes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.columns import LARGEST_FLOAT, LARGEST_INTEGER, Question

_MOST_KEPT = 256
_TYPES: dict[str, tuple[Any, Any]] = {
    "float": (Literal["FP64", "FP32"], Annotated[float, msgspec.Meta(ge=-LARGEST_FLOAT, lt=LARGEST_FLOAT)]),
    "int": (Literal["INT64"], Annotated[int, msgspec.Meta(ge=LARGEST_INTEGER[0], le=LARGEST_INTEGER[1] - 1)]),
    "bool": (Literal["BOOL"], bool),
    "string": (Literal["BYTES"], str),
}
"""The datatypes of a column's values as they are usually sent, and the values."""


class _Reader(msgspec.Struct, frozen=True):
    """What reads the requests to models of a signature, whose columns are `names`."""

    signature: Signature
    names: tuple[str, ...]
    decode: Callable[[bytes], Any]


def read_usual(body: bytes, signature: Signature) -> Question | None:
    """The request, if it is a usual one: columns in order and nothing asked for but the answer."""
    reader = _readers.get(id(signature)) or _reader(signature)
    try:
        request = reader.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    inputs = request.inputs
    values = [tensor.data for tensor in inputs]
    rows = len(values[0])
    shape = [rows]
    for tensor in inputs:
        if len(tensor.data) != rows or tensor.shape != shape:
            return None
    return Question(dict(zip(reader.names, values, strict=False)), rows, request.id) if rows else None


def _reader(signature: Signature) -> _Reader:
    """The reader of a signature; each is made once as long as its model is in use."""
    tensors = tuple(_tensor(column) for column in signature.inputs)
    fields: list[Any] = [("inputs", tuple[tensors]), ("id", str, "")]  # type: ignore[valid-type]
    request = msgspec.defstruct("Request", fields, forbid_unknown_fields=True)
    names = tuple(column.name for column in signature.inputs)
    made = _Reader(signature, names, msgspec.json.Decoder(request).decode)
    if len(_readers) >= _MOST_KEPT:
        _readers.clear()
    _readers[id(signature)] = made  # which keeps the signature, so that its id stays its own
    return made


_readers: dict[int, _Reader] = {}


def _tensor(column: Column) -> type[msgspec.Struct]:
    datatypes, value = _TYPES[column.dtype]
    if column.nullable:
        value = value | None
    fields: list[Any] = [
        ("name", Literal[column.name]),
        ("shape", list[int]),
        ("datatype", datatypes),
        ("data", list[value]),  # type: ignore[valid-type]
    ]
    return msgspec.defstruct("Tensor", fields, forbid_unknown_fields=True, gc=False)
