"""A server over HTTP answers, and refuses, as the home itself would."""

import json

import httpx
import pytest

from penstock.adapters.remote import PredictionClient, RemoteApi
from penstock.core.errors import Conflict, InvalidRequest, NotFound, PenstockError, Unavailable


def answering(status: int, body: object) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _request: httpx.Response(status, json=body))


def test_get_asks_the_json_of_the_url_and_post_sends_json() -> None:
    asked = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, str(request.url), request.content))
        return httpx.Response(200, json={"items": []})

    api = RemoteApi("http://host:1/", transport=httpx.MockTransport(handle))
    assert api.call("GET", "/models/delay@3", {"limit": 5}) == {"items": []}
    api.call("POST", "/merge", {"branch": "dev"})
    assert asked[0][:2] == ("GET", "http://host:1/models/delay@3.json?limit=5")
    assert asked[1] == (
        "POST",
        "http://host:1/merge",
        json.dumps({"branch": "dev"}, separators=(",", ":")).encode(),
    )


@pytest.mark.parametrize("name", ["a/b?c", "a b", "100%"])
def test_a_name_in_a_path_comes_through_as_it_is(name: str) -> None:
    api = RemoteApi(
        "http://host",
        transport=httpx.MockTransport(lambda request: httpx.Response(200, json=request.url.path)),
    )
    assert api.call("GET", f"/why/{name}") == f"/why/{name}.json"


def test_an_error_of_the_server_is_the_same_error_here() -> None:
    error = Conflict(what="Not yet", expected="3 runs", found="2", fix="Wait.")
    with pytest.raises(Conflict) as refused:
        RemoteApi("http://host", transport=answering(409, error.as_dict())).call("POST", "/promote")
    assert str(refused.value) == str(error)
    assert refused.value.as_dict() == error.as_dict()


@pytest.mark.parametrize("body", [[], {"error": "no"}, {"code": "unheard_of"}])
def test_an_answer_that_is_not_penstocks_is_said_to_be_none(body: object) -> None:
    with pytest.raises(Unavailable, match="not Penstock's"):
        RemoteApi("http://host", transport=answering(500, body)).call("GET", "/status")


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    for call in (
        lambda: RemoteApi("http://host", transport=httpx.MockTransport(refuse)).call("GET", "/status"),
        lambda: PredictionClient("http://host", transport=httpx.MockTransport(refuse)).columns("delay"),
    ):
        with pytest.raises(Unavailable, match="penstock up"):
            call()


@pytest.mark.parametrize(("status", "kind"), [(400, InvalidRequest), (404, NotFound), (503, Unavailable)])
def test_a_refused_prediction_keeps_the_services_sentence(status: int, kind: type[PenstockError]) -> None:
    client = PredictionClient("http://host", transport=answering(status, {"error": "no such column"}))
    with pytest.raises(kind, match="no such column"):
        client.infer("delay", {"hour": [5]}, {"hour": "INT64"})


def test_columns_are_sent_as_the_protocol_spells_them() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=json.loads(request.content)))
    sent = PredictionClient("http://host", transport=transport).infer(
        "delay", {"hour": [5, 6]}, {"hour": "INT64"}
    )
    assert sent == {"inputs": [{"name": "hour", "shape": [2], "datatype": "INT64", "data": [5, 6]}]}
