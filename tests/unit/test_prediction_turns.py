"""Questions of one turn of the loop are asked together, and none suffers for another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.adapters.formats.onnx import OnnxRuntime
from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor.http import Reply, Request
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import Table
from penstock.serving.answers import Examples, gains_together
from penstock.serving.encode import encode_request
from penstock.testing.contracts.prediction import plan
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.prediction import SigmoidRuntime
from penstock.testing.tiny_onnx import sigmoid_version


class House:
    """A server whose model fails in storms, and how many rows it was asked at a time."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("penstock.adapters.predictor.table.gains_together", lambda *_: True)
        self.asked: list[int] = []
        predict = OnnxRuntime.predict

        def counted(runtime: OnnxRuntime, columns: Mapping[str, Sequence[Any]]) -> Any:
            self.asked.append(len(columns["wind"]))
            return predict(runtime, columns)

        blobs = MemoryBlobs()
        PlanFile(folder).save(plan(1, sigmoid_version(blobs, 1, fault="raises")))
        table = Table(blobs, PlanFile(folder), SqliteOnline(folder / "online.db"))
        table.resume()
        monkeypatch.setattr(OnnxRuntime, "predict", counted)
        self.folder = folder / "predictions"
        self.log = LogWriter(self.folder)
        self.server = Server(table, self.log, "key")

    def ask(self, *winds: list[float]) -> list[Reply]:
        """Requests that all come in one turn."""

        async def once() -> list[Reply]:
            coming = []
            for wind in winds:
                body = encode_request({"wind": wind, "carrier": ["UA"] * len(wind)})
                coming.append(asyncio.get_running_loop().create_future())
                request = Request("POST", "/v2/models/delay/infer", body=body)
                self.server.answer(request, coming[-1].set_result)
            return list(await asyncio.gather(*coming))

        return asyncio.run(once())


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(tmp_path, monkeypatch)
    yield made
    made.log.close()


def scores(reply: Reply) -> list[float]:
    found: list[float] = msgspec.json.decode(reply.body)["outputs"][0]["data"]
    return found


def test_what_comes_in_one_turn_is_asked_at_once_and_each_gets_its_own(house: House) -> None:
    winds = [[1.0], [2.0, 3.0], [4.0]]
    alone = [scores(house.ask(wind)[0]) for wind in winds]
    house.asked.clear()
    together = house.ask(*winds)
    assert house.asked == [4]
    assert [scores(reply) for reply in together] == [pytest.approx(each, rel=1e-6) for each in alone]
    house.log.flush()
    log = JsonlPredictionLog(house.folder)
    [segment] = log.segments()
    assert [record.inputs["wind"] for record in log.read(segment, 0, 10)[0]] == winds * 2


def test_a_question_that_fails_fails_alone(house: House) -> None:
    calm, storm, breeze = house.ask([1.0], [8.0], [2.0])
    assert [calm.status, storm.status, breeze.status] == [200, 500, 200]
    assert house.asked == [3, 1, 1, 1]


def test_a_large_question_waits_for_nobody(house: House) -> None:
    house.ask([1.0] * 200, [1.0] * 200, [1.0] * 300)
    assert sorted(house.asked) == [200, 200, 300]


class Company(SigmoidRuntime):
    """A model whose answer to a row depends on the others."""

    def predict(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        score, label, chances = super().predict(columns)
        return [value - len(score) / 1000 for value in score], label, chances


def test_rows_that_depend_on_their_company_are_never_asked_together() -> None:
    inputs: dict[str, list[Any]] = {"wind": [1.0, 2.0], "carrier": ["UA", "AA"]}
    examples = Examples(inputs=inputs, score=[0.7, 0.9], label=["true", "true"])
    assert not gains_together(Company(), examples)
    assert not gains_together(
        SigmoidRuntime(), Examples(inputs={"wind": [1.0], "carrier": ["UA"]}, score=[0.7], label=["true"])
    )
