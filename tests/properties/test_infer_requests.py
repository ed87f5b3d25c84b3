"""Whatever is sent, the prediction service answers it or refuses it in one sentence; it never fails."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor.http import Request
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import Table
from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.columns import Question, whole
from penstock.serving.decode import decode_request
from penstock.serving.encode import encode_request
from penstock.serving.quick import read_known, read_usual
from penstock.testing.asked import asked
from penstock.testing.contracts.prediction import plan
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.prediction import SIGMOID_SIGNATURE
from penstock.testing.tiny_onnx import sigmoid_version

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.lists(st.floats(-1, 1), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["wind", "carrier", "carier", ""]),
        "shape": st.lists(st.integers(-1, 3), max_size=3),
        "datatype": st.sampled_from(["FP64", "FP32", "INT64", "INT8", "BYTES", "BOOL", "FP16", ""]),
        "data": st.lists(values, max_size=3),
    }
)
near = st.builds(
    lambda wind, carrier, rows: {
        "inputs": [
            {"name": "wind", "shape": [rows], "datatype": "FP64", "data": [wind] * rows},
            {"name": "carrier", "shape": [rows, 1], "datatype": "BYTES", "data": [[carrier]] * rows},
        ]
    },
    values,
    values,
    st.integers(0, 3),
)
requests = st.one_of(
    near,
    st.fixed_dictionaries(
        {"inputs": st.lists(tensors, max_size=3)},
        optional={"id": st.text(), "outputs": st.just([{"name": "score"}])},
    ),
)
bodies = st.one_of(
    requests.map(msgspec.json.encode),
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"[" * 100_000,
            b'{"inputs":[{"name":"wind","shape":[1],"datatype":"FP64","data":[NaN]}]}',
            b"\xff\xfe{}",
        ]
    ),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home: Path = tmp_path_factory.mktemp("home")
    blobs = MemoryBlobs()
    PlanFile(home).save(plan(1, sigmoid_version(blobs, 1)))
    table = Table(blobs, PlanFile(home), SqliteOnline(home / "online.db"))
    table.resume()
    log = LogWriter(home / "predictions")
    yield Server(table, log, "key")
    log.close()


def ask(
    server: Server,
    body: bytes,
    path: str = "/v2/models/delay/infer",
    method: str = "POST",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> tuple[int, Any]:
    told = asked(server.answer, Request(method, path, headers=dict(headers), body=body))
    return told.status, msgspec.json.decode(told.body)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
def test_every_body_is_answered_or_refused_in_one_sentence(server: Server, body: bytes) -> None:
    status, told = ask(server, body)
    if status == 200:
        assert told["outputs"][0]["name"] == "score"
        assert all(0 <= score <= 1 for score in told["outputs"][0]["data"])
    else:
        assert status == 400
        assert list(told) == ["error"]
        assert told["error"].endswith((".", "?"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.tuples(*[st.sampled_from(["FP64", "FP32", "FP16", "UINT8", "BOOL", "BYTES", ""])] * 2),
    sizes=st.tuples(st.integers(-1, 12), st.integers(-1, 12)),
    raw=st.binary(max_size=24),
    length=st.none() | st.binary(max_size=4),
)
def test_tensors_as_bytes_are_answered_or_refused_in_one_sentence(
    server: Server, kinds: tuple[str, str], sizes: tuple[int, int], raw: bytes, length: bytes | None
) -> None:
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "parameters": {"binary_data_size": size}}
        for name, kind, size in zip(("wind", "carrier"), kinds, sizes, strict=True)
    ]
    text = msgspec.json.encode({"inputs": inputs})
    said = str(len(text)).encode() if length is None else length
    status, told = ask(server, text + raw, headers=((b"inference-header-content-length", said),))
    assert status == 400 or (status == 200 and 0 <= told["outputs"][0]["data"][0] <= 1)
    assert status == 200 or told["error"].endswith((".", "?"))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.recursive(
        values,
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "rows",
                        "instances",
                        "inputs",
                        "wind",
                        "carrier",
                        "data",
                        "columns",
                        "dataframe_split",
                        "dataframe_records",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=6,
    ),
    path=st.sampled_from(["/predict/delay", "/invocations", "/v1/models/delay:predict"]),
    media=st.sampled_from([b"application/json", b"text/csv", b"application/vnd.apache.parquet", b""]),
)
def test_rows_of_any_form_are_answered_or_refused_in_one_sentence(
    server: Server, body: Any, path: str, media: bytes
) -> None:
    status, told = ask(server, msgspec.json.encode(body), path, headers=((b"content-type", media),))
    assert status in {200, 400, 415}
    assert status == 200 or (told.get("error") or told["message"]).endswith((".", "?"))


rows = st.lists(st.tuples(st.floats(-1, 1), st.just("UA")), min_size=1, max_size=3)
FORMS: dict[str, tuple[str, Callable[[list[list[Any]]], Any]]] = {
    "rows": ("/predict/delay", lambda rows: {"rows": _records(rows)}),
    "dataframe_split": ("/invocations", lambda rows: {"dataframe_split": {"columns": NAMES, "data": rows}}),
    "dataframe_records": ("/invocations", lambda rows: {"dataframe_records": _records(rows)}),
    "instances": ("/invocations", lambda rows: {"instances": rows}),
    "inputs by row": ("/invocations", lambda rows: {"inputs": _records(rows)}),
    "inputs by column": (
        "/invocations",
        lambda rows: {"inputs": dict(zip(NAMES, zip(*rows, strict=True), strict=True))},
    ),
    "v1": ("/v1/models/delay:predict", lambda rows: {"instances": rows}),
    "v1 by name": ("/v1/models/delay:predict", lambda rows: {"instances": _records(rows)}),
    "v2": (
        "/v2/models/delay/infer",
        lambda rows: {
            "inputs": [
                {"name": name, "shape": [len(rows)], "datatype": kind, "data": list(values)}
                for name, kind, values in zip(NAMES, ("FP64", "BYTES"), zip(*rows, strict=True), strict=True)
            ]
        },
    ),
}
NAMES = ["wind", "carrier"]


def _records(rows: list[list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, form=st.sampled_from(sorted(FORMS)), data=st.data())
def test_a_list_or_an_object_is_no_value_in_any_form(
    server: Server, rows: list[tuple[Any, ...]], form: str, data: st.DataObject
) -> None:
    path, write = FORMS[form]
    headers = ((b"content-type", b"application/json"),)
    given = [list(row) for row in rows]
    assert ask(server, msgspec.json.encode(write(given)), path, headers=headers)[0] == 200
    at, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 1))
    wrap: Callable[[Any], Any] = data.draw(
        st.sampled_from([lambda value: [value], lambda value: {"a": value}, lambda _: [], lambda _: {}])
    )
    for row in data.draw(st.sampled_from([given[at : at + 1], given[at:]])):  # one of them, or all from there
        row[column] = wrap(row[column])
    status, told = ask(server, msgspec.json.encode(write(given)), path, headers=headers)
    sentence = told.get("error") or told["message"]
    assert status == 400
    assert f"The column {NAMES[column]!r} holds a value that it may not" in sentence
    assert sentence.endswith(f" in row {at}.")


@settings(max_examples=100, deadline=None)
@given(
    path=st.lists(
        st.sampled_from(
            [
                "v2",
                "models",
                "delay",
                "versions",
                "1",
                "0",
                "²",
                "x",
                "",
                "infer",
                "ready",
                "-",
                "plan",
                "loaded",
            ]
        )
    ),
    method=st.sampled_from(["GET", "POST", "PUT"]),
)
def test_every_path_is_answered_or_refused(server: Server, path: list[str], method: str) -> None:
    status, told = ask(server, b"{}", "/" + "/".join(path), method)
    assert status in {200, 400, 403, 404}
    assert status == 200 or list(told) == ["error"]


usual = st.builds(
    lambda wind, carrier, name: msgspec.json.encode(
        {
            "id": name,
            "inputs": [
                {"name": "wind", "shape": [len(wind)], "datatype": "FP64", "data": wind},
                {"name": "carrier", "shape": [len(carrier)], "datatype": "BYTES", "data": carrier},
            ],
        }
    ),
    st.lists(st.one_of(st.none(), st.floats(-4e38, 4e38), st.integers(-(2**70), 2**70)), max_size=3),
    st.lists(st.one_of(st.text(max_size=3), st.none()), max_size=3),
    st.sampled_from(["", "order-7"]),
)


FORM = (
    b'{"inputs": [{"name": "wind", "shape": [1], "datatype": "FP64", "data": [%b]},'
    b' {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": [%b]}], "id": "%b"}'
)
texts = st.one_of(
    st.sampled_from(
        [
            b"1",
            b"-1.5e-3",
            b"01",
            b"1.",
            b"-",
            b"1e999",
            b"null",
            b"true",
            b"NaN",
            b"[1]",
            b"1, 2",
            b"",
            b" 1 ",
        ]
    ),
    st.sampled_from(
        [b'"UA"', b'""', b'"U]"', b'"U", "A"', b'"\\n"', b'"\n"', b'"\xff"', b'"UA', b'"\xc3\xa4"']
    ),
)
TABLE = (
    b'{"inputs": [{"name": "wind", "shape": [%b], "datatype": "FP64", "data": [%b]},'
    b' {"name": "carrier", "shape": [%b], "datatype": "BYTES", "data": [%b]}]}'
)
shapes = st.sampled_from([b"2", b"2", b"2", b"1", b"3", b"02", b"", b"2.0", b"22222222222"])
pairs = st.lists(texts, min_size=2, max_size=3).map(b", ".join)
formed = st.one_of(
    st.builds(lambda *given: FORM % given, texts, texts, st.sampled_from([b"", b"order-7", b'"', b"\xff"])),
    st.builds(lambda rows, *given: TABLE % (rows, given[0], rows, given[1]), shapes, pairs, pairs),
    st.builds(lambda *given: TABLE % given, shapes, pairs, shapes, texts),
)


@settings(max_examples=300, deadline=None)
@given(known=st.one_of(usual, formed), body=st.one_of(usual, formed, bodies))
def test_what_is_read_at_once_is_what_the_general_way_reads(known: bytes, body: bytes) -> None:
    fresh = replace(SIGMOID_SIGNATURE)
    read_usual(FORM % (b"1.5", b'"UA"', b"a"), fresh)
    read_usual(TABLE % (b"2", b"1.5, 2", b"2", b'"UA", null'), fresh)
    read_usual(known, fresh)
    known_form = read_known(body, fresh)
    for quick in (read_usual(body, fresh), None if known_form is None else whole(known_form)):
        if quick is None:
            continue
        # what tells its length is read the general way
        assert replace(quick, written=()) == decode_request(body, SIGMOID_SIGNATURE, len(body))
        assert as_written(quick) in ([], list(quick.columns.values()))


PAIR = (
    b'{"inputs": [{"name": "a", "shape": [2], "datatype": "FP64", "data": %b},'
    b' {"name": "b", "shape": [2], "datatype": "FP64", "data": %b}]}'
)
halves = [
    *(
        b"[1, 2]",
        b"[0.1, -2.5e-3]",
        b"[1]",
        b"[1, 2, 3]",
        b"[[1, 2]",
        b"2]]",
        b"[[], 1]",
        b"[1, [2, 3]",
        b"4]",
    ),
    *(b"[1, null]", b"[1, 9007199254740992]", b"[1, 36893488147419103232]", b"[1, 4e38]", b"[1, 1e999]"),
    *(b"[1,\n2]", b'[1, "2"]', b"[1, true]", b'[1, {"a": 2}]', b"[01, 2]", b"[1, 2,]", b"[NaN, 1]", b"[]"),
]


def test_arrays_of_numbers_are_what_the_general_way_reads() -> None:
    nullable = Column(name="b", dtype="float", nullable=True)
    signature = Signature(inputs=(Column(name="a", dtype="float"), nullable), task="regression", classes=())
    read_usual(PAIR % (b"[1, 2]", b"[3, 4]"), signature)
    read = 0
    for body in (PAIR % pair for pair in itertools.product(halves, halves)):
        if quick := read_known(body, signature):
            read += 1
            assert replace(whole(quick), written=()) == decode_request(body, signature, len(body))
            assert as_written(whole(quick)) == list(whole(quick).columns.values())
    assert read == 4 * 5  # the second column may have a null


ONE = (
    b'{"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [%b]},'
    b' {"name": "b", "shape": [1], "datatype": "FP64", "data": [%b]}, '
    b' {"name": "c", "shape": [1], "datatype": "INT64", "data": [%b]}]}'
)
single = [
    *(b"1", b"-0.5e3", b" 2 ", b"null", b"36893488147419103232", b"4e38", b"1e999", b"01", b"NaN", b"true"),
    *(b"", b" ", b"1,", b",1", b"1,2", b"1\n", b"[1", b"1]", b"[1]", b'"1"', b'1,"', b'",1', b'{"a":', b"1}"),
]


def test_rows_of_numbers_are_what_the_general_way_reads() -> None:
    nullable = Column(name="b", dtype="float", nullable=True)
    inputs = (Column(name="a", dtype="float"), nullable, Column(name="c", dtype="int"))
    signature = Signature(inputs=inputs, task="regression", classes=())
    read_usual(ONE % (b"1", b"2", b"3"), signature)
    read = 0
    for body in (ONE % each for each in itertools.product(single, repeat=3)):
        if quick := read_known(body, signature):
            read += 1
            assert replace(whole(quick), written=()) == decode_request(body, signature, len(body))
            assert as_written(whole(quick)) == list(whole(quick).columns.values())
    assert read == 4 * 5 * 2  # the second column may have a null, the third no fraction


def as_written(question: Question) -> list[Any]:
    """The columns as the prediction log has them: each on one line."""
    assert not any(b"\n" in bytes(text) for text in question.written)
    return [msgspec.json.decode(text) for text in question.written]


@pytest.mark.parametrize("ends", [b"", b"\n"], ids=["on one line", "on several"])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_usual_request_is_read_at_once(rows: int, ends: bytes) -> None:
    fresh = replace(SIGMOID_SIGNATURE)
    body = encode_request({"wind": [1.0, None][:rows], "carrier": ["U,A]", "AA"][:rows]}, "order-7")
    body = body.replace(b":[", b":" + ends + b"[").replace(b",null", ends + b",null")
    assert read_known(body, fresh) is None
    first, row = read_usual(body, fresh), read_known(body, fresh)
    again = read_usual(body, fresh) if row is None else whole(row)
    assert (row is None) == (rows > 1)
    assert first is not None
    assert again is not None
    known = decode_request(body, SIGMOID_SIGNATURE, len(body))
    assert replace(first, written=()) == replace(again, written=()) == known
    assert as_written(again) == ([] if rows > 1 and ends else list(known.columns.values()))


def test_the_id_of_a_request_is_the_id_of_its_prediction_however_often_it_is_asked(server: Server) -> None:
    body = encode_request({"wind": [1.0, 2.0], "carrier": ["UA", "AA"]}, "order-7")
    first, again = ask(server, body), ask(server, body)
    assert first == again
    assert first[1]["id"] == "order-7"
    assert first[1]["parameters"]["prediction_ids"] == ["order-7", "order-7/1"]
