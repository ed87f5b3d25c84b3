"""Tensors as bytes: the binary extension of the Open Inference Protocol, little-endian, row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.core.errors import InvalidRequest
from penstock.models.types import Signature
from penstock.serving.columns import Tensor

SIZE = "binary_data_size"
_LENGTH = 4
"""Bytes that say how long a text is, before each."""
_NUMPY = {
    "BOOL": "?",
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}


def read_tensors(tensors: Sequence[Tensor], signature: Signature, raw: memoryview) -> None:
    """Give the tensors that come as bytes their data, from the bytes in order.

    In a column that may be null NaN is null. Raises InvalidRequest for sizes and bytes that do not fit.
    """
    nullable = {column.name for column in signature.inputs if column.nullable}
    for tensor in tensors:
        if SIZE in tensor.parameters:
            size = tensor.parameters[SIZE]
            if type(size) is not int or not 0 <= size <= len(raw) or tensor.data:
                raise InvalidRequest(
                    what=f"The bytes of {tensor.name!r} are not there",
                    expected=f"{SIZE} of at most {len(raw)} and no data",
                    found=repr(size)[:40] if not tensor.data else "data as well",
                )
            tensor.data = _data(tensor, bytes(raw[:size]))
            raw = raw[size:]
            if tensor.name in nullable and tensor.datatype.startswith("FP"):
                tensor.data = [None if math.isnan(value) else value for value in tensor.data]
        elif tensor.datatype == "FP16":
            raise InvalidRequest(
                what=f"The column {tensor.name!r} is of FP16, which JSON does not have",
                expected="FP32, or the tensor as bytes",
                found="FP16",
            )
    if raw:
        raise InvalidRequest(
            what="The request is longer than its tensors", expected="no more bytes", found=f"{len(raw)} more"
        )


def write_tensor(datatype: str, values: Sequence[Any]) -> bytes:
    """Flat values as bytes."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join(len(text).to_bytes(_LENGTH, "little") + text for text in texts)
    return np.array(values, dtype=_NUMPY[datatype]).tobytes()


def _data(tensor: Tensor, raw: bytes) -> list[Any]:
    if tensor.datatype == "BYTES":
        return _texts(tensor, raw)
    kind = _NUMPY.get(tensor.datatype)
    if kind is None or len(raw) % np.dtype(kind).itemsize:
        raise InvalidRequest(
            what=f"The bytes of {tensor.name!r} are no {tensor.datatype or 'datatype'}",
            expected=f"whole values of one of {', '.join(_NUMPY)} or BYTES",
            found=f"{len(raw)} bytes",
        )
    values: list[Any] = np.frombuffer(raw, kind).tolist()
    return values


def _texts(tensor: Tensor, raw: bytes) -> list[str]:
    """Texts, each behind its length."""
    found, at = [], 0
    while at < len(raw):
        start = at + _LENGTH
        at = start + int.from_bytes(raw[at:start], "little")
        if start > len(raw) or at > len(raw):
            break
        try:
            found.append(raw[start:at].decode())
        except UnicodeDecodeError:
            break
    else:
        return found
    raise InvalidRequest(
        what=f"The bytes of {tensor.name!r} are no texts",
        expected="texts in UTF-8, each behind its length in 4 bytes",
        found=f"something else at text {len(found)}",
    )
