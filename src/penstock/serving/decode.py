"""Reads Open Inference Protocol v2 requests, JSON alone or with tensors as bytes behind it."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.core.errors import InvalidRequest
from penstock.models.types import Signature
from penstock.serving.binary import read_tensors
from penstock.serving.columns import Question, Tensor, fitting, not_json, wants_explanation
from penstock.serving.encode import EXPLANATION
from penstock.serving.quick import read_usual

_LONGEST_ID = 200
OUTPUTS = ("score", "label", "probabilities", EXPLANATION)


class OutputWish(msgspec.Struct):
    """An output that a request asks for by name."""

    name: str
    parameters: dict[str, Any] = {}


class Request(msgspec.Struct):
    """The body of an inference request as the protocol has it."""

    inputs: list[Tensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[OutputWish] = []


_decoder = msgspec.json.Decoder(Request)


def decode_request(body: bytes, signature: Signature, json_length: int | None = None) -> Question:
    """Read and check a request's body, of which the first `json_length` bytes are JSON (None: all) and the
    rest the tensors that come as bytes.

    Raises InvalidRequest with what was expected and found.
    """
    if json_length is None and (usual := read_usual(body, signature)):
        _check_id(usual.id)
        return usual
    text = body if json_length is None else body[:json_length]
    try:
        request = _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            what="The request is not an inference request",
            expected='{"inputs": [{"name", "shape", "datatype", "data"}, …]}',
            found=str(error),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(text, error, "The request is not JSON") from None
    _check_id(request.id)
    read_tensors(request.inputs, signature, memoryview(body)[len(text) :])
    columns, rows = fitting(request.inputs, signature)
    outputs = tuple(wish.name for wish in request.outputs)
    explain = wants_explanation(request.parameters)
    return Question(columns, rows, request.id, outputs, _as_bytes(request), explain=explain)


def _as_bytes(request: Request) -> frozenset[str]:
    """The outputs that are asked for as bytes."""
    if not request.outputs:
        return frozenset(OUTPUTS) if request.parameters.get("binary_data_output") else frozenset()
    default = request.parameters.get("binary_data_output", False)
    return frozenset(w.name for w in request.outputs if w.parameters.get("binary_data", default))


def fits_id(name: str) -> bool:
    """Whether a prediction may be called so."""
    return len(name) <= _LONGEST_ID and name.isprintable()


def _check_id(name: str) -> None:
    if not fits_id(name):
        raise InvalidRequest(
            expected=f"an id of at most {_LONGEST_ID} printable characters", found=repr(name[:40])
        )
