"""The protocols in which the prediction service is asked, each answering what the others answer."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor.http import Request
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import Table
from penstock.serving.encode import encode_request
from penstock.serving.types import Plan
from penstock.testing.asked import asked
from penstock.testing.contracts.prediction import plan
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.tiny_onnx import sigmoid_version

ROWS = [{"wind": 2.0, "carrier": "UA"}, {"wind": None, "carrier": "AA"}]
COLUMNS: dict[str, list[Any]] = {"wind": [2.0, None], "carrier": ["UA", "AA"]}
LISTS = [[2.0, "UA"], [None, "AA"]]
PREDICTED = [True, False]


class Told(NamedTuple):
    """A status, headers by their names, and a body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class House:
    """A server with one model, `delay`."""

    def __init__(self, folder: Path) -> None:
        self.blobs = MemoryBlobs()
        self.kept = PlanFile(folder)
        self.online = SqliteOnline(folder / "online.db")
        self.table = Table(self.blobs, self.kept, self.online)
        self.follow(plan(1, sigmoid_version(self.blobs, 1)))
        self.folder = folder / "predictions"
        self.log = LogWriter(self.folder)
        self.server = Server(self.table, self.log, "key")

    def follow(self, wanted: Plan) -> None:
        self.kept.save(wanted)
        self.table.resume()

    def ask(self, path: str, body: Any = b"", media: str = "application/json", **headers: str) -> Told:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        named = {"content-type": media, **{name.replace("_", "-"): text for name, text in headers.items()}}
        raw = {name.encode(): text.encode() for name, text in named.items()}
        told = asked(self.server.answer, Request("POST" if data else "GET", path, headers=raw, body=data))
        named = {name.decode(): text.decode() for name, text in told.headers}
        return Told(told.status, {"content-type": told.media.decode(), **named}, told.body)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.log.close()
    made.online.close()


def test_rows_are_answered_row_by_row(house: House) -> None:
    told = house.ask("/predict/delay", {"rows": ROWS}).json
    assert (told["model"], told["version"], told["variant"]) == ("delay", 1, "champion")
    assert [row["prediction"] for row in told["rows"]] == PREDICTED
    assert told["rows"][1]["probabilities"] == pytest.approx({"false": 0.5, "true": 0.5})
    assert told["rows"][1]["id"] == f"{told['rows'][0]['id']}/1"


def test_values_that_nobody_expects_are_counted_or_refused(house: House) -> None:
    version = sigmoid_version(house.blobs, 2)
    rules = {"wind": {"at_most": 1.5, "nulls": 0.0}, "carrier": {"one_of": ["UA", "B6"], "matches": "[A-Z]+"}}
    house.follow(plan(2, msgspec.structs.replace(version, expected=rules)))
    for _ in range(2):
        assert house.ask("/predict/delay", {"rows": ROWS}).status == 200
    told = text_string_to_metric_families(house.ask("/metrics").body.decode())
    counted = {
        (sample.labels["column"], sample.labels["rule"]): sample.value
        for family in told
        if family.name == "penstock_unexpected_values"
        for sample in family.samples
    }
    assert counted == {("wind", "at_most 1.5"): 2, ("wind", "nulls 0"): 2, ("carrier", "one_of"): 2}

    strict = {
        "wind": {"at_least": 9, "warn": ["at_least"], "at_most": 1.5, "matches": "[0-9]+", "refuse": True},
        "carrier": {"one_of": ["UA", "B6"], "at_least": 0, "refuse": True},
    }
    house.follow(plan(3, msgspec.structs.replace(sigmoid_version(house.blobs, 3), expected=strict)))
    refused = house.ask("/predict/delay", {"rows": ROWS})
    assert refused.status == 400
    assert refused.json["error"] == (
        "The column 'wind' holds a value that nobody expects: expected at_most 1.5; found 2.0."
    )
    refused = house.ask("/predict/delay", {"rows": ROWS[1:]})
    assert refused.json["error"].endswith("expected one of 'UA', 'B6'; found 'AA'.")
    assert house.ask("/predict/delay", {"rows": [{"carrier": "UA", "wind": 1.0}]}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": ROWS},
        {"dataframe_records": [{**row, "gate": 7} for row in ROWS]},
        {
            "dataframe_split": {
                "columns": ["carrier", "wind"],
                "index": [0, 1],
                "data": [r[::-1] for r in LISTS],
            }
        },
        {"instances": ROWS},
        {"instances": LISTS, "params": {}},
        {"inputs": COLUMNS},
        {"inputs": ROWS},
    ],
)
def test_every_form_of_mlflow_is_answered(house: House, body: dict[str, Any]) -> None:
    for path in ("/invocations", "/invocations/delay"):
        told = house.ask(path, body, "application/json; charset=utf-8")
        assert (told.status, told.json["predictions"]) == (200, PREDICTED)


def test_csv_and_parquet_are_answered(house: House) -> None:
    text = house.ask("/invocations", b'carrier,wind,gate\nUA,2.0,7\n"AA",,8\n', "text/csv")
    assert text.json["predictions"] == PREDICTED
    file = io.BytesIO()
    pl.DataFrame(COLUMNS).write_parquet(file)
    assert (
        house.ask("/invocations", file.getvalue(), "application/vnd.apache.parquet").json["predictions"]
        == PREDICTED
    )


def test_a_small_parquet_file_of_many_rows_or_long_texts_is_refused(house: House) -> None:
    for carrier in (pl.repeat("UA", 2_000_000, eager=True), pl.repeat("A" * 700_000, 100, eager=True)):
        file = io.BytesIO()
        pl.DataFrame({"wind": pl.repeat(2.0, len(carrier), eager=True), "carrier": carrier}).write_parquet(
            file
        )
        told = house.ask("/invocations/delay", file.getvalue(), "application/vnd.apache.parquet")
        assert (told.status, b"at most" in told.body) == (413, True)


def test_kserves_first_protocol_is_answered(house: House) -> None:
    assert house.ask("/v1/models/delay:predict", {"instances": ROWS}).json["predictions"] == PREDICTED
    assert house.ask("/v1/models").json == {"models": ["delay"]}
    assert house.ask("/v1/models/delay").json == {"name": "delay", "ready": True}


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/predict/delay", {"rows": [{"wnd": 1.0, "carrier": "UA"}]}, "no column 'wnd'.*Did you mean 'wind'"),
        ("/predict/delay", {"rows": []}, "expected the columns wind, carrier; found none"),
        ("/predict/delay", {"rows": [1]}, "a list of rows, each an object"),
        ("/predict/delay", {"instances": ROWS}, "'rows' and nothing else; found instances"),
        ("/predict/delay", {"rows": [{"wind": 1.0}]}, "lacks columns.*no carrier"),
        ("/predict/delay", {"rows": [{"wind": "calm", "carrier": "UA"}]}, "'wind' holds a value"),
        (
            "/predict/delay",
            {"rows": [*ROWS, {"wind": [13], "carrier": "UA"}]},
            r"'wind' holds a value.*null; found \[13\] in row 2\.$",
        ),
        ("/predict/delay", {"rows": [{"wind": 1, "carrier": {"a": 1}}]}, r"'carrier' holds .* in row 0\.$"),
        ("/predict/delay", b"[1]", "not a JSON object"),
        ("/predict/delay", b'{"rows": [{"wind": NaN, "carrier": "UA"}]}', "no NaN.*Write null"),
        ("/v1/models/delay:predict", b'{"instances": [[NaN, "UA"]]}', "no NaN.*found NaN"),
        ("/predict/other", {"rows": ROWS}, "No model 'other' answers here: found delay"),
        ("/v1/models/delay:predict", {"instances": [[1.0]]}, r"rows of 2 values; found \[1.0\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    house: House, path: str, body: Any, sentence: str
) -> None:
    told = house.ask(path, body)
    assert told.status in {400, 404}
    with pytest.raises(ValueError, match=sentence):
        raise ValueError(told.json["error"])


@pytest.mark.parametrize(
    ("body", "media", "status", "code", "sentence"),
    [
        ({"instances": ROWS, "inputs": ROWS}, "application/json", 400, "BAD_REQUEST", "exactly one of"),
        ([1], "application/json", 400, "BAD_REQUEST", "not a JSON object"),
        (b'{"inputs": {"wind": [-Infinity]}}', "application/json", 400, "BAD_REQUEST", "found -Infinity"),
        ({"messages": []}, "application/json", 400, "BAD_REQUEST", "exactly one of"),
        (
            {"inputs": ROWS, "params": {"k": 3}},
            "application/json",
            400,
            "BAD_REQUEST",
            "takes no such params",
        ),
        ({"inputs": ROWS}, "application/x-npy", 415, "BAD_REQUEST", "found application/x-npy"),
        ({"inputs": ROWS}, "application/json; charset=latin-1", 415, "BAD_REQUEST", "charset=utf-8"),
        (b"wind,carrier\n1.0\n", "text/csv", 400, "BAD_REQUEST", "as many values.*line 2"),
        (b"PAR1", "application/vnd.apache.parquet", 400, "BAD_REQUEST", "not Parquet"),
    ],
)
def test_mlflow_is_refused_in_its_own_form(
    house: House, body: Any, media: str, status: int, code: str, sentence: str
) -> None:
    told = house.ask("/invocations", body, media)
    assert (told.status, told.json["error_code"]) == (status, code)
    with pytest.raises(ValueError, match=sentence):
        raise ValueError(told.json["message"])


def test_which_model_is_meant_must_be_said_where_there_are_several(house: House) -> None:
    one = plan(1, sigmoid_version(house.blobs, 1))
    other = msgspec.structs.replace(one.models[0], name="other")
    house.follow(msgspec.structs.replace(one, models=(*one.models, other)))
    told = house.ask("/invocations", {"inputs": ROWS})
    assert told.status == 404
    assert "delay, other. Name it: /invocations/MODEL" in told.json["message"]
    assert house.ask("/invocations/other", {"inputs": ROWS}).json["predictions"] == PREDICTED


def with_bytes(wind: bytes, carrier: bytes, **more: Any) -> tuple[bytes, int]:
    """A request whose tensors come as bytes, and how long its JSON is."""
    inputs = [
        {"name": "wind", "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": len(wind)}},
        {
            "name": "carrier",
            "shape": [2],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(carrier)},
        },
    ]
    text = msgspec.json.encode({"inputs": inputs, **more})
    return text + wind + carrier, len(text)


WIND = struct.pack("<2f", 2.0, float("nan"))
CARRIER = b"\x02\0\0\0UA\x02\0\0\0AA"


def test_tensors_as_bytes_mean_the_same(house: House) -> None:
    body, length = with_bytes(WIND, CARRIER, id="a")
    told = house.ask("/v2/models/delay/infer", body, inference_header_content_length=str(length))
    assert told.json == house.ask("/v2/models/delay/infer", encode_request(COLUMNS, "a")).json


def test_outputs_come_as_bytes_where_they_are_asked_for(house: House) -> None:
    wishes = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "score"}]
    body, length = with_bytes(WIND, CARRIER, outputs=wishes)
    told = house.ask("/v2/models/delay/infer", body, inference_header_content_length=str(length))
    size = int(told.headers["inference-header-content-length"])
    label, score = msgspec.json.decode(told.body[:size])["outputs"]
    assert told.headers["content-type"] == "application/octet-stream"
    assert label["parameters"] == {"binary_data_size": len(told.body) - size}
    assert told.body[size:] == b"\x04\0\0\0true\x05\0\0\0false"
    assert score["data"][1] == pytest.approx(0.5)
    whole, length = with_bytes(WIND, CARRIER, parameters={"binary_data_output": True})
    every = house.ask("/v2/models/delay/infer", whole, inference_header_content_length=str(length))
    size = int(every.headers["inference-header-content-length"])
    sizes = [
        put["parameters"]["binary_data_size"] for put in msgspec.json.decode(every.body[:size])["outputs"]
    ]
    assert sum(sizes) == len(every.body) - size


@pytest.mark.parametrize(
    ("wind", "carrier", "cut", "sentence"),
    [
        (WIND[:6], CARRIER, 0, "are no FP32: expected whole values.*found 6 bytes"),
        (WIND[:4], CARRIER, 0, "do not fill its shape"),
        (WIND, CARRIER[:7], 0, "are no texts.*at text 1"),
        (WIND, b"\xff\xff\xff\xff", 0, "are no texts.*at text 0"),
        (WIND, b"\x01\0\0\0\xff\x01\0\0\0A", 0, "are no texts"),
        (WIND, CARRIER, 3, "The bytes of 'carrier' are not there"),
        (WIND, CARRIER, -3, "longer than its tensors: expected no more bytes; found 3 more"),
        (struct.pack("<2f", 2.0, float("inf")), CARRIER, 0, "'wind' holds a value.*found inf"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(
    house: House, wind: bytes, carrier: bytes, cut: int, sentence: str
) -> None:
    body, length = with_bytes(wind, carrier)
    sent = body[:-cut] if cut > 0 else body + b"x" * -cut
    told = house.ask("/v2/models/delay/infer", sent, inference_header_content_length=str(length))
    assert told.status == 400
    with pytest.raises(ValueError, match=sentence):
        raise ValueError(told.json["error"])


@pytest.mark.parametrize("length", ["x", "-1", "999999"])
def test_a_wrong_length_of_the_json_is_refused(house: House, length: str) -> None:
    body, _ = with_bytes(WIND, CARRIER)
    told = house.ask("/v2/models/delay/infer", body, inference_header_content_length=length)
    assert (told.status, "length of the JSON is wrong" in told.json["error"]) == (400, True)


def test_half_floats_do_not_come_as_json(house: House) -> None:
    halves = {"name": "wind", "shape": [1], "datatype": "FP16", "data": [1.0]}
    carrier = {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]}
    told = house.ask("/v2/models/delay/infer", {"inputs": [halves, carrier]})
    assert (told.status, "FP16" in told.json["error"]) == (400, True)


def test_prometheus_is_told_of_requests_rows_and_refusals(house: House) -> None:
    house.ask("/predict/delay", {"rows": ROWS})
    house.ask("/v2/models/delay/infer", encode_request(COLUMNS))
    house.ask("/predict/delay", {"rows": []})
    house.ask("/v2/models/delay/versions/1/infer", {"inputs": []})
    house.ask("/predict/" + "x" * 50, {"rows": ROWS})
    told = house.ask("/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(told.body.decode())}
    place = {"model": "delay", "version": "1", "variant": "champion", "environment": "production"}
    count = next(s for s in families["penstock_request_seconds"].samples if s.name.endswith("_count"))
    assert (count.labels, count.value) == (place, 2)
    [rows] = families["penstock_predictions"].samples
    assert (rows.labels, rows.value) == (place, 4)
    refused = {
        (s.labels["model"], s.labels["variant"], s.labels["status"]): s.value
        for s in families["penstock_refused_requests"].samples
    }
    assert refused == {
        ("delay", "champion", "400"): 1,
        ("delay", "direct", "400"): 1,
        ("", "champion", "404"): 1,
    }
    for stage in ("preprocess", "predict", "postprocess"):
        last = next(s for s in families[f"request_{stage}_seconds"].samples if s.name.endswith("_count"))
        assert (last.labels, last.value) == ({"model_name": "delay"}, 2)


def test_answers_are_explained_where_that_is_asked_for(house: House) -> None:
    told = house.ask("/predict/delay", {"rows": ROWS, "explain": True}).json
    for row in told["rows"]:
        why = row["explanation"]
        assert why["scale"] == "log-odds"
        assert abs(sum(why["contributions"].values()) - (why["value"] - why["baseline"])) < 1e-3
        assert abs(1 / (1 + math.exp(-why["value"])) - row["score"]) < 1e-6
    assert "explanation" not in house.ask("/predict/delay", {"rows": ROWS, "explain": False}).json["rows"][0]
    assert house.ask("/predict/delay", {"rows": ROWS, "explain": "yes"}).status == 400
    assert house.ask("/predict/delay", {"rows": ROWS * 10, "explain": True}).status == 400


def test_without_its_examples_a_version_answers_and_says_why_it_explains_nothing(house: House) -> None:
    version = house.table.state.live["delay", 1].served
    assert house.blobs.delete(version.examples)
    refused = house.ask("/predict/delay", {"rows": ROWS, "explain": True})
    assert refused.status >= 400
    assert version.examples[:12] in refused.body.decode()
    assert len(house.ask("/predict/delay", {"rows": ROWS}).json["rows"]) == len(ROWS)


def test_the_other_protocols_explain_in_their_own_words(house: House) -> None:
    rows = house.ask("/predict/delay", {"rows": ROWS, "explain": True}).json["rows"]
    wanted = [row["explanation"] for row in rows]
    usual = msgspec.json.decode(encode_request(COLUMNS))
    for _ in range(2):  # the same form but for the wish is answered most quickly
        assert [each["name"] for each in house.ask("/v2/models/delay/infer", usual).json["outputs"]] == [
            "score", "label", "probabilities"]  # fmt: skip
        told = house.ask("/v2/models/delay/infer", usual | {"parameters": {"explain": True}}).json
        explanation = told["outputs"][-1]
        assert (explanation["name"], explanation["datatype"], explanation["shape"]) == (
            "explanation",
            "BYTES",
            [2],
        )
        assert list(map(msgspec.json.decode, explanation["data"])) == wanted
    some = {"parameters": {"explain": True, "binary_data_output": True}, "outputs": [{"name": "score"}]}
    reply = house.ask("/v2/models/delay/infer", usual | some)
    head = msgspec.json.decode(reply.body[: int(reply.headers["inference-header-content-length"])])
    assert [each["name"] for each in head["outputs"]] == ["score", "explanation"]
    assert house.ask("/v2/models/delay/infer", usual | {"parameters": {"explain": 1}}).status == 400

    asked = {"dataframe_records": ROWS}
    assert "explanations" not in house.ask("/invocations", asked | {"params": {}}).json
    told = house.ask("/invocations", asked | {"params": {"explain": True}}).json
    assert (told["predictions"], told["explanations"]) == (PREDICTED, wanted)
    refused = house.ask("/invocations", asked | {"params": {"explain": True, "depth": 3}})
    assert (refused.status, "no such params" in refused.json["message"]) == (400, True)


def test_redacted_columns_are_not_logged_and_what_is_left_out_is_counted(house: House) -> None:
    [model] = plan(1, sigmoid_version(house.blobs, 1)).models
    house.follow(Plan(clock=None, models=(replace(model, redact=("carrier",), log_share=20),)))
    for _ in range(100):
        house.ask("/predict/delay", {"rows": ROWS})
    house.log.flush()
    log = JsonlPredictionLog(house.folder)
    kept = [record for segment in log.segments() for record in log.read(segment, 0, 1000)[0]]
    assert 5 < len(kept) < 40
    assert {tuple(record.inputs) for record in kept} == {("wind",)}
    told = house.ask("/metrics").body.decode().splitlines()
    [left] = [line for line in told if line.startswith("penstock_unlogged_predictions_total")]
    assert float(left.split()[-1]) == 2 * (100 - len(kept))


def test_a_model_of_which_nothing_is_logged_answers_and_is_counted(house: House) -> None:
    [model] = plan(1, sigmoid_version(house.blobs, 1)).models
    house.follow(Plan(clock=None, models=(replace(model, log_share=0),)))
    inputs = [
        {"name": "wind", "shape": [1], "datatype": "FP64", "data": [1.5]},
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
    ]
    told = [house.ask("/v2/models/delay/infer", {"inputs": inputs, "id": "a"}) for _ in range(3)]
    assert {reply.body for reply in told} == {told[0].body}
    house.log.flush()
    assert not JsonlPredictionLog(house.folder).segments()
    metrics = house.ask("/metrics").body.decode().splitlines()
    [left] = [line for line in metrics if line.startswith("penstock_unlogged_predictions_total")]
    assert float(left.split()[-1]) == 3


def test_whoever_asks_whether_it_lives_is_told(house: House) -> None:
    assert house.ask("/ping").status == house.ask("/health").status == house.ask("/version").status == 200
