"""Clients of Feast read features at the prediction address, by the rules of the system's own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import replace

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor.http import Reply, Request
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import Table
from penstock.app.api.roles import ROLES
from penstock.core.digests import digest_bytes
from penstock.core.errors import Unavailable
from penstock.datasets.types import Column
from penstock.features.records import encode_record, entity_key
from penstock.features.types import Computed, OnlineView, Origins
from penstock.revisions.types import Role
from penstock.serving.types import Holder, Offer, OfferedView
from penstock.testing.asked import asked
from penstock.testing.contracts.prediction import NOON, plan
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.tiny_onnx import sigmoid_version

WEATHER = OnlineView(
    id="flights:production:weather:2",
    name="weather",
    version="2",
    entity=(Column(name="origin", dtype="string"),),
    features=("wind", "rain"),
    ttl=3 * 3600.0,
)
BEFORE = replace(WEATHER, id="flights:production:weather:1", version="1")
UNFILLED = replace(WEATHER, id="", name="tides", features=())
NEAR = {b"host": b"127.0.0.1:4748", b"content-type": b"application/json"}
ASKED: dict[str, Any] = {"features": ["weather:wind"], "entities": {"origin": ["JFK", "BOS"]}}


class Place:
    """A prediction process whose champion was trained on a version of a view before the deployed one."""

    def __init__(self, folder: Path) -> None:
        self.kept = PlanFile(folder)
        self.online = SqliteOnline(folder / "online.db")
        self.table = Table(MemoryBlobs(), self.kept, self.online)  # type: ignore[arg-type]
        self.log = LogWriter(folder / "predictions")
        self.server = Server(self.table, self.log, "key")
        self.offer()
        for view, wind in ((WEATHER, 2.0), (BEFORE, 1.0)):
            moment = round((NOON - timedelta(minutes=5)).timestamp() * 1e6)
            record = encode_record(moment, moment, {"wind": wind, "rain": None})
            self.online.write(view.id, [(entity_key(["origin"], ["JFK"]), record)])

    def offer(self, *holders: Holder, free: bool = True) -> None:
        views = [
            OfferedView(project="flights", environment="staging", view=replace(WEATHER, id="elsewhere")),
            OfferedView(project="flights", environment="production", view=WEATHER),
            OfferedView(
                project="flights", environment="production", view=BEFORE, deployed=False, readers=("delay@1",)
            ),
            OfferedView(project="flights", environment="production", view=UNFILLED),
        ]
        storm = Computed(name="storm", text="wind * factor", of=("wind", "factor"))
        origins = Origins(
            views=(replace(BEFORE, features=("wind",)),),
            computed=(storm,),
            made_of=(Column(name="wind", dtype="float"), Column(name="factor", dtype="float")),
        )
        version = replace(sigmoid_version(self.table._blobs, 1), origins=origins)  # type: ignore[arg-type]
        offered = Offer(views=tuple(views), holders=holders, open=free)
        self.kept.save(replace(plan(1, version), offer=offered))
        self.table.resume()

    def reply(self, body: Any, **headers: bytes) -> Reply:
        named = NEAR | {name.replace("_", "-").encode(): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        request = Request("POST", "/get-online-features", headers=named, body=data)
        given: Reply = asked(self.server.answer, request)
        return given

    def told(self, body: Any, **headers: bytes) -> Any:
        return msgspec.json.decode(self.reply(body, **headers).body)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.server.close()
    made.log.close()
    made.online.close()


def test_the_deployed_version_answers_by_its_name_and_many_entities_as_few(place: Place) -> None:
    told = place.told(ASKED | {"include_feature_view_version_metadata": False})
    assert told == {
        "metadata": {"feature_names": ["origin", "wind"]},
        "results": [
            {
                "values": ["JFK", "BOS"],
                "statuses": ["PRESENT"] * 2,
                "event_timestamps": ["1970-01-01T00:00:00Z"] * 2,
            },
            {
                "values": [2.0, None],
                "statuses": ["PRESENT", "NOT_FOUND"],
                "event_timestamps": [
                    f"{NOON - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S}Z",
                    "1970-01-01T00:00:00Z",
                ],
            },
        ],
    }
    many = place.told(ASKED | {"entities": {"origin": ["JFK", "BOS"] * 5000}, "full_feature_names": True})
    assert many["metadata"]["feature_names"] == ["origin", "weather__wind"]
    assert many["results"][1]["values"] == [2.0, None] * 5000


def test_a_model_s_features_are_those_that_its_champion_was_trained_on_and_what_is_computed(
    place: Place,
) -> None:
    question = {"feature_service": "delay", "entities": {"origin": ["JFK", "BOS"], "factor": [3, 3.0]}}
    told = place.told(question)
    assert told["metadata"]["feature_names"] == ["origin", "factor", "wind", "storm"]
    assert [each["values"] for each in told["results"][2:]] == [[1.0, None], [3.0, None]]
    assert told["results"][3]["statuses"] == ["PRESENT", "NULL_VALUE"]
    one = {"feature_service": "delay@1", "features": ["weather:wind"], "entities": {"origin": ["JFK"]}}
    assert place.told(one)["results"][1]["values"] == [1.0]
    refused = place.reply({"feature_service": "delay", "entities": {"origin": ["JFK"]}})
    assert (refused.status, b"storm cannot be computed: expected factor" in refused.body) == (400, True)


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        (b"{", 400, "This does not ask for features"),
        (b'{"entities": {"origin": [NaN]}}', 400, "no NaN"),
        ({"feature": []}, 400, "unknown field `feature`"),
        ({}, 400, "features such as weather:wind"),
        (ASKED | {"features": ["weather"]}, 400, "written as view:feature"),
        (ASKED | {"features": ["wether:wind"]}, 404, "Did you mean `weather`"),
        (ASKED | {"features": ["weather:wnd"]}, 400, "Did you mean `wind`"),
        (ASKED | {"features": ["tides:high"]}, 404, "materialize tides --in production"),
        (ASKED | {"entities": {"orgin": ["JFK"]}}, 400, "asked by 'origin': expected origin; found orgin"),
        (ASKED | {"entities": {"origin": [1]}}, 400, "expected texts"),
        (ASKED | {"entities": {"origin": "JFK"}}, 400, "a list of values of origin"),
        (ASKED | {"entities": {}}, 400, "at least one column"),
        ({"feature_service": "dely", "entities": {"origin": ["JFK"]}}, 404, "delay"),
        (ASKED | {"feature_service": "delay@one"}, 400, "a version such as delay@3"),
        (ASKED | {"feature_service": "delay@7"}, 404, "no approved version 7"),
        (ASKED | {"feature_service": "delay@1", "features": ["weather:rain"]}, 400, "reads no weather:rain"),
        (ASKED | {"features": ["weather:wind"] * 2}, 400, "full_feature_names"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_a_sentence(
    place: Place, wrong: Any, status: int, said: str
) -> None:
    for _ in range(2):  # from the thread that opens the store, and at once
        reply = place.reply(wrong)
        assert (reply.status, said in msgspec.json.decode(reply.body)["error"]) == (status, True), reply.body
        place.told(ASKED)


def test_who_may_read_is_who_may_at_the_address_of_the_system(place: Place) -> None:
    assert ROLES["POST /get-online-features"] == set(get_args(Role)), "every holder of a token may"
    assert place.reply(ASKED, host=b"evil.example").status == 401
    assert place.reply(ASKED, x_forwarded_for=b"10.0.0.9").status == 401
    assert place.reply(ASKED, content_type=b"text/plain").status == 400
    one = Holder(token="1", digest=digest_bytes(b"one"), project="flights", environment="staging")
    old = Holder(token="2", digest=digest_bytes(b"old"), expires=datetime(2020, 1, 1, tzinfo=UTC))
    place.offer(one, old, free=False)
    assert place.reply(ASKED).status == 401
    assert place.reply(ASKED, authorization=b"Bearer two").status == 401
    assert (
        b'penstock_feature_requests_total{status="401"} 4.0'
        in asked(place.server.answer, Request("GET", "/metrics", headers={}, body=b"")).body
    )
    assert b"has expired" in place.reply(ASKED, authorization=b"Bearer old").body
    basic = b"Basic " + base64.b64encode(b"ada:one")
    assert place.told(ASKED, authorization=basic)["results"][1]["statuses"] == ["NOT_FOUND"] * 2, "staging's"
    refused = place.reply(ASKED | {"environment": "production"}, authorization=b"Bearer one")
    assert (refused.status, b"for the environment staging only" in refused.body) == (403, True)
    assert place.told(ASKED, authorization=b"Bearer key", host=b"evil.example")["results"]


def test_a_store_that_does_not_answer_and_a_view_that_goes_away_are_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise Unavailable(what="The online store cannot be read", found="Connection refused")

    place.told(ASKED)
    place.kept.save(replace(place.table.state.plan, offer=Offer(open=True)))
    place.table.resume()
    assert place.reply(ASKED).status == 404
    place.offer()
    with monkeypatch.context() as patch:
        patch.setattr(place.online, "read", away)
        assert place.reply(ASKED).status == 503
    assert place.reply(ASKED).status == 200
