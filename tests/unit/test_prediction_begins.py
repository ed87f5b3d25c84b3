"""After a death a prediction process answers what loads quickly while children of other models start."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor import table as tables
from penstock.adapters.predictor.http import Reply, Request
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import Table
from penstock.core.errors import Corrupt
from penstock.models.types import NATIVE
from penstock.serving.encode import encode_request
from penstock.serving.types import Challenger, Plan, ServedModel, ServedVersion
from penstock.testing.asked import asked
from penstock.testing.contracts.prediction import NOON
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.prediction import SigmoidRuntime
from penstock.testing.tiny_onnx import sigmoid_version


class House:
    """A process that begins with the plan it kept, whose native versions start when `starts` is set."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.starts = threading.Event()
        self.begun: list[int] = []
        self.broken = False
        quick = tables.open_runtime

        def opened(version: ServedVersion, *rest: Any) -> Any:
            if version.format != NATIVE:
                return quick(version, *rest)
            assert self.starts.wait(30)
            self.begun.append(version.number)
            if self.broken:
                raise Corrupt(what="The model does not load in its own environment")
            return SigmoidRuntime(version.number)

        monkeypatch.setattr(tables, "open_runtime", opened)
        blobs = MemoryBlobs()
        one, two, three = (sigmoid_version(blobs, number) for number in (1, 2, 3))
        self.quick = ServedModel(name="quick", environment="production", champion=1, versions=(one,))
        slow = replace(self.quick, name="slow", champion=2, versions=(replace(two, format=NATIVE),))
        rival = Challenger(contest="r1", number=3, share=100)
        both = (one, replace(three, format=NATIVE))
        raced = replace(self.quick, name="raced", versions=both, challengers=(rival,))
        self.plan = Plan(clock=NOON, models=(slow, self.quick, raced))
        kept = PlanFile(folder)
        kept.save(self.plan)
        self.table = Table(blobs, kept, SqliteOnline(folder / "online.db"))
        self.table.resume()
        self.log = LogWriter(folder / "predictions")
        self.server = Server(self.table, self.log, "key")

    def reply(self, method: str, path: str, body: bytes = b"") -> Reply:
        return asked(
            self.server.answer, Request(method, path, headers={b"x-penstock-key": b"key"}, body=body)
        )

    def ask(self, model: str) -> Reply:
        body = encode_request({"wind": [1.0], "carrier": ["UA"]})
        return self.reply("POST", f"/v2/models/{model}/infer", body)

    def variant(self, model: str) -> str:
        told: str = json.loads(self.ask(model).body)["parameters"]["variant"]
        return told


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(tmp_path, monkeypatch)
    yield made
    made.starts.set()
    made.server.close()
    made.log.close()


def test_what_loads_quickly_answers_and_what_starts_a_process_says_when_to_come_again(house: House) -> None:
    assert house.ask("quick").status == 200
    assert house.reply("GET", "/v2/models/quick/ready").status == 200
    refused = house.ask("slow")
    assert (refused.status, dict(refused.headers)) == (503, {b"retry-after": b"1"})
    assert b"Version 2 of 'slow' is being loaded." in refused.body
    assert house.reply("GET", "/v2/models/slow/ready").status == 503
    assert house.reply("GET", "/v2/health/ready").status == 503
    house.starts.set()
    house.table.catch_up()
    assert house.ask("slow").status == 200
    assert house.reply("GET", "/v2/health/ready").status == 200


def test_no_contest_counts_that_its_challenger_still_starts(house: House) -> None:
    assert house.variant("raced") == "champion"
    assert json.loads(house.reply("GET", "/-/observed").body) == []
    house.starts.set()
    house.table.catch_up()
    assert house.variant("raced") == "challenger"
    [seen] = json.loads(house.reply("GET", "/-/observed").body)
    assert (seen["challenger"]["requests"], seen["challenger"]["errors"]) == (1, 0)


def test_plans_and_whoever_asks_by_number_wait_and_nothing_is_loaded_twice(house: House) -> None:
    more = replace(house.plan, models=(*house.plan.models, replace(house.quick, name="other")))
    body = encode_request({"wind": [1.0], "carrier": ["UA"]})
    with ThreadPoolExecutor(3) as threads:
        prepared = threads.submit(house.table.prepare, more)
        numbered = threads.submit(house.reply, "POST", "/v2/models/slow/versions/2/infer", body)
        told = threads.submit(house.table.loaded)
        assert house.ask("quick").status == 200
        assert not any(each.done() for each in (prepared, numbered, told))
        house.starts.set()
        assert numbered.result().status == 200
        assert all(each.ready for each in (*told.result(), *prepared.result().loaded))
    assert sorted(house.begun) == [2, 3]
    assert house.table.flip(prepared.result().plan)
    assert [house.ask(name).status for name in ("slow", "quick", "raced", "other")] == [200] * 4


def test_what_does_not_start_is_tried_once_and_says_why(house: House) -> None:
    house.broken = True
    house.starts.set()
    body = encode_request({"wind": [1.0], "carrier": ["UA"]})
    for path in ("/v2/models/slow/versions/2/infer", "/v2/models/slow/infer"):
        refused = house.reply("POST", path, body)
        assert refused.status == 503
        assert b"does not load in its own environment" in refused.body
        assert not refused.headers
    assert house.begun == [2, 3]
