from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.errors import InvalidRequest, InvalidValue
from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.decode import decode_request
from penstock.serving.encode import decode_answer, encode_answer, encode_metadata, encode_request
from penstock.serving.types import Answer

SIGNATURE = Signature(
    task="binary",
    inputs=(
        Column(name="hour", dtype="int"),
        Column(name="wind", dtype="float", nullable=True),
        Column(name="carrier", dtype="string"),
        Column(name="wet", dtype="bool"),
    ),
    classes=("false", "true"),
)


def column(name: str, datatype: str, *data: Any, shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": list(data)}


HOUR, WIND = column("hour", "INT64", 7, 8), column("wind", "FP64", 3.5, None)
CARRIER, WET = column("carrier", "BYTES", "UA", "AA"), column("wet", "BOOL", True, False)


def body(*inputs: dict[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({"inputs": inputs, **more})


def test_a_request_is_read_in_the_order_of_the_signature() -> None:
    question = decode_request(body(WET, CARRIER, WIND, HOUR, id="q1", outputs=[{"name": "score"}]), SIGNATURE)
    assert list(question.columns) == ["hour", "wind", "carrier", "wet"]
    assert question.columns["wind"] == [3.5, None]
    assert (question.rows, question.id, question.outputs) == (2, "q1", ("score",))


@pytest.mark.parametrize(
    "wind",
    [
        column("wind", "FP32", 3.5, None),
        column("wind", "INT32", 3, 4),
        column("wind", "FP64", 3, 4.5),
        column("wind", "FP64", [3.5], [None], shape=[2, 1]),
        column("wind", "BYTES", None, None),
    ],
)
def test_what_means_the_same_numbers_is_accepted(wind: dict[str, Any]) -> None:
    assert decode_request(body(HOUR, wind, CARRIER, WET), SIGNATURE).rows == 2


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"{", "The request is not JSON: found Input data was truncated"),
        (
            b'{"inputs":[{"data":[1.0,-Infinity]}]}',
            "no infinity: expected numbers or null; found -Infinity. Write null where a value is missing",
        ),
        (b'{"inputs":[{"data":[NaN]}]}', "has no NaN.*found NaN. Write null"),
        (b"[]", "The request is not an inference request"),
        (b'{"inputs":[{"name":"wind"}]}', r"missing required field `shape` - at `\$.inputs\[0\]`"),
        (body(HOUR, WIND, WET), "lacks columns of the model.*found no carrier"),
        (
            body(HOUR, WIND, column("carier", "BYTES", "UA", "AA"), WET),
            "no column 'carier'.*Did you mean 'carrier'",
        ),
        (body(HOUR, WIND, CARRIER, WET, column("gate", "BYTES", "A", "B")), "no column 'gate'"),
        (body(HOUR, WIND, CARRIER, WET, WET), "'wet' more than once"),
        (
            body(column("hour", "FP64", 7.0, 8.0), WIND, CARRIER, WET),
            "another datatype: expected INT64; found FP64",
        ),
        (
            body(HOUR, WIND, column("carrier", "INT64", 1, 2), WET),
            "another datatype: expected BYTES; found INT64",
        ),
        (
            body(HOUR, WIND, column("carrier", "BYTES", "UA", 2), WET),
            "'carrier' holds a value.*expected BYTES; found 2",
        ),
        (body(HOUR, column("wind", "FP64", 1.0, True), CARRIER, WET), "expected FP64 or null; found true"),
        (body(HOUR, column("wind", "FP64", 1.0, 1e39), CARRIER, WET), "found 1e[+]39"),
        (body(column("hour", "INT8", 7, 300), WIND, CARRIER, WET), "expected INT8; found 300"),
        (
            body(HOUR, WIND, column("carrier", "BYTES", "UA", None), WET),
            "'carrier' holds a value.*found null",
        ),
        (
            body(column("hour", "INT64", 7), WIND, CARRIER, WET),
            "different numbers of rows: expected 1 as in 'hour'",
        ),
        (
            body(column("hour", "INT64", 7, shape=[2]), WIND, CARRIER, WET),
            "do not fill its shape: expected 2 values",
        ),
        (
            body(column("hour", "INT64", 7, 8, shape=[1, 2]), WIND, CARRIER, WET),
            r"expected \[n\] or \[n, 1\]",
        ),
        (
            body(*({**c, "data": [], "shape": [0]} for c in (HOUR, WIND, CARRIER, WET))),
            "expected at least one row",
        ),
        (body(HOUR, WIND, CARRIER, WET, id="x" * 201), "an id of at most 200 printable"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_one_sentence(sent: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        decode_request(sent, SIGNATURE)


ANSWER = Answer(
    ids=("p", "p/1"),
    model="delay",
    version=3,
    variant="champion",
    score=(0.25, 0.75),
    label=("false", "true"),
    probabilities=((0.75, 0.25), (0.25, 0.75)),
)


def test_an_answer_comes_back_as_it_was_given() -> None:
    assert decode_answer(encode_answer(ANSWER)) == ANSWER


def test_an_answer_follows_the_protocol() -> None:
    told = msgspec.json.decode(encode_answer(ANSWER, ["probabilities"]))
    assert (told["model_name"], told["model_version"], told["id"]) == ("delay", "3", "p")
    assert told["parameters"] == {"prediction_id": "p", "variant": "champion", "prediction_ids": ["p", "p/1"]}
    assert told["outputs"] == [
        {"name": "probabilities", "shape": [2, 2], "datatype": "FP64", "data": [0.75, 0.25, 0.25, 0.75]}
    ]


def test_an_output_that_the_model_does_not_give_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no output 'odds': expected score, label, probabilities"):
        encode_answer(ANSWER, ["odds"])


def test_the_metadata_name_inputs_and_outputs() -> None:
    station = Column(name="station", dtype="string")
    told = msgspec.json.decode(encode_metadata("delay", [1, 2], "onnx_onnxruntime", SIGNATURE, [station]))
    assert told["versions"] == ["1", "2"]
    assert [(put["name"], put["datatype"]) for put in told["inputs"]] == [
        ("hour", "INT64"),
        ("wind", "FP64"),
        ("carrier", "BYTES"),
        ("wet", "BOOL"),
    ]
    assert told["outputs"][2] == {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}
    assert told["parameters"] == {"entities": [{"name": "station", "datatype": "BYTES"}]}


def test_a_client_sends_the_datatypes_that_its_values_have() -> None:
    sent = {"hour": [7, 8], "wind": [3, 2.5], "carrier": ["UA", "AA"], "wet": [True, False]}
    assert decode_request(encode_request(sent), SIGNATURE).columns == sent


def test_a_client_cannot_send_values_of_several_types() -> None:
    with pytest.raises(InvalidValue, match="'wind' cannot be sent"):
        encode_request({"wind": [1.0, "calm"]})
